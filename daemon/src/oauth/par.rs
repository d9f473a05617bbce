//! Pushed authorization requests (RFC 9126): the parameters go to the server by POST, and the browser gets a reference to
//! them that works once.

use std::time::Duration;

use tokenkeeper_config::{Definition, Switch};
use url::Url;

use super::answer::{self, AnswerContext};
use super::authorize::{CannotAuthorize, Parameters};
use super::client_auth::{CannotAsk, Client};
use super::form::Form;
use super::json::Json;
use super::token_request;
use super::wire::{Metadata, Outcome, Request, Sent};

/// Where the server does not say how long the reference lives, although it must (§2.2).
const LIFETIME: Duration = Duration::from_secs(60);
/// No longer than a login may take.
const LONGEST: Duration = Duration::from_secs(600);
/// The longest reference that is put into an address.
const LIMIT: usize = 2048;

/// A request that lies at the server (§2.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// `request_uri`: the reference.
    pub request_uri: String,
    /// How long it may be opened.
    pub expires_in: Duration,
}

/// Whether the request is pushed: where the server requires it, or the account does. A server that merely offers it is
/// not asked: some offer it to confidential clients only, and a login would fail that works without.
///
/// # Errors
/// When there is nowhere to push it to.
pub fn is_wanted(definition: &Definition, metadata: &Metadata) -> Result<bool, CannotAuthorize> {
    let wanted = match definition.par {
        Switch::On => true,
        Switch::Auto => metadata.require_pushed_authorization_requests,
        Switch::Off => false,
    };
    if wanted && metadata.pushed_authorization_request_endpoint.is_none() {
        return Err(CannotAuthorize::NowhereToPush);
    }
    Ok(wanted)
}

/// Pushes the parameters, authenticated as at the token endpoint (§2.1).
///
/// # Errors
/// [`CannotAsk`]: the configuration has to change.
pub fn request(client: &Client<'_>, parameters: &Parameters) -> Result<Request, CannotAsk> {
    let endpoint = client.metadata.pushed_authorization_request_endpoint.as_ref();
    let endpoint = endpoint.ok_or(CannotAsk::NoEndpoint("pushed authorization request"))?;
    let mut form = Form::default();
    for (name, value) in parameters.pairs() {
        form.add(name, value.as_bytes());
    }
    token_request::post(client, endpoint, form)
}

/// Reads the answer to [`request`]: 201 by the RFC, 200 by some servers.
///
/// # Errors
/// What the answer means, when it brings no reference: as of a token endpoint (§2.3).
pub fn read(sent: Sent, context: &AnswerContext<'_>) -> Result<Pushed, Outcome> {
    answer::brought(sent, context, pushed)
}

/// The address to open: the client and the reference, nothing else (§4).
pub fn address(definition: &Definition, metadata: &Metadata, pushed: &Pushed) -> Result<Url, CannotAuthorize> {
    let endpoint = metadata.authorization_endpoint.as_ref().ok_or(CannotAuthorize::NoEndpoint)?;
    let mut parameters = Parameters::default();
    parameters.set("client_id", &definition.client_id);
    parameters.set("request_uri", &pushed.request_uri);
    Ok(parameters.onto(endpoint))
}

fn pushed(fields: &Json) -> Option<Pushed> {
    let is_reference = |text: &&str| text.len() <= LIMIT && text.bytes().all(|byte| byte.is_ascii_graphic());
    let expires_in = fields.number("expires_in").filter(|seconds| *seconds >= 1.0);
    Some(Pushed {
        request_uri: fields.text("request_uri").filter(is_reference)?.to_owned(),
        expires_in: expires_in.map_or(LIFETIME, |seconds| Duration::from_secs(seconds as u64)).min(LONGEST),
    })
}

#[cfg(test)]
#[path = "par_tests.rs"]
mod tests;
