//! Introspection (RFC 7662): of access tokens, for any registered client.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::answer::{Answer, through_fault};
use super::fault::Endpoint;
use super::ledger::{Event, digest};
use super::params::Params;
use super::server::Shared;
use super::token::client;
use super::wire::Plug;
use crate::clock;

pub(super) async fn introspect(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(plug): ConnectInfo<Plug>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let exchange = shared.ledger.begin();
    if let Ok(params) = Params::read(&body) {
        shared.ledger.write(exchange, Event::Introspected { token: digest(params.or_empty("token")) });
    }
    let work = || {
        let settings = shared.settings();
        let Ok(params) = Params::read(&body) else {
            return Answer::error(settings.dialect, "invalid_request", "a parameter stands twice");
        };
        if let Err(why) = client(&settings, &headers, &params) {
            return Answer::error(settings.dialect, "invalid_client", why);
        }
        let now = u64::try_from(clock::wall().as_millis()).expect("this side of the far future");
        match shared.store().dies(params.or_empty("token"), now) {
            Some(dies) => Answer::json(200, &json!({ "active": true, "exp": dies / 1000 })),
            None => Answer::json(200, &json!({ "active": false })),
        }
    };
    through_fault(&shared, &plug, Endpoint::Introspect, None, work).await
}
