//! Token exchange (RFC 8693): an access token for another one of the same login, for another audience or with fewer scopes.

use serde_json::{Value, json};

use super::keys::keys;
use super::params::Params;
use super::post::Refused;
use super::server::Shared;
use super::settings::{Client, Settings};
use super::token::access_claims;

/// `grant_type` of RFC 8693 §2.1.
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 8693 §3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) fn exchange(
    shared: &Shared,
    settings: &Settings,
    client: &Client,
    params: &Params,
    now: u64,
) -> Result<Value, Refused> {
    if params.or_empty("subject_token_type") != ACCESS_TOKEN || params.one("actor_token").is_some() {
        return Err(Refused("invalid_request", "only an access token, and no actor"));
    }
    let subject = params.or_empty("subject_token");
    let (mut login, access_token) =
        shared.store().another(subject, settings, now).ok_or(Refused("invalid_request", "no such subject token"))?;
    if login.client != client.id {
        return Err(Refused("invalid_request", "another client's token"));
    }
    let audience = params.one("audience").or(params.one("resource"));
    if audience.is_some_and(|asked| !settings.audiences.iter().any(|known| known == asked)) {
        return Err(Refused("invalid_target", "no such audience"));
    }
    if let Some(scope) = params.one("scope") {
        let asked: Vec<String> = scope.split_whitespace().map(str::to_owned).collect();
        if asked.iter().any(|scope| !login.scopes.contains(scope)) {
            return Err(Refused("invalid_scope", "more than the subject token has"));
        }
        login.scopes = asked;
    }
    let signed = audience
        .map(|audience| keys().sign(&access_claims(shared, settings, &login, audience, &access_token), settings));
    if let Some(signed) = &signed {
        shared.store().rename_access(&access_token, signed);
    }
    Ok(json!({
        "access_token": signed.unwrap_or(access_token),
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": settings.access_lifetime as u64,
        "scope": login.scopes.join(" "),
    }))
}
