//! The body of a `registration` record: which client the keeper registered for an account, and what ends it again. It is
//! written before the definition that names the client, so a crash in between leaves nothing that nobody knows of.

use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use super::seal::{Nonsense, prefixed, take_part};
use crate::oauth::management::Management;
use crate::secret::Secret;

/// A client that the keeper registered (RFC 7591).
pub struct Registration {
    /// Its `client_id`.
    pub client_id: String,
    /// The issuer that registered it.
    pub issuer: String,
    /// When its secret ends, unix seconds.
    pub secret_expires_at: Option<u64>,
    /// What ends it.
    pub management: Option<Management>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    client_id: String,
    issuer: String,
    #[serde(default)]
    secret_expires_at: Option<u64>,
    #[serde(default)]
    client_uri: Option<String>,
}

impl Registration {
    /// `P(text, token)`.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let text = Text {
            client_id: self.client_id.clone(),
            issuer: self.issuer.clone(),
            secret_expires_at: self.secret_expires_at,
            client_uri: self.management.as_ref().map(|management| management.uri.to_string()),
        };
        let text = serde_json::to_vec(&text).expect("plain values have a JSON form");
        prefixed(&[&text, self.management.as_ref().map_or(&[][..], |management| management.token.reveal())])
    }

    pub(super) fn decode(mut body: &[u8]) -> Result<Self, Nonsense> {
        let mut part = || take_part(&mut body).ok_or(Nonsense::Part);
        let (text, token) = (part()?, part()?);
        if !body.is_empty() {
            return Err(Nonsense::Rest);
        }
        let text: Text = serde_json::from_slice(text).map_err(|_| Nonsense::Text)?;
        let uri = text.client_uri.map(|uri| Url::parse(&uri).map_err(|_| Nonsense::Text)).transpose()?;
        let management = match (uri, token) {
            (None, []) => None,
            (Some(uri), [_, ..]) => Some(Management { uri, token: Secret::copy_of(token) }),
            (None, [_, ..]) | (Some(_), []) => return Err(Nonsense::NoToken),
        };
        Ok(Self {
            client_id: text.client_id,
            issuer: text.issuer,
            secret_expires_at: text.secret_expires_at,
            management,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_goes_both_ways() {
        for management in [
            None,
            Some(Management {
                uri: "https://as.example/reg/c-1".parse().expect("an address"),
                token: Secret::copy_of(b"rat-1"),
            }),
        ] {
            let managed = management.is_some();
            let kept = Registration {
                client_id: "c-1".into(),
                issuer: "https://as.example".into(),
                secret_expires_at: Some(7),
                management,
            };
            let read = Registration::decode(&kept.encode()).expect("its own form");
            assert_eq!((read.client_id.as_str(), read.secret_expires_at), ("c-1", Some(7)));
            assert_eq!(read.management.is_some_and(|read| read.token.same_as(b"rat-1")), managed);
        }
    }

    #[test]
    fn bodies_that_do_not_fit_are_refused() {
        let text = br#"{"client_id":"c","issuer":"i"}"#;
        let with_uri = br#"{"client_id":"c","issuer":"i","client_uri":"https://as.example/c"}"#;
        for (body, why) in [
            (prefixed(&[text]), Nonsense::Part),
            (prefixed(&[text, b"", b""]), Nonsense::Rest),
            (prefixed(&[b"{}", b""]), Nonsense::Text),
            (prefixed(&[text, b"rat"]), Nonsense::NoToken),
            (prefixed(&[with_uri, b""]), Nonsense::NoToken),
        ] {
            assert_eq!(Registration::decode(&body).err(), Some(why));
        }
    }
}
