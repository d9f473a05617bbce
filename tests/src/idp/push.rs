//! Pushed authorization requests (RFC 9126): the parameters by POST, a reference that works once and for a minute.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

use super::answer::{Answer, through_fault};
use super::fault::Endpoint;
use super::params::{Params, random};
use super::server::Shared;
use super::token::client;
use super::wire::Plug;

pub(super) async fn push(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(plug): ConnectInfo<Plug>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let work = || {
        let settings = shared.settings();
        let Ok(params) = Params::read(&body) else {
            return Answer::error(settings.dialect, "invalid_request", "a parameter stands twice");
        };
        if params.one("request_uri").is_some() {
            return Answer::error(settings.dialect, "invalid_request", "a request_uri may not be pushed (section 2.1)");
        }
        match client(&settings, &headers, &params) {
            Err(why) => Answer::error(settings.dialect, "invalid_client", why),
            Ok(_) => {
                let name = format!("urn:ietf:params:oauth:request_uri:{}", random("pu"));
                shared.store().pushed.insert(name.clone(), body.to_vec());
                Answer::json(201, &json!({ "request_uri": name, "expires_in": 60 }))
            }
        }
    };
    through_fault(&shared, &plug, Endpoint::Push, None, work).await
}
