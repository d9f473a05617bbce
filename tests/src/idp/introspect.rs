//! Introspection (RFC 7662): of access tokens, for any registered client.

use axum::response::Response;
use serde_json::json;

use super::answer::Answer;
use super::fault::Endpoint;
use super::ledger::{Event, digest};
use super::post::Post;
use crate::clock;

pub(super) async fn introspect(post: Post) -> Response {
    let shared = &post.shared;
    let exchange = shared.ledger.begin();
    if let Ok(params) = post.params() {
        shared.ledger.write(exchange, Event::Introspected { token: digest(params.or_empty("token")) });
    }
    post.answer(Endpoint::Introspect, |_, _, params| {
        Ok(match shared.store().dies(params.or_empty("token"), clock::millis()) {
            Some(dies) => Answer::json(200, &json!({ "active": true, "exp": dies / 1000 })),
            None => Answer::json(200, &json!({ "active": false })),
        })
    })
    .await
}
