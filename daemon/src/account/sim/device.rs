//! The model server's device flow (RFC 8628), and what the referee knows of each code: when it may be polled, and that a
//! final answer was the last one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::*;
use super::net::{Asked, Fate};
use super::referee::Referee;
use super::server::Reply;
use super::world::{SECOND, World};
use crate::oauth::device::Authorization;
use crate::oauth::par::Pushed;
use crate::oauth::{Answer, Outcome};
use crate::secret::Secret;

/// A code at the server.
pub(super) struct Given {
    decided_at: Option<Duration>,
    allows: bool,
    expires: Duration,
    last_poll: Option<Duration>,
    interval: Duration,
}

/// A code as the referee sees it.
#[derive(Default)]
pub(super) struct Watched {
    request: Option<RequestId>,
    heard_at: Duration,
    interval: Duration,
    expires: Duration,
    is_over: bool,
}

impl World {
    /// A request of a login that brings no tokens by itself reaches the server; gives what the account hears if the answer arrives.
    pub(super) fn device_answers(&mut self, ticket: Ticket, asked: &Asked, fate: Fate) -> Input {
        match asked {
            Asked::Authorization if fate == Fate::Answered => {
                let authorization = Box::new(self.give_code());
                Input::Authorized { ticket, authorization }
            }
            Asked::Push if fate == Fate::Answered => {
                let pushed = Pushed { request_uri: "urn:x".into(), expires_in: 60 * SECOND };
                Input::Pushed { ticket, pushed }
            }
            Asked::Poll { code, interval, key } if matches!(fate, Fate::Answered | Fate::AnswerLost | Fate::Half) => {
                let answer = self.decide(code, *interval, key.as_ref());
                if fate == Fate::Answered {
                    return with_ticket(answer, ticket);
                }
                let answer = Answer::without_token(Outcome::Ambiguous { why: "lost".into() });
                Input::Answered { ticket, answer }
            }
            Asked::Push
            | Asked::Authorization
            | Asked::Poll { .. }
            | Asked::Refresh(..)
            | Asked::Code(_)
            | Asked::TokenExchange(..)
            | Asked::Client(_) => Input::Answered { ticket, answer: self.answered(fate, None) },
        }
    }

    fn give_code(&mut self) -> Authorization {
        let name = self.name();
        let lifetime = Duration::from_secs(self.rng.pick(&[30, 300, 900]));
        let interval = Duration::from_secs(self.rng.pick(&[1, 5, 5, 30]));
        let decides = self.rng.below(6) > 0;
        let given = Given {
            decided_at: decides.then(|| self.time + self.rng.millis(1_000, 400_000)),
            allows: self.rng.below(5) > 0,
            expires: self.time + lifetime,
            last_poll: None,
            interval,
        };
        self.server.codes.insert(format!("dc-{name}"), given);
        Authorization {
            device_code: Secret::from(format!("dc-{name}")),
            user_code: format!("dc-{name}"),
            verification_uri: "https://idp.example/device".parse().expect("an address"),
            verification_uri_complete: None,
            expires_in: lifetime,
            interval,
        }
    }

    fn decide(&mut self, code: &str, kept: Duration, key: Option<&String>) -> Input {
        let now = self.time;
        let final_answer = |outcome| Input::Answered { ticket: Ticket(0), answer: Answer::without_token(outcome) };
        if self.demands_proofs && (key.is_none() || self.rng.once_in(3)) {
            return final_answer(Outcome::AnotherProof { why: "use_dpop_nonce".into() });
        }
        let Some(given) = self.server.codes.get_mut(code).filter(|given| now < given.expires) else {
            return final_answer(Outcome::Ended { why: "expired_token".into() });
        };
        let too_soon = given.last_poll.is_some_and(|last| now < last + given.interval);
        given.last_poll = Some(now);
        let (decided, allows) = (given.decided_at.is_some_and(|at| at <= now), given.allows);
        if too_soon || self.rng.once_in(20) {
            let interval = kept + 5 * SECOND;
            let quiet = self.rng.once_in(3).then(|| Duration::from_secs(self.rng.pick(&[1, 30, 200])));
            return Input::Undecided { ticket: Ticket(0), interval, quiet };
        }
        match (decided, allows) {
            (false, _) => Input::Undecided { ticket: Ticket(0), interval: kept, quiet: None },
            (true, false) => final_answer(Outcome::AccessDenied { why: "access_denied".into() }),
            (true, true) => {
                // Some hand out a second pair to whoever polls again: nobody may.
                let tokens = self.server.sign_in(key.cloned(), now);
                debug_assert!(matches!(tokens, Reply::Tokens { .. }));
                Input::Answered { ticket: Ticket(0), answer: self.answered(Fate::Answered, Some(tokens)) }
            }
        }
    }
}

fn with_ticket(input: Input, ticket: Ticket) -> Input {
    match input {
        Input::Answered { answer, .. } => Input::Answered { ticket, answer },
        Input::Undecided { interval, quiet, .. } => Input::Undecided { ticket, interval, quiet },
        other => other,
    }
}

/// The codes that were given to this process.
#[derive(Default)]
pub(super) struct Codes(BTreeMap<String, Watched>);

impl Referee {
    /// What is heard of a code, before the account hears it.
    pub(super) fn hears_of_code(&mut self, input: &Input, sent: Option<&str>, now: Duration) {
        match input {
            Input::Authorized { ticket, authorization } => {
                self.settles(*ticket);
                let code = Watched {
                    request: None,
                    heard_at: now,
                    interval: authorization.interval,
                    expires: now + authorization.expires_in,
                    is_over: false,
                };
                self.device.0.insert(authorization.user_code.clone(), code);
            }
            Input::Pushed { ticket, .. } | Input::Unopenable { ticket, .. } => self.settles(*ticket),
            Input::Undecided { ticket, interval, quiet } => {
                self.settles(*ticket);
                if let Some(code) = sent.and_then(|code| self.device.0.get_mut(code)) {
                    (code.heard_at, code.interval) = (now, *interval);
                }
                if let Some(quiet) = quiet {
                    self.wants_quiet(now + *quiet);
                }
            }
            Input::Answered { answer, .. } => {
                if let Some(code) = sent.and_then(|code| self.device.0.get_mut(code)) {
                    code.heard_at = now;
                    code.is_over = match answer.outcome {
                        Outcome::NotSent { .. }
                        | Outcome::Portal { .. }
                        | Outcome::NotProcessed { .. }
                        | Outcome::AnotherProof { .. } => false,
                        Outcome::Ambiguous { .. } => answer.refresh_token.is_some(),
                        _ => true,
                    };
                }
            }
            _ => {}
        }
    }

    pub(super) fn sees_code(&mut self, request: RequestId, code: &str) {
        if let Some(code) = self.device.0.get_mut(code) {
            code.request = Some(request);
        }
    }

    pub(super) fn sees_poll(&mut self, code: &str, now: Duration) {
        let Some(watched) = self.device.0.get(code) else {
            return self.broken.push(format!("8628: {code} was polled, which nobody gave"));
        };
        let (is_over, earliest, expires) = (watched.is_over, watched.heard_at + watched.interval, watched.expires);
        let is_wanted = watched.request.is_some_and(|request| !self.has_ended(request));
        self.rule(!is_over, "8628", || format!("{code} was polled after its final answer"));
        self.rule(is_wanted, "8628", || format!("{code} was polled for a login that is over"));
        self.rule(now >= earliest, "8628", || format!("{code} was polled at {now:?}, allowed from {earliest:?}"));
        self.rule(now < expires, "8628", || format!("{code} was polled after its end"));
        self.rule(!self.is_quiet_time(now), "no request earlier than allowed", || format!("{code} at {now:?}"));
    }

    /// The process died, and its logins with it.
    pub(super) fn forgets_codes(&mut self) {
        self.device.0.clear();
    }
}
