//! The control door for scripts: settings, faults and ledger over HTTP. Tests in Rust use [`super::Idp`].

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Map, Value};

use super::answer::patch;
use super::fault::Fault;
use super::ledger::{Entry, Event};
use super::server::Shared;
use super::settings::Settings;

pub(super) async fn settings(State(shared): State<Arc<Shared>>) -> Json<Settings> {
    Json(shared.settings())
}

/// Merges fields into the settings; null resets nothing, it takes the field out, so its default applies.
pub(super) async fn change(
    State(shared): State<Arc<Shared>>,
    Json(fields): Json<Map<String, Value>>,
) -> Result<Json<Settings>, (StatusCode, String)> {
    let mut merged = serde_json::to_value(shared.settings()).expect("settings are plain data");
    patch(&mut merged, &fields);
    let merged: Settings =
        serde_json::from_value(merged).map_err(|fault| (StatusCode::BAD_REQUEST, fault.to_string()))?;
    shared.set(|settings| *settings = merged.clone());
    Ok(Json(merged))
}

pub(super) async fn plan(State(shared): State<Arc<Shared>>, Json(fault): Json<Fault>) -> StatusCode {
    shared.plan(fault);
    StatusCode::NO_CONTENT
}

pub(super) async fn clear(State(shared): State<Arc<Shared>>) -> StatusCode {
    shared.clear_faults();
    StatusCode::NO_CONTENT
}

pub(super) async fn ledger(State(shared): State<Arc<Shared>>) -> Json<Vec<Entry>> {
    Json(shared.ledger.entries())
}

pub(super) async fn revoke_all(State(shared): State<Arc<Shared>>) -> StatusCode {
    let ended = shared.store().revoke_all();
    let exchange = shared.ledger.begin();
    ended.into_iter().for_each(|family| shared.ledger.write(exchange, Event::Revoked { family }));
    StatusCode::NO_CONTENT
}
