//! Tokens whose answer does not say when they expire: the server is asked (RFC 7662), once for each token, beside
//! everything else. Nobody waits for it, and without an answer the expiry is unknown as before.

use std::time::Duration;

use super::effect::{Change, Effect};
use super::errand::Then;
use super::input::{Ticket, TokenKey};
use super::machine::{Account, Turn};
use super::tokens::Cached;
use crate::time::Now;

/// More than these are not under way at a time.
const MOST: usize = 16;

/// A token that the server is being asked about.
pub(super) struct Introspecting {
    ticket: Ticket,
    key: TokenKey,
    generation: u64,
    asked: Now,
}

impl Account {
    /// Of a token that was just cached.
    pub(super) fn learn_expiry(&mut self, key: &TokenKey, turn: &mut Turn<'_>) {
        let metadata = self.metadata().filter(|metadata| metadata.introspection_endpoint.is_some());
        let (Some(metadata), Some(definition)) = (metadata, self.defined.good.clone()) else { return };
        let cached = self.vault.open().and_then(|holding| holding.tokens.find(key));
        let Some(cached) = cached.filter(|cached| cached.expiry.is_none()) else { return };
        let (token, generation) = (cached.served.token.clone(), cached.served.generation);
        let ticket = self.ticket();
        self.introspecting.push(Introspecting { ticket, key: key.clone(), generation, asked: *turn.now });
        let spare = self.introspecting.len().saturating_sub(MOST);
        self.introspecting.drain(..spare);
        turn.emit(Effect::Introspect { ticket, definition, metadata, token });
    }

    /// The server's answer about one; `None` = it brought nothing.
    pub(super) fn introspected(&mut self, ticket: Ticket, left: Option<Duration>, turn: &mut Turn<'_>) {
        let Some(at) = self.introspecting.iter().position(|asked| asked.ticket == ticket) else { return };
        let Introspecting { key, generation, asked, .. } = self.introspecting.remove(at);
        let (Some(left), Some(holding)) = (left, self.vault.open_mut()) else { return };
        if !holding.tokens.learn(&key, generation, &asked, left) || !self.errand.is_none() {
            return;
        }
        let tokens: Vec<_> =
            holding.tokens.iter().filter(|cached| cached.is_valid(turn.now)).map(Cached::to_store).collect();
        let is_stored = tokens.iter().any(|token| token.key == key && token.is_default());
        if is_stored && holding.grant.lineage().is_some() {
            let tokens = tokens.into_iter().filter(super::NewToken::is_default).collect();
            let change = Change::Tokens { generation: holding.generation, tokens };
            self.save(change, Then::Nothing, turn);
        }
    }
}
