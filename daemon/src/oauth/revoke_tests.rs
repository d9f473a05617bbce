use super::*;
use crate::oauth::Metadata;
use crate::oauth::testing::{definition, form, metadata, response, secret, value};

#[test]
fn the_refresh_token_is_revoked_and_nothing_else_is_sent() {
    let (mut definition, metadata) = (definition(), metadata());
    definition.token_params.insert("grant".into(), "x".into());
    let client = Client { definition: &definition, metadata: &metadata, secret: None, key: None };
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
    let client = Client { definition: &definition, metadata: &none, secret: None, key: None };
    assert_eq!(request(&client, &secret("rt-1")).err(), Some(CannotAsk::NoEndpoint("revocation")));
}

#[test]
fn only_a_server_that_could_not_is_asked_again() {
    for (status, expected) in [
        (200, Revocation::Settled),
        (204, Revocation::Settled),
        (400, Revocation::Settled),
        (401, Revocation::Settled),
        (403, Revocation::Settled),
        (404, Revocation::Settled),
        (302, Revocation::Later),
        (408, Revocation::Later),
        (425, Revocation::Later),
        (429, Revocation::Later),
        (500, Revocation::Later),
        (503, Revocation::Later),
    ] {
        assert_eq!(read(&Ok(response(status, ""))), expected, "{status}");
    }
    assert_eq!(read(&Err(Fault::NotSent { why: String::new(), certificate: false })), Revocation::Later);
    assert_eq!(read(&Err(Fault::Lost { why: String::new() })), Revocation::Later);
}
