//! How the client shows at an endpoint who it is (RFC 6749 §2.3). One method per request, never two.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use tokenkeeper_config::{ClientAuth, Definition};
use zeroize::Zeroizing;

use super::assertion::{self, Assertion};
use super::form::Form;
use super::signing_key::{SigningKey, Stamp};
use super::wire::Metadata;
use crate::secret::Secret;

/// The client that asks, and whom it asks.
pub struct Client<'a> {
    /// The account's definition.
    pub definition: &'a Definition,
    /// The server's metadata.
    pub metadata: &'a Metadata,
    /// The client secret, if there is one.
    pub secret: Option<&'a Secret>,
    /// The client's key, if there is one.
    pub key: Option<Signer<'a>>,
    /// The key that its tokens are bound to, if they are.
    pub proof: Option<Prover<'a>>,
}

/// What proves that a request comes from the holder of a key (RFC 9449).
#[derive(Clone, Copy)]
pub struct Prover<'a> {
    /// The key.
    pub signer: Signer<'a>,
    /// What this server wants to see in the next proof.
    pub nonce: Option<&'a str>,
}

/// A key, and what makes each of its signatures another one.
#[derive(Clone, Copy)]
pub struct Signer<'a> {
    /// The key.
    pub key: &'a SigningKey,
    /// Gives the server's time and an id that was never used before, anew for every request.
    pub stamp: &'a (dyn Fn() -> Stamp + Sync),
}

/// Why a request cannot be made. Each wants the configuration changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotAsk {
    /// The server has no such endpoint and none is given.
    #[error("the server has no {0} endpoint, and none is given")]
    NoEndpoint(&'static str),
    /// The method wants a secret.
    #[error("`client_auth` wants a client secret and there is none: give one with `tokenkeeper secret {0}`")]
    NoSecret(String),
    /// The method wants a key.
    #[error("`client_auth` wants a key and there is none: set `private_key_file` of `{0}`")]
    NoPrivateKey(String),
    /// The key cannot sign by any algorithm that the server takes.
    #[error("the key in `private_key_file` signs by {ours}, the server takes {theirs}")]
    NoAlgorithm {
        /// What the key can.
        ours: String,
        /// What the server's metadata list.
        theirs: String,
    },
    /// An audience or resource that the definition does not name: some servers burn the refresh token over it.
    #[error("`{0}` is not among the account's audiences and resources")]
    Undeclared(String),
}

/// Puts the authentication into a form; the answer is the `Authorization` header, if the method has one.
pub(super) fn authenticate(client: &Client<'_>, form: &mut Form) -> Result<Option<HeaderValue>, CannotAsk> {
    let id = client.definition.client_id.as_str();
    let secret = || client.secret.ok_or_else(|| CannotAsk::NoSecret(client.definition.name.to_string()));
    match method(client) {
        ClientAuth::None => {
            form.set("client_id", id.as_bytes());
            Ok(None)
        }
        ClientAuth::Post => {
            form.set("client_id", id.as_bytes());
            form.set("client_secret", secret()?.reveal());
            Ok(None)
        }
        ClientAuth::Basic => Ok(Some(basic(&encoded(id.as_bytes()), &encoded(secret()?.reveal())))),
        ClientAuth::BasicRaw => Ok(Some(basic(id.as_bytes(), secret()?.reveal()))),
        ClientAuth::PrivateKeyJwt => {
            let assertion = assert(client)?;
            form.set("client_id", id.as_bytes());
            form.set("client_assertion_type", assertion::TYPE.as_bytes());
            form.set("client_assertion", assertion.reveal());
            Ok(None)
        }
    }
}

fn assert(client: &Client<'_>) -> Result<Secret, CannotAsk> {
    let definition = client.definition;
    let Some(Signer { key, stamp }) = client.key else {
        return Err(CannotAsk::NoPrivateKey(definition.name.to_string()));
    };
    let key_id = definition.private_key_id.clone().unwrap_or_else(|| key.thumbprint());
    let assertion = Assertion {
        algorithm: assertion::algorithm(key, client.metadata)?,
        key_id: &key_id,
        client_id: &definition.client_id,
        audience: assertion::audience(definition.assertion_audience, client.metadata)?,
    };
    Ok(assertion::sign(key, &assertion, &stamp()))
}

/// The method: as defined, else none without a secret, else what the server lists. Of two the body, since servers
/// differ in how they read Basic (oauth: 5.13); of none named, RFC 8414 §2's default.
fn method(client: &Client<'_>) -> ClientAuth {
    if let Some(stated) = client.definition.client_auth {
        return stated;
    }
    if client.secret.is_none() {
        return ClientAuth::None;
    }
    let listed = client.metadata.token_endpoint_auth_methods_supported.as_deref();
    match listed {
        None => ClientAuth::Basic,
        Some(listed) if listed.iter().any(|method| method == "client_secret_post") => ClientAuth::Post,
        Some(listed) if listed.iter().any(|method| method == "client_secret_basic") => ClientAuth::Basic,
        Some(_) => ClientAuth::Post,
    }
}

/// RFC 6749 §2.3.1: both parts form-urlencoded before they are joined.
fn encoded(part: &[u8]) -> Zeroizing<Vec<u8>> {
    let mut encoded = Zeroizing::new(Vec::with_capacity(part.len() * 3));
    for piece in form_urlencoded::byte_serialize(part) {
        encoded.extend_from_slice(piece.as_bytes());
    }
    encoded
}

fn basic(id: &[u8], secret: &[u8]) -> HeaderValue {
    let joined = Zeroizing::new([id, b":", secret].concat());
    let text = Zeroizing::new(format!("Basic {}", STANDARD.encode(joined.as_slice())));
    let mut value = HeaderValue::from_str(&text).expect("base64 is visible ASCII");
    value.set_sensitive(true);
    value
}
