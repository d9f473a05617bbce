//! Revocation (RFC 7009): refresh tokens only, as at Auth0; an unknown token is a success (§2.2).

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::Response;

use super::answer::{Answer, through_fault};
use super::fault::Endpoint;
use super::ledger::Event;
use super::params::Params;
use super::server::Shared;
use super::token::client;
use super::wire::Plug;

pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(plug): ConnectInfo<Plug>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let exchange = shared.ledger.begin();
    let work = || {
        let settings = shared.settings();
        let Ok(params) = Params::read(&body) else {
            return Answer::error(settings.dialect, "invalid_request", "a parameter stands twice");
        };
        if let Err(why) = client(&settings, &headers, &params) {
            return Answer::error(settings.dialect, "invalid_client", why);
        }
        let ended = shared.store().revoke_token(params.or_empty("token"));
        if let Some(family) = ended {
            shared.ledger.write(exchange, Event::Revoked { family });
        }
        Answer::empty(200)
    };
    through_fault(&shared, &plug, Endpoint::Revoke, None, work).await
}
