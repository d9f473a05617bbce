//! A private key that signs for a client, and compact JSON Web Signatures by it (RFC 7515 §7.1).
//!
//! Time and ids of what is signed are arguments. The one thing drawn here is the number inside an ECDSA signature, by the
//! library that makes it. A key is never printed; its public half is, as a JWK.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{Error as PemError, PemObject};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::secret::Secret;

/// A private key of one of the kinds that servers take signatures of.
pub struct SigningKey(Pair);

enum Pair {
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// What makes one signed statement another than the last.
pub struct Stamp {
    /// The server's time, unix seconds.
    pub at: u64,
    /// `jti`: never used before.
    pub id: String,
}

/// Makes a key on P-256, as PKCS#8 in DER. What is drawn is drawn by the library.
pub fn new_proof_key() -> Secret {
    let made = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new());
    Secret::copy_of(made.expect("a key can be made as long as there is randomness").as_ref())
}

/// Why some text is no key to sign with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoKey {
    /// No PEM, or none of a private key.
    #[error("has no private key in PEM (`-----BEGIN PRIVATE KEY-----`)")]
    Pem,
    /// There is nobody to ask for the passphrase of a key.
    #[error("is encrypted, and nobody can be asked for its passphrase: write it without one, readable by you alone")]
    Encrypted,
    /// A curve or size that no algorithm here is for.
    #[error("is no key to sign with here: an EC key on P-256 or P-384, Ed25519, or RSA of 2048 to 8192 bits is")]
    Kind,
}

impl SigningKey {
    /// Reads a PEM file's text: PKCS#8, SEC1 (`EC PRIVATE KEY`) or PKCS#1 (`RSA PRIVATE KEY`).
    ///
    /// # Errors
    /// When there is none in it, or not one of the kinds above.
    pub fn from_pem(text: &Secret) -> Result<Self, NoKey> {
        let mut der = PrivateKeyDer::from_pem_slice(text.reveal()).map_err(|fault| match fault {
            PemError::NoItemsFound if is_encrypted(text.reveal()) => NoKey::Encrypted,
            _ => NoKey::Pem,
        })?;
        let pair = match &der {
            PrivateKeyDer::Pkcs1(key) => RsaKeyPair::from_der(key.secret_pkcs1_der()).ok().map(Pair::Rsa),
            PrivateKeyDer::Sec1(key) => elliptic(key.secret_sec1_der()),
            PrivateKeyDer::Pkcs8(key) => any(key.secret_pkcs8_der()),
            _ => None,
        };
        der.zeroize();
        pair.map(Self).ok_or(NoKey::Kind)
    }

    /// Reads a key as it is kept here: PKCS#8 in DER.
    ///
    /// # Errors
    /// When it is not one of the kinds above.
    pub fn from_pkcs8(der: &Secret) -> Result<Self, NoKey> {
        any(der.reveal()).map(Self).ok_or(NoKey::Kind)
    }

    /// The names of the algorithms it can sign by (RFC 7518 §3.1, RFC 8037, RFC 9864), the usual first.
    pub fn algorithms(&self) -> &'static [&'static str] {
        match self.0 {
            Pair::P256(_) => &["ES256"],
            Pair::P384(_) => &["ES384"],
            Pair::Rsa(_) => &["RS256", "PS256"],
            Pair::Ed25519(_) => &["EdDSA", "Ed25519"],
        }
    }

    /// The public half as a JWK: only the members that a thumbprint is made of, in its order (RFC 7638 §3.2).
    pub fn public_jwk(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.0 {
            Pair::P256(pair) | Pair::P384(pair) => {
                // Uncompressed: 4, x, y (SEC 1 §2.3.3).
                let point = &pair.public_key().as_ref()[1..];
                let (x, y) = point.split_at(point.len() / 2);
                let curve = if x.len() == 32 { "P-256" } else { "P-384" };
                format!(r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
            }
            Pair::Rsa(pair) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(pair.public_key());
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(&public.e), text(&public.n))
            }
            Pair::Ed25519(pair) => {
                format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(pair.public_key().as_ref()))
            }
        }
    }

    /// SHA-256 of the public half (RFC 7638).
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.public_jwk()))
    }

    /// Header and claims, both JSON, as a compact JWS. `algorithm` is one of [`Self::algorithms`] and stands in the header.
    pub(super) fn sign(&self, algorithm: &str, header: &str, claims: &str) -> Secret {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.signature(algorithm, signed.as_bytes()));
        Secret::from(format!("{signed}.{signature}"))
    }

    fn signature(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let works = "a key that was checked when it was read signs any message";
        match &self.0 {
            Pair::P256(pair) | Pair::P384(pair) => pair.sign(&random, message).expect(works).as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let padding = if algorithm == "PS256" { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(padding, &random, message, &mut signature).expect(works);
                signature
            }
        }
    }
}

fn any(pkcs8: &[u8]) -> Option<Pair> {
    elliptic(pkcs8)
        .or_else(|| RsaKeyPair::from_pkcs8(pkcs8).ok().map(Pair::Rsa))
        .or_else(|| Ed25519KeyPair::from_pkcs8_maybe_unchecked(pkcs8).ok().map(Pair::Ed25519))
}

fn elliptic(der: &[u8]) -> Option<Pair> {
    let on = |curve| EcdsaKeyPair::from_private_key_der(curve, der).ok();
    on(&ECDSA_P256_SHA256_FIXED_SIGNING)
        .map(Pair::P256)
        .or_else(|| on(&ECDSA_P384_SHA384_FIXED_SIGNING).map(Pair::P384))
}

fn is_encrypted(pem: &[u8]) -> bool {
    let text = Zeroizing::new(String::from_utf8_lossy(pem).into_owned());
    text.contains("BEGIN ENCRYPTED PRIVATE KEY")
}

#[cfg(test)]
#[path = "signing_key_tests.rs"]
mod tests;
