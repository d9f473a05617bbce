//! A resource server: accepts a live access token, refuses any other (RFC 6750 §3).

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::server::Shared;
use crate::clock;

pub(super) async fn api(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let token = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .unwrap_or_default();
    let now = clock::millis();
    match shared.store().subject_of(token, now) {
        Some(subject) => axum::Json(json!({ "hello": subject })).into_response(),
        None => {
            let challenge = [(header::WWW_AUTHENTICATE, r#"Bearer error="invalid_token""#)];
            (StatusCode::UNAUTHORIZED, challenge, "this token is not good\n").into_response()
        }
    }
}
