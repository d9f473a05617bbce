//! What comes from outside and changes everything: the definition, the vault opened and closed, another machine.

use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::Definition;

use super::denied::Denied;
use super::effect::{Effect, Progress};
use super::errand::Errand;
use super::holding::{Grant, Holding, Lineage, Lost, Memory, Pause, Trouble, Vault};
use super::login::Awaits;
use super::machine::{Account, Server, Turn};
use super::published::clock;
use super::record::{Facts, Intent, Stored, StoredGrant};
use super::schedule;
use super::tokens::{Age, Cached};
use crate::time::{Boot, BootId, Moment, Now, Wall};

impl Account {
    pub(super) fn defined(&mut self, definition: Result<Arc<Definition>, String>, turn: &mut Turn<'_>) {
        let new = match definition {
            Ok(new) => new,
            Err(fault) => return self.defined.fault = Some(fault),
        };
        self.defined.fault = None;
        let old = self.defined.good.replace(new.clone());
        if old.as_ref() == Some(&new) {
            return;
        }
        let is_other_server = old.as_ref().is_none_or(|old| old.issuer != new.issuer || old.endpoints != new.endpoints);
        let is_other_client = old.as_ref().is_some_and(|old| old.client_id != new.client_id);
        let is_other_token =
            old.as_ref().is_some_and(|old| old.audience != new.audience || old.resources != new.resources);
        if is_other_server {
            self.server = Server::Unread;
        }
        if is_other_server || is_other_client {
            self.abandon_login(turn);
        }
        let Some(holding) = self.vault.held_mut() else { return };
        if is_other_client || is_other_token {
            holding.tokens.clear();
        }
        holding.refused.clear();
        holding.narrows_no_more = false;
        if matches!(holding.trouble, Trouble::Stopped { .. } | Trouble::Sealed { .. }) {
            holding.trouble = Trouble::None;
        }
        self.spread_what_is_due(turn.now);
    }

    /// Everything as it was stored. While something is under way the account knows better than the store.
    pub(super) fn unlocked(&mut self, stored: Stored, turn: &mut Turn<'_>) {
        match std::mem::replace(&mut self.vault, Vault::Locked) {
            Vault::Closing(mut holding) => {
                if stored.generation == holding.generation {
                    stored.tokens.into_iter().for_each(|token| holding.tokens.put(Cached::stored(token, turn.now)));
                }
                self.vault = Vault::Open(holding);
            }
            Vault::Open(holding) if !self.errand.is_none() => self.vault = Vault::Open(holding),
            Vault::Open(_) | Vault::Locked => {
                let mut holding = recover(stored, turn.now);
                match self.memory.take() {
                    Some(memory) => memory.recall(&mut holding),
                    None => tell_of_interruption(&holding, turn),
                }
                self.vault = Vault::Open(holding);
            }
        }
        // The person was told before the restart.
        if let Some(Holding { grant: Grant::Ended(_, ended), .. }) = self.vault.open() {
            self.told.login_needed = !ended.held;
            self.told.attention = ended.held;
        }
        self.spread_what_is_due(turn.now);
    }

    pub(super) fn locked(&mut self, turn: &mut Turn<'_>) {
        for waiter in self.waiters.take(|_| true) {
            turn.deny(waiter.id, Denied::Locked);
        }
        for waiter in self.leaving.take().unwrap_or_default() {
            turn.deny(waiter, Denied::Locked);
        }
        // A login whose grant is being stored at this moment still ends well.
        if let Some(login) = self.login.take_if(|login| !matches!(login.awaits, Awaits::Commit)) {
            turn.emit(Effect::Report { request: login.request, progress: Progress::Failed(Denied::Locked) });
        }
        match std::mem::replace(&mut self.vault, Vault::Locked) {
            Vault::Open(mut holding) | Vault::Closing(mut holding) => {
                holding.tokens.clear();
                holding.wanted.clear();
                self.vault = Vault::Closing(holding);
            }
            Vault::Locked => {}
        }
        if let Errand::Saving { then: super::errand::Then::Grant(fresh), again: None, .. } = &mut self.errand {
            fresh.tokens.clear();
        }
    }

    /// Nothing is under way any more: nothing secret is held.
    pub(super) fn finish_closing(&mut self) {
        if !self.errand.is_none() {
            return;
        }
        match std::mem::replace(&mut self.vault, Vault::Locked) {
            Vault::Closing(holding) => self.memory = Some(Memory::of(holding)),
            other @ (Vault::Locked | Vault::Open(_)) => self.vault = other,
        }
    }

    /// The vault is this machine's.
    pub(super) fn adopted(&mut self, turn: &mut Turn<'_>) {
        let Some(holding) = self.vault.open_mut() else { return };
        let grant = std::mem::replace(&mut holding.grant, Grant::None { logged_out: false });
        holding.grant = match grant {
            Grant::Foreign(lineage) => {
                turn.log("this machine has taken the login over".to_owned());
                own(lineage)
            }
            other @ (Grant::None { .. } | Grant::Unopenable { .. } | Grant::Live(_) | Grant::Ended(..)) => other,
        };
    }
}

fn tell_of_interruption(holding: &Holding, turn: &mut Turn<'_>) {
    if let Some(lost) = holding.trouble.lost() {
        let at = clock(lost.at());
        turn.warn(format!("the keeper ended at {at} in the middle of a refresh; trying the old token once more"));
    }
}

/// From what is stored to what stands (refresh.md "Start-up").
fn recover(stored: Stored, now: &Now) -> Holding {
    let generation = stored.generation;
    let grant = match stored.grant {
        None => Grant::None { logged_out: generation > 0 },
        Some(Err(why)) => Grant::Unopenable { why },
        Some(Ok(StoredGrant { token, facts, .. })) => {
            let worked = Age::of(Wall(facts.refreshed_at), now);
            let lineage = Lineage { token, facts, worked };
            if stored.foreign { Grant::Foreign(lineage) } else { own(lineage) }
        }
    };
    let mut holding = Holding::new(generation, grant);
    for token in stored.tokens {
        holding.tokens.put(Cached::stored(token, now));
    }
    holding.trouble = match (&holding.grant, stored.intent) {
        (Grant::Live(_) | Grant::Foreign(_), Some(intent)) if intent.generation == generation => {
            Trouble::Lost(interrupted(&intent, now))
        }
        (Grant::Live(_) | Grant::Foreign(_), Some(_) | None)
        | (Grant::None { .. } | Grant::Unopenable { .. } | Grant::Ended(..), _) => Trouble::None,
    };
    holding.asked_at = was_in_use(&holding).then_some(now.boot);
    holding
}

fn own(mut lineage: Lineage) -> Grant {
    match lineage.facts.ended.take() {
        Some(ended) => Grant::Ended(lineage, ended),
        None => Grant::Live(lineage),
    }
}

/// The keeper ended after the intent was durable: the token may have been sent, and nobody knows what came back.
fn interrupted(intent: &Intent, now: &Now) -> Lost {
    let (boot, boot_id): (Boot, BootId) = intent.moment();
    let wall = Wall(intent.wall);
    let is_first = intent.attempts <= 1;
    Lost {
        why: "the keeper ended in the middle of a refresh".to_owned(),
        first: Moment { boot, wall, boot_id, noted: wall },
        sends: intent.attempts.max(1),
        // The one replay of a first send goes out at once: a window may still be open. Later ones wait their time.
        last: if is_first { now.boot.before(Duration::from_secs(3600)) } else { now.boot },
        pause: Pause::over(now.boot),
    }
}

/// Somebody used the account while its last token lived. (Nobody ever: last in 1970.)
fn was_in_use(holding: &Holding) -> bool {
    let Some(facts) = holding.grant.lineage().map(|lineage| &lineage.facts) else { return false };
    let Facts { refreshed_at, asked_at, .. } = *facts;
    let idle = Wall(refreshed_at).since(Wall(asked_at));
    let lifetime = holding.tokens.iter().filter_map(|cached| cached.lifetime).max().unwrap_or_default();
    idle <= schedule::STAYS_AWAKE.max(lifetime)
}
