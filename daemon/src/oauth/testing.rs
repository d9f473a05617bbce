//! What the codec's tests share: a plain definition to change, and answers made by hand.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use tokenkeeper_config::{Definition, Flow, Switch};
use url::Url;

use super::authorize::AuthorizeAsk;
pub(crate) use super::corpus::Case;
use super::{Metadata, Request, Response, SigningKey};
use crate::secret::Secret;

/// An account at `https://as.example` with nothing out of the ordinary.
pub(crate) fn definition() -> Definition {
    Definition {
        issuer: Some("https://as.example".into()),
        scopes: vec!["openid".into(), "offline_access".into()],
        flow: Flow::Browser,
        dpop: Switch::Off,
        par: Switch::Off,
        ..Definition::bare("work".parse().expect("a name"), "cli".to_owned())
    }
}

/// The server's metadata.
pub(crate) fn metadata() -> Metadata {
    Metadata {
        issuer: Some("https://as.example".into()),
        authorization_endpoint: Some(url("https://as.example/authorize")),
        token_endpoint: Some(url("https://as.example/token")),
        revocation_endpoint: Some(url("https://as.example/revoke")),
        ..Metadata::default()
    }
}

/// What a login asks for, with nothing out of the ordinary.
pub(crate) fn ask<'a>(state: &'a Secret, nonce: &'a Secret, verifier: &'a Secret) -> AuthorizeAsk<'a> {
    AuthorizeAsk {
        redirect_uri: "http://127.0.0.1:4711/cb",
        scopes: &[],
        state,
        nonce,
        verifier,
        login_hint: None,
        prompt: None,
        acr_values: None,
        max_age: None,
        proof_key: None,
    }
}

pub(crate) fn url(text: &str) -> Url {
    text.parse().expect("an address")
}

pub(crate) fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

pub(crate) fn response(status: u16, body: &str) -> Response {
    let mut response = Response::new(secret(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a status");
    response
}

/// A private key of the tests' own, by its file's name.
pub(crate) fn key(name: &str) -> SigningKey {
    let pem = match name {
        "p256" => include_bytes!("testdata/p256.pem").as_slice(),
        "p256-sec1" => include_bytes!("testdata/p256-sec1.pem"),
        "p384" => include_bytes!("testdata/p384.pem"),
        "ed25519" => include_bytes!("testdata/ed25519.pem"),
        "rsa" => include_bytes!("testdata/rsa.pem"),
        "rsa-pkcs1" => include_bytes!("testdata/rsa-pkcs1.pem"),
        other => panic!("no key `{other}`"),
    };
    SigningKey::from_pem(&Secret::copy_of(pem)).unwrap_or_else(|why| panic!("{name}: {why}"))
}

/// A key that tokens are bound to, as it is kept: the one that `key("p256")` reads.
pub(crate) fn proof_key() -> Secret {
    let pem = include_bytes!("testdata/p256.pem").as_slice();
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem).expect("PEM");
    Secret::copy_of(der.secret_pkcs8_der())
}

/// Header and claims of a compact JWS, unverified.
pub(crate) fn signed(jws: &str) -> (serde_json::Value, serde_json::Value) {
    let mut parts = jws.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).expect("base64url"));
    let mut json = || serde_json::from_slice(&parts.next().expect("three parts")).expect("JSON");
    (json(), json())
}

/// The form in a request's body.
pub(crate) fn form(request: &Request) -> Vec<(String, String)> {
    form_urlencoded::parse(request.body().reveal()).into_owned().collect()
}

/// The one value of a name in a form or query; panics where it is there twice.
pub(crate) fn value<'a>(pairs: &'a [(String, String)], name: &str) -> Option<&'a str> {
    let mut found = pairs.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let value = found.next();
    assert!(found.next().is_none(), "`{name}` twice");
    value
}
