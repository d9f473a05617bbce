//! Logging out, and forgetting what is of no use any more. Forgotten is durable first; telling the server is a courtesy.

use super::denied::Denied;
use super::effect::{Change, Effect, Progress};
use super::errand::{Fresh, Source, Then};
use super::holding::{Grant, Holding};
use super::input::{DEFAULT_KEY, WaiterId};
use super::login::Awaits;
use super::machine::{Account, Turn};
use super::schedule;
use crate::time::{Boot, Now, Wall};

impl Account {
    pub(super) fn logout_wanted(&mut self, waiter: WaiterId, turn: &mut Turn<'_>) {
        let Some(holding) = self.vault.open_mut() else { return turn.deny(waiter, Denied::Locked) };
        holding.tokens.clear();
        holding.wanted.clear();
        self.leaving.get_or_insert_default().push(waiter);
        for waiter in self.waiters.take(|_| true) {
            turn.deny(waiter.id, Denied::LoginRequired(format!("`{}` is being logged out", self.name)));
        }
        if let Some(login) = self.login.take_if(|login| !matches!(login.awaits, Awaits::Commit)) {
            turn.emit(Effect::Report { request: login.request, progress: Progress::Cancelled });
        }
    }

    /// The errand is free and somebody wants out.
    pub(super) fn forget_if_leaving(&mut self, turn: &mut Turn<'_>) -> bool {
        let Some(holding) = self.vault.open() else { return false };
        if self.leaving.is_none() {
            return false;
        }
        let change = Change::Forget { generation: holding.generation };
        self.save(change, Then::Forgotten, turn);
        true
    }

    /// The grant is forgotten for good.
    pub(super) fn forgotten(&mut self, turn: &mut Turn<'_>) {
        for waiter in self.leaving.take().unwrap_or_default() {
            turn.emit(Effect::ReplyDone { waiter, expires_at: 0 });
        }
        let Some(holding) = self.vault.open_mut() else { return };
        self.revoking = holding.grant.lineage().and_then(|lineage| lineage.token.clone());
        *holding = Holding::new(holding.generation, Grant::None { logged_out: true });
        self.told = super::machine::Told::default();
        turn.log("logged out".to_owned());
        self.revoke_forgotten(turn);
    }

    /// Tells the server, once its addresses are known.
    pub(super) fn revoke_forgotten(&mut self, turn: &mut Turn<'_>) {
        if self.revoking.is_none() {
            return;
        }
        let Some(metadata) = self.metadata() else { return self.discover(false, turn) };
        let (Some(token), Some(definition)) = (self.revoking.take(), self.defined.good.clone()) else { return };
        if metadata.revocation_endpoint.is_none() {
            return turn.log(format!("{} has no way to revoke a token; it is only forgotten here", self.host()));
        }
        let ticket = self.ticket();
        turn.emit(Effect::Revoke { ticket, definition, metadata, token });
    }

    pub(super) fn revoked(&mut self, done: bool, turn: &mut Turn<'_>) {
        let host = self.host();
        match done {
            true => turn.log(format!("{host} has revoked the login")),
            false => turn.warn(format!("{host} did not confirm that the login is revoked; it is forgotten here")),
        }
    }

    /// When the sealed token of an ended lineage is deleted.
    pub(super) fn forgets_at(&self, now: &Now) -> Option<Boot> {
        if !self.errand.is_none() {
            return None;
        }
        match &self.vault.open()?.grant {
            Grant::Ended(lineage, ended) if lineage.token.is_some() && !ended.held => {
                let left = schedule::KEEP_ENDED.saturating_sub(now.wall.since(Wall(ended.at)));
                Some(now.boot.after(left))
            }
            Grant::Ended(..) | Grant::None { .. } | Grant::Unopenable { .. } | Grant::Live(_) | Grant::Foreign(_) => {
                None
            }
        }
    }

    /// Seven days after its end nobody tries an old token again.
    pub(super) fn forget_expired(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.is_proving() || self.forgets_at(turn.now).is_none_or(|at| at > turn.now.boot) {
            return false;
        }
        let Some(Holding { grant: Grant::Ended(lineage, ended), generation, .. }) = self.vault.open() else {
            return false;
        };
        let fresh = Fresh {
            generation: generation + 1,
            kept: None,
            facts: lineage.facts.clone(),
            ended: Some(ended.clone()),
            tokens: Vec::new(),
            replaces_all: true,
            sent: *turn.now,
            source: Source::Expired,
        };
        self.commit(fresh, None, turn);
        true
    }

    /// Whether the default token could be served now.
    pub(super) fn has_valid_token(&self, now: &Now) -> bool {
        self.servable(&DEFAULT_KEY, None, now).is_some()
    }
}
