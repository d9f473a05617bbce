//! Doing what is due, and saying when the next thing will be. Called after every input; idempotent.

use tokenkeeper_config::Definition;

use super::asks::exchange_key;
use super::denied::Denied;
use super::effect::Effect;
use super::errand::Errand;
use super::grant_end::idle_limit;
use super::holding::{Grant, Holding, Trouble, Vault};
use super::input::{DEFAULT_KEY, DiscoveryFailed, Ticket, TokenKey};
use super::machine::{Account, Server, Turn};
use super::schedule::{self, LostSends};
use super::token_exchange::is_exchanged;
use super::waiters::Want;
use crate::oauth::Metadata;
use crate::time::{Boot, Now};

/// An exchange that should happen.
pub(super) struct Planned {
    pub(super) at: Boot,
    pub(super) key: TokenKey,
}

impl Account {
    pub(super) fn tend(&mut self, turn: &mut Turn<'_>) {
        self.dismiss_late_waiters(turn);
        self.end_late_login(turn);
        self.retry_unsaved(turn);
        if self.errand.is_none() {
            self.start_something(turn);
        }
        self.finish_closing();
    }

    /// The errand is free: a logout goes first, then a login's code, then the oldest need; a poll is never in a hurry.
    fn start_something(&mut self, turn: &mut Turn<'_>) {
        if self.forget_if_leaving(turn)
            || self.forget_expired(turn)
            || self.serve_login(turn)
            || self.announce_end(turn)
        {
            return;
        }
        self.end_vain_proof(turn);
        self.answer_refused(turn);
        let planned = self.plan(turn.now).filter(|planned| planned.at <= turn.now.boot);
        if let Some(planned) = planned {
            self.begin(planned.key, turn);
        }
        self.poll_if_due(turn);
    }

    pub(super) fn next_deadline(&self, now: &Now) -> Option<Boot> {
        let unsaved = match &self.errand {
            Errand::Unsaved { retry_at, .. } => Some(*retry_at),
            Errand::None
            | Errand::Keying { .. }
            | Errand::Intending { .. }
            | Errand::Asking { .. }
            | Errand::Saving { .. } => None,
        };
        let is_reading = matches!(self.server, Server::Reading { .. });
        let planned = if is_reading { None } else { self.plan(now).map(|planned| planned.at) };
        let late_login = self.login.as_ref().and_then(super::login::Login::limit);
        let of_grant = [self.forgets_at(now), self.announces_at(now)].into_iter().flatten().min();
        [unsaved, planned, late_login, self.poll_at(), self.waiters.next_deadline(), of_grant]
            .into_iter()
            .flatten()
            .min()
    }

    /// The next exchange: who waits longest comes first, then keys that were asked for, then the schedule.
    pub(super) fn plan(&self, now: &Now) -> Option<Planned> {
        if self.asleep || !self.errand.is_none() || self.leaving.is_some() {
            return None;
        }
        let (holding, definition) = (self.vault.open()?, self.defined.good.as_ref()?);
        if self.is_proving() {
            return Some(Planned { at: self.person_may_try_at(now)?, key: TokenKey::DEFAULT });
        }
        if !holding.grant.may_ask(definition.flow) {
            return None;
        }
        let by_waiters = self.waiters.iter().filter_map(|waiter| {
            let key = match &waiter.want {
                Want::Token { key, .. } => exchange_key(key),
                Want::Refresh => &DEFAULT_KEY,
            };
            Some(Planned { at: self.may_try_at(&waiter.want, now)?, key: key.clone() })
        });
        // Nothing by itself while it is closed; a person who asks is not behind it.
        let gate = self.gate(now);
        // A token that may be spent is sent again as soon as the rules allow, used or not: a window may be open.
        let is_lost = holding.trouble.lost().is_some();
        let by_loss = gate.filter(|_| is_lost).map(|at| Planned { at, key: TokenKey::DEFAULT });
        let wish = |gate: Boot| {
            holding.wanted.iter().map(move |key| {
                let at = if is_exchanged(key, definition) { holding.exchanges.until(key, now.boot) } else { gate };
                Planned { at: at.max(gate), key: key.clone() }
            })
        };
        let by_wish = gate.into_iter().flat_map(wish);
        let due = gate.and_then(|gate| Some((gate, scheduled(holding, definition, self.seed, now)?)));
        let by_clock = due.map(|(gate, due)| Planned { at: due.at.max(gate), key: due.key });
        by_waiters.chain(by_loss).chain(by_wish).chain(by_clock).min_by_key(|planned| planned.at.max(now.boot))
    }

    /// When this want may cause a try; `None` = never, as things are.
    pub(super) fn may_try_at(&self, want: &Want, now: &Now) -> Option<Boot> {
        let (holding, definition) = (self.vault.open()?, self.defined.good.as_ref()?);
        if !holding.grant.may_ask(definition.flow) {
            return None;
        }
        let exchanged_at = match want {
            Want::Token { key, .. } if is_exchanged(exchange_key(key), definition) => {
                holding.exchanges.until(exchange_key(key), now.boot)
            }
            Want::Token { .. } | Want::Refresh => now.boot,
        };
        let at = if want.is_refresh() { self.person_may_try_at(now) } else { self.gate_for(is_demand(want), now) };
        at.map(|at| at.max(exchanged_at))
    }

    /// When a try may be that a person asked for: at once, unless the server named a time or a token may be spent.
    pub(super) fn person_may_try_at(&self, now: &Now) -> Option<Boot> {
        match &self.vault.open()?.trouble {
            Trouble::Waiting(waiting) if waiting.pause.ordered => Some(waiting.pause.until),
            Trouble::Refused(refused) if refused.pause.ordered => Some(refused.pause.until),
            Trouble::Lost(_) => self.gate(now),
            Trouble::None
            | Trouble::Waiting(_)
            | Trouble::Refused(_)
            | Trouble::Stopped { .. }
            | Trouble::Sealed { .. } => Some(now.boot),
        }
    }

    /// When the next try may be; `None` = not by itself.
    pub(super) fn gate(&self, now: &Now) -> Option<Boot> {
        self.gate_for(false, now)
    }

    /// The same while somebody asks who cannot use the served token, beside those who wait.
    fn gate_for(&self, demanded: bool, now: &Now) -> Option<Boot> {
        let (holding, definition) = (self.vault.open()?, self.defined.good.as_ref()?);
        match &holding.trouble {
            Trouble::None => Some(now.boot),
            Trouble::Waiting(waiting) => Some(waiting.pause.until),
            Trouble::Refused(refused) => Some(refused.retry_at.max(refused.pause.until)),
            Trouble::Stopped { retry_at, .. } => *retry_at,
            Trouble::Sealed { .. } => None,
            Trouble::Lost(lost) => {
                let cached = holding.tokens.find(&DEFAULT_KEY);
                let sends = LostSends {
                    sends: lost.sends,
                    since_first: lost.since_first(now),
                    last: lost.last,
                    token_left: cached.map_or(std::time::Duration::ZERO, |cached| cached.presumed_left(now)),
                    demanded: demanded || self.waiters.iter().any(|waiter| is_demand(&waiter.want)),
                };
                Some(schedule::replay_at(definition, self.seed, &sends, now.boot).max(lost.pause.until))
            }
        }
    }

    fn dismiss_late_waiters(&mut self, turn: &mut Turn<'_>) {
        for waiter in self.waiters.take(|waiter| waiter.deadline <= turn.now.boot) {
            let (key, rejected) = match &waiter.want {
                Want::Token { key, rejected } => (key, *rejected),
                Want::Refresh => (&DEFAULT_KEY, None),
            };
            match self.servable(key, rejected, turn.now) {
                Some(cached) if !waiter.want.is_refresh() => turn.reply(waiter.id, cached.served.clone()),
                Some(_) | None => turn.deny(waiter.id, self.still_waiting(turn.now)),
            }
        }
    }

    fn still_waiting(&self, now: &Now) -> Denied {
        let retry_at = self.plan(now).map_or(0, |planned| now.wall.after(planned.at.since(now.boot)).unix());
        Denied::Unavailable { why: format!("still waiting for {}; the refresh goes on", self.host()), retry_at }
    }

    /// Starts to read the server's metadata, unless that is under way.
    pub(super) fn discover(&mut self, again: bool, turn: &mut Turn<'_>) {
        let Some(definition) = self.defined.good.clone() else { return };
        match self.server {
            Server::Reading { .. } => {}
            Server::Unread | Server::Known { .. } => {
                let ticket = self.ticket();
                self.server = Server::Reading { ticket, again };
                turn.emit(Effect::Discover { ticket, definition });
            }
        }
    }

    pub(super) fn discovered(
        &mut self,
        ticket: Ticket,
        result: Result<std::sync::Arc<Metadata>, DiscoveryFailed>,
        turn: &mut Turn<'_>,
    ) {
        let again = match self.server {
            Server::Reading { ticket: awaited, again } if awaited == ticket => again,
            Server::Reading { .. } | Server::Unread | Server::Known { .. } => return,
        };
        match result {
            Ok(metadata) => {
                self.server = Server::Known { metadata, read_at: turn.now.boot, again };
                self.choose_flow(turn);
            }
            Err(failed) => {
                self.server = Server::Unread;
                self.discovery_failed(failed, turn);
            }
        }
    }

    pub(super) fn network_up(&mut self, turn: &mut Turn<'_>) {
        let spread = turn.now.boot.after(schedule::spread(schedule::mix(self.seed, turn.now.wall.unix())));
        let is_awaited = !self.waiters.is_empty();
        self.poll_soon();
        self.spread_what_is_due(turn.now);
        let Some(holding) = self.vault.open_mut() else { return };
        let soon = if is_awaited { turn.now.boot } else { spread };
        match &mut holding.trouble {
            Trouble::Waiting(waiting) => waiting.pause.network_up(soon),
            Trouble::Lost(lost) => lost.pause.network_up(soon),
            Trouble::Refused(refused) => refused.network_up(turn.now.boot, soon),
            Trouble::None | Trouble::Stopped { .. } | Trouble::Sealed { .. } => {}
        }
    }

    pub(super) fn woke(&mut self, turn: &mut Turn<'_>) {
        self.asleep = false;
        self.waking_until = Some(turn.now.boot.after(schedule::WAKING));
        self.spread_what_is_due(turn.now);
    }

    /// Scheduled refreshes that are all due at this moment go one account after the other.
    pub(super) fn spread_what_is_due(&mut self, now: &Now) {
        let until = now.boot.after(schedule::spread(schedule::mix(self.seed, now.wall.unix())));
        let Some(definition) = self.defined.good.clone() else { return };
        let seed = self.seed;
        if let Vault::Open(holding) = &mut self.vault {
            holding.spread_until = None;
            let is_due = scheduled(holding, &definition, seed, now).is_some_and(|due| due.at <= now.boot);
            holding.spread_until = is_due.then_some(until);
        }
    }
}

/// Whether this caller cannot use the token that is served: its resource server refused it.
fn is_demand(want: &Want) -> bool {
    matches!(want, Want::Token { rejected: Some(_), .. })
}

/// What the clock asks for: tokens that somebody uses before they expire, and the grant before the server forgets it.
fn scheduled(holding: &Holding, definition: &Definition, seed: u64, now: &Now) -> Option<Planned> {
    let files = definition.token_files.iter().map(|file| TokenKey {
        kind: file.kind,
        audience: file.audience.clone().filter(|audience| definition.audience.as_ref() != Some(audience)),
        resource: None,
        scopes: Vec::new(),
    });
    let kept = files.map(|key| exchange_key(&key).clone());
    let is_used = !definition.token_files.is_empty() || holding.is_awake(now);
    let default = is_used.then_some(TokenKey::DEFAULT);
    let by_expiry = default.into_iter().chain(kept).filter(|key| holding.refusal(key).is_none()).filter_map(|key| {
        let due = match holding.tokens.find(&key) {
            Some(cached) => cached.due_at(now, definition, schedule::mix(seed, cached.served.generation))?,
            None => now.boot,
        };
        // What is refused is due again when it may be tried again.
        let due = if is_exchanged(&key, definition) { holding.exchanges.until(&key, now.boot).max(due) } else { due };
        Some(Planned { at: due.max(holding.spread_until.unwrap_or(due)), key })
    });
    let by_idleness = match &holding.grant {
        Grant::Live(lineage) if lineage.token.is_some() => {
            let left = schedule::keep_alive(definition, idle_limit(&lineage.facts))
                .saturating_sub(lineage.worked.age(now.boot));
            let at = now.boot.after(left);
            Some(Planned { at: at.max(holding.spread_until.unwrap_or(at)), key: TokenKey::DEFAULT })
        }
        Grant::Live(_) | Grant::None { .. } | Grant::Unopenable { .. } | Grant::Foreign(_) | Grant::Ended(..) => None,
    };
    by_expiry.chain(by_idleness).min_by_key(|planned| planned.at)
}
