//! What happens to an account: callers, people, sleep, locks, crashes and clocks, drawn from the seed.

use std::time::Duration;

use tokenkeeper_config::Flow;

use super::super::testing;
use super::super::*;
use super::world::{AUDIENCES, Event, SECOND, UNDECLARED, World};
use crate::oauth::{Answer, Outcome};
use crate::secret::Secret;

impl World {
    pub(super) fn act(&mut self) {
        if let Some(until) = self.asleep_until {
            return self.run_for(until.saturating_sub(self.time) + SECOND);
        }
        let f = &self.faults;
        let (crash, outage, sleep, lock, disk, revoke) = (f.crash, f.outage, f.sleep, f.lock, f.disk, f.revoke);
        if self.rng.once_in(crash) {
            let reboots = self.rng.once_in(3);
            return self.crash(reboots);
        }
        if self.rng.once_in(outage) && self.network {
            let lasts = self.rng.millis(500, 3_000_000);
            self.network = false;
            self.note("the network is gone");
            return self.later(lasts, Event::Network(true));
        }
        if self.rng.once_in(sleep) && self.asleep_until.is_none() {
            return self.sleep();
        }
        if self.rng.once_in(lock) {
            return self.lock_and_unlock();
        }
        if self.rng.once_in(disk) {
            let lasts = self.rng.millis(100, 300_000);
            self.disk_full = true;
            self.note("the disk is full");
            return self.later(lasts, Event::DiskFull(false));
        }
        if self.rng.once_in(revoke) {
            if self.client.is_some() {
                return self.act_on_client();
            }
            let family = self.server.families;
            self.note("somebody ends the login at the server");
            return self.server.revoke(family);
        }
        if self.client.is_some() && self.rng.once_in(8) {
            return self.act_on_client();
        }
        match self.rng.below(24) {
            0 => self.begin_login(),
            1 => self.refresh(),
            2 => self.set_clock(),
            3 => {
                if let Some(waiter) = self.referee.oldest_caller() {
                    self.referee.caller_left(waiter);
                    self.hear(Input::WaiterLeft { waiter });
                }
            }
            4 => self.hear(Input::NetworkUp),
            5 => self.hear(Input::Due),
            6 if self.rng.once_in(8) => self.logout(),
            7 => self.stray(),
            8 => {
                let request = self.name();
                let options = LoginOptions { retry: true, ..LoginOptions::default() };
                let request = RequestId(request.into());
                self.hear(Input::LoginWanted { request, options, entropy: testing::entropy(request) });
            }
            9 => {
                let definition = self.definition.clone();
                let input = if self.rng.once_in(4) { Err("a typo".to_owned()) } else { Ok(definition) };
                self.hear(Input::Defined(input));
            }
            _ => {
                for _ in 0..=self.rng.below(4) {
                    self.ask();
                }
            }
        }
    }

    pub(super) fn ask(&mut self) {
        let waiter = WaiterId(self.name());
        let audience = match self.rng.below(8) {
            0 | 1 => Some(self.rng.pick(&AUDIENCES).to_owned()),
            2 => Some(self.rng.pick(&UNDECLARED).to_owned()),
            _ => None,
        };
        let timeout = self.rng.millis(1_000, 130_000);
        let rejected = self.rng.once_in(8).then_some(self.disk.generation);
        let min_validity = Duration::from_secs(self.rng.pick(&[0, 60, 60, 600, 100_000]));
        let key = TokenKey { audience, ..TokenKey::DEFAULT };
        let deadline = self.clock.now().boot.after(timeout);
        self.referee.caller(waiter, self.time + timeout.min(120 * SECOND));
        self.hear(Input::TokenWanted { waiter, ask: TokenAsk { key, min_validity, rejected, deadline } });
    }

    pub(super) fn refresh(&mut self) {
        let waiter = WaiterId(self.name());
        let deadline = self.clock.now().boot.after(20 * SECOND);
        self.referee.caller(waiter, self.time + 20 * SECOND);
        self.hear(Input::RefreshWanted { waiter, deadline });
    }

    pub(super) fn logout(&mut self) {
        let waiter = WaiterId(self.name());
        // Bounded by the exchange that may be in flight and its commit.
        self.referee.caller(waiter, self.time + Duration::from_secs(100_000));
        self.hear(Input::LogoutWanted { waiter });
    }

    pub(super) fn begin_login(&mut self) {
        let request = RequestId(self.name().into());
        let flow = self.rng.once_in(3).then_some(Flow::Device);
        let options = LoginOptions { flow, ..LoginOptions::default() };
        self.hear(Input::LoginWanted { request, options, entropy: testing::entropy(request) });
        if self.rng.once_in(10) {
            let pause = self.rng.millis(1, 60_000);
            self.later_input(pause, Input::LoginCancelled { request });
        }
    }

    /// Reports that nobody waits for.
    pub(super) fn stray(&mut self) {
        let request = RequestId(self.rng.below(50).into());
        let query = vec![("state".to_owned(), Secret::from("foreign".to_owned()))];
        let input = match self.rng.below(5) {
            0 => Input::Listening { request, redirect_uri: "http://127.0.0.1:1/x".into() },
            1 => Input::Redirected { request, query },
            2 => Input::Discovered { ticket: Ticket(0), result: Ok(testing::metadata(false)) },
            3 => Input::RefreshTokenGiven { request, token: Secret::from("rt-stray".to_owned()) },
            _ => Input::Answered {
                ticket: Ticket(0),
                answer: Answer { refresh_token: None, outcome: Outcome::Ended { why: "stray".into() } },
            },
        };
        self.hear(input);
    }

    pub(super) fn set_clock(&mut self) {
        let by = self.rng.pick(&[-86_400_000, -3_600_000, -30_000, 30_000, 3_600_000, 86_400_000]);
        self.note(&format!("the wall clock is set by {by} ms"));
        self.clock.wall += by;
        self.clock_lies = true;
        self.hear(Input::Due);
    }

    pub(super) fn lock_and_unlock(&mut self) {
        self.note("lock");
        self.hear(Input::Locked);
        self.referee.locked = true;
        self.run_for(Duration::ZERO);
        let pause = self.rng.millis(1, 200_000);
        self.run_for(pause);
        self.unlock();
    }

    /// The keeper unlocks only what is settled: the vault says locked first.
    pub(super) fn unlock(&mut self) {
        for _ in 0..1_000 {
            if self.account().is_settled() {
                break;
            }
            self.run_for(SECOND);
        }
        if !self.account().is_settled() && !self.rng.once_in(2) {
            return;
        }
        self.note("unlock");
        let is_open = self.account().vault.open().is_some();
        if let Some(silence) = self.referee.silence.as_mut().filter(|_| is_open) {
            // It was opened meanwhile. What it knows of the server is read anew, too.
            silence.is_over();
        }
        self.referee.locked = false;
        let stored = Box::new(self.disk.read());
        self.hear(Input::Unlocked(stored));
    }

    pub(super) fn sleep(&mut self) {
        let told = self.rng.below(4) > 0;
        if told {
            self.hear(Input::Sleeping);
            let inhibited = self.rng.millis(1, 5_000);
            self.run_for(inhibited);
        }
        let until = self.time + self.rng.millis(1_000, 40_000_000);
        self.note(&format!("asleep until {until:?}"));
        self.asleep_until = Some(until);
        self.referee.sleeps_until(until + SECOND);
        self.later(until - self.time, Event::Wake { told });
    }

    pub(super) fn crash(&mut self, reboots: bool) {
        self.note(if reboots { "the machine reboots" } else { "the keeper is killed" });
        self.life += 1;
        let dead: Vec<_> =
            self.queue.iter().filter(|(_, event)| matches!(event, Event::Commit { .. })).map(|(at, _)| *at).collect();
        if self.account.as_ref().is_some_and(Account::has_unsaved) {
            self.lost_rotations += 1;
        }
        for at in dead {
            let Some(Event::Commit { change, .. }) = self.queue.remove(&at) else { continue };
            // The write had begun: it is there after the crash, or it is not.
            let survives = self.rng.once_in(2) && !self.disk_full && self.disk.commit(&change).is_ok();
            self.note(&format!("the commit survived the crash: {survives}"));
            if matches!(*change, Change::Grant { .. }) && !survives {
                self.lost_rotations += 1;
            }
        }
        self.asleep_until = None;
        let off = if reboots { self.rng.millis(5_000, 10_000_000) } else { self.rng.millis(50, 1_000) };
        self.account = None;
        self.referee.crashed();
        self.run_for(off);
        if reboots {
            self.clock.reboot(Duration::ZERO);
        }
        self.start();
    }

    pub(super) fn start(&mut self) {
        self.account = Some(Account::new("work".parse().expect("a name"), self.rng.next()));
        self.referee.locked = false;
        self.tell_of_logouts();
        let (definition, stored) = (self.definition.clone(), Box::new(self.disk.read()));
        if self.rng.once_in(2) {
            self.hear(Input::Defined(Ok(definition)));
            self.hear(Input::Unlocked(stored));
        } else {
            self.hear(Input::Unlocked(stored));
            self.hear(Input::Defined(Ok(definition)));
        }
    }
}
