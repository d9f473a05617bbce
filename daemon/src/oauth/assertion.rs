//! Client assertions (RFC 7521 §4.2, RFC 7523 §3): the client signs that it is who it is, for one request. None is ever
//! sent twice: each has its own `jti`, also when a request is repeated.

use serde::Serialize;
use tokenkeeper_config::AssertionAudience;

use super::client_auth::CannotAsk;
use super::signing_key::{SigningKey, Stamp};
use super::wire::Metadata;
use crate::secret::Secret;

/// `client_assertion_type` (RFC 7523 §2.2).
pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion is good for, seconds. It is used at once.
const LIFETIME: u64 = 60;

/// What an assertion says beside its time and id.
pub struct Assertion<'a> {
    /// `alg`: one of the key's.
    pub algorithm: &'a str,
    /// `kid`.
    pub key_id: &'a str,
    /// `iss` and `sub`.
    pub client_id: &'a str,
    /// `aud`.
    pub audience: &'a str,
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'a str,
    kid: &'a str,
    typ: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: &'a str,
    iat: u64,
    exp: u64,
}

/// Signs it.
pub fn sign(key: &SigningKey, assertion: &Assertion<'_>, stamp: &Stamp) -> Secret {
    let Assertion { algorithm, key_id, client_id, audience } = *assertion;
    let header = Header { alg: algorithm, kid: key_id, typ: "JWT" };
    let (iss, aud, iat) = (client_id, audience, stamp.at);
    let claims = Claims { iss, sub: iss, aud, jti: &stamp.id, iat, exp: iat + LIFETIME };
    let text = "names and numbers are JSON";
    let (header, claims) = (serde_json::to_string(&header).expect(text), serde_json::to_string(&claims).expect(text));
    key.sign(algorithm, &header, &claims)
}

/// The first of the key's algorithms that the server takes; its usual one where the server does not say (RFC 8414 §2).
pub(super) fn algorithm(key: &SigningKey, metadata: &Metadata) -> Result<&'static str, CannotAsk> {
    let ours = key.algorithms();
    let Some(listed) = &metadata.token_endpoint_auth_signing_alg_values_supported else { return Ok(ours[0]) };
    let taken = ours.iter().find(|ours| listed.iter().any(|listed| listed == *ours)).copied();
    taken.ok_or_else(|| CannotAsk::NoAlgorithm { ours: ours.join(" or "), theirs: listed.join(", ") })
}

/// For whom it is made: the issuer, which every server has to take and a mixed-up one cannot use; or the token endpoint,
/// which RFC 7523 §3 named and some servers insist on.
pub(super) fn audience(stated: AssertionAudience, metadata: &Metadata) -> Result<&str, CannotAsk> {
    let endpoint = || metadata.token_endpoint.as_ref().map(url::Url::as_str).ok_or(CannotAsk::NoEndpoint("token"));
    match (stated, &metadata.issuer) {
        (AssertionAudience::Issuer, Some(issuer)) => Ok(issuer),
        (AssertionAudience::Issuer, None) | (AssertionAudience::TokenEndpoint, _) => endpoint(),
    }
}

#[cfg(test)]
#[path = "assertion_tests.rs"]
mod tests;
