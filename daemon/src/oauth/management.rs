//! The undoing of a registration (RFC 7592 §2.3), with the key that came with it. The address is the server's word, the key
//! goes nowhere else.

use http::{HeaderValue, header};
use url::Url;

use super::json::Json;
use super::metadata::check;
use super::revoke::{self, Told};
use super::wire::{Request, Sent};
use crate::secret::Secret;
use crate::time::Wall;

/// The client configuration endpoint and its key (RFC 7592 §3).
pub struct Management {
    /// `registration_client_uri`.
    pub uri: Url,
    /// `registration_access_token`.
    pub token: Secret,
}

impl Management {
    /// As the answer to a registration names it; `None` = it does not, or not so that it can be used.
    pub(super) fn of(fields: &Json) -> Option<Self> {
        let uri = fields.text("registration_client_uri").filter(|uri| uri.len() <= MAX_ID)?;
        let uri = Url::parse(uri).ok().filter(|uri| check(uri).is_ok())?;
        let token = fields.text("registration_access_token").filter(|token| token.len() <= MAX_TOKEN)?;
        let fits = token.bytes().all(|byte| (0x21..=0x7e).contains(&byte));
        fits.then(|| Self { uri, token: Secret::copy_of(token.as_bytes()) })
    }

    /// Another one, for whoever may have to end the registration while the first is being stored.
    pub fn duplicate(&self) -> Self {
        Self { uri: self.uri.clone(), token: self.token.duplicate() }
    }
}

/// The most that is kept of a client's parts, in bytes: a client ID may be an address, a token may be a JWT.
pub(super) const MAX_ID: usize = 2048;
pub(super) const MAX_TOKEN: usize = 16 * 1024;

/// Ends a registration (RFC 7592 §2.3).
pub fn deletion(management: &Management) -> Request {
    http::Request::delete(management.uri.as_str())
        .header(header::AUTHORIZATION, bearer(&management.token))
        .body(Secret::new(Vec::new()))
        .expect("a checked address makes a request")
}

/// Whether the registration is ended: deleted, or not there any more (RFC 7592 §2.3).
pub fn read_deletion(sent: &Sent, wall: Wall) -> Told {
    match revoke::read(sent, wall) {
        // An unknown client and a revoked token are answered with 401, too.
        Told::Refused(401 | 404 | 410) => Told::Revoked,
        told @ (Told::Revoked | Told::Refused(_) | Told::Later(_)) => told,
    }
}

/// Of a token that was found to fit into a header.
pub(super) fn bearer(token: &Secret) -> HeaderValue {
    let bearer = zeroize::Zeroizing::new([b"Bearer ", token.reveal()].concat());
    let mut value = HeaderValue::from_bytes(&bearer).expect("it was read as fit for a header");
    value.set_sensitive(true);
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::Fault;
    use crate::oauth::testing::{response, url};

    /// A26: a registration is ended with its own key (RFC 7592 §2.3), and one that is not there any more is ended.
    #[test]
    fn a_registration_is_ended_with_its_key() {
        let management = Management { uri: url("https://as.example/reg/c-1"), token: Secret::copy_of(b"rat-1") };
        let asked = deletion(&management);
        assert_eq!((asked.method().as_str(), asked.uri().path()), ("DELETE", "/reg/c-1"));
        let bearer = &asked.headers()[header::AUTHORIZATION];
        assert!(bearer.is_sensitive() && bearer == "Bearer rat-1");
        for (status, told) in [
            (204, Told::Revoked),
            (200, Told::Revoked),
            (404, Told::Revoked),
            (401, Told::Revoked),
            (403, Told::Refused(403)),
            (405, Told::Refused(405)),
            (429, Told::Later(None)),
            (503, Told::Later(None)),
        ] {
            assert_eq!(read_deletion(&Ok(response(status, "")), Wall(0)), told, "{status}");
        }
        let lost = Err(Fault::Lost { why: "as.example broke off".into() });
        assert_eq!(read_deletion(&lost, Wall(0)), Told::Later(None));
    }
}
