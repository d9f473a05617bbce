//! Pushed authorization requests (RFC 9126): the parameters by POST, a reference that works once and for a minute.

use axum::response::Response;
use serde_json::json;

use super::answer::Answer;
use super::fault::Endpoint;
use super::params::random;
use super::post::{Post, Refused};

pub(super) async fn push(post: Post) -> Response {
    post.answer(Endpoint::Push, |_, _, params| {
        if params.one("request_uri").is_some() {
            return Err(Refused("invalid_request", "a request_uri may not be pushed (section 2.1)"));
        }
        let name = format!("urn:ietf:params:oauth:request_uri:{}", random("pu"));
        post.shared.store().pushed.insert(name.clone(), post.body.to_vec());
        Ok(Answer::json(201, &json!({ "request_uri": name, "expires_in": 60 })))
    })
    .await
}
