//! ID tokens (OpenID Connect Core §3.1.3.7): what must hold before one says who signed in, and what must stay the same
//! when a refresh brings another (§12.2).
//!
//! Without keys the signature is not judged: the token came straight from the token endpoint over TLS, which §3.1.3.7
//! (6) lets stand in for it. `none` and shared-secret algorithms are refused either way.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use sha2::{Digest, Sha256, Sha384, Sha512};
use zeroize::Zeroizing;

use super::issuer;
use super::json::Json;
use super::keys;
use super::text;
use super::wire::IdClaims;
use crate::secret::Secret;
use crate::time::Wall;

/// How far the server's clock may be from ours, in seconds.
const SKEW: u64 = 60;
/// The longest ID token that is looked at, in bytes.
const LIMIT: usize = 64 * 1024;
/// What we verify: nothing that a shared secret or nobody signs.
const ALGORITHMS: [&str; 10] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA", "Ed25519"];

/// What an ID token must agree with.
pub struct Expected<'a> {
    /// The server's issuer (from its metadata).
    pub issuer: &'a str,
    /// The account's client.
    pub client_id: &'a str,
    /// The login's nonce; `None` at a refresh, where servers leave it out or repeat it.
    pub nonce: Option<&'a Secret>,
    /// The access token that came with it, for `at_hash`.
    pub access_token: Option<&'a Secret>,
    /// The wall clock.
    pub now: Wall,
    /// `max_age` of the authorization request, if it had one.
    pub max_age: Option<Duration>,
    /// The server's JWK set as JSON text.
    pub keys: Option<&'a str>,
    /// `id_token_signing_alg_values_supported`; empty = the server does not say.
    pub algorithms: &'a [String],
}

/// Why an ID token is not believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdTokenProblem {
    /// No JWT, or a claim that must be there is not.
    #[error("the ID token is malformed: {0}")]
    Malformed(&'static str),
    /// An algorithm that is not allowed.
    #[error("the ID token is signed with `{0}`, which is not accepted: choose RS256 for the client at the server")]
    Algorithm(String),
    /// No key of that name: the server may have new ones, so fetch them again, once.
    #[error("the ID token is signed with a key that the server does not publish")]
    UnknownKey,
    /// The signature is wrong.
    #[error("the ID token's signature is wrong")]
    Signature,
    /// `iss` is another server's.
    #[error("the ID token is from `{0}`, another issuer than the one that was asked")]
    Issuer(String),
    /// `aud` or `azp` is another client's.
    #[error("the ID token is for another client")]
    Audience,
    /// `exp`, `iat` or `nbf` do not fit this machine's clock.
    #[error("the ID token {0}: check this machine's clock")]
    Time(&'static str),
    /// `nonce` is not that of this login.
    #[error("the ID token's nonce is not that of this login")]
    Nonce,
    /// `at_hash` is not that of the access token beside it.
    #[error("the ID token belongs to another access token")]
    AccessTokenHash,
    /// Signed in longer ago than `max_age`.
    #[error("the sign-in is longer ago than was asked for")]
    AuthTime,
}

/// Checks an ID token.
///
/// # Errors
/// The first thing that does not hold.
pub fn check(token: &Secret, expected: &Expected<'_>) -> Result<IdClaims, IdTokenProblem> {
    use IdTokenProblem as Problem;
    let token = token.reveal_str().filter(|token| token.len() <= LIMIT).ok_or(Problem::Malformed("too long"))?;
    let (signed, signature) = token.rsplit_once('.').ok_or(Problem::Malformed("no JWT"))?;
    let (header, payload) = signed.split_once('.').ok_or(Problem::Malformed("no JWT"))?;
    let header = part(header).ok_or(Problem::Malformed("unreadable header"))?;
    let claims = part(payload).ok_or(Problem::Malformed("unreadable claims"))?;

    let algorithm = algorithm(&header, expected.algorithms)?;
    // RFC 7515 §4.1.11: extensions that must be understood, and are not.
    if header.get("crit").is_some() {
        return Err(Problem::Malformed("critical extensions"));
    }
    if let Some(set) = expected.keys {
        keys::verify(set, header.text("kid"), algorithm, signed, signature)?;
    }
    check_issuer(&claims, expected.issuer)?;
    check_audience(&claims, expected.client_id)?;
    let expires_at = check_times(&claims, expected.now)?;
    if let Some(nonce) = expected.nonce
        && !claims.text("nonce").is_some_and(|stated| nonce.same_as(stated.as_bytes()))
    {
        return Err(Problem::Nonce);
    }
    check_access_token(&claims, algorithm, expected.access_token)?;
    let auth_time = seconds(&claims, "auth_time").filter(|time| *time > 0);
    check_max_age(auth_time, expected)?;

    let shown = ["email", "preferred_username", "name"].iter().find_map(|name| claims.text(name));
    Ok(IdClaims {
        issuer: claims.text("iss").unwrap_or_default().to_owned(),
        subject: subject(&claims).ok_or(Problem::Malformed("no `sub`"))?,
        audience: claims.texts("aud"),
        expires_at,
        auth_time,
        nonce_hash: claims.text("nonce").map(|nonce| Sha256::digest(nonce).into()),
        acr: claims.text("acr").map(text::name).filter(|acr| !acr.is_empty()),
        display_name: shown.map(text::name).filter(|name| !name.is_empty()),
    })
}

/// Whether a refresh's ID token speaks of the person who signed in (§12.2): `iss`, `sub` and `aud`, compared with the
/// login's and not with those of the last refresh, since optional claims vanish.
pub fn same_person(login: &IdClaims, later: &IdClaims) -> bool {
    let sorted = |claims: &IdClaims| {
        let mut audience = claims.audience.clone();
        audience.sort();
        audience.dedup();
        audience
    };
    let same_issuer = login.issuer == later.issuer || is_google(&login.issuer) && is_google(&later.issuer);
    same_issuer && login.subject == later.subject && sorted(login) == sorted(later)
}

/// What else must be the login's where both tokens state it (§12.2): what differs. Such a token is of the same person, but
/// of another sign-in; it proves nothing about this one.
pub fn differs_from_login(login: &IdClaims, later: &IdClaims) -> Option<&'static str> {
    let both_differ = |one: bool, other: bool, same: bool| one && other && !same;
    if both_differ(login.nonce_hash.is_some(), later.nonce_hash.is_some(), login.nonce_hash == later.nonce_hash) {
        return Some("its nonce is not that of the login");
    }
    if both_differ(login.auth_time.is_some(), later.auth_time.is_some(), login.auth_time == later.auth_time) {
        return Some("it says that the person signed in at another time");
    }
    None
}

fn part(encoded: &str) -> Option<Json> {
    let bytes = Zeroizing::new(URL_SAFE_NO_PAD.decode(encoded.trim_end_matches('=')).ok()?);
    Json::parse(&bytes).filter(|json| matches!(json, Json::Map(_)))
}

fn algorithm(header: &Json, supported: &[String]) -> Result<Algorithm, IdTokenProblem> {
    let stated = header.text("alg").unwrap_or("none");
    let refused = || IdTokenProblem::Algorithm(text::quote_code(stated, &[]));
    let listed = supported.is_empty() || supported.iter().any(|alg| same_algorithm(alg, stated));
    if !ALGORITHMS.contains(&stated) || !listed {
        return Err(refused());
    }
    // RFC 9864 names the curve; the older name means the same one here.
    let name = if stated == "Ed25519" { "EdDSA" } else { stated };
    name.parse().map_err(|_| refused())
}

fn same_algorithm(one: &str, other: &str) -> bool {
    let ed = |name: &str| matches!(name, "EdDSA" | "Ed25519");
    one == other || ed(one) && ed(other)
}

fn check_issuer(claims: &Json, own: &str) -> Result<(), IdTokenProblem> {
    let stated = claims.text("iss").ok_or(IdTokenProblem::Malformed("no `iss`"))?;
    let fits = issuer::is_own(stated, own, claims.text("tid")) || is_google(stated) && is_google(own);
    if fits { Ok(()) } else { Err(IdTokenProblem::Issuer(text::quote(stated, &[]))) }
}

/// Google writes its issuer with and without the scheme.
fn is_google(issuer: &str) -> bool {
    matches!(issuer, "https://accounts.google.com" | "accounts.google.com")
}

/// `aud` names the client, and `azp`, where it is, too (§3.1.3.7 (3)–(5)). One server's `aud` is an empty list; its
/// `azp` then has to say it.
fn check_audience(claims: &Json, client_id: &str) -> Result<(), IdTokenProblem> {
    let audience = claims.texts("aud");
    let party = claims.text("azp");
    let named = audience.iter().any(|client| client == client_id) || audience.is_empty() && party == Some(client_id);
    let party_fits = party.is_none_or(|party| party == client_id);
    if named && party_fits { Ok(()) } else { Err(IdTokenProblem::Audience) }
}

fn check_times(claims: &Json, now: Wall) -> Result<u64, IdTokenProblem> {
    let now = now.unix();
    let expires_at = seconds(claims, "exp").ok_or(IdTokenProblem::Malformed("no `exp`"))?;
    if expires_at.saturating_add(SKEW) <= now {
        return Err(IdTokenProblem::Time("has expired"));
    }
    let begins = ["iat", "nbf"].iter().filter_map(|name| seconds(claims, name)).max();
    if begins.is_some_and(|begins| begins > now.saturating_add(SKEW)) {
        return Err(IdTokenProblem::Time("is from the future"));
    }
    Ok(expires_at)
}

fn check_max_age(auth_time: Option<u64>, expected: &Expected<'_>) -> Result<(), IdTokenProblem> {
    let Some(max_age) = expected.max_age else { return Ok(()) };
    let latest = auth_time.map(|time| time.saturating_add(max_age.as_secs()).saturating_add(SKEW));
    if latest.is_some_and(|latest| latest >= expected.now.unix()) { Ok(()) } else { Err(IdTokenProblem::AuthTime) }
}

/// §3.1.3.6: the left half of the access token's hash, by the hash of the signature's algorithm.
fn check_access_token(claims: &Json, algorithm: Algorithm, token: Option<&Secret>) -> Result<(), IdTokenProblem> {
    let (Some(stated), Some(token)) = (claims.text("at_hash"), token) else { return Ok(()) };
    let token = token.reveal();
    let half = |hash: &[u8]| URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2]) == stated.trim_end_matches('=');
    let fits = match algorithm {
        Algorithm::RS384 | Algorithm::PS384 | Algorithm::ES384 => half(&Sha384::digest(token)),
        Algorithm::RS512 | Algorithm::PS512 => half(&Sha512::digest(token)),
        // Nothing says which hash goes with EdDSA; both are in use.
        _ if algorithm.family() == AlgorithmFamily::Ed => half(&Sha512::digest(token)) || half(&Sha256::digest(token)),
        _ => half(&Sha256::digest(token)),
    };
    if fits { Ok(()) } else { Err(IdTokenProblem::AccessTokenHash) }
}

/// A text; a whole number from servers that never read §2.
fn subject(claims: &Json) -> Option<String> {
    match claims.get("sub")? {
        Json::Number(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(format!("{number:.0}")),
        other => other.as_text().map(str::to_owned),
    }
}

/// An instant in unix seconds; fractions are cut off, and the far end of time is thirty thousand years from now, so that
/// sums do not overflow.
fn seconds(claims: &Json, name: &str) -> Option<u64> {
    claims.number(name).filter(|seconds| *seconds >= 0.0).map(|seconds| seconds.min(1e12) as u64)
}

#[cfg(test)]
#[path = "id_token_tests.rs"]
mod tests;
