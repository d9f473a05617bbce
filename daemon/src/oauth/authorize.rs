//! The authorization request (RFC 6749 §4.1.1), always with PKCE S256 (RFC 7636), no parameter twice but `resource`.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use tokenkeeper_config::Definition;
use url::Url;

use super::wire::Metadata;
use crate::secret::Secret;

/// One authorization request, beside what the definition says.
pub struct AuthorizeAsk<'a> {
    /// Where the browser comes back to.
    pub redirect_uri: &'a str,
    /// Every scope to ask for.
    pub scopes: &'a [String],
    /// `state`: 256 random bits.
    pub state: &'a Secret,
    /// `nonce`: 256 random bits; sent only with the scope `openid`, since a server refuses it without.
    pub nonce: &'a Secret,
    /// The PKCE verifier (RFC 7636 §4.1); only its hash is sent here.
    pub verifier: &'a Secret,
    /// Who is expected to sign in (OpenID Connect Core §3.1.2.1).
    pub login_hint: Option<&'a str>,
    /// `prompt`; `None` = the definition's, else `consent` where offline access is wanted.
    pub prompt: Option<&'a str>,
    /// How the person shall sign in, in order of preference (RFC 9470 §4).
    pub acr_values: Option<&'a str>,
    /// The longest time since they signed in, in seconds (RFC 9470 §4).
    pub max_age: Option<u32>,
    /// Thumbprint of the key that the code is to be bound to (RFC 9449 §10).
    pub proof_key: Option<&'a str>,
}

/// Why there is no authorization address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CannotAuthorize {
    /// The server has none, and none is given.
    #[error("the server has no authorization endpoint: set `authorization_endpoint` or `flow = \"device\"`")]
    NoEndpoint,
    /// The client is not known yet.
    #[error("the account has no `client_id`")]
    NoClientId,
    /// The request shall be pushed, and there is no endpoint for it.
    #[error("the server has no pushed authorization request endpoint: remove `par = \"on\"`")]
    NowhereToPush,
}

/// Parameters that `authorize_params` cannot set: the protocol rests on them.
const OURS: [&str; 9] = [
    "response_type",
    "client_id",
    "redirect_uri",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "dpop_jkt",
];

/// The address to open in the browser.
///
/// # Errors
/// When the server has no authorization endpoint or the account no client.
pub fn url(definition: &Definition, metadata: &Metadata, ask: &AuthorizeAsk<'_>) -> Result<Url, CannotAuthorize> {
    let endpoint = metadata.authorization_endpoint.as_ref().ok_or(CannotAuthorize::NoEndpoint)?;
    Ok(parameters(definition, ask)?.onto(endpoint))
}

/// What the request says, wherever it goes: into the address, or to the server first (RFC 9126).
///
/// # Errors
/// When the account has no client.
pub fn parameters(definition: &Definition, ask: &AuthorizeAsk<'_>) -> Result<Parameters, CannotAuthorize> {
    if definition.client_id.is_empty() {
        return Err(CannotAuthorize::NoClientId);
    }
    let mut parameters = Parameters::default();
    parameters.set("response_type", "code");
    parameters.set("client_id", &definition.client_id);
    parameters.set("redirect_uri", ask.redirect_uri);
    if !ask.scopes.is_empty() {
        parameters.set("scope", &ask.scopes.join(&definition.scope_separator.to_string()));
    }
    parameters.set("state", text(ask.state));
    if ask.scopes.iter().any(|scope| scope == "openid") {
        parameters.set("nonce", text(ask.nonce));
    }
    parameters.set("code_challenge", &challenge(ask.verifier));
    parameters.set("code_challenge_method", "S256");
    for (name, value) in [("audience", &definition.audience), ("organization", &definition.organization)] {
        if let Some(value) = value {
            parameters.set(name, value);
        }
    }
    for resource in &definition.resources {
        parameters.add("resource", resource);
    }
    let optional = [
        ("login_hint", ask.login_hint),
        ("prompt", ask.prompt),
        ("acr_values", ask.acr_values),
        ("dpop_jkt", ask.proof_key),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            parameters.set(name, value);
        }
    }
    if let Some(max_age) = ask.max_age {
        parameters.set("max_age", &max_age.to_string());
    }
    if let Some(details) = &definition.authorization_details {
        parameters.set("authorization_details", details);
    }
    for (name, value) in &definition.authorize_params {
        // An empty value takes a default back: `prompt = ""`.
        if !OURS.contains(&name.as_str()) && !parameters.has(name) {
            parameters.set(name, value);
        }
    }
    // OpenID Connect Core §11 wants it for offline access, and two servers drop the refresh token silently without.
    if ask.scopes.iter().any(|scope| scope == "offline_access") && !parameters.has("prompt") {
        parameters.set("prompt", "consent");
    }
    Ok(parameters)
}

/// `BASE64URL(SHA256(verifier))` (RFC 7636 §4.2).
fn challenge(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.reveal()))
}

fn text(random: &Secret) -> &str {
    random.reveal_str().expect("state and nonce are base64url")
}

/// Parameters in order; those without a value are not sent.
#[derive(Default)]
pub struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }

    pub(super) fn set(&mut self, name: &str, value: &str) {
        self.0.retain(|(known, _)| known != name);
        self.add(name, value);
    }

    fn add(&mut self, name: &str, value: &str) {
        self.0.push((name.to_owned(), value.to_owned()));
    }

    /// What is sent.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// Onto an endpoint, whose own query stays (RFC 6749 §3.1) but for what we set.
    pub(super) fn onto(self, endpoint: &Url) -> Url {
        let theirs: Vec<(String, String)> =
            endpoint.query_pairs().into_owned().filter(|(name, _)| !self.has(name)).collect();
        let mut url = endpoint.clone();
        url.query_pairs_mut().clear().extend_pairs(theirs).extend_pairs(self.pairs());
        url
    }
}

#[cfg(test)]
#[path = "authorize_tests.rs"]
mod tests;
