//! Revocation (RFC 7009). Whatever comes of it, the login is forgotten here: a server's answer never keeps one alive.

use super::client_auth::{CannotAsk, Client};
use super::form::Form;
use super::token_request;
use super::wire::{Fault, Request, Sent};
use crate::secret::Secret;

/// What came of a revocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revocation {
    /// The token is dead, or the server will never say more: do not ask again.
    Settled,
    /// The server was not reached or could not now (RFC 7009 §2.2.1): ask again later.
    Later,
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
pub fn read(sent: &Sent) -> Revocation {
    match sent {
        Ok(response) => match response.status().as_u16() {
            200..=299 => Revocation::Settled,
            408 | 425 | 429 => Revocation::Later,
            400..=499 => Revocation::Settled,
            _ => Revocation::Later,
        },
        Err(Fault::NotSent { .. } | Fault::Lost { .. } | Fault::Broken { .. }) => Revocation::Later,
    }
}

#[cfg(test)]
#[path = "revoke_tests.rs"]
mod tests;
