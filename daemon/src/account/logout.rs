//! Logging out, and forgetting what is of no use any more. Forgotten is durable first, and with it what tells the server
//! afterwards: a server that does not answer keeps nobody signed in.

use super::denied::Denied;
use super::effect::{Change, Effect, Progress};
use super::errand::{Fresh, Source, Then};
use super::holding::{Grant, Holding};
use super::input::{DEFAULT_KEY, WaiterId};
use super::login::Awaits;
use super::machine::{Account, Turn};
use super::record::Facts;
use super::revocation::Revocation;
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
        let has_token = holding.grant.lineage().is_some_and(|lineage| lineage.token.is_some());
        let revocation = self
            .defined
            .good
            .as_ref()
            .filter(|_| has_token)
            .and_then(|definition| Revocation::of(definition, self.metadata().as_deref(), turn.now.wall.0));
        if has_token && revocation.is_none() {
            turn.log(format!("{} has no way to revoke a token; it is only forgotten here", self.host()));
        }
        let revoked_at = revocation.as_ref().map(|revocation| revocation.at);
        let change = Change::Forget { generation: holding.generation, revocation };
        self.save(change, Then::Forgotten { revoked_at }, turn);
        true
    }

    /// The grant is forgotten for good. Telling the server is not this account's any more: it may be signed in again by
    /// then, or gone.
    pub(super) fn forgotten(&mut self, revoked_at: Option<i64>, turn: &mut Turn<'_>) {
        for waiter in self.leaving.take().unwrap_or_default() {
            turn.emit(Effect::ReplyDone { waiter, expires_at: 0 });
        }
        if let Some(at) = revoked_at {
            turn.emit(Effect::Revoke { at });
        }
        let Some(holding) = self.vault.open_mut() else { return };
        *holding = Holding::new(holding.generation, Grant::None { logged_out: true });
        self.told = super::machine::Told::default();
        turn.log("logged out".to_owned());
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
            new_key: None,
            facts: Facts { proof_key: None, ..lineage.facts.clone() },
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
