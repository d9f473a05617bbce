//! Requests to the token endpoint (RFC 6749 §4.1.3, §6, §4.4.2). Always a form by POST; JSON is refused by most.

use http::{HeaderValue, header};
use tokenkeeper_config::ScopeNarrowing;
use url::Url;

use super::client_auth::{self, CannotAsk, Client, Prover};
use super::dpop;
use super::form::Form;
use super::wire::Request;
use crate::secret::Secret;

/// `grant_type` of a token exchange (RFC 8693 §2.1).
pub const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 8693 §3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// Which token a refresh or a client asks for. `None` and empty mean the account's default.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenAsk<'a> {
    /// Auth0's `audience`.
    pub audience: Option<&'a str>,
    /// RFC 8707's `resource`.
    pub resource: Option<&'a str>,
    /// Scopes.
    pub scopes: &'a [String],
}

/// Redeems an authorization code (RFC 6749 §4.1.3 with RFC 7636 §4.5).
///
/// # Errors
/// [`CannotAsk`]: the configuration has to change.
pub fn code(client: &Client<'_>, code: &Secret, verifier: &Secret, redirect_uri: &str) -> Result<Request, CannotAsk> {
    let mut form = Form::new("authorization_code");
    form.set("code", code.reveal());
    form.set("redirect_uri", redirect_uri.as_bytes());
    form.set("code_verifier", verifier.reveal());
    // One of several: servers refuse a code for two at once (RFC 8707 §2.2 allows them to).
    set_resource(&mut form, client, None)?;
    finish(client, form)
}

/// Refreshes (RFC 6749 §6). A smaller scope is asked only where the definition says that it does not stay small, and an
/// audience or resource only if the definition names it: three of eight servers burn the token over one they do not
/// know.
///
/// # Errors
/// [`CannotAsk`]: the configuration has to change, or the ask does.
pub fn refresh(client: &Client<'_>, token: &Secret, ask: TokenAsk<'_>) -> Result<Request, CannotAsk> {
    let mut form = Form::new("refresh_token");
    form.set("refresh_token", token.reveal());
    if let Some(audience) = ask.audience {
        let known = client.definition.audience.iter().chain(&client.definition.audiences);
        form.set("audience", declared(audience, known)?.as_bytes());
    }
    set_resource(&mut form, client, ask.resource)?;
    if client.definition.scope_narrowing == ScopeNarrowing::PerRequest {
        set_scopes(&mut form, client, ask.scopes);
    }
    finish(client, form)
}

/// Asks on the client's own account (RFC 6749 §4.4).
///
/// # Errors
/// [`CannotAsk`]: the configuration has to change, or the ask does.
pub fn client_credentials(client: &Client<'_>, ask: TokenAsk<'_>) -> Result<Request, CannotAsk> {
    let definition = client.definition;
    let mut form = Form::new("client_credentials");
    let known = definition.audience.iter().chain(&definition.audiences);
    match ask.audience {
        Some(audience) => form.set("audience", declared(audience, known)?.as_bytes()),
        None => definition.audience.iter().for_each(|audience| form.set("audience", audience.as_bytes())),
    }
    set_resource(&mut form, client, ask.resource)?;
    // RFC 9396 §6: where there is a grant, the token has what was granted; here there is none.
    if let Some(details) = &definition.authorization_details {
        form.set("authorization_details", details.as_bytes());
    }
    let scopes = if ask.scopes.is_empty() { &definition.scopes } else { ask.scopes };
    // There is nobody to be offline: servers answer `invalid_scope` (RFC 6749 §4.4.3 gives no refresh token).
    let scopes: Vec<String> = scopes.iter().filter(|scope| *scope != "offline_access").cloned().collect();
    set_scopes(&mut form, client, &scopes);
    finish(client, form)
}

/// Exchanges the account's access token for one of another audience or resource, or with fewer scopes (RFC 8693 §2.1). The
/// refresh token is never part of it, neither as subject nor as actor.
///
/// # Errors
/// [`CannotAsk`]: the configuration has to change.
pub fn exchange(client: &Client<'_>, subject: &Secret, ask: TokenAsk<'_>) -> Result<Request, CannotAsk> {
    let mut form = Form::new(TOKEN_EXCHANGE);
    form.set("subject_token", subject.reveal());
    form.set("subject_token_type", ACCESS_TOKEN.as_bytes());
    form.set("requested_token_type", ACCESS_TOKEN.as_bytes());
    for (name, value) in [("audience", ask.audience), ("resource", ask.resource)] {
        if let Some(value) = value {
            form.set(name, value.as_bytes());
        }
    }
    set_scopes(&mut form, client, ask.scopes);
    finish(client, form)
}

/// Polls for a device code (RFC 8628 §3.4).
pub(super) fn device_code(client: &Client<'_>, device_code: &Secret) -> Result<Request, CannotAsk> {
    let mut form = Form::new("urn:ietf:params:oauth:grant-type:device_code");
    form.set("device_code", device_code.reveal());
    set_resource(&mut form, client, None)?;
    finish(client, form)
}

/// To the token endpoint, with the definition's extra parameters. They never replace what the protocol says, nor bring
/// a secret that another method keeps out of the body.
fn finish(client: &Client<'_>, mut form: Form) -> Result<Request, CannotAsk> {
    let endpoint = client.metadata.token_endpoint.as_ref().ok_or(CannotAsk::NoEndpoint("token"))?;
    for (name, value) in &client.definition.token_params {
        if !matches!(name.as_str(), "client_id" | "client_secret" | "client_assertion" | "client_assertion_type") {
            form.set(name, value.as_bytes());
        }
    }
    post(client, endpoint, form)
}

/// A form to an endpoint, authenticated and proved, both anew for every request; `Accept` because GitHub answers with a
/// form otherwise.
pub(super) fn post(client: &Client<'_>, endpoint: &Url, mut form: Form) -> Result<Request, CannotAsk> {
    let authorization = client_auth::authenticate(client, &mut form)?;
    let mut request = http::Request::post(endpoint.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(())
        .expect("an endpoint is an absolute http(s) address");
    if let Some(value) = authorization {
        request.headers_mut().insert(header::AUTHORIZATION, value);
    }
    if let Some(Prover { signer, nonce }) = client.proof {
        let claims = dpop::Claims { token: None, nonce };
        let proof = dpop::sign(signer.key, &dpop::Target::post(endpoint), claims, &(signer.stamp)());
        let mut value = HeaderValue::from_bytes(proof.reveal()).expect("a JWS is visible ASCII");
        value.set_sensitive(true);
        request.headers_mut().insert("dpop", value);
    }
    Ok(request.map(|()| form.into_body()))
}

/// The resource that is asked for, else the first: a grant with two refuses a refresh that names none (oauth: 5.2).
fn set_resource(form: &mut Form, client: &Client<'_>, asked: Option<&str>) -> Result<(), CannotAsk> {
    let resources = &client.definition.resources;
    let resource = match asked {
        Some(asked) => Some(declared(asked, resources.iter())?),
        None => resources.first().map(String::as_str),
    };
    if let Some(resource) = resource {
        form.set("resource", resource.as_bytes());
    }
    Ok(())
}

fn set_scopes(form: &mut Form, client: &Client<'_>, scopes: &[String]) {
    if !scopes.is_empty() {
        form.set("scope", scopes.join(&client.definition.scope_separator.to_string()).as_bytes());
    }
}

fn declared<'a>(asked: &'a str, mut known: impl Iterator<Item = &'a String>) -> Result<&'a str, CannotAsk> {
    if known.any(|known| known == asked) { Ok(asked) } else { Err(CannotAsk::Undeclared(asked.to_owned())) }
}

#[cfg(test)]
#[path = "token_request_tests.rs"]
mod tests;
