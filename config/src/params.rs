//! Extra parameters of requests: what an account may add, and what only the protocol sets.

use std::collections::BTreeMap;

use crate::fault::Fault;
use crate::table::{Item, Read, instead_of_secret};

/// Extra parameters: text by name. An empty text takes a preset's parameter away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params(pub(crate) BTreeMap<String, String>);

impl Read for Params {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let table = item.table(item.key.to_owned(), "a table, like { prompt = \"consent\" }")?;
        let mut params = BTreeMap::new();
        for (at, entry) in table.items() {
            let fault = |what, remedy: &str| Err(item.context.source.fault(at, what, remedy));
            // RFC 6749 §8.2
            let name_char = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            if entry.key.is_empty() || !entry.key.bytes().all(name_char) {
                return fault(
                    format!("`{}` has a name that is none", item.key),
                    "use letters, digits and - . _ in names",
                );
            }
            if let Some(instead) = instead_of_secret(entry.key) {
                return fault(format!("`{}` would put a secret into the config", entry.key), instead);
            }
            if let Some((_, remedy)) = OURS.iter().find(|(name, _)| *name == entry.key) {
                return fault(format!("`{}` is not yours to set here", entry.key), remedy);
            }
            params.insert(entry.key.to_owned(), entry.text("text in quotes")?.to_owned());
        }
        Ok(Self(params))
    }
}

/// Parameters that the protocol itself sets.
const OURS: &[(&str, &str)] = &[
    ("client_id", "write client_id as a key of the account"),
    ("scope", "write scopes as a key of the account"),
    ("audience", "write audience as a key of the account"),
    ("resource", "write resource as a key of the account"),
    ("organization", "write organization as a key of the account"),
    ("redirect_uri", "write redirect_host, redirect_ports and redirect_path as keys of the account"),
    ("response_type", "remove it: it is always `code`"),
    ("response_mode", "remove it: the loopback redirect takes only the default"),
    ("grant_type", "remove it: the flow decides"),
    ("state", "remove it: it is random for each login"),
    ("nonce", "remove it: it is random for each login"),
    ("code", "remove it"),
    ("code_verifier", "remove it: PKCE is always on"),
    ("code_challenge", "remove it: PKCE is always on"),
    ("code_challenge_method", "remove it: it is always S256"),
    ("request_uri", "remove it: `par` decides"),
    ("dpop_jkt", "remove it: `dpop` decides"),
];
