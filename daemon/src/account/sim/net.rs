//! Between account, browser and server: what becomes of requests and answers on their way.

use std::time::Duration;

use super::super::codec;
use super::super::testing::{shown, unseal};
use super::super::*;
use super::client::Refusal;
use super::server::Reply;
use super::trace;
use super::world::{Event, SECOND, World};
use crate::oauth::{Answer, Granted, Outcome};
use crate::secret::Secret;

#[derive(Clone)]
pub(super) enum Asked {
    Refresh(String, Option<String>),
    Code(Option<String>),
    TokenExchange(String, Option<String>),
    Client(Option<String>),
    Authorization,
    Push,
    Poll { code: String, interval: Duration, key: Option<String> },
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Answered,
    /// The server acts, the answer never comes.
    AnswerLost,
    /// The server acts, half of the answer comes, with the refresh token in it.
    Half,
    /// The server does not act.
    ServerError,
    TooMany,
    Unexplained,
    Denied,
    Attention,
    Moved,
    /// The server does not act: it wants another proof, or one at all.
    AnotherProof,
    /// The server does not act: it refuses the client.
    Refused(Refusal),
}

impl World {
    /// The person signs in, or not, or somebody meddles.
    pub(super) fn browser(&mut self, request: RequestId) {
        let query = |state: String| {
            let code = format!("code-{}", request.0);
            vec![("state".to_owned(), Secret::from(state)), ("code".to_owned(), Secret::from(code))]
        };
        let wait = self.rng.millis(1_000, 60_000);
        match self.rng.below(12) {
            0 => {}
            1 => self.later_input(wait, Input::Redirected { request, query: query("guessed".into()) }),
            n => {
                self.referee.proper.insert(request);
                let ours = || query(format!("state-{}", request.0));
                self.later_input(wait, Input::Redirected { request, query: ours() });
                if n == 2 {
                    self.later_input(wait + SECOND, Input::Redirected { request, query: ours() });
                }
            }
        }
    }

    /// A token request leaves.
    pub(super) fn send(&mut self, ticket: Ticket, exchange: Exchange, timeout: Duration) {
        let (asked, sent) = match exchange {
            Exchange::Refresh { token, proof_key, .. } => {
                (Asked::Refresh(unseal(&token), proof_key), Some(unseal(&token)))
            }
            Exchange::Code { proof_key, .. } => (Asked::Code(proof_key.as_ref().and_then(codec::thumbprint)), None),
            Exchange::ClientCredentials { proof_key: None, .. } => (Asked::Client(None), None),
            Exchange::ClientCredentials { proof_key: Some(ProofKey::New(key)), .. } => {
                (Asked::Client(codec::thumbprint(&key)), None)
            }
            Exchange::ClientCredentials { proof_key: Some(ProofKey::Stored(_)), .. } if self.rng.once_in(30) => {
                let wait = self.rng.millis(1, 20);
                return self.later_input(wait, Input::Unopenable { ticket, why: "the key cannot be opened".into() });
            }
            Exchange::ClientCredentials { proof_key: Some(ProofKey::Stored(key)), .. } => {
                let is_stored = self.disk.key.as_ref() == Some(&key);
                self.referee.rule(is_stored, "bound", || "a proof by a key that is not stored".to_owned());
                (Asked::Client(Some(key)), None)
            }
            Exchange::TokenExchange { subject, proof_key, .. } => {
                (Asked::TokenExchange(shown(&subject), proof_key), None)
            }
            Exchange::Push { .. } => (Asked::Push, None),
            Exchange::DeviceAuthorization { .. } => (Asked::Authorization, None),
            Exchange::DeviceCode { code, interval, proof_key } => {
                let (code, key) = (shown(&code), proof_key.as_ref().and_then(codec::thumbprint));
                (Asked::Poll { code: code.clone(), interval, key }, Some(code))
            }
        };
        let life = self.life;
        let there =
            if self.rng.once_in(self.faults.slow) { self.rng.millis(100, 40_000) } else { self.rng.millis(5, 200) };
        if !self.network || self.rng.once_in(self.faults.lost.saturating_mul(2)) {
            let outcome = match self.rng.once_in(5) {
                true => Outcome::Portal { why: "a login page".into() },
                false => Outcome::NotSent { why: "no route".into(), certificate: false },
            };
            let answer = Answer { refresh_token: None, outcome };
            let input = Box::new(Input::Answered { ticket, answer });
            return self.later(there.min(timeout), Event::Hear { life, input, sent });
        }
        let fate = if self.rng.once_in(self.faults.lost) {
            self.rng.pick(&[Fate::AnswerLost, Fate::AnswerLost, Fate::Half, Fate::ServerError])
        } else if self.rng.once_in(self.faults.refused) {
            self.rng.pick(&[
                Fate::TooMany,
                Fate::TooMany,
                Fate::Unexplained,
                Fate::Denied,
                Fate::Attention,
                Fate::Moved,
            ])
        } else {
            Fate::Answered
        };
        let due = self.time + timeout;
        self.later(there, Event::Arrive { life, ticket, asked, fate, due });
        // Whatever the server does, the keeper stops waiting.
        if self.time + there >= due {
            let outcome = Outcome::Ambiguous { why: "timed out after the request was sent".into() };
            let input = Box::new(Input::Answered { ticket, answer: Answer { refresh_token: None, outcome } });
            self.later(timeout, Event::Hear { life, input, sent });
        }
    }

    pub(super) fn arrive(&mut self, life: u32, ticket: Ticket, asked: Asked, fate: Fate, due: Duration) {
        if let Asked::Push | Asked::Authorization | Asked::Poll { .. } = &asked {
            let input = self.device_answers(ticket, &asked, fate);
            let sent = match asked {
                Asked::Poll { code, .. } => Some(code),
                Asked::Push
                | Asked::Authorization
                | Asked::Refresh(..)
                | Asked::Code(_)
                | Asked::TokenExchange(..)
                | Asked::Client(_) => None,
            };
            self.note(&format!("server: {sent:?} {fate:?} {}", trace::named(&input)));
            if self.time < due {
                let back = self.rng.millis(1, 100).min(due - self.time);
                self.later(back, Event::Hear { life, input: Box::new(input), sent });
            }
            return;
        }
        let is_proved = match &asked {
            Asked::Refresh(_, key)
            | Asked::Code(key)
            | Asked::Poll { key, .. }
            | Asked::TokenExchange(_, key)
            | Asked::Client(key) => key.is_some(),
            Asked::Push | Asked::Authorization => false,
        };
        let acts = matches!(fate, Fate::Answered | Fate::AnswerLost | Fate::Half);
        let is_unproved = acts && self.demands_proofs && (!is_proved || self.rng.once_in(3));
        let (acts, fate) = if is_unproved { (false, Fate::AnotherProof) } else { (acts, fate) };
        let refusal = self.client.as_ref().and_then(|client| match &asked {
            Asked::Client(None) if is_unproved => client.refuses.or(client.refuses_unproved()),
            Asked::Client(_) if acts || is_unproved => client.refuses,
            _ => None,
        });
        let (acts, fate) = refusal.map_or((acts, fate), |refusal| (false, Fate::Refused(refusal)));
        let reply = acts.then(|| match &asked {
            Asked::Refresh(token, key) => self.server.refresh(token, key.as_deref(), self.time),
            Asked::Code(key) => self.server.sign_in(key.clone(), self.time),
            Asked::Push | Asked::Authorization | Asked::Poll { .. } => self.server.sign_in(None, self.time),
            Asked::TokenExchange(subject, key) => self.server.exchange(subject, key.clone(), self.time),
            Asked::Client(key) => self.server.client_token(key.clone(), self.time),
        });
        if matches!(reply, Some(Reply::WrongKey)) {
            self.referee.broken.push("bound: a token was sent without a proof by its key".to_owned());
        }
        let makes_lineages = !matches!(asked, Asked::TokenExchange(..) | Asked::Client(_));
        let sent = match asked {
            Asked::Refresh(token, _) => Some(token),
            Asked::Code(_)
            | Asked::Push
            | Asked::Authorization
            | Asked::Poll { .. }
            | Asked::TokenExchange(..)
            | Asked::Client(_) => None,
        };
        if self.trace.is_some() {
            let what = match &reply {
                Some(Reply::Tokens { access, refresh }) => format!("{access} {refresh:?}"),
                Some(Reply::InvalidGrant | Reply::WrongKey) => "invalid_grant".into(),
                None => "does not act".into(),
            };
            self.note(&format!("server: {sent:?} {fate:?} {what}"));
        }
        let is_late = self.time >= due;
        let rotated = matches!(&reply, Some(Reply::Tokens { refresh: Some(_), .. })) && sent.is_some();
        // A request that crawls through the network past its timeout may even come after its own replay.
        if acts && makes_lineages && (is_late || life != self.life || (rotated && fate == Fate::AnswerLost)) {
            self.lost_rotations += 1;
        }
        if is_late {
            // The keeper has given up; its timeout is in the queue.
            return;
        }
        let answer = self.answered(fate, reply);
        let back = self.rng.millis(1, 100).min(due - self.time);
        self.later(back, Event::Hear { life, input: Box::new(Input::Answered { ticket, answer }), sent });
    }

    pub(super) fn answered(&mut self, fate: Fate, reply: Option<Reply>) -> Answer {
        let why = || format!("{fate:?}");
        let none = |outcome| Answer { refresh_token: None, outcome };
        match (fate, reply) {
            (Fate::Answered, Some(Reply::Tokens { access, refresh })) => {
                let granted = Granted {
                    access_token: Secret::from(access),
                    token_type: "Bearer".into(),
                    lifetime: self.server.tells.then_some(self.server.lifetime),
                    scopes: None,
                    id_token: None,
                    audience: Vec::new(),
                    issued_token_type: None,
                    refresh_in: None,
                    login_lifetime: None,
                    refresh_lifetime: None,
                    authorization_details: None,
                };
                Answer { refresh_token: refresh.map(Secret::from), outcome: Outcome::Granted(Box::new(granted)) }
            }
            (Fate::Answered | Fate::Half, Some(Reply::InvalidGrant | Reply::WrongKey)) => {
                none(Outcome::Ended { why: "invalid_grant".into() })
            }
            (Fate::Half, Some(Reply::Tokens { refresh, .. })) => {
                Answer { refresh_token: refresh.map(Secret::from), outcome: Outcome::Ambiguous { why: why() } }
            }
            (Fate::TooMany, _) => {
                let retry_after = Duration::from_secs(self.rng.pick(&[1, 60, 600]));
                none(Outcome::NotProcessed { why: why(), retry_after })
            }
            (Fate::Unexplained, _) => none(Outcome::Unexplained { why: why() }),
            (Fate::Denied, _) => none(Outcome::AccessDenied { why: why() }),
            (Fate::Attention, _) => none(Outcome::Attention { why: why() }),
            (Fate::AnotherProof, _) => none(Outcome::AnotherProof { why: why() }),
            (Fate::Refused(Refusal::InvalidClient), _) => none(Outcome::Misconfigured { why: why() }),
            (Fate::Refused(Refusal::InvalidGrant), _) => none(Outcome::Ended { why: why() }),
            (Fate::Moved, _) => none(Outcome::Drift { why: why() }),
            (Fate::AnswerLost | Fate::ServerError | Fate::Answered | Fate::Half, _) => {
                none(Outcome::Ambiguous { why: why() })
            }
        }
    }
}
