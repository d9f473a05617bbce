use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, crypto};

use super::*;
use crate::oauth::testing::key;

fn reason(pem: &str) -> NoKey {
    SigningKey::from_pem(&Secret::copy_of(pem.as_bytes())).err().unwrap_or_else(|| panic!("a key: {pem}"))
}

/// Another library reads the public half and checks the signature.
#[test]
fn every_kind_of_key_signs_by_each_of_its_algorithms() {
    for (name, signs_by) in [
        ("p256", [Algorithm::ES256].as_slice()),
        ("p256-sec1", &[Algorithm::ES256]),
        ("p384", &[Algorithm::ES384]),
        ("rsa", &[Algorithm::RS256, Algorithm::PS256]),
        ("rsa-pkcs1", &[Algorithm::RS256, Algorithm::PS256]),
        ("ed25519", &[Algorithm::EdDSA]),
    ] {
        let key = key(name);
        let public: Jwk = serde_json::from_str(&key.public_jwk()).expect("a JWK");
        let public = DecodingKey::from_jwk(&public).expect("a public key");
        for (algorithm, stated) in signs_by.iter().zip(key.algorithms()) {
            assert_eq!(*stated, format!("{algorithm:?}"));
            let signed = key.sign(stated, r#"{"alg":"x"}"#, r#"{"a":1}"#);
            let signed = signed.reveal_str().expect("text");
            let (message, signature) = signed.rsplit_once('.').expect("three parts");
            assert_eq!(message, "eyJhbGciOiJ4In0.eyJhIjoxfQ");
            let is_good = crypto::verify(signature, message.as_bytes(), &public, *algorithm);
            assert!(is_good.expect("a signature"), "{name} by {stated}");
        }
    }
}

/// RFC 8037, appendix A.3.
#[test]
fn a_thumbprint_is_as_the_standard_shows_it() {
    assert_eq!(key("ed25519").thumbprint(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    assert_eq!(
        key("ed25519").public_jwk(),
        r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
    );
}

#[test]
fn the_same_key_in_another_file_format_is_the_same_key() {
    assert_eq!(key("p256").thumbprint(), key("p256-sec1").thumbprint());
    assert_eq!(key("rsa").thumbprint(), key("rsa-pkcs1").thumbprint());
    assert_ne!(key("p256").thumbprint(), key("p384").thumbprint());
}

/// The canary test looks for keys by how they begin.
#[test]
fn a_new_proof_key_is_another_each_time_and_begins_as_every_such_key() {
    use base64::engine::general_purpose::STANDARD;
    let (one, two) = (new_proof_key(), new_proof_key());
    let key = SigningKey::from_pkcs8(&one).expect("a key");
    assert_eq!(key.algorithms(), ["ES256"]);
    assert_ne!(key.thumbprint(), SigningKey::from_pkcs8(&two).expect("a key").thumbprint());
    assert!(STANDARD.encode(one.reveal()).starts_with("MIGHAgEAMBMGByqGSM49AgEG"));
    assert_eq!(SigningKey::from_pkcs8(&Secret::copy_of(b"none")).err(), Some(NoKey::Kind));
}

#[test]
fn what_is_no_key_says_what_is() {
    for nothing in
        ["", "secret", "-----BEGIN PRIVATE KEY-----", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
    {
        assert_eq!(reason(nothing), NoKey::Pem, "{nothing}");
    }
    assert_eq!(reason(include_str!("testdata/encrypted.pem")), NoKey::Encrypted);
    assert_eq!(reason(include_str!("testdata/rsa-1024.pem")), NoKey::Kind);
    assert_eq!(reason(include_str!("testdata/p521.pem")), NoKey::Kind);
    assert_eq!(reason("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"), NoKey::Kind);
}
