//! What an answer without tokens means for the login (refresh.md "What an answer means"). Nothing here ever deletes a
//! refresh token.

use super::asks::exchange_key;
use super::denied::Denied;
use super::effect::{Change, Notice};
use super::errand::{Attempt, Then, What};
use super::exchange::may_rotate;
use super::holding::{Grant, Lost, Pause, Refused, Trouble};
use super::input::TokenKey;
use super::machine::{Account, Server, Turn};
use super::published::clock;
use super::record::Ended;
use super::schedule;
use super::waiters::{Waiter, Want};
use crate::oauth::Outcome;
use crate::time::Now;

impl Account {
    pub(super) fn setback(&mut self, attempt: Attempt, outcome: Outcome, turn: &mut Turn<'_>) {
        let may_repeat = self.vault.open().is_some() && !self.asleep;
        match outcome {
            // A refused certificate stands in LastError for as long as it is refused.
            Outcome::NotSent { why, certificate: _ } => self.not_reached(why, None, turn),
            Outcome::Portal { why } => self.not_reached(why, None, turn),
            Outcome::NotProcessed { why, retry_after } => self.not_reached(why, Some(retry_after), turn),
            Outcome::Ambiguous { why } => return self.lost(&attempt, why, turn),
            // Of a proof that is missing some servers say only that the grant is invalid.
            Outcome::Ended { why } if self.lacks_key(&attempt) && self.takes_proofs() => {
                return self.prove_client(attempt, why, turn);
            }
            Outcome::Ended { why } => return self.ended(&attempt, why, turn),
            Outcome::Attention { why } => return self.attention(&attempt, why, turn),
            Outcome::AccessDenied { why } => return self.refused(&attempt, why, true, turn),
            Outcome::Unexplained { why } => return self.refused(&attempt, why, false, turn),
            Outcome::Misconfigured { why } => self.stopped(why, turn),
            Outcome::BadRequest { .. } if may_repeat && !attempt.key().scopes.is_empty() => {
                return self.ask_without_scopes(attempt, turn);
            }
            Outcome::BadRequest { why } => self.stopped(why, turn),
            Outcome::BadTarget { why } if *attempt.key() != TokenKey::DEFAULT => {
                return self.bad_target(&attempt, why, turn);
            }
            Outcome::BadTarget { why } => self.stopped(why, turn),
            Outcome::AnotherProof { why } if self.lacks_key(&attempt) => return self.prove_client(attempt, why, turn),
            Outcome::AnotherProof { .. } if may_repeat && !attempt.another_proof && self.is_bound(&attempt) => {
                return self.ask(Attempt { another_proof: true, ..attempt }, turn);
            }
            // Nothing was done, and the next nonce may be the right one.
            Outcome::AnotherProof { why } if self.is_bound(&attempt) => {
                self.not_reached(self.unproved(&attempt.definition, true, &why), None, turn);
            }
            Outcome::AnotherProof { why } => self.stopped(self.unproved(&attempt.definition, false, &why), turn),
            Outcome::Drift { why } => match self.server {
                // The metadata is read again, once; everybody goes on waiting.
                Server::Known { again: false, .. } => {
                    self.discover(true, turn);
                    return self.withdraw(&attempt, turn);
                }
                Server::Known { again: true, .. } | Server::Unread | Server::Reading { .. } => self.gone(why, turn),
            },
            // With tokens it does not come here.
            Outcome::Granted(_) => {}
        }
        self.not_acted(&attempt, turn);
    }

    /// The server did not act on the token: no trace of the try stays.
    pub(super) fn not_acted(&mut self, attempt: &Attempt, turn: &mut Turn<'_>) {
        self.withdraw(attempt, turn);
        self.answer_after_failure(turn);
    }

    /// The optional scope was refused: once more without it, and never with it again.
    fn ask_without_scopes(&mut self, attempt: Attempt, turn: &mut Turn<'_>) {
        if let Some(holding) = self.vault.held_mut() {
            holding.narrows_no_more = true;
        }
        self.waiters.widen();
        let plain = |key: TokenKey| TokenKey { scopes: Vec::new(), ..key };
        let what = match attempt.what {
            What::Refresh { token, key } => What::Refresh { token, key: plain(key) },
            What::ClientCredentials { key } => What::ClientCredentials { key: plain(key) },
            other @ (What::Code { .. }
            | What::TokenExchange { .. }
            | What::Push { .. }
            | What::DeviceAuthorization { .. }
            | What::DevicePoll { .. }) => other,
        };
        self.ask(Attempt { what, ..attempt }, turn);
    }

    /// The server may have acted: the token is sent again by the rules of its window, and the intent stays.
    fn lost(&mut self, attempt: &Attempt, why: String, turn: &mut Turn<'_>) {
        let is_spendable = matches!(attempt.what, What::Refresh { .. }) && may_rotate(&attempt.definition);
        if !is_spendable {
            self.not_reached(why, None, turn);
            return self.answer_after_failure(turn);
        }
        if let Some(holding) = self.vault.held_mut() {
            let first =
                holding.trouble.lost().map_or_else(|| attempt.sent.plus(std::time::Duration::ZERO), |l| l.first);
            let sends = attempt.lost_before + 1;
            let now = turn.now.boot;
            let lost = Lost { why, first, sends, last: now, pause: Pause::over(now) };
            holding.trouble = Trouble::Lost(lost);
        }
        let again = self.gate(turn.now).map_or(turn.now.wall, |at| turn.now.wall.after(at.since(turn.now.boot)));
        let (host, lost_at, again) = (self.host(), clock(turn.now.wall), clock(again));
        turn.warn(format!("the answer of {host} was lost at {lost_at}; trying the old token once more at {again}"));
        self.answer_after_failure(turn);
    }

    /// `invalid_grant`.
    fn ended(&mut self, attempt: &Attempt, why: String, turn: &mut Turn<'_>) {
        let What::Refresh { token, .. } = &attempt.what else {
            self.stopped(why, turn);
            return self.not_acted(attempt, turn);
        };
        let is_present = |grant: &Grant| grant.lineage().is_some_and(|lineage| lineage.token.as_ref() == Some(token));
        if !self.vault.held_mut().is_some_and(|holding| is_present(&holding.grant)) {
            return self.not_acted(attempt, turn);
        }
        let lost = self.vault.held_mut().and_then(|holding| holding.trouble.lost().map(|lost| clock(lost.at())));
        let why = match lost {
            Some(at) => format!(
                "the server's answer was lost at {at} on its way here, and {} accepts the old token no second time: {why}",
                self.host()
            ),
            None => why,
        };
        self.end_lineage(Ended { at: turn.now.wall.0, why, held: false }, turn);
    }

    /// The server wants the person. The served token lives on until it expires.
    fn attention(&mut self, attempt: &Attempt, why: String, turn: &mut Turn<'_>) {
        match attempt.what {
            What::Refresh { .. } => self.end_lineage(Ended { at: turn.now.wall.0, why, held: true }, turn),
            What::ClientCredentials { .. }
            | What::TokenExchange { .. }
            | What::Code { .. }
            | What::Push { .. }
            | What::DeviceAuthorization { .. }
            | What::DevicePoll { .. } => {
                self.stopped(why, turn);
                self.not_acted(attempt, turn);
            }
        }
    }

    /// No further refresh until a person decides. Durable, so that a restart neither asks nor tells again.
    pub(super) fn end_lineage(&mut self, ended: Ended, turn: &mut Turn<'_>) {
        let Some(holding) = self.vault.held_mut() else { return };
        let lineage = match std::mem::replace(&mut holding.grant, Grant::None { logged_out: false }) {
            Grant::Live(lineage) | Grant::Foreign(lineage) | Grant::Ended(lineage, _) => lineage,
            other @ (Grant::None { .. } | Grant::Unopenable { .. }) => {
                holding.grant = other;
                return;
            }
        };
        let facts = super::Facts { ended: Some(ended.clone()), ..lineage.facts.clone() };
        let change = Change::Facts { generation: holding.generation, facts };
        holding.trouble = Trouble::None;
        holding.grant = Grant::Ended(lineage, ended.clone());
        self.tell_ended(&ended, turn);
        self.save(change, Then::Nothing, turn);
        self.answer_after_failure(turn);
    }

    /// Once for each cause; never while the person is at it anyway.
    pub(super) fn tell_ended(&mut self, ended: &Ended, turn: &mut Turn<'_>) {
        turn.warn(ended.why.clone());
        let told = if ended.held { &mut self.told.attention } else { &mut self.told.login_needed };
        let is_known = std::mem::replace(told, true);
        let notice = match ended.held {
            true => Notice::Attention { why: ended.why.clone() },
            false => Notice::LoginNeeded { why: ended.why.clone() },
        };
        if !is_known && !self.is_proving() {
            turn.notify(notice);
        }
    }

    /// Refused without a readable reason, or `access_denied`: it may pass, so it is believed only after hours.
    fn refused(&mut self, attempt: &Attempt, why: String, is_denial: bool, turn: &mut Turn<'_>) {
        let Some(holding) = self.vault.held_mut() else { return self.not_acted(attempt, turn) };
        let now = turn.now.boot;
        let pause = Pause::over(now);
        let (tries, extra) = match &holding.trouble {
            Trouble::Refused(refused) => (refused.tries, refused.extra),
            Trouble::None
            | Trouble::Waiting(_)
            | Trouble::Lost(_)
            | Trouble::Stopped { .. }
            | Trouble::Sealed { .. } => (0, None),
        };
        if let Some(resume) = extra {
            holding.trouble =
                Trouble::Refused(Refused { why, tries, last: now, retry_at: resume.max(now), extra: None, pause });
            return self.not_acted(attempt, turn);
        }
        let allowed = if is_denial { schedule::REFUSED_TRIES } else { schedule::REFUSED_TRIES + 1 };
        if tries >= allowed && matches!(attempt.what, What::Refresh { .. }) {
            let why = format!("{} has refused for hours: {why}", self.host());
            return self.end_lineage(Ended { at: turn.now.wall.0, why, held: false }, turn);
        }
        let rest = match (is_denial, tries) {
            (false, 0) => schedule::UNEXPLAINED_PAUSE,
            (false, _) | (true, _) => schedule::REFUSED_PAUSE,
        };
        let refused =
            Refused { why: why.clone(), tries: tries + 1, last: now, retry_at: now.after(rest), extra: None, pause };
        holding.trouble = Trouble::Refused(refused);
        turn.warn(why);
        self.not_acted(attempt, turn);
    }

    pub(super) fn stopped(&mut self, why: String, turn: &mut Turn<'_>) {
        turn.warn(why.clone());
        if let Some(holding) = self.vault.held_mut() {
            holding.trouble = Trouble::Stopped { why, retry_at: None };
        }
    }

    /// The endpoint is gone in the metadata of today, too: both are looked at again in an hour.
    fn gone(&mut self, why: String, turn: &mut Turn<'_>) {
        turn.warn(why.clone());
        self.server = Server::Unread;
        let retry_at = Some(turn.now.boot.after(schedule::REFUSED_PAUSE));
        if let Some(holding) = self.vault.held_mut() {
            holding.trouble = Trouble::Stopped { why, retry_at };
        }
    }

    /// `invalid_target`: not asked for again; one plain refresh tells whether the lineage lives.
    fn bad_target(&mut self, attempt: &Attempt, why: String, turn: &mut Turn<'_>) {
        turn.warn(why.clone());
        if let Some(holding) = self.vault.held_mut() {
            holding.trouble = Trouble::None;
            holding.wanted.push(TokenKey::DEFAULT);
            holding.refused.push((attempt.key().clone(), why));
        }
        self.withdraw(attempt, turn);
        let is_refused = |waiter: &Waiter| match &waiter.want {
            Want::Token { key, .. } => exchange_key(key) == attempt.key(),
            Want::Refresh => false,
        };
        for waiter in self.waiters.take(is_refused) {
            self.settle_for_now(waiter, turn);
        }
    }

    pub(super) fn discovery_failed(&mut self, failed: crate::account::DiscoveryFailed, turn: &mut Turn<'_>) {
        let denied = match failed.misconfigured {
            true => Denied::Misconfigured(failed.why.clone()),
            false => Denied::Unavailable { why: failed.why.clone(), retry_at: 0 },
        };
        if let Some(request) = self.login.as_ref().filter(|login| login.awaits_metadata()).map(|login| login.request) {
            self.login_failed(request, denied, turn);
        }
        if failed.misconfigured {
            self.stopped(failed.why, turn);
        } else {
            self.not_reached(failed.why, None, turn);
        }
        self.answer_after_failure(turn);
    }

    /// After a try that brought nothing: whoever need not, or cannot, wait for the next one is answered.
    pub(super) fn answer_after_failure(&mut self, turn: &mut Turn<'_>) {
        let now: &Now = turn.now;
        for waiter in self.waiters.take(|_| true) {
            if !waiter.want.is_refresh() && self.is_worth_waiting(&waiter, now) {
                self.waiters.join(waiter);
            } else {
                self.settle_for_now(waiter, turn);
            }
        }
        self.proof_failed(turn);
    }
}
