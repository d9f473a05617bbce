use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokenkeeper_config::{ClientAuth, Definition};

use super::*;
use crate::oauth::testing::{definition, form, key, metadata, secret, signed, value};
use crate::oauth::token_request::{self, TokenAsk};
use crate::oauth::{Client, Signer};

fn account() -> Definition {
    Definition { client_auth: Some(ClientAuth::PrivateKeyJwt), ..definition() }
}

/// What one refresh sends.
fn sent(definition: &Definition, metadata: &Metadata, key: &SigningKey) -> Result<Vec<(String, String)>, CannotAsk> {
    let count = AtomicU64::new(1);
    let stamp = || Stamp { at: 1_000_000, id: format!("id-{}", count.fetch_add(1, Ordering::Relaxed)) };
    let client = Client { definition, metadata, secret: None, key: Some(Signer { key, stamp: &stamp }), proof: None };
    token_request::refresh(&client, &secret("rt-1"), TokenAsk::default()).map(|request| form(&request))
}

fn assertion(definition: &Definition, metadata: &Metadata, key: &SigningKey) -> (Value, Value) {
    let sent = sent(definition, metadata, key).expect("a request");
    signed(value(&sent, "client_assertion").expect("an assertion"))
}

#[test]
fn it_says_who_asks_whom_and_for_how_long() {
    let key = key("p256");
    let (header, claims) = assertion(&account(), &metadata(), &key);
    assert_eq!(header, json!({"alg": "ES256", "kid": key.thumbprint(), "typ": "JWT"}));
    let expected = json!({
        "iss": "cli", "sub": "cli", "aud": "https://as.example", "jti": "id-1", "iat": 1_000_000, "exp": 1_000_060
    });
    assert_eq!(claims, expected);
    let sent = sent(&account(), &metadata(), &key).expect("a request");
    assert_eq!(value(&sent, "client_assertion_type"), Some(TYPE));
    assert_eq!(value(&sent, "client_id"), Some("cli"), "RFC 7521 §4.2 allows it, and some servers look for it");
    assert_eq!(value(&sent, "client_secret"), None);
}

#[test]
fn the_audience_is_the_issuer_unless_the_definition_says_otherwise() {
    let key = key("ed25519");
    let audience =
        |definition: &Definition, metadata: &Metadata| assertion(definition, metadata, &key).1["aud"].clone();
    let auth0 = Metadata { issuer: Some("https://acme.eu.auth0.com/".into()), ..metadata() };
    assert_eq!(audience(&account(), &auth0), "https://acme.eu.auth0.com/", "with its slash");
    let endpoint = Definition { assertion_audience: AssertionAudience::TokenEndpoint, ..account() };
    assert_eq!(audience(&endpoint, &auth0), "https://as.example/token");
    let unnamed = Metadata { issuer: None, ..metadata() };
    assert_eq!(audience(&account(), &unnamed), "https://as.example/token");
}

#[test]
fn a_key_has_the_name_that_the_server_knows_it_by() {
    let named = Definition { private_key_id: Some("2026-11".into()), ..account() };
    assert_eq!(assertion(&named, &metadata(), &key("rsa")).0["kid"], "2026-11");
}

#[test]
fn the_algorithm_is_one_that_the_server_takes() {
    let listing = |names: &[&str]| Metadata {
        token_endpoint_auth_signing_alg_values_supported: Some(names.iter().map(|name| (*name).to_owned()).collect()),
        ..metadata()
    };
    for (name, listed, expected) in [
        ("rsa", ["PS256", "ES256"], "PS256"),
        ("rsa", ["PS256", "RS256"], "RS256"),
        ("ed25519", ["Ed25519", "RS256"], "Ed25519"),
        ("p384", ["ES256", "ES384"], "ES384"),
    ] {
        assert_eq!(assertion(&account(), &listing(&listed), &key(name)).0["alg"], expected, "{name} at {listed:?}");
    }
    let refused = sent(&account(), &listing(&["RS256", "PS256"]), &key("p256")).expect_err("no algorithm in common");
    let sentence = "the key in `private_key_file` signs by ES256, the server takes RS256, PS256";
    assert_eq!(refused.to_string(), sentence);
}

/// A20: a `jti` is used once, however often the same is asked by the same key.
#[test]
fn two_requests_never_carry_the_same_assertion() {
    let (definition, metadata, key) = (account(), metadata(), key("p256"));
    let count = AtomicU64::new(0);
    let stamp = || Stamp { at: 1_000_000, id: count.fetch_add(1, Ordering::Relaxed).to_string() };
    let client = Client {
        definition: &definition,
        metadata: &metadata,
        secret: None,
        key: Some(Signer { key: &key, stamp: &stamp }),
        proof: None,
    };
    let ids: BTreeSet<String> = (0..5)
        .map(|_| {
            let request = token_request::refresh(&client, &secret("rt-1"), TokenAsk::default()).expect("a request");
            let sent = form(&request);
            signed(value(&sent, "client_assertion").expect("an assertion")).1["jti"].to_string()
        })
        .collect();
    assert_eq!(ids.len(), 5);
}
