//! The server's signing keys, made afresh at every start: RS256 and ES256.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::settings::Settings;

/// The keys of this process. Making an RSA key takes a noticeable part of a second, so all servers share them.
pub(super) struct Keys {
    rsa: RsaKeyPair,
    ec: EcdsaKeyPair,
}

/// The keys.
pub(super) fn keys() -> &'static Keys {
    static KEYS: OnceLock<Keys> = OnceLock::new();
    KEYS.get_or_init(|| Keys {
        rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("the library makes RSA keys"),
        ec: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("the library makes P-256 keys"),
    })
}

impl Keys {
    /// A signed JWT (RFC 7515 §3.1).
    pub(super) fn sign(&self, claims: &Value, settings: &Settings) -> String {
        let es256 = settings.es256;
        let (algorithm, kind) = if es256 { ("ES256", "ec") } else { ("RS256", "rsa") };
        let header = json!({ "typ": "JWT", "alg": algorithm, "kid": format!("{kind}-{}", settings.key_names) });
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = if es256 { self.es256(signed.as_bytes()) } else { self.rs256(signed.as_bytes()) };
        format!("{signed}.{}", encode(signature))
    }

    fn rs256(&self, bytes: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        let random = SystemRandom::new();
        self.rsa.sign(&RSA_PKCS1_SHA256, &random, bytes, &mut signature).expect("the buffer has the modulus's length");
        signature
    }

    fn es256(&self, bytes: &[u8]) -> Vec<u8> {
        self.ec.sign(&SystemRandom::new(), bytes).expect("a good key signs").as_ref().to_vec()
    }

    /// The JWK set (RFC 7517 §5).
    pub(super) fn jwks(&self, settings: &Settings) -> Value {
        let name = |kind: &str| format!("{kind}-{}", settings.key_names);
        let rsa = self.rsa.public_key();
        let n = encode(rsa.modulus().big_endian_without_leading_zero());
        let e = encode(rsa.exponent().big_endian_without_leading_zero());
        // An uncompressed point (SEC 1 §2.3.3): 0x04, x, y.
        let point = self.ec.public_key().as_ref();
        let (x, y) = (encode(&point[1..33]), encode(&point[33..65]));
        json!({ "keys": [
            { "kty": "RSA", "kid": name("rsa"), "use": "sig", "alg": "RS256", "n": n, "e": e },
            { "kty": "EC", "crv": "P-256", "kid": name("ec"), "use": "sig", "alg": "ES256", "x": x, "y": y },
        ] })
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
