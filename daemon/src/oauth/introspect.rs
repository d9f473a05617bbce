//! Introspection (RFC 7662), for one thing only: when a token expires whose answer did not say. Nothing else in the answer
//! is believed, and that there is none is no fault.

use std::time::Duration;

use http::StatusCode;

use super::body::Body;
use super::client_auth::{CannotAsk, Client};
use super::form::Form;
use super::granted;
use super::json::Json;
use super::token_request;
use super::wire::{Request, Sent};
use crate::secret::Secret;
use crate::time::Wall;

/// The request about an access token.
///
/// # Errors
/// [`CannotAsk::NoEndpoint`] where a server has no introspection; else the configuration has to change.
pub fn request(client: &Client<'_>, token: &Secret) -> Result<Request, CannotAsk> {
    let endpoint = client.metadata.introspection_endpoint.as_ref().ok_or(CannotAsk::NoEndpoint("introspection"))?;
    let mut form = Form::default();
    form.set("token", token.reveal());
    form.set("token_type_hint", b"access_token");
    token_request::post(client, endpoint, form)
}

/// How long the token still lives, by the server's own clock; `None` = the answer does not say.
pub fn read(sent: &Sent, wall: Wall) -> Option<Duration> {
    let response = sent.as_ref().ok().filter(|response| response.status() == StatusCode::OK)?;
    let content_type = response.headers().get(http::header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let Body::Fields(fields) = Body::read(response.body().reveal(), content_type) else { return None };
    // §2.2: what is not active says nothing about when it ends; some servers say so to clients that may not ask.
    matches!(fields.get("active"), Some(Json::Bool(true))).then_some(())?;
    let now = granted::server_now(response.headers()).unwrap_or_else(|| wall.unix());
    // Instants in milliseconds have over eleven digits.
    let expires_at = fields.number("exp").map(|exp| if exp < 1e11 { exp } else { exp / 1000.0 })?;
    granted::span(Some(expires_at - now as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::testing::{definition, form, metadata, response, secret, url, value};
    use crate::oauth::{Fault, Metadata};

    const NOW: Wall = Wall(1_792_567_680_000);

    /// A17: the token, as the client that got it.
    #[test]
    fn the_access_token_is_asked_about() {
        let endpoint = Some(url("https://as.example/introspect"));
        let (definition, metadata) = (definition(), Metadata { introspection_endpoint: endpoint, ..metadata() });
        let client = Client { definition: &definition, metadata: &metadata, secret: None, key: None, proof: None };
        let request = request(&client, &secret("at-1")).expect("a request");
        assert_eq!(request.uri(), "https://as.example/introspect");
        let sent = form(&request);
        assert_eq!(value(&sent, "token"), Some("at-1"));
        assert_eq!(value(&sent, "token_type_hint"), Some("access_token"));
        assert_eq!(value(&sent, "client_id"), Some("cli"));
    }

    /// A17: only an active token's `exp` is believed.
    #[test]
    fn an_expiry_is_learned_or_stays_unknown() {
        let read = |status, body: &str| read(&Ok(response(status, body)), NOW).map(|left| left.as_secs());
        assert_eq!(read(200, r#"{"active":true,"exp":1792571280}"#), Some(3600));
        assert_eq!(read(200, r#"{"active":true,"exp":"1792571280"}"#), Some(3600));
        assert_eq!(read(200, r#"{"active":true,"exp":1792571280000}"#), Some(3600));
        for (status, body) in [
            (200, r#"{"active":false,"exp":1792571280}"#),
            (200, r#"{"exp":1792571280}"#),
            (200, r#"{"active":true}"#),
            (200, r#"{"active":true,"exp":"soon"}"#),
            (200, r#"{"active":true,"exp":1792567680}"#),
            (200, r#"{"active":true,"exp":-7}"#),
            (200, "<html>"),
            (200, ""),
            (401, r#"{"active":true,"exp":1792571280}"#),
            (500, ""),
        ] {
            assert_eq!(read(status, body), None, "{status} {body}");
        }
        assert_eq!(super::read(&Err(Fault::Lost { why: String::new() }), NOW), None);
    }

    #[test]
    fn a_server_whose_clock_is_off_is_understood_by_its_own() {
        let mut ahead = response(200, r#"{"active":true,"exp":1792571280}"#);
        ahead.headers_mut().insert("date", http::HeaderValue::from_static("Wed, 21 Oct 2026 07:38:00 GMT"));
        assert_eq!(read(&Ok(ahead), NOW).map(|left| left.as_secs()), Some(3000));
    }
}
