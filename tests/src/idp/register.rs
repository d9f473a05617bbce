//! Dynamic client registration (RFC 7591), its undoing (RFC 7592 §2.3), and the description of the API as a protected
//! resource (RFC 9728). A client may come back to the addresses that it registered, to the byte.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde_json::{Value, json};

use super::answer::{Answer, patch, through_fault};
use super::fault::Endpoint;
use super::ledger::Event;
use super::params::random;
use super::server::Shared;
use super::settings::{Client, ClientAuth};
use super::wire::Plug;

pub(super) async fn register(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(plug): ConnectInfo<Plug>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let wanted = shared.settings().initial_access_token.clone();
    let work = || match serde_json::from_slice::<Value>(&body) {
        _ if wanted.is_some() && wanted.as_deref() != shown(&headers) => {
            Answer::json(401, &json!({ "error": "invalid_token" }))
        }
        Ok(asked @ Value::Object(_)) => Answer::json(201, &registered(&shared, asked)),
        Ok(_) | Err(_) => Answer::json(400, &json!({ "error": "invalid_client_metadata" })),
    };
    through_fault(&shared, &plug, Endpoint::Register, None, work).await
}

/// What was asked for, as far as the server does not know better, under a new name.
fn registered(shared: &Shared, mut client: Value) -> Value {
    let id = random("client");
    let uri = format!("{}/register/{id}", shared.base());
    let token = random("rat");
    client["client_id"] = id.clone().into();
    client["registration_client_uri"] = uri.into();
    client["registration_access_token"] = token.clone().into();
    patch(&mut client, &shared.settings().registration_patch);
    let auth = match client["token_endpoint_auth_method"].as_str() {
        Some("client_secret_basic") => ClientAuth::Basic,
        Some("client_secret_post") => ClientAuth::Post,
        _ => ClientAuth::None,
    };
    let secret = if auth == ClientAuth::None { String::new() } else { random("secret") };
    let mut store = shared.store();
    store.given_out.push(token.clone());
    store.registrations.insert(id.clone(), token);
    if !secret.is_empty() {
        client["client_secret"] = secret.clone().into();
        store.given_out.push(secret.clone());
    }
    drop(store);
    let uris = client["redirect_uris"].as_array().into_iter().flatten();
    let redirect_uris = uris.filter_map(|uri| uri.as_str().map(str::to_owned)).collect();
    shared.set(|settings| settings.clients.push(Client { id: id.clone(), auth, secret, redirect_uris }));
    shared.ledger.write(shared.ledger.begin(), Event::Registered { client: id });
    client
}

/// What was shown to be allowed (RFC 6750 §2.1).
fn shown(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

pub(super) async fn unregister(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(plug): ConnectInfo<Plug>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let work = || {
        let known = shared.store().registrations.get(&id).cloned();
        if known.is_none() || shown(&headers) != known.as_deref() {
            return Answer::empty(401);
        }
        shared.store().registrations.remove(&id);
        shared.set(|settings| settings.clients.retain(|client| client.id != id));
        shared.ledger.write(shared.ledger.begin(), Event::Unregistered { client: id.clone() });
        Answer::empty(204)
    };
    through_fault(&shared, &plug, Endpoint::Register, None, work).await
}

pub(super) async fn describe_api(State(shared): State<Arc<Shared>>, ConnectInfo(plug): ConnectInfo<Plug>) -> Response {
    let work = || {
        let mut described = json!({
            "resource": format!("{}/api", shared.base()),
            "authorization_servers": [shared.issuer()],
            "scopes_supported": ["profile"],
        });
        patch(&mut described, &shared.settings().resource_patch);
        Answer::json(200, &described)
    };
    through_fault(&shared, &plug, Endpoint::Metadata, None, work).await
}
