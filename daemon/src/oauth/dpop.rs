//! DPoP proofs (RFC 9449 §4.2): the holder of a key signs one request. Whoever only has the token can use it nowhere.
//! None is ever sent twice: each has its own `jti`, also when a request is repeated.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use url::Url;

use super::metadata;
use super::signing_key::{SigningKey, Stamp};
use crate::secret::Secret;

/// The algorithm of every key that is made here. All servers with DPoP take it.
pub(super) const ALGORITHM: &str = "ES256";

/// The longest method (bytes).
const LONGEST_METHOD: usize = 32;
/// The longest address (bytes).
const LONGEST_ADDRESS: usize = 8 * 1024;
/// The longest nonce (bytes).
const LONGEST_NONCE: usize = 1024;

/// One request, as a proof names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    method: String,
    address: Url,
}

/// What stands in a proof beside the request.
#[derive(Debug, Clone, Copy, Default)]
pub struct Claims<'a> {
    /// SHA-256 of the access token that goes with it.
    pub token: Option<&'a [u8; 32]>,
    /// What the server wants to see again (§8).
    pub nonce: Option<&'a str>,
}

/// Why a request is not signed for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTarget {
    /// No method (RFC 9110 §9.1).
    #[error("`{0}` is no HTTP method")]
    Method(String),
    /// No address.
    #[error("the address to sign for is none: {0}")]
    NoAddress(String),
    /// An address that no token should go to.
    #[error("the address to sign for {0}")]
    Address(&'static str),
}

impl Target {
    /// Checks what somebody wants signed: https, or http on a loopback literal. Query and fragment are dropped (§4.2).
    ///
    /// # Errors
    /// [`BadTarget`]: which of the two is wrong.
    pub fn new(method: &str, address: &str) -> Result<Self, BadTarget> {
        let is_method = method.len() <= LONGEST_METHOD && http::Method::from_bytes(method.as_bytes()).is_ok();
        if !is_method {
            return Err(BadTarget::Method(method.chars().take(LONGEST_METHOD).collect()));
        }
        if address.len() > LONGEST_ADDRESS {
            return Err(BadTarget::Address("is over 8 KiB"));
        }
        let mut address = Url::parse(address).map_err(|fault| BadTarget::NoAddress(fault.to_string()))?;
        address.set_query(None);
        address.set_fragment(None);
        metadata::check(&address).map_err(BadTarget::Address)?;
        Ok(Self { method: method.to_owned(), address })
    }

    /// A POST to an endpoint, which was checked when it was read.
    pub(super) fn post(endpoint: &Url) -> Self {
        let mut address = endpoint.clone();
        address.set_query(None);
        address.set_fragment(None);
        Self { method: "POST".to_owned(), address }
    }

    /// Where it goes.
    pub fn address(&self) -> &Url {
        &self.address
    }
}

#[derive(Serialize)]
struct Payload<'a> {
    htm: &'a str,
    htu: &'a str,
    iat: u64,
    jti: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ath: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
}

/// Signs a proof. `key` is one of those made for this, on P-256.
pub fn sign(key: &SigningKey, target: &Target, claims: Claims<'_>, stamp: &Stamp) -> Secret {
    let header = format!(r#"{{"typ":"dpop+jwt","alg":"{ALGORITHM}","jwk":{}}}"#, key.public_jwk());
    let payload = Payload {
        htm: &target.method,
        htu: target.address.as_str(),
        iat: stamp.at,
        jti: &stamp.id,
        ath: claims.token.map(|digest| URL_SAFE_NO_PAD.encode(digest)),
        nonce: claims.nonce,
    };
    let payload = serde_json::to_string(&payload).expect("names and numbers are JSON");
    key.sign(ALGORITHM, &header, &payload)
}

/// Whether a text can be a nonce (§8.1: NQCHAR).
pub fn is_nonce(text: &str) -> bool {
    let is_allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
    !text.is_empty() && text.len() <= LONGEST_NONCE && text.bytes().all(is_allowed)
}

#[cfg(test)]
#[path = "dpop_tests.rs"]
mod tests;
