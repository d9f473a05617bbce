//! The device flow (RFC 8628), with the statuses of Auth0 and GitHub in their dialects.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::response::{Html, Response};
use serde_json::json;

use super::answer::{Answer, patch};
use super::fault::Endpoint;
use super::params::{Params, random};
use super::post::{Post, Refused};
use super::server::Shared;
use super::settings::{Client, Dialect, Offline, Settings};
use super::store::{Login, Minted};
use crate::clock;

/// Device codes that wait for a person, and what became of them.
#[derive(Default)]
pub(super) struct Devices(HashMap<String, Pending>);

struct Pending {
    login: Login,
    user_code: String,
    allowed: Option<bool>,
    given: u64,
    last_poll: u64,
    /// It was said once that its time is over; Auth0 does not know it any more afterwards.
    told_expired: bool,
    /// It was redeemed.
    spent: bool,
}

/// Seconds between polls, short so that tests are.
pub(super) const INTERVAL: u64 = 1;

pub(super) async fn begin(post: Post) -> Response {
    let work = |settings: &Settings, client: &Client, params: &Params| {
        Ok(Answer::json(200, &pending(&post.shared, settings, client, params)))
    };
    post.answer(Endpoint::Device, work).await
}

fn pending(shared: &Shared, settings: &Settings, client: &Client, params: &Params) -> serde_json::Value {
    let scopes: Vec<String> = params.or_empty("scope").split_whitespace().map(str::to_owned).collect();
    let login = Login {
        client: client.id.clone(),
        subject: settings.subject.clone(),
        audience: params.one("audience").map(str::to_owned),
        nonce: None,
        redirect_uri: String::new(),
        challenge: String::new(),
        auth_time: clock::wall().as_secs(),
        details: params.one("authorization_details").map(str::to_owned),
        acr: None,
        offline: settings.offline == Offline::OnScope && scopes.iter().any(|scope| scope == "offline_access"),
        scopes,
    };
    let device_code = random("dc");
    let user_code = device_code[3..11].to_uppercase();
    let page = format!("{}/activate", shared.base());
    let complete = format!("{page}?user_code={user_code}");
    let given = clock::millis();
    let user_code_shown = user_code.clone();
    let entry = Pending { login, user_code, allowed: None, given, last_poll: 0, told_expired: false, spent: false };
    shared.devices.lock().expect("no holder panics").0.insert(device_code.clone(), entry);
    shared.store().given_out.push(device_code.clone());
    let mut answer = json!({
        "device_code": device_code, "user_code": user_code_shown, "verification_uri": page,
        "verification_uri_complete": complete, "expires_in": 900, "interval": INTERVAL,
    });
    patch(&mut answer, &settings.device_patch);
    answer
}

/// Whoever opens the address with a code allows it.
pub(super) async fn activate(State(shared): State<Arc<Shared>>, RawQuery(query): RawQuery) -> Html<&'static str> {
    let params = Params::read(query.unwrap_or_default().as_bytes());
    let code = params.as_ref().map_or("", |params| params.or_empty("user_code"));
    let mut devices = shared.devices.lock().expect("no holder panics");
    match devices.0.values_mut().find(|pending| pending.user_code == code) {
        Some(pending) => {
            pending.allowed = Some(true);
            Html("<!doctype html><title>Done</title><p>The device is connected.")
        }
        None => Html("<!doctype html><title>Device</title><p>No such code."),
    }
}

/// One poll (RFC 8628 §3.5).
pub(super) fn poll(
    shared: &Shared,
    settings: &Settings,
    client: &Client,
    params: &Params,
    now: u64,
) -> Result<Minted, Refused> {
    let mut devices = shared.devices.lock().expect("no holder panics");
    let code = params.or_empty("device_code");
    let pending = devices.0.get_mut(code).filter(|pending| pending.login.client == client.id);
    let pending = pending.ok_or(Refused("invalid_grant", "unknown device code"))?;
    if now >= pending.given + (settings.device_lifetime * 1000.0) as u64 {
        let again = std::mem::replace(&mut pending.told_expired, true);
        return match settings.dialect {
            Dialect::Auth0 if again => Err(Refused("invalid_grant", "Invalid or expired device code.")),
            Dialect::Auth0 | Dialect::Plain | Dialect::GitHub => Err(Refused("expired_token", "the code has expired")),
        };
    }
    if pending.spent && !settings.device_second_pair {
        return Err(Refused("invalid_grant", "the code was redeemed"));
    }
    let too_soon = now < pending.last_poll + INTERVAL * 1000;
    pending.last_poll = now;
    match pending.allowed.or(settings.device_consent) {
        _ if too_soon => Err(Refused("slow_down", "you poll too often")),
        None => Err(Refused("authorization_pending", "the person has not decided")),
        Some(false) => Err(Refused("access_denied", "the person said no")),
        Some(true) => {
            pending.spent = true;
            Ok(shared.store().found(pending.login.clone(), settings, now))
        }
    }
}
