//! The device flow (RFC 8628): a code that a person types elsewhere, and polls until they have.
//!
//! A poll's answer is a token answer like any other, but for two refusals that mean "go on". Never poll after anything
//! else: after a success one server hands out a second pair, another says `invalid_grant`.

use std::time::Duration;

use url::Url;

use super::answer::{self, AnswerContext};
use super::body::Body;
use super::classify;
use super::client_auth::{CannotAsk, Client};
use super::form::Form;
use super::json::Json;
use super::meaning::Meaning;
use super::wire::{Answer, Outcome, Request, Sent};
use super::{metadata, retry, text, token_request};
use crate::secret::Secret;

/// RFC 8628 §3.2: where the server names no interval. Also what `slow_down` adds, for good (§3.5).
const STEP: Duration = Duration::from_secs(5);
/// No server makes anybody wait longer between two polls.
const SLOWEST: Duration = Duration::from_secs(300);
/// Where the server does not say when the code ends, although it must (§3.2).
const LIFETIME: Duration = Duration::from_secs(600);
/// No code lives longer than a login request may.
const LONGEST: Duration = Duration::from_secs(3600);

/// What the server wants shown, and polled with (RFC 8628 §3.2).
pub struct Authorization {
    /// `device_code`: for the polls, never shown.
    pub device_code: Secret,
    /// `user_code`: what the person types.
    pub user_code: String,
    /// Where they type it.
    pub verification_uri: Url,
    /// The same with the code in it, for a link or a QR code.
    pub verification_uri_complete: Option<Url>,
    /// How long the code lives, from the answer on.
    pub expires_in: Duration,
    /// The least time between the end of one poll and the next.
    pub interval: Duration,
}

/// What came of a poll.
pub enum Polled {
    /// Nobody has decided yet: poll again after this long, and from now on no faster.
    Pending {
        /// The interval from now on.
        interval: Duration,
        /// For how long the server wants no request at all (`Retry-After`).
        quiet: Option<Duration>,
    },
    /// Tokens or a reason; no further poll, unless nothing reached the server or it was lost (§3.5: back off and go on).
    Answered(Answer),
}

/// Asks for a code. Every scope and resource is named here; polls name none.
///
/// # Errors
/// [`CannotAsk`]: the configuration has to change.
pub fn request(client: &Client<'_>, scopes: &[String]) -> Result<Request, CannotAsk> {
    let endpoint = client.metadata.device_authorization_endpoint.as_ref();
    let endpoint = endpoint.ok_or(CannotAsk::NoEndpoint("device authorization"))?;
    let definition = client.definition;
    let mut form = Form::default();
    if !scopes.is_empty() {
        form.set("scope", scopes.join(&definition.scope_separator.to_string()).as_bytes());
    }
    if let Some(audience) = &definition.audience {
        form.set("audience", audience.as_bytes());
    }
    for resource in &definition.resources {
        form.add("resource", resource.as_bytes());
    }
    if let Some(details) = &definition.authorization_details {
        form.set("authorization_details", details.as_bytes());
    }
    token_request::post(client, endpoint, form)
}

/// Reads the answer to [`request`].
///
/// # Errors
/// What the answer means, when it is no authorization.
pub fn read(sent: Sent, context: &AnswerContext<'_>) -> Result<Authorization, Outcome> {
    answer::brought(sent, context, authorization)
}

/// Asks whether the person has decided (RFC 8628 §3.4).
///
/// # Errors
/// [`CannotAsk`]: the configuration has to change.
pub fn poll(client: &Client<'_>, device_code: &Secret) -> Result<Request, CannotAsk> {
    token_request::device_code(client, device_code)
}

/// Reads a poll's answer; `interval` is the one kept so far. Servers answer "not yet" with 400, 403 (Auth0), 429 (its
/// `slow_down`) and 200 (GitHub, with a new `interval`).
pub fn polled(sent: Sent, interval: Duration, context: &AnswerContext<'_>) -> Polled {
    match &sent {
        Ok(response) => match Body::read(response.body().reveal(), None) {
            Body::Fields(fields) => {
                let headers = response.headers();
                let quiet = retry::is_stated(headers).then(|| retry::after(headers, context.wall));
                match classify::refusal(&fields).map(|refusal| refusal.meaning) {
                    Some(Meaning::Pending) => Polled::Pending { interval, quiet },
                    Some(Meaning::SlowDown) => Polled::Pending { interval: slower(interval, &fields), quiet },
                    _ => Polled::Answered(answer::read(sent, context)),
                }
            }
            Body::Empty | Body::Html | Body::Damaged | Body::Text(_) | Body::Binary => {
                Polled::Answered(answer::read(sent, context))
            }
        },
        Err(_) => Polled::Answered(answer::read(sent, context)),
    }
}

fn slower(interval: Duration, fields: &Json) -> Duration {
    let stated = seconds(fields, "interval").unwrap_or_default();
    stated.max(interval + STEP).min(SLOWEST)
}

fn authorization(fields: &Json) -> Option<Authorization> {
    let address = |names: [&str; 2]| {
        let url = names.iter().find_map(|name| fields.text(name))?.parse().ok()?;
        metadata::check(&url).is_ok().then_some(url)
    };
    Some(Authorization {
        device_code: Secret::copy_of(fields.text("device_code")?.as_bytes()),
        user_code: Some(text::name(fields.text("user_code")?)).filter(|code| !code.is_empty())?,
        // Google wrote `verification_url` before there was an RFC.
        verification_uri: address(["verification_uri", "verification_url"])?,
        verification_uri_complete: address(["verification_uri_complete", "verification_url_complete"]),
        expires_in: seconds(fields, "expires_in").unwrap_or(LIFETIME).min(LONGEST),
        interval: seconds(fields, "interval").unwrap_or(STEP).min(SLOWEST),
    })
}

fn seconds(fields: &Json, name: &str) -> Option<Duration> {
    fields.number(name).filter(|seconds| *seconds >= 1.0).map(|seconds| Duration::from_secs(seconds as u64))
}

#[cfg(test)]
#[path = "device_tests.rs"]
mod tests;
