//! One exchange: the intent is made durable (P1), then the token is sent, once (P2).

use std::sync::Arc;

use sha2::{Digest, Sha256};
use tokenkeeper_config::{Definition, Rotation};

use super::effect::{Change, Effect, Exchange};
use super::errand::{Attempt, Errand, Then, What};
use super::holding::{Holding, Lost, Pause, Trouble, Vault, Waiting};
use super::input::{Ticket, TokenKey};
use super::machine::{Account, Server, Turn};
use super::published::clock;
use super::record::Intent;
use super::schedule;
use super::token_exchange::is_exchanged;
use crate::oauth::{Answer, Metadata, Outcome};
use crate::secret::Sealed;
use crate::time::Now;

impl Account {
    /// Starts the exchange for this key: reads the metadata first if there is none.
    pub(super) fn begin(&mut self, key: TokenKey, turn: &mut Turn<'_>) {
        let Some(definition) = self.defined.good.clone() else { return };
        let Server::Known { .. } = self.server else {
            return self.discover(false, turn);
        };
        let key = match self.subject_token(turn.now) {
            _ if !is_exchanged(&key, &definition) => key,
            Some(subject) => return self.exchange_token(subject, key, turn),
            // There is nothing to exchange: first the account's own token.
            None => TokenKey::DEFAULT,
        };
        let Some(holding) = self.vault.open_mut() else { return };
        holding.wanted.retain(|wanted| *wanted != key);
        let token = holding.grant.lineage().and_then(|lineage| lineage.token.clone());
        let what = match token {
            Some(token) => What::Refresh { token, key },
            None => What::ClientCredentials { key },
        };
        let lost_before = holding.trouble.lost().map_or(0, |lost| lost.sends);
        if let Some(lost) = holding.trouble.lost() {
            let at = clock(lost.at());
            turn.log(format!("the server's answer was lost at {at}; trying the old token once more"));
        }
        let attempt = Attempt { lost_before, ..Attempt::first(what, definition, turn.now) };
        match self.begins_with_key(&attempt) {
            true => self.make_key(attempt, turn),
            false => self.intend(attempt, turn),
        }
    }

    /// P1. Servers that never rotate, and clients without a refresh token, need no intent.
    fn intend(&mut self, mut attempt: Attempt, turn: &mut Turn<'_>) {
        let (What::Refresh { token, .. }, Vault::Open(holding)) = (&attempt.what, &self.vault) else {
            return self.ask(attempt, turn);
        };
        if attempt.definition.rotation == Rotation::None {
            return self.ask(attempt, turn);
        }
        let intent = intent(holding, token, attempt.lost_before + 1, turn.now);
        let change = Change::Intent { generation: holding.generation, intent: Some(intent) };
        attempt.intended = true;
        let ticket = self.ticket();
        self.errand = Errand::Intending { ticket, attempt };
        turn.emit(Effect::Save { ticket, change });
    }

    /// The intent is durable.
    pub(super) fn intent_saved(&mut self, attempt: Attempt, turn: &mut Turn<'_>) {
        let is_wanted = !self.asleep && self.leaving.is_none();
        match self.vault {
            Vault::Open(_) if is_wanted => self.ask(attempt, turn),
            Vault::Open(_) | Vault::Closing(_) => self.withdraw(&attempt, turn),
            Vault::Locked => {}
        }
    }

    /// The intent could not be made durable: nothing was sent.
    pub(super) fn intent_failed(&mut self, why: &str, turn: &mut Turn<'_>) {
        let why = format!("could not write to the vault, so no refresh is started: {why}");
        self.not_reached(why, None, turn);
        self.answer_after_failure(turn);
    }

    /// P2: one request.
    pub(super) fn ask(&mut self, mut attempt: Attempt, turn: &mut Turn<'_>) {
        let Some(metadata) = self.metadata() else { return };
        let exchange = match &attempt.what {
            What::Refresh { token, key } => {
                let proof_key = self.proof_key().map(str::to_owned);
                Exchange::Refresh { token: token.clone(), key: key.clone(), proof_key }
            }
            What::ClientCredentials { key } => {
                Exchange::ClientCredentials { key: key.clone(), proof_key: self.client_key(&attempt) }
            }
            What::TokenExchange { subject, key } => {
                let proof_key = self.proof_key().map(str::to_owned);
                Exchange::TokenExchange { subject: subject.clone(), key: key.clone(), proof_key }
            }
            // What a login asks is sent where the login is, and never again.
            What::Code { .. } | What::Push { .. } | What::DeviceAuthorization { .. } | What::DevicePoll { .. } => {
                return;
            }
        };
        attempt.sent = *turn.now;
        self.send(attempt, metadata, exchange, turn);
    }

    pub(super) fn send(&mut self, attempt: Attempt, metadata: Arc<Metadata>, exchange: Exchange, turn: &mut Turn<'_>) {
        let ticket = self.ticket();
        let definition = attempt.definition.clone();
        let timeout = schedule::attempt_timeout(&definition);
        self.errand = Errand::Asking { ticket, attempt };
        turn.emit(Effect::Ask { ticket, definition, metadata, exchange, timeout });
    }

    pub(super) fn metadata(&self) -> Option<Arc<Metadata>> {
        match &self.server {
            Server::Known { metadata, .. } => Some(metadata.clone()),
            Server::Unread | Server::Reading { .. } => None,
        }
    }

    pub(super) fn answered(&mut self, ticket: Ticket, answer: Answer, turn: &mut Turn<'_>) {
        let Some(attempt) = self.take_asking(ticket) else { return };
        match (&attempt.what, answer.outcome) {
            (What::Code { .. } | What::Push { .. } | What::DeviceAuthorization { .. }, outcome) => {
                self.login_answered(attempt, answer.refresh_token, outcome, turn);
            }
            (What::DevicePoll { .. }, outcome) => self.poll_answered(attempt, answer.refresh_token, outcome, turn),
            // A refresh token in it (RFC 8693 §2.2.1) would be a second lineage: it is dropped.
            (What::TokenExchange { .. }, outcome) => self.token_exchanged(attempt, outcome, turn),
            (What::Refresh { .. } | What::ClientCredentials { .. }, Outcome::Granted(granted)) => {
                self.granted(attempt, answer.refresh_token, *granted, turn);
            }
            (What::Refresh { .. } | What::ClientCredentials { .. }, outcome) => match answer.refresh_token {
                Some(token) => self.salvage(&attempt, token, turn),
                None => self.setback(attempt, outcome, turn),
            },
        }
    }

    pub(super) fn unopenable(&mut self, ticket: Ticket, why: String, turn: &mut Turn<'_>) {
        let Some(attempt) = self.take_asking(ticket) else { return };
        match attempt.what {
            What::Code { request, .. }
            | What::Push { request }
            | What::DeviceAuthorization { request }
            | What::DevicePoll { request, .. } => {
                return self.login_failed(request, super::Denied::Misconfigured(why), turn);
            }
            What::TokenExchange { .. } => return self.token_exchanged(attempt, Outcome::Misconfigured { why }, turn),
            // Nothing but its tokens is bound to it: another one will do.
            What::ClientCredentials { .. } if attempt.new_key.is_none() => {
                turn.warn(format!("{why}; a new key is made"));
                return self.make_key(attempt, turn);
            }
            What::Refresh { .. } | What::ClientCredentials { .. } => {}
        }
        if let Some(holding) = self.vault.held_mut() {
            holding.trouble = Trouble::Sealed { why };
        }
        self.withdraw(&attempt, turn);
        self.answer_after_failure(turn);
    }

    pub(super) fn take_asking(&mut self, ticket: Ticket) -> Option<Attempt> {
        match std::mem::replace(&mut self.errand, Errand::None) {
            Errand::Asking { ticket: awaited, attempt } if awaited == ticket => Some(attempt),
            other => {
                self.errand = other;
                None
            }
        }
    }

    /// The token did not reach the server, so the intent is taken back: as it was before this try.
    pub(super) fn withdraw(&mut self, attempt: &Attempt, turn: &mut Turn<'_>) {
        let (true, What::Refresh { token, .. }) = (attempt.intended, &attempt.what) else { return };
        let Some(holding) = self.vault.held_mut() else { return };
        let before = (attempt.lost_before > 0).then(|| intent(holding, token, attempt.lost_before, turn.now));
        let change = Change::Intent { generation: holding.generation, intent: before };
        self.save(change, Then::Nothing, turn);
    }

    /// Nothing reached the server: try again with backoff. `wait` is the time that the server asked for.
    pub(super) fn not_reached(&mut self, why: String, wait: Option<std::time::Duration>, turn: &mut Turn<'_>) {
        let seed = self.seed;
        let Some(holding) = self.vault.held_mut() else { return };
        let now = turn.now.boot;
        match &mut holding.trouble {
            Trouble::Waiting(waiting) => {
                waiting.why = why;
                waiting.pause.lengthen(now, wait, seed);
            }
            Trouble::Lost(lost) => lost.pause.lengthen(now, wait, seed),
            Trouble::Refused(refused) => refused.pause.lengthen(now, wait, seed),
            Trouble::None | Trouble::Stopped { .. } | Trouble::Sealed { .. } => {
                turn.log(why.clone());
                let mut pause = Pause::over(now);
                pause.lengthen(now, wait, seed);
                holding.trouble = Trouble::Waiting(Waiting { why, pause });
            }
        }
    }
}

/// What is noted down before a token is sent. The time is that of its first sending: windows count from there.
fn intent(holding: &Holding, token: &Sealed, attempts: u32, now: &Now) -> Intent {
    let first = holding.trouble.lost().map_or_else(|| now.plus(std::time::Duration::ZERO), |lost| lost.first);
    Intent {
        attempts,
        generation: holding.generation,
        token_hash: Sha256::digest(&token.0).into(),
        wall: first.wall.0,
        boot: u64::try_from(first.boot.0.as_millis()).unwrap_or(u64::MAX),
        boot_id: first.boot_id.0,
    }
}

impl Trouble {
    pub(super) fn lost(&self) -> Option<&Lost> {
        match self {
            Self::Lost(lost) => Some(lost),
            Self::None | Self::Waiting(_) | Self::Refused(_) | Self::Stopped { .. } | Self::Sealed { .. } => None,
        }
    }
}

/// Whether this definition's server may spend a refresh token by answering.
pub(super) fn may_rotate(definition: &Definition) -> bool {
    definition.rotation != Rotation::None
}
