//! The fields of a successful answer (RFC 6749 §5.1), in every shape that servers give them.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderMap;
use tokenkeeper_config::Definition;
use zeroize::Zeroizing;

use super::answer::AnswerContext;
use super::json::Json;
use super::text;
use super::wire::Granted;
use crate::secret::Secret;

/// For how long the person's authorization holds, in seconds (draft-ietf-oauth-refresh-token-expiration).
const LOGIN_LIFETIME: &str = "authorization_expires_in";
/// The names under which servers say when the refresh token ends, in seconds: the same draft's, then vendors'.
const REFRESH_LIFETIMES: [&str; 4] =
    ["refresh_token_timeout", "refresh_token_expires_in", "refresh_expires_in", "x_refresh_token_expires_in"];
/// No lifetime is longer than a hundred years; sums of instants must not overflow.
const LONGEST: f64 = 100.0 * 365.0 * 86_400.0;
/// The most of `authorization_details` that is kept, in bytes.
const DETAILS_LIMIT: usize = 16 * 1024;
/// The longest access token that is looked into.
const PEEK_LIMIT: usize = 64 * 1024;

/// The refresh token, where the definition says it is, else at the top.
pub(super) fn refresh_token(fields: &Json, definition: &Definition) -> Option<Secret> {
    let nested = holder(fields, definition).and_then(|holder| holder.text("refresh_token"));
    nested.or_else(|| fields.text("refresh_token")).map(|token| Secret::locked_copy_of(token.as_bytes()))
}

/// Every token in the answer, to keep them out of sentences.
pub(super) fn tokens(fields: &Json, definition: &Definition) -> Vec<Secret> {
    let holders = [Some(fields), holder(fields, definition)];
    let names = ["access_token", "refresh_token", "id_token"];
    let texts = holders.into_iter().flatten().flat_map(|holder| names.iter().filter_map(|name| holder.text(name)));
    texts.map(|token| Secret::copy_of(token.as_bytes())).collect()
}

/// `None` where there is no access token that can be used.
pub(super) fn read(fields: &Json, headers: &HeaderMap, context: &AnswerContext<'_>) -> Option<Granted> {
    let definition = context.definition;
    // Slack nests a login's tokens and puts a refresh's at the top.
    let holder = holder(fields, definition).filter(|holder| holder.text("access_token").is_some()).unwrap_or(fields);
    let member = |name: &str| holder.get(name).map(|_| holder).unwrap_or(fields);
    let access_token = holder.text("access_token").filter(|token| is_sendable(token))?;
    Some(Granted {
        access_token: Secret::copy_of(access_token.as_bytes()),
        token_type: token_type(holder.text("token_type")),
        lifetime: lifetime(holder, headers, context).or(definition.assumed_lifetime),
        scopes: scopes(holder.get("scope"), definition.scope_separator),
        id_token: member("id_token").text("id_token").map(|token| Secret::copy_of(token.as_bytes())),
        audience: peek_audience(access_token),
        issued_token_type: member("issued_token_type").text("issued_token_type").map(|kind| text::quote(kind, &[])),
        refresh_in: span(member("refresh_in").number("refresh_in")),
        login_lifetime: span(member(LOGIN_LIFETIME).number(LOGIN_LIFETIME)),
        refresh_lifetime: REFRESH_LIFETIMES.iter().filter_map(|name| span(member(name).number(name))).min(),
        authorization_details: details(member("authorization_details").get("authorization_details")),
    })
}

fn holder<'a>(fields: &'a Json, definition: &Definition) -> Option<&'a Json> {
    fields.at(definition.token_path.as_deref()?)
}

/// Visible ASCII (RFC 6749 §A.12): anything else could not be put in a header, and might end one.
fn is_sendable(token: &str) -> bool {
    token.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// As spelt; what would end a header line is not a type.
fn token_type(stated: Option<&str>) -> String {
    match stated.map(str::trim) {
        Some(stated) if !stated.is_empty() && stated.len() <= 64 && is_sendable(stated) => stated.to_owned(),
        _ => "Bearer".to_owned(),
    }
}

/// `expires_in`, else an instant under one of the names for it. Zero and below mean nothing (some mean "never").
fn lifetime(holder: &Json, headers: &HeaderMap, context: &AnswerContext<'_>) -> Option<Duration> {
    if holder.get("expires_in").is_some() {
        return span(holder.number("expires_in"));
    }
    let now = server_now(headers).unwrap_or_else(|| context.wall.unix()) as f64;
    let instant = ["expires_at", "expires_on", "expires"].iter().find_map(|name| holder.number(name))?;
    // `expires` is a span at some; instants in milliseconds have over eleven digits.
    match instant {
        ..1e9 => span(Some(instant)),
        1e9..1e11 => span(Some(instant - now)),
        _ => span(Some(instant / 1000.0 - now)),
    }
}

/// The server's own clock, by which its instants are meant.
pub(super) fn server_now(headers: &HeaderMap) -> Option<u64> {
    let date = httpdate::parse_http_date(headers.get(http::header::DATE)?.to_str().ok()?).ok()?;
    Some(date.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs())
}

/// Whole seconds, if there is at least one.
pub(super) fn span(seconds: Option<f64>) -> Option<Duration> {
    let seconds = seconds.filter(|seconds| *seconds >= 1.0)?;
    Some(Duration::from_secs(seconds.min(LONGEST) as u64))
}

/// A text, separated as the definition says and by white space, or a list of texts. Nothing in it = as requested.
fn scopes(stated: Option<&Json>, separator: char) -> Option<Vec<String>> {
    let split = |text: &str| -> Vec<String> {
        let parts = text.split(|c: char| c == separator || c.is_whitespace());
        parts.filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
    };
    let scopes: Vec<String> = match stated? {
        Json::Text(text) => split(text),
        Json::List(items) => items.iter().filter_map(Json::as_text).flat_map(split).collect(),
        _ => return None,
    };
    (!scopes.is_empty()).then_some(scopes)
}

/// A list of objects, as JSON again (RFC 9396 §7): what is larger or something else is left out.
fn details(stated: Option<&Json>) -> Option<String> {
    let Some(Json::List(items)) = stated else { return None };
    let is_details = !items.is_empty() && items.iter().all(|item| item.text("type").is_some());
    is_details.then(|| Json::to_text(stated?)).flatten().filter(|text| text.len() <= DETAILS_LIMIT)
}

/// `aud` of a JWT, unverified: only to notice a token for another audience (Auth0 ignores one it does not know).
fn peek_audience(token: &str) -> Vec<String> {
    peek(token).map(|claims| claims.texts("aud")).unwrap_or_default()
}

/// Whether a JWT is bound to a client certificate (RFC 8705 §3.1), unverified: only to say so.
pub fn is_certificate_bound(token: &Secret) -> bool {
    let claims = token.reveal_str().and_then(peek);
    claims.is_some_and(|claims| claims.get("cnf").is_some_and(|confirmation| confirmation.get("x5t#S256").is_some()))
}

/// The claims of an access token that is a JWT.
fn peek(token: &str) -> Option<Json> {
    let mut parts = token.split('.');
    let (Some(_), Some(claims), Some(_), None) = (parts.next(), parts.next(), parts.next(), parts.next()) else {
        return None;
    };
    if token.len() > PEEK_LIMIT {
        return None;
    }
    let claims = URL_SAFE_NO_PAD.decode(claims.trim_end_matches('=')).map(Zeroizing::new).ok()?;
    Json::parse(&claims)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn granted_details_are_json_again_or_nothing() {
        let read = |text: &str| details(Some(&Json::parse(text.as_bytes()).expect("JSON")));
        let granted = r#"[{"type":"payment","amount":7,"half":0.5,"to":["a",null,true]}]"#;
        assert_eq!(read(granted).as_deref(), Some(granted));
        for nothing in [r#"{"type":"payment"}"#, "[]", r#"[{"amount":7}]"#, r#"["payment"]"#, "7"] {
            assert_eq!(read(nothing), None, "{nothing}");
        }
        assert_eq!(read(&format!(r#"[{{"type":"{}"}}]"#, "x".repeat(16 * 1024))), None, "too large");
    }

    #[test]
    fn a_token_is_looked_into_up_to_the_limit() {
        let claims = URL_SAFE_NO_PAD.encode(r#"{"aud":"api"}"#);
        let token = |length: usize| format!("h.{claims}.{}", "s".repeat(length - claims.len() - 3));
        assert_eq!(token(65_536).len(), 65_536);
        assert_eq!(peek_audience(&token(65_536)), ["api"]);
        assert_eq!(peek_audience(&token(65_537)), Vec::<String>::new());
    }

    /// A25: what is bound to a certificate is known by its confirmation, and by nothing else.
    #[test]
    fn a_certificate_bound_token_is_recognised() {
        let bound =
            |claims: &str| is_certificate_bound(&Secret::from(format!("h.{}.s", URL_SAFE_NO_PAD.encode(claims))));
        assert!(bound(r#"{"cnf":{"x5t#S256":"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}}"#));
        for other in [r#"{"cnf":{"jkt":"x"}}"#, r#"{"cnf":"x5t#S256"}"#, r#"{"x5t#S256":"x"}"#, "{}", "no JSON"] {
            assert!(!bound(other), "{other}");
        }
        assert!(!is_certificate_bound(&Secret::from("opaque".to_owned())));
    }
}
