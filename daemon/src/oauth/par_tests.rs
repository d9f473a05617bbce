use super::*;
use crate::oauth::answer::Kind;
use crate::oauth::authorize::{self, AuthorizeAsk};
use crate::oauth::testing::{ask, definition, form, metadata as server, response, secret, url, value};
use crate::time::Wall;

fn metadata() -> Metadata {
    Metadata { pushed_authorization_request_endpoint: Some(url("https://as.example/par")), ..server() }
}

fn read_as(status: u16, body: &str) -> Result<Pushed, Outcome> {
    let definition = definition();
    let context = AnswerContext {
        definition: &definition,
        host: "as.example",
        kind: Kind::Push,
        wall: Wall::from_unix(1_792_567_680),
        secrets: &[],
    };
    read(Ok(response(status, body)), &context)
}

#[test]
fn it_is_pushed_where_the_server_or_the_account_wants_it_and_not_where_it_is_merely_offered() {
    let offers = metadata();
    let requires = Metadata { require_pushed_authorization_requests: true, ..metadata() };
    for (par, metadata, expected) in [
        (Switch::Auto, &offers, false),
        (Switch::Auto, &requires, true),
        (Switch::On, &offers, true),
        (Switch::Off, &requires, false),
    ] {
        assert_eq!(is_wanted(&Definition { par, ..definition() }, metadata), Ok(expected), "{par:?}");
    }
    let nowhere = is_wanted(&Definition { par: Switch::On, ..definition() }, &server());
    assert_eq!(nowhere, Err(CannotAuthorize::NowhereToPush));
}

#[test]
fn every_parameter_is_in_the_body_and_the_address_has_only_client_and_reference() {
    let definition = Definition { client_auth: Some(tokenkeeper_config::ClientAuth::Post), ..definition() };
    let (metadata, client_secret) = (metadata(), secret("s3cret"));
    let (state, nonce, verifier) = (secret("state-1"), secret("nonce-1"), secret("verifier-1"));
    let ask = AuthorizeAsk { scopes: &["openid".to_owned()], ..ask(&state, &nonce, &verifier) };
    let parameters = authorize::parameters(&definition, &ask).expect("parameters");
    let client =
        Client { definition: &definition, metadata: &metadata, secret: Some(&client_secret), key: None, proof: None };
    let request = request(&client, &parameters).expect("a request");
    assert_eq!(request.uri(), "https://as.example/par");
    let sent = form(&request);
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", "cli"),
        ("redirect_uri", "http://127.0.0.1:4711/cb"),
        ("state", "state-1"),
        ("nonce", "nonce-1"),
        ("code_challenge_method", "S256"),
        ("client_secret", "s3cret"),
    ] {
        assert_eq!(value(&sent, name), Some(expected), "{name}");
    }
    let pushed = Pushed { request_uri: "urn:ietf:params:oauth:request_uri:x".into(), expires_in: LIFETIME };
    let address = address(&definition, &metadata, &pushed).expect("an address");
    let query: Vec<_> = address.query_pairs().into_owned().collect();
    assert_eq!(query.len(), 2, "{query:?}");
    assert_eq!(value(&query, "request_uri"), Some("urn:ietf:params:oauth:request_uri:x"));
}

#[test]
fn the_reference_is_bounded_and_its_lifetime_has_a_default() {
    let read = |body: &str| read_as(201, body).ok().map(|pushed| pushed.expires_in.as_secs());
    assert_eq!(read(r#"{"request_uri":"urn:x","expires_in":90}"#), Some(90));
    assert_eq!(read(r#"{"request_uri":"urn:x","expires_in":"30"}"#), Some(30));
    assert_eq!(read(r#"{"request_uri":"urn:x"}"#), Some(60));
    assert_eq!(read(r#"{"request_uri":"urn:x","expires_in":1e9}"#), Some(600));
    assert_eq!(read(r#"{"request_uri":"urn:x y"}"#), None);
    assert_eq!(read(r#"{"request_uri":""}"#), None);
    assert_eq!(read(&format!(r#"{{"request_uri":"urn:{}"}}"#, "x".repeat(2048))), None);
}

#[test]
fn what_is_no_reference_is_judged_as_at_the_token_endpoint() {
    assert!(matches!(read_as(401, r#"{"error":"invalid_client"}"#), Err(Outcome::Misconfigured { .. })));
    assert!(matches!(read_as(400, r#"{"error":"invalid_request"}"#), Err(Outcome::BadRequest { .. })));
    assert!(matches!(read_as(429, ""), Err(Outcome::NotProcessed { .. })));
    assert!(matches!(read_as(500, ""), Err(Outcome::Ambiguous { .. })));
    assert!(matches!(read_as(200, "<html>"), Err(Outcome::Portal { .. })));
    assert!(matches!(
        read_as(201, r#"{"error":"invalid_request","request_uri":"urn:x"}"#),
        Err(Outcome::BadRequest { .. })
    ));
    assert!(read_as(201, r#"{"access_token":"a"}"#).is_err());
}
