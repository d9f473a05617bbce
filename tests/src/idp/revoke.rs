//! Revocation (RFC 7009): refresh tokens only, as at Auth0; an unknown token is a success (§2.2).

use axum::response::Response;

use super::answer::Answer;
use super::fault::Endpoint;
use super::ledger::Event;
use super::post::Post;

pub(super) async fn revoke(post: Post) -> Response {
    let shared = &post.shared;
    let exchange = shared.ledger.begin();
    post.answer(Endpoint::Revoke, |_, _, params| {
        if let Some(family) = shared.store().revoke_token(params.or_empty("token")) {
            shared.ledger.write(exchange, Event::Revoked { family });
        }
        Ok(Answer::empty(200))
    })
    .await
}
