//! Virtual time: the next event or the account's deadline, whichever comes first. A sleeping machine hears nothing.

use std::time::Duration;

use super::super::*;
use super::world::{Event, World};
use crate::oauth::{Answer, Outcome};

impl World {
    pub(super) fn run_for(&mut self, span: Duration) {
        let end = self.time + span;
        loop {
            let due = self.next_due();
            let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
            let next = [due, queued].into_iter().flatten().min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.pass(next);
            if queued == Some(next) {
                let ((_, _), event) = self.queue.pop_first().expect("the first event");
                self.happen(event);
            } else {
                self.hear(Input::Due);
                let again = self.account.as_ref().and_then(Account::deadline);
                if again.is_some_and(|again| again <= self.clock.now().boot) {
                    self.referee.broken.push("no busy loop: the account is due again at once".to_owned());
                }
            }
            if !self.referee.broken.is_empty() || self.steps > 20_000 {
                break;
            }
        }
        if self.steps > 20_000 {
            self.referee.broken.push("no busy loop: 20,000 steps in one schedule".to_owned());
        }
        self.pass(end.max(self.time));
    }

    pub(super) fn next_due(&self) -> Option<Duration> {
        let due = self.account.as_ref()?.deadline()?;
        let due = self.time + due.since(self.clock.now().boot);
        Some(self.asleep_until.map_or(due, |until| due.max(until)))
    }

    pub(super) fn pass(&mut self, until: Duration) {
        self.clock.pass(until.saturating_sub(self.time));
        self.time = until.max(self.time);
    }

    pub(super) fn later(&mut self, span: Duration, event: Event) {
        self.queued += 1;
        self.queue.insert((self.time + span, self.queued), event);
    }

    pub(super) fn later_input(&mut self, span: Duration, input: Input) {
        let life = self.life;
        self.later(span, Event::Hear { life, input: Box::new(input), sent: None });
    }

    pub(super) fn happen(&mut self, event: Event) {
        // A sleeping machine hears and writes nothing. The server goes on.
        if let Some(until) = self.asleep_until
            && matches!(event, Event::Hear { .. } | Event::Commit { .. })
        {
            let event = match event {
                Event::Hear { life, input, sent } => Event::Hear { life, input: self.lost_in_sleep(*input), sent },
                other => other,
            };
            return self.later(until.saturating_sub(self.time) + Duration::from_millis(1), event);
        }
        match event {
            Event::Hear { life, input, sent } if life == self.life && self.account.is_some() => {
                self.referee.hears_of_code(&input, sent.as_deref(), self.time);
                if let Input::Answered { ticket, answer } = &*input {
                    self.referee.heard_answer(*ticket, sent.as_deref(), answer.refresh_token.is_some());
                    let of_refresh = sent.is_some_and(|sent| sent.starts_with("rt-"));
                    if !self.referee.token_exchanges.contains(ticket) {
                        self.weigh(&answer.outcome, of_refresh);
                    }
                }
                self.hear(*input);
            }
            Event::Hear { input, .. } => self.never_heard(&input),
            Event::Arrive { life, ticket, asked, fate, due } => self.arrive(life, ticket, asked, fate, due),
            Event::Commit { life, ticket, change } if life == self.life => {
                let input = match self.disk_full {
                    true => Input::SaveFailed { ticket, why: "no space left on device".into(), change },
                    false => match self.disk.commit(&change) {
                        Ok(sealed) => Input::Saved { ticket, sealed },
                        Err(why) => {
                            self.referee.broken.push(format!("compare and swap: {why}"));
                            return;
                        }
                    },
                };
                self.hear(input);
            }
            Event::Commit { .. } => {}
            Event::Kill if self.account.is_some() => self.crash(false),
            Event::Lock if self.account.is_some() && self.asleep_until.is_none() => self.lock_and_unlock(),
            Event::Kill | Event::Lock => {}
            Event::Network(up) => {
                self.network = up;
                self.note("the network is back");
                if self.account.is_some() && self.rng.below(4) > 0 {
                    self.hear(Input::NetworkUp);
                }
            }
            Event::DiskFull(full) => self.disk_full = full,
            Event::Wake { told } => {
                if self.asleep_until.take().is_some() && self.account.is_some() {
                    self.note("awake");
                    let _ = told;
                    self.hear(Input::Woke);
                }
            }
        }
    }

    /// Connections do not survive sleep.
    pub(super) fn lost_in_sleep(&mut self, input: Input) -> Box<Input> {
        match input {
            Input::Answered { ticket, answer } if self.rng.once_in(2) => {
                self.never_answered(&answer);
                let outcome = Outcome::Ambiguous { why: "the connection broke while asleep".into() };
                Box::new(Input::Answered { ticket, answer: Answer { refresh_token: None, outcome } })
            }
            other => Box::new(other),
        }
    }

    pub(super) fn never_heard(&mut self, input: &Input) {
        if let Input::Answered { answer, .. } = input {
            self.never_answered(answer);
        }
    }

    pub(super) fn never_answered(&mut self, answer: &Answer) {
        if answer.refresh_token.is_some() {
            self.lost_rotations += 1;
        }
    }

    /// What the referee must know of an answer.
    pub(super) fn weigh(&mut self, outcome: &Outcome, of_refresh: bool) {
        match outcome {
            Outcome::Ended { .. } if of_refresh => self.referee.endings += 1,
            Outcome::AccessDenied { .. } | Outcome::Unexplained { .. } if of_refresh => self.referee.refusals += 1,
            Outcome::AnotherProof { .. } => self.referee.unproved = true,
            Outcome::NotProcessed { retry_after, .. } => self.referee.wants_quiet(self.time + *retry_after),
            Outcome::Granted(_) => {
                self.referee.refusals = 0;
                self.referee.not_before = None;
            }
            _ => {}
        }
    }
}
