//! Signatures: made by every kind of key, by another key than the server's, by none.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair};
use jsonwebtoken::{EncodingKey, crypto, jwk::Jwk};

use super::*;

/// A key pair: how to sign, and the public half as a JWK.
struct Pair {
    algorithm: Algorithm,
    name: &'static str,
    key: EncodingKey,
}

impl Pair {
    fn es256() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("a key");
        let pkcs8 = pair.to_pkcs8v1().expect("PKCS#8");
        Self { algorithm: Algorithm::ES256, name: "ES256", key: EncodingKey::from_ec_der(pkcs8.as_ref()) }
    }

    fn ed25519() -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key");
        let pkcs8 = pair.to_pkcs8v1().expect("PKCS#8");
        Self { algorithm: Algorithm::EdDSA, name: "EdDSA", key: EncodingKey::from_ed_der(pkcs8.as_ref()) }
    }

    fn rsa(algorithm: Algorithm, name: &'static str) -> Self {
        let pair = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
        let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair).expect("PKCS#8");
        Self { algorithm, name, key: EncodingKey::from_rsa_der(&pkcs1(der.as_ref())) }
    }

    fn jwk(&self, kid: Option<&str>) -> Value {
        let mut jwk =
            serde_json::to_value(Jwk::from_encoding_key(&self.key, self.algorithm).expect("a JWK")).expect("JSON");
        match kid {
            Some(kid) => jwk["kid"] = json!(kid),
            None => drop(jwk.as_object_mut().expect("an object").remove("kid")),
        }
        jwk
    }

    fn sign(&self, kid: Option<&str>, claims: &Value) -> Secret {
        let mut header = json!({"alg": self.name});
        if let Some(kid) = kid {
            header["kid"] = json!(kid);
        }
        let signed = format!("{}.{}", encode(&header), encode(claims));
        let signature = crypto::sign(signed.as_bytes(), &self.key, self.algorithm).expect("a signature");
        Secret::from(format!("{signed}.{signature}"))
    }
}

/// The PKCS#1 key inside a PKCS#8 envelope: its last OCTET STRING with a two-byte length.
fn pkcs1(pkcs8: &[u8]) -> Vec<u8> {
    let at = pkcs8.windows(2).position(|window| window == [0x04, 0x82]).expect("an octet string");
    pkcs8[at + 4..].to_vec()
}

fn verified(token: &Secret, keys: &Value) -> Result<IdClaims, IdTokenProblem> {
    let keys = json!({ "keys": keys }).to_string();
    check(token, &Setting::new().expected(Some(&keys)))
}

/// S18: RS512, EdDSA and ES256 beside RS256.
#[test]
fn signatures_are_verified_by_every_kind_of_key() {
    for pair in [
        Pair::es256(),
        Pair::ed25519(),
        Pair::rsa(Algorithm::RS256, "RS256"),
        Pair::rsa(Algorithm::RS512, "RS512"),
        Pair::rsa(Algorithm::PS256, "PS256"),
    ] {
        let token = pair.sign(Some("k1"), &claims());
        assert!(verified(&token, &json!([pair.jwk(Some("k1"))])).is_ok(), "{}", pair.name);
        let odd = json!({"kty": "XYZ", "kid": "k0"});
        assert!(verified(&token, &json!([odd, 7, pair.jwk(Some("k1"))])).is_ok(), "{} beside an odd key", pair.name);
        assert!(verified(&pair.sign(None, &claims()), &json!([pair.jwk(None)])).is_ok(), "{} without kid", pair.name);
    }
}

/// A30: only a missing key is a reason to read the keys again.
#[test]
fn a_wrong_signature_is_not_a_missing_key() {
    let (pair, other) = (Pair::es256(), Pair::es256());
    let token = pair.sign(Some("k1"), &claims());
    assert_eq!(verified(&token, &json!([other.jwk(Some("k1"))])), Err(IdTokenProblem::Signature));
    assert_eq!(verified(&token, &json!([pair.jwk(Some("k2"))])), Err(IdTokenProblem::UnknownKey));
    assert_eq!(verified(&token, &json!([])), Err(IdTokenProblem::UnknownKey));
    assert_eq!(verified(&pair.sign(None, &claims()), &json!([other.jwk(None)])), Err(IdTokenProblem::UnknownKey));

    let mut encryption = pair.jwk(Some("k1"));
    encryption["use"] = json!("enc");
    assert_eq!(verified(&token, &json!([encryption])), Err(IdTokenProblem::UnknownKey));
    let mut other_algorithm = pair.jwk(Some("k1"));
    other_algorithm["alg"] = json!("ES384");
    assert_eq!(verified(&token, &json!([other_algorithm])), Err(IdTokenProblem::UnknownKey));
}

#[test]
fn claims_under_a_good_signature_cannot_be_swapped() {
    let pair = Pair::es256();
    let token = pair.sign(Some("k1"), &claims());
    let text = token.reveal_str().expect("text");
    let (header, rest) = text.split_once('.').expect("a JWT");
    let (_, signature) = rest.split_once('.').expect("a JWT");
    let forged = Secret::from(format!("{header}.{}.{signature}", encode(&with("sub", json!("eve")))));
    assert_eq!(verified(&forged, &json!([pair.jwk(Some("k1"))])), Err(IdTokenProblem::Signature));
}

#[test]
fn a_public_key_is_never_a_shared_secret() {
    let pair = Pair::rsa(Algorithm::RS256, "RS256");
    let header = json!({"alg": "HS256", "kid": "k1"});
    assert!(matches!(
        check(
            &unsigned(&header, &claims()),
            &Setting::new().expected(Some(&json!({"keys": [pair.jwk(Some("k1"))]}).to_string()))
        ),
        Err(IdTokenProblem::Algorithm(_))
    ));
    // The other way round: a symmetric key in the set verifies nothing.
    let oct = json!({"kty": "oct", "kid": "k1", "k": "c2VjcmV0"});
    assert_eq!(verified(&pair.sign(Some("k1"), &claims()), &json!([oct])), Err(IdTokenProblem::UnknownKey));
}
