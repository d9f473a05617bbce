use super::*;
use crate::oauth::Metadata;
use crate::oauth::testing::{definition, form, metadata, response, secret, value};

#[test]
fn the_refresh_token_is_revoked_and_nothing_else_is_sent() {
    let (mut definition, metadata) = (definition(), metadata());
    definition.token_params.insert("grant".into(), "x".into());
    let client = Client { definition: &definition, metadata: &metadata, secret: None, key: None, proof: None };
    let request = request(&client, &secret("rt-1")).expect("a request");
    assert_eq!(request.uri(), "https://as.example/revoke");
    let sent = form(&request);
    assert_eq!(value(&sent, "token"), Some("rt-1"));
    assert_eq!(value(&sent, "token_type_hint"), Some("refresh_token"));
    assert_eq!(value(&sent, "client_id"), Some("cli"));
    assert_eq!(sent.len(), 3);
}

#[test]
fn a_server_without_revocation_is_no_error_of_logout() {
    let (definition, none) = (definition(), Metadata { revocation_endpoint: None, ..metadata() });
    let client = Client { definition: &definition, metadata: &none, secret: None, key: None, proof: None };
    assert_eq!(request(&client, &secret("rt-1")).err(), Some(CannotAsk::NoEndpoint("revocation")));
}

/// S14: an unknown token, a public client, an unsupported type: whatever a server refuses it would refuse again.
#[test]
fn only_a_server_that_could_not_is_asked_again() {
    const NOW: Wall = Wall(1_792_567_680_000);
    for (status, expected) in [
        (200, Told::Revoked),
        (204, Told::Revoked),
        (400, Told::Refused(400)),
        (401, Told::Refused(401)),
        (403, Told::Refused(403)),
        (404, Told::Refused(404)),
        (302, Told::Later(None)),
        (407, Told::Later(None)),
        (408, Told::Later(None)),
        (425, Told::Later(None)),
        (429, Told::Later(None)),
        (451, Told::Later(None)),
        (500, Told::Later(None)),
        (503, Told::Later(None)),
    ] {
        let body = r#"{"error":"unsupported_token_type"}"#;
        assert_eq!(read(&Ok(response(status, body)), NOW), expected, "{status}");
    }
    let mut busy = response(503, "");
    busy.headers_mut().insert("retry-after", http::HeaderValue::from_static("90"));
    assert_eq!(read(&Ok(busy), NOW), Told::Later(Some(Duration::from_secs(90))));
    assert_eq!(read(&Err(Fault::NotSent { why: String::new(), certificate: false }), NOW), Told::Later(None));
    assert_eq!(read(&Err(Fault::Lost { why: String::new() }), NOW), Told::Later(None));
}
