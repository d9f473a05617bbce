//! The referee: knows what the account must never do (architecture.md, "Invariants") and sees every effect and every
//! input. A broken rule is a sentence that begins with the rule's number.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::super::testing::unseal;
use super::super::*;
use super::client::Silence;
use super::device::Codes;
use super::disk::Disk;
use super::server::Server;
use crate::oauth::Outcome;

#[derive(Default)]
pub(super) struct Referee {
    pub(super) broken: Vec<String>,
    /// Token requests in flight, by ticket.
    asking: BTreeSet<Ticket>,
    /// Those of them, and of the ended ones, that say nothing about the lineage.
    pub(super) token_exchanges: BTreeSet<Ticket>,
    /// Waiting callers and when they must have been answered.
    waiting: BTreeMap<WaiterId, Duration>,
    answered: BTreeSet<WaiterId>,
    /// Refresh tokens whose successor this process has received for a refresh.
    superseded: BTreeSet<String>,
    /// The gate, as a caller sees it.
    pub(super) locked: bool,
    /// Codes sent, by request.
    codes: BTreeSet<RequestId>,
    /// The server did not look at the last code: it wanted another proof.
    pub(super) unproved: bool,
    /// A redirect with the right state came for these.
    pub(super) proper: BTreeSet<RequestId>,
    ended_requests: BTreeSet<RequestId>,
    /// The server named a time before which it does not want to be asked.
    pub(super) not_before: Option<Duration>,
    pub(super) device: Codes,
    /// Watched where nobody signs in.
    pub(super) silence: Option<Silence>,
    told_login_needed: bool,
    /// Answers that the account may take as the end of its login.
    pub(super) endings: u32,
    /// Refusals that may pass, since the last success.
    pub(super) refusals: u32,
    pub(super) served: u64,
    pub(super) exchanges: u64,
    /// Grants on their way to the disk with a new key.
    pub(super) keys_stored: u64,
}

impl Referee {
    pub(super) fn rule(&mut self, holds: bool, rule: &str, words: impl FnOnce() -> String) {
        if !holds {
            self.broken.push(format!("{rule}: {}", words()));
        }
    }

    pub(super) fn caller(&mut self, waiter: WaiterId, by: Duration) {
        self.waiting.insert(waiter, by);
    }

    pub(super) fn caller_left(&mut self, waiter: WaiterId) {
        self.waiting.remove(&waiter);
        self.answered.insert(waiter);
    }

    /// Nobody is answered while the machine sleeps.
    pub(super) fn sleeps_until(&mut self, wake: Duration) {
        self.waiting.values_mut().for_each(|due| *due = wake.max(*due));
    }

    pub(super) fn oldest_caller(&self) -> Option<WaiterId> {
        self.waiting.keys().next().copied()
    }

    /// The process died: its callers went with it, and what it only had in memory.
    pub(super) fn crashed(&mut self) {
        self.asking.clear();
        self.token_exchanges.clear();
        self.waiting.clear();
        self.superseded.clear();
        self.locked = true;
        self.not_before = None;
        self.silence = self.silence.take().map(|_| Silence::default());
        self.forgets_codes();
        self.told_login_needed = false;
    }

    /// A request ended that brings nothing by itself.
    pub(super) fn settles(&mut self, ticket: Ticket) {
        self.asking.remove(&ticket);
    }

    pub(super) fn wants_quiet(&mut self, until: Duration) {
        self.not_before = self.not_before.max(Some(until));
    }

    pub(super) fn is_quiet_time(&self, now: Duration) -> bool {
        self.not_before.is_some_and(|at| now < at)
    }

    pub(super) fn has_ended(&self, request: RequestId) -> bool {
        self.ended_requests.contains(&request)
    }

    pub(super) fn heard_answer(&mut self, ticket: Ticket, sent: Option<&str>, has_successor: bool) {
        self.asking.remove(&ticket);
        if let (Some(sent), true) = (sent, has_successor) {
            self.superseded.insert(sent.to_owned());
        }
    }

    pub(super) fn sees(
        &mut self,
        effect: &Effect,
        unsaved: bool,
        server: &Server,
        disk: &Disk,
        now: Duration,
        clock_lies: bool,
    ) {
        match effect {
            Effect::Ask { ticket, exchange, .. } => self.sees_ask(*ticket, exchange, disk, now),
            Effect::Reply { waiter, served } => {
                self.sees_answer(*waiter, now);
                self.served += 1;
                let token = served.token.reveal_str().unwrap_or("?").to_owned();
                let locked = self.locked;
                self.rule(!locked, "6", || format!("{token} left a locked keeper"));
                let is_durable = served.generation <= disk.generation || unsaved;
                self.rule(is_durable, "2", || format!("{token} of generation {} is not durable", served.generation));
                let key = server.access_key(&token);
                let has_key = key.is_none_or(|key| disk.key.as_deref() == Some(key));
                self.rule(has_key, "bound", || {
                    format!("{token} was served, and the key that it is bound to is not stored")
                });
                let left = server.access_left(&token, now);
                let is_known = served.expires_at > 0 && !clock_lies;
                self.rule(!is_known || left.is_none_or(|left| !left.is_zero()), "no expired token", || {
                    format!("{token} was served")
                });
            }
            Effect::ReplyDone { waiter, .. } | Effect::Deny { waiter, .. } => self.sees_answer(*waiter, now),
            Effect::Report { request, progress } => {
                let is_end = !matches!(progress, Progress::Uri { .. });
                let fresh = !is_end || self.ended_requests.insert(*request);
                self.rule(fresh, "4", || format!("request {} ended twice", request.0));
                if let Progress::Uri { user_code: Some(code), .. } = progress {
                    self.sees_code(*request, &code.code);
                }
            }
            Effect::Notify(Notice::LoginNeeded { why }) => {
                let told = std::mem::replace(&mut self.told_login_needed, true);
                self.rule(!told, "one notice a cause", || format!("told twice: {why}"));
                let has_reason = self.endings > 0 || self.refusals >= 4;
                self.rule(has_reason, "9", || format!("a login is needed without the server's word: {why}"));
            }
            Effect::Show { page: Page::Stored { .. }, .. } => {
                let is_stored = disk.token.is_some() && !unsaved;
                self.rule(is_stored, "2", || "the page says stored, the disk does not".to_owned());
            }
            Effect::Notify(Notice::Recovered) => self.told_login_needed = false,
            Effect::Save { change: Change::Forget { .. }, .. } => {
                self.told_login_needed = false;
                if self.silence.is_some() {
                    // Who comes back comes anew.
                    (self.silence, self.not_before) = (Some(Silence::default()), None);
                }
            }
            Effect::Save { change: Change::Grant { grant, .. }, .. } => {
                self.keys_stored += u64::from(grant.new_key.is_some());
            }
            Effect::Discover { .. } => {
                let early = self.silence.as_ref().and_then(|silence| silence.discovers(now));
                self.rule(early.is_none(), "back-off", || early.unwrap_or_default());
            }
            Effect::Notify(Notice::Attention { .. } | Notice::LoginEndsSoon { .. } | Notice::Unsaved { .. })
            | Effect::MakeKey { .. }
            | Effect::Save { .. }
            | Effect::Listen { .. }
            | Effect::Show { page: Page::Failed { .. }, .. }
            | Effect::Revoke { .. }
            | Effect::Introspect { .. }
            | Effect::Log { .. } => {}
        }
    }

    fn sees_ask(&mut self, ticket: Ticket, exchange: &Exchange, disk: &Disk, now: Duration) {
        self.exchanges += 1;
        let free = self.asking.is_empty();
        self.rule(free, "1", || "a second token request while one is in flight".to_owned());
        self.asking.insert(ticket);
        match exchange {
            Exchange::Refresh { token, .. } => {
                let sent = unseal(token);
                let stored = disk.token.as_ref().map(unseal);
                self.rule(stored.as_ref() == Some(&sent), "3", || format!("{sent} was sent, {stored:?} is stored"));
                let old = self.superseded.contains(&sent);
                self.rule(!old, "3", || format!("{sent} was sent although its successor was received"));
                let early = self.is_quiet_time(now);
                self.rule(!early, "no request earlier than allowed", || format!("{sent} at {now:?}"));
            }
            Exchange::Code { code, .. } => {
                let request =
                    code.reveal_str().and_then(|code| code.strip_prefix("code-")?.parse().ok()).map(RequestId);
                let Some(request) = request else { return self.broken.push("8: an unknown code was sent".into()) };
                let is_proper = self.proper.contains(&request);
                // Once more for another proof, since the server did not look at the code.
                let once = self.codes.insert(request) || std::mem::take(&mut self.unproved);
                self.rule(is_proper && once, "8", || format!("code of request {} (proper: {is_proper})", request.0));
            }
            Exchange::TokenExchange { subject, .. } => {
                self.token_exchanges.insert(ticket);
                let subject = super::super::testing::shown(subject);
                self.rule(!subject.starts_with("rt-"), "7", || format!("{subject} was exchanged for an access token"));
            }
            Exchange::DeviceCode { code, .. } => self.sees_poll(&super::super::testing::shown(code), now),
            Exchange::ClientCredentials { .. } => {
                let early = self.is_quiet_time(now);
                self.rule(!early, "no request earlier than allowed", || format!("a client at {now:?}"));
                let early = self.silence.as_mut().and_then(|silence| silence.asks(now));
                self.rule(early.is_none(), "back-off", || early.unwrap_or_default());
            }
            Exchange::Push { .. } | Exchange::DeviceAuthorization { .. } => {}
        }
    }

    fn sees_answer(&mut self, waiter: WaiterId, now: Duration) {
        let due = self.waiting.remove(&waiter);
        let once = self.answered.insert(waiter);
        self.rule(once && due.is_some(), "4", || format!("caller {} was answered twice, or never asked", waiter.0));
        self.rule(due.is_none_or(|due| now <= due), "4", || format!("caller {} was answered late", waiter.0));
    }

    /// What is heard of a server that may be silent, before the account hears it.
    pub(super) fn hears_of_server(&mut self, input: &Input, now: Duration) {
        let Some(silence) = &mut self.silence else { return };
        match input {
            // What comes after a lock is settled; what comes to nothing is forgotten.
            Input::Answered { .. } | Input::Discovered { .. } if self.locked => silence.is_over(),
            Input::Answered { ticket, .. } if self.token_exchanges.contains(ticket) => {}
            Input::Answered { answer, .. } => match answer.outcome {
                Outcome::NotSent { .. } | Outcome::Portal { .. } | Outcome::Ambiguous { .. } => silence.fails(now),
                Outcome::AnotherProof { .. } => silence.demands_proof(now),
                _ => silence.is_over(),
            },
            Input::Discovered { result: Err(_), .. } => silence.fails(now),
            Input::RefreshWanted { .. } | Input::LoginWanted { .. } => silence.excuses(),
            Input::Unopenable { .. } => silence.is_put_off(),
            Input::NetworkUp => silence.is_over(),
            _ => {}
        }
    }

    /// Nobody is left behind.
    pub(super) fn checks_patience(&mut self, now: Duration) {
        let late: Vec<_> = self.waiting.iter().filter(|(_, due)| **due < now).map(|(waiter, _)| *waiter).collect();
        for waiter in late {
            self.broken.push(format!("4: caller {} got no answer in time", waiter.0));
            self.waiting.remove(&waiter);
        }
    }
}
