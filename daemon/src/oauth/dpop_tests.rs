use serde_json::json;
use sha2::{Digest, Sha256};

use super::*;
use crate::oauth::testing::{definition, form, key, metadata, secret, signed, value};
use crate::oauth::token_request::{self, TokenAsk};
use crate::oauth::{Client, Prover, Signer};

fn stamp() -> Stamp {
    Stamp { at: 1_000_000, id: "id-1".into() }
}

fn proof(method: &str, address: &str, claims: Claims<'_>) -> (serde_json::Value, serde_json::Value) {
    let target = Target::new(method, address).expect("a request");
    signed(sign(&key("p256"), &target, claims, &stamp()).reveal_str().expect("text"))
}

#[test]
fn a_proof_names_one_request_and_its_key() {
    let (header, payload) = proof("GET", "https://api.example/mail?page=2#top", Claims::default());
    let jwk: serde_json::Value = serde_json::from_str(&key("p256").public_jwk()).expect("a JWK");
    assert_eq!(header, json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": jwk}));
    assert!(jwk.get("d").is_none(), "the public half only");
    assert_eq!(payload, json!({"htm": "GET", "htu": "https://api.example/mail", "iat": 1_000_000, "jti": "id-1"}));
}

/// RFC 9449 §7.1: the token of the example there, and its `ath`.
#[test]
fn a_proof_for_a_token_has_its_digest() {
    let digest: [u8; 32] = Sha256::digest("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU").into();
    let claims = Claims { token: Some(&digest), nonce: Some("eyJ7S_zG.eyJH0-Z.HX4w-7v") };
    let (_, payload) = proof("GET", "https://resource.example.org/protectedresource", claims);
    assert_eq!(payload["ath"], "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo");
    assert_eq!(payload["nonce"], "eyJ7S_zG.eyJH0-Z.HX4w-7v");
}

#[test]
fn what_nobody_should_send_a_token_to_is_not_signed_for() {
    for (method, address, said) in [
        ("", "https://api.example/", "`` is no HTTP method"),
        ("GET /", "https://api.example/", "`GET /` is no HTTP method"),
        ("G\u{e9}T", "https://api.example/", "`G\u{e9}T` is no HTTP method"),
        (&"G".repeat(99), "https://api.example/", &format!("`{}` is no HTTP method", "G".repeat(32))),
        ("GET", "api.example", "the address to sign for is none: relative URL without a base"),
        (
            "GET",
            "http://api.example/",
            "the address to sign for is http: https is required (http only on 127.0.0.1 or [::1])",
        ),
        ("GET", "ftp://api.example/", "the address to sign for is not https"),
        ("GET", "https://ada@api.example/", "the address to sign for has a user name in it"),
        ("GET", &format!("https://api.example/{}", "a".repeat(9000)), "the address to sign for is over 8 KiB"),
    ] {
        let refused = Target::new(method, address).expect_err(address);
        assert_eq!(refused.to_string(), said);
    }
    for (address, named) in [
        ("https://api.example", "https://api.example/"),
        ("https://API.example:443/A%20b?x#y", "https://api.example/A%20b"),
        ("http://127.0.0.1:8080/a", "http://127.0.0.1:8080/a"),
        ("http://[::1]/", "http://[::1]/"),
    ] {
        let target = Target::new("PATCH", address).expect(address);
        assert_eq!(target.address().as_str(), named);
    }
}

#[test]
fn a_nonce_is_visible_text_without_quotes() {
    for good in ["a", "eyJ7S_zG.eyJH0-Z.HX4w-7v", "~!#"] {
        assert!(is_nonce(good), "{good}");
    }
    for bad in ["", "a b", "a\"b", "a\\b", "\u{e9}", "a\n", &"a".repeat(1025)] {
        assert!(!is_nonce(bad), "{bad}");
    }
}

/// A20: the proof of a request is another one each time, and so is the assertion beside it.
#[test]
fn a_request_carries_its_proof_and_never_the_same_twice() {
    use std::sync::atomic::{AtomicU64, Ordering};
    let mut definition = definition();
    definition.client_auth = Some(tokenkeeper_config::ClientAuth::PrivateKeyJwt);
    let (metadata, proof_key, client_key) = (metadata(), key("p256"), key("ed25519"));
    let count = AtomicU64::new(0);
    let stamp = || Stamp { at: 1_000_000, id: count.fetch_add(1, Ordering::Relaxed).to_string() };
    let client = Client {
        definition: &definition,
        metadata: &metadata,
        secret: None,
        key: Some(Signer { key: &client_key, stamp: &stamp }),
        proof: Some(Prover { signer: Signer { key: &proof_key, stamp: &stamp }, nonce: Some("n-1") }),
    };
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..3 {
        let request = token_request::refresh(&client, &secret("rt-1"), TokenAsk::default()).expect("a request");
        let (_, payload) = signed(request.headers()["dpop"].to_str().expect("text"));
        assert_eq!((&payload["htm"], &payload["htu"]), (&json!("POST"), &json!("https://as.example/token")));
        assert_eq!(payload["nonce"], "n-1");
        assert_eq!(payload.get("ath"), None, "there is no token yet");
        assert!(request.headers()["dpop"].is_sensitive(), "never in a log");
        let sent = form(&request);
        let (_, assertion) = signed(value(&sent, "client_assertion").expect("an assertion"));
        ids.extend([payload["jti"].to_string(), assertion["jti"].to_string()]);
    }
    assert_eq!(ids.len(), 6);
}
