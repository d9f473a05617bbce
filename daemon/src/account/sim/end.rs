//! The end of a schedule: nothing fails any more, so what can be used must be usable, and the account must say why
//! where it is not.

use std::time::Duration;

use super::super::holding::Vault;
use super::super::testing::unseal;
use super::super::*;
use super::server::{Kind, Why};
use super::world::{Faults, SECOND, World};

impl World {
    /// Everything is well again: what can still be used must be usable.
    pub(super) fn calm(&mut self) {
        self.note("from here on nothing fails");
        self.faults = Faults {
            lost: u64::MAX,
            refused: u64::MAX,
            slow: u64::MAX,
            crash: u64::MAX,
            outage: u64::MAX,
            sleep: u64::MAX,
            lock: u64::MAX,
            disk: u64::MAX,
            revoke: u64::MAX,
        };
        if let Some(until) = self.asleep_until {
            self.run_for(until - self.time + SECOND);
        }
        self.network = true;
        self.disk_full = false;
        self.run_for(120 * SECOND);
        self.hear(Input::Defined(Ok(self.definition.clone())));
        if self.referee.locked || self.account().vault.open().is_none() {
            self.unlock();
        }
        self.hear(Input::NetworkUp);
        self.calm_client();
        let mut served = false;
        for _ in 0..30 {
            let before = self.referee.served;
            let waiter = WaiterId(self.name());
            self.referee.caller(waiter, self.time + 120 * SECOND);
            let deadline = self.clock.now().boot.after(120 * SECOND);
            let ask = TokenAsk { key: TokenKey::DEFAULT, min_validity: Duration::ZERO, rejected: None, deadline };
            self.hear(Input::TokenWanted { waiter, ask });
            self.run_for(121 * SECOND);
            served = self.referee.served > before;
            if served || !self.referee.broken.is_empty() {
                break;
            }
            self.run_for(Duration::from_secs(20 * 60));
        }
        if !served && self.referee.broken.is_empty() {
            self.judge_the_end();
        }
        self.locks_clean();
    }

    /// Nobody could get a token: the server must have ended the login, or nobody was signed in, and the account says so.
    pub(super) fn judge_the_end(&mut self) {
        let status = self.account().status(&self.clock.now());
        if status.state == State::Ready && self.clock_lies {
            // Set back before the token was made, then caught up: nobody can know that it expired long ago.
            return;
        }
        if self.client.is_some() {
            return self.judge_client(&status);
        }
        let token = self.disk.token.as_ref().map(unseal);
        let would_take = token.as_ref().is_some_and(|token| self.server.would_take(token, self.time));
        // `held` may be known only in memory: its commit is one of those that can fail.
        let excused = self.referee.refusals >= 4 || status.state == State::Held;
        let mut broken = |words: String| self.referee.broken.push(words);
        if would_take && !excused {
            broken(format!("5: a login that the server would take is not used: {status:?}"));
        }
        let says_why = matches!(status.state, State::LoginRequired | State::Held | State::LoggedOut);
        if !says_why || (status.state != State::LoggedOut && status.last_error.0.is_empty()) {
            broken(format!("5: no token, and the account does not say why: {status:?}"));
        }
        let family = token.as_ref().and_then(|token| self.server.family_of(token));
        let by_reuse = family.and_then(|family| self.server.ended.get(&family)) == Some(&Why::Reuse);
        let was_used = token.as_ref().is_some_and(|token| self.server.was_used(token));
        if (by_reuse || was_used) && self.lost_rotations == 0 {
            broken("5: a login was lost although every answer was received and saved".to_owned());
        }
        if self.server.kind == Kind::Keeps && by_reuse {
            broken("5: a server that does not rotate ended a login by reuse".to_owned());
        }
    }

    /// Nothing secret is held once everything is settled and locked.
    pub(super) fn locks_clean(&mut self) {
        self.hear(Input::Locked);
        self.referee.locked = true;
        self.run_for(300 * SECOND);
        let account = self.account();
        if !account.is_settled() || !matches!(account.vault, Vault::Locked) {
            self.referee.broken.push("6: the account is not settled long after it was locked".to_owned());
        }
        self.referee.checks_patience(self.time);
    }
}
