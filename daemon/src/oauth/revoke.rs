//! Revocation (RFC 7009). Whatever comes of it, the login is forgotten here: a server's answer never keeps one alive.

use std::time::Duration;

use http::HeaderMap;

use super::client_auth::{CannotAsk, Client};
use super::form::Form;
use super::retry;
use super::token_request;
use super::wire::{Fault, Request, Sent};
use crate::secret::Secret;
use crate::time::Wall;

/// What came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The token is dead, or was before: the server says the same to both (RFC 7009 §2.2).
    Revoked,
    /// The server refuses, with this status, and would again: do not ask again.
    Refused(u16),
    /// The server was not reached or could not now (RFC 7009 §2.2.1): ask again later, not before the time it states.
    Later(Option<Duration>),
}

/// The request that revokes a refresh token.
///
/// # Errors
/// [`CannotAsk::NoEndpoint`] where a server has no revocation; else the configuration has to change.
pub fn request(client: &Client<'_>, token: &Secret) -> Result<Request, CannotAsk> {
    let endpoint = client.metadata.revocation_endpoint.as_ref().ok_or(CannotAsk::NoEndpoint("revocation"))?;
    let mut form = Form::default();
    form.set("token", token.reveal());
    form.set("token_type_hint", b"refresh_token");
    token_request::post(client, endpoint, form)
}

/// Judges the answer. A 4xx is settled: unknown tokens, public clients and unsupported types are refused by some
/// servers, and asking again changes nothing.
pub fn read(sent: &Sent, wall: Wall) -> Told {
    match sent {
        Ok(response) => match response.status().as_u16() {
            200..=299 => Told::Revoked,
            // A portal's page, a proxy's question: nobody there is the server.
            407 | 408 | 421 | 425 | 429 | 451 => Told::Later(stated(response.headers(), wall)),
            status @ 400..=499 => Told::Refused(status),
            _ => Told::Later(stated(response.headers(), wall)),
        },
        Err(Fault::NotSent { .. } | Fault::Lost { .. } | Fault::Broken { .. }) => Told::Later(None),
    }
}

fn stated(headers: &HeaderMap, wall: Wall) -> Option<Duration> {
    retry::is_stated(headers).then(|| retry::after(headers, wall))
}

#[cfg(test)]
#[path = "revoke_tests.rs"]
mod tests;
