//! The token endpoint (RFC 6749 §3.2): code, refresh, device code, client credentials.

use aws_lc_rs::digest::{SHA256, digest as sha256};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::answer::{Answer, patch, through_fault};
use super::device;
use super::fault::Endpoint;
use super::keys::keys;
use super::ledger::{Event, digest};
use super::params::{Params, basic};
use super::post::{Post, Refused, client};
use super::server::Shared;
use super::settings::{Client, ClientAuth, Dialect, Dpop, Settings};
use super::store::{Login, Minted, Refusal};
use super::token_exchange::{self, TOKEN_EXCHANGE};
use crate::clock;

/// `grant_type` of RFC 8628 §3.4.
const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub(super) async fn token(post: Post) -> Response {
    let Post { shared, headers, .. } = &post;
    let exchange = shared.ledger.begin();
    let params = post.params();
    if let Ok(params) = &params {
        let token = params.one("refresh_token").or(params.one("code")).or(params.one("device_code"));
        let token = token.or(params.one("subject_token"));
        let received = Event::Received {
            grant: params.or_empty("grant_type").to_owned(),
            client: asks(headers, params),
            token: digest(token.unwrap_or_default()),
            audience: params.or_empty("audience").to_owned(),
        };
        shared.ledger.write(exchange, received);
    }
    let work = || {
        let settings = shared.settings();
        let granted = params.and_then(|params| grant(shared, &settings, exchange, headers, &params));
        let mut answer = match granted {
            Ok(answer) => Answer::json(200, &answer),
            Err(Refused(error, description)) => {
                shared.ledger.write(exchange, Event::Refused { error: error.into() });
                Answer::error(settings.dialect, error, description)
            }
        };
        if settings.dpop != Dpop::Off {
            shared.proofs().renew(settings.dpop, &mut answer);
        }
        answer
    };
    through_fault(shared, &post.plug, Endpoint::Token, Some(exchange), work).await
}

/// Who says to be asking.
fn asks(headers: &HeaderMap, params: &Params) -> String {
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    header.and_then(basic).map_or_else(|| params.or_empty("client_id").to_owned(), |(id, _)| id)
}

fn grant(
    shared: &Shared,
    settings: &Settings,
    exchange: u64,
    headers: &HeaderMap,
    params: &Params,
) -> Result<Value, Refused> {
    let client = client(settings, headers, params)?;
    let key = match settings.dpop {
        Dpop::Off => None,
        Dpop::NonceAlways | Dpop::NonceAtRefusals => {
            Some(shared.proofs().check(headers, &format!("{}/oauth/token", shared.base()))?)
        }
    };
    let now = clock::millis();
    let grant_type = params.or_empty("grant_type");
    let minted = match grant_type {
        "authorization_code" => code(shared, settings, client, params, now),
        "refresh_token" => {
            let token = params.or_empty("refresh_token");
            let family = shared.store().family_of(token);
            // RFC 9449 §5: a public client's refresh token is bound to its key.
            if let (Some(key), Some(family)) = (&key, family)
                && !shared.proofs().is_bound(family, key)
            {
                return Err(Refused("invalid_grant", "The refresh token is bound to another key."));
            }
            let minted = shared.store().refresh(&client.id, token, settings, now);
            minted.map_err(|why| ended(shared, exchange, why, params.or_empty("refresh_token")))
        }
        "client_credentials" if client.auth != ClientAuth::None => Ok(machine(shared, settings, client, params, now)),
        TOKEN_EXCHANGE if settings.token_exchange => {
            let mut answer = token_exchange::exchange(shared, settings, client, params, now)?;
            patch(&mut answer, &settings.answer_patch);
            return Ok(answer);
        }
        DEVICE_CODE => device::poll(shared, settings, client, params, now),
        _ => Err(Refused("unsupported_grant_type", "not here")),
    }?;
    let token = params.one("refresh_token").or(params.one("code")).unwrap_or_default();
    let successor = minted.refresh_token.as_deref().unwrap_or(token);
    let committed = Event::Committed { family: minted.family, token: digest(token), successor: digest(successor) };
    shared.ledger.write(exchange, committed);
    let family = minted.family;
    let mut answer = answer(shared, settings, minted, params, grant_type == "refresh_token");
    if let Some(key) = key {
        shared.proofs().bind(family, key);
        answer["token_type"] = "DPoP".into();
    }
    patch(&mut answer, &settings.answer_patch);
    Ok(answer)
}

fn code(shared: &Shared, settings: &Settings, client: &Client, params: &Params, now: u64) -> Result<Minted, Refused> {
    let code = params.or_empty("code");
    let mut store = shared.store();
    let login = store.behind(code).ok_or(Refused("invalid_grant", "Invalid authorization code"))?;
    // RFC 7636 §4.6, RFC 6749 §4.1.3.
    let proven =
        URL_SAFE_NO_PAD.encode(sha256(&SHA256, params.or_empty("code_verifier").as_bytes())) == login.challenge;
    if !proven || login.client != client.id || login.redirect_uri != params.or_empty("redirect_uri") {
        return Err(Refused("invalid_grant", "Failed to verify code verifier"));
    }
    store.redeem(code, settings, now).map_err(|_| Refused("invalid_grant", "Invalid authorization code"))
}

fn machine(shared: &Shared, settings: &Settings, client: &Client, params: &Params, now: u64) -> Minted {
    let login = Login {
        client: client.id.clone(),
        subject: client.id.clone(),
        scopes: params.or_empty("scope").split_whitespace().map(str::to_owned).collect(),
        audience: params.one("audience").map(str::to_owned),
        nonce: None,
        redirect_uri: String::new(),
        challenge: String::new(),
        auth_time: now / 1000,
        details: params.one("authorization_details").map(str::to_owned),
        acr: None,
        offline: false,
    };
    shared.store().found(login, settings, now)
}

fn ended(shared: &Shared, exchange: u64, why: Refusal, token: &str) -> Refused {
    if let Refusal::Reused(family) = why {
        shared.ledger.write(exchange, Event::Reused { family, token: digest(token) });
    }
    Refused("invalid_grant", "Unknown or invalid refresh token.")
}

/// The answer of RFC 6749 §5.1, with an id token where OpenID Connect wants one.
fn answer(shared: &Shared, settings: &Settings, minted: Minted, params: &Params, refreshing: bool) -> Value {
    let Minted { login, refresh_token, access_token, .. } = minted;
    let asked = params.one("audience").filter(|asked| {
        // Multi-resource refresh tokens: an audience without a policy is ignored in silence.
        settings.dialect == Dialect::Plain || settings.audiences.iter().any(|known| known == asked)
    });
    let audience = asked.map(str::to_owned).or_else(|| login.audience.clone());
    let access_token = match &audience {
        None => access_token,
        Some(audience) => {
            let signed = keys().sign(&access_claims(shared, settings, &login, audience, &access_token), settings);
            shared.store().rename_access(&access_token, &signed);
            signed
        }
    };
    let mut answer = json!({
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": settings.access_lifetime as u64,
        "scope": login.scopes.join(" "),
    });
    if let Some(details) = &login.details {
        answer["authorization_details"] = serde_json::from_str(details).unwrap_or_default();
    }
    if let Some(refresh_token) = refresh_token {
        answer["refresh_token"] = refresh_token.into();
    }
    let openid = login.scopes.iter().any(|scope| scope == "openid");
    if openid && (!refreshing || settings.renew_id_token) {
        let id_token = keys().sign(&id_claims(shared, settings, &login, refreshing), settings);
        shared.store().given_out.push(id_token.clone());
        answer["id_token"] = id_token.into();
    }
    answer
}

/// RFC 9068 §2.2. `aud` is an array with the userinfo endpoint where `openid` was asked too, as at Auth0.
pub(super) fn access_claims(shared: &Shared, settings: &Settings, login: &Login, audience: &str, id: &str) -> Value {
    let openid = login.scopes.iter().any(|scope| scope == "openid");
    let audience =
        if openid { json!([audience, format!("{}/userinfo", shared.base())]) } else { Value::from(audience) };
    let now = clock::wall().as_secs();
    json!({
        "iss": shared.issuer(), "sub": login.subject, "aud": audience, "azp": login.client, "jti": id,
        "iat": now, "exp": now + settings.access_lifetime as u64, "scope": login.scopes.join(" "),
    })
}

/// OpenID Connect Core §2; at a refresh §12.2: no nonce, the login's `auth_time`.
fn id_claims(shared: &Shared, settings: &Settings, login: &Login, refreshing: bool) -> Value {
    let now = clock::wall().as_secs();
    let subject = settings.refresh_subject.as_ref().filter(|_| refreshing).unwrap_or(&login.subject);
    let mut claims = json!({
        "iss": shared.issuer(), "sub": subject, "aud": login.client, "iat": now,
        "exp": now + (settings.access_lifetime as u64).max(1), "auth_time": login.auth_time,
        "email": "ada@acme.example", "name": "Ada",
    });
    if let Some(acr) = &login.acr {
        claims["acr"] = acr.as_str().into();
    }
    if let (Some(nonce), false) = (&login.nonce, refreshing) {
        claims["nonce"] = nonce.as_str().into();
    }
    patch(&mut claims, &settings.id_patch);
    claims
}
