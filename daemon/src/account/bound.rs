//! Tokens that are bound to a key (RFC 9449). The key is made for a login and stored with its grant: the grant says whether
//! there is one, the definition only whether the next login makes one. A client that nobody signs in to gets its key with
//! its first token.

use std::sync::Arc;

use tokenkeeper_config::{Definition, Switch};

use super::codec;
use super::effect::{Effect, Exchange, ProofKey};
use super::errand::{Attempt, Errand, Fresh, What};
use super::input::Ticket;
use super::login::Login;
use super::machine::{Account, Turn};
use super::record::Facts;
use crate::oauth::{Metadata, Outcome};
use crate::secret::Secret;

impl Account {
    /// Thumbprint of the key that the present grant's tokens are bound to.
    pub fn proof_key(&self) -> Option<&str> {
        self.vault.held()?.grant.lineage()?.facts.proof_key.as_deref()
    }

    /// Whether proofs can be made for the tokens of a grant that is not durable yet: not by a key that is in memory only.
    pub(super) fn has_key_of(&self, fresh: &Fresh) -> bool {
        fresh.facts.proof_key.as_deref().is_none_or(|key| self.proof_key() == Some(key))
    }

    /// A code is on its way; with a proof, if the login's tokens are to be bound.
    pub(super) fn send_code(&mut self, attempt: Attempt, metadata: Arc<Metadata>, turn: &mut Turn<'_>) {
        let (Some(login), What::Code { code, redirect_uri, .. }) = (&self.login, &attempt.what) else { return };
        let exchange = Exchange::Code {
            code: code.duplicate(),
            verifier: login.entropy.verifier.duplicate(),
            redirect_uri: redirect_uri.clone(),
            proof_key: login.new_key(),
        };
        self.send(attempt, metadata, exchange, turn);
    }

    /// Whether a login's code, or poll, may be sent once more with another proof, or with one at all: the server did not
    /// look at it. Of a proof that is missing some servers say only that the grant is invalid.
    pub(super) fn wants_proof(&self, attempt: &Attempt, outcome: &Outcome) -> bool {
        let brings_tokens = matches!(attempt.what, What::Code { .. } | What::DevicePoll { .. });
        let may_prove = brings_tokens && !attempt.another_proof && attempt.definition.dpop != Switch::Off;
        let is_unproved = self.login.as_ref().is_some_and(|login| !login.proves);
        match outcome {
            Outcome::AnotherProof { .. } => may_prove,
            Outcome::Ended { .. } => may_prove && is_unproved && self.takes_proofs(),
            _ => false,
        }
    }

    pub(super) fn takes_proofs(&self) -> bool {
        self.metadata().is_some_and(|metadata| metadata.takes_proofs())
    }

    pub(super) fn prove_from_now_on(&mut self) {
        if let Some(login) = &mut self.login {
            login.proves = true;
        }
    }

    pub(super) fn prove_code(&mut self, attempt: Attempt, turn: &mut Turn<'_>) {
        let Some(metadata) = self.metadata() else { return };
        self.prove_from_now_on();
        self.send_code(Attempt { sent: *turn.now, another_proof: true, ..attempt }, metadata, turn);
    }

    /// The server wants a proof, and no better one can be made.
    pub(super) fn unproved(&self, definition: &Definition, is_bound: bool, why: &str) -> String {
        let host = self.host();
        match (is_bound, definition.dpop) {
            (true, _) => format!("{host} takes none of our DPoP proofs: {why}"),
            (false, Switch::Off) => {
                format!("{host} wants DPoP, which `dpop = \"off\"` forbids: remove that line and sign in again ({why})")
            }
            (false, Switch::Auto | Switch::On) => {
                format!("{host} wants DPoP now, and this login has no key for it: sign in again ({why})")
            }
        }
    }
}

/// Where nobody signs in, no login makes a key: the first token does. Nothing but tokens is bound to it, so here the
/// definition has the last word.
impl Account {
    /// By which key a client's request is proved; `None` = by none.
    pub(super) fn client_key(&self, attempt: &Attempt) -> Option<ProofKey> {
        let What::ClientCredentials { .. } = attempt.what else { return None };
        match (&attempt.new_key, attempt.definition.dpop) {
            (Some(key), _) => Some(ProofKey::New(key.duplicate())),
            (None, Switch::Off) => None,
            (None, Switch::Auto | Switch::On) => {
                self.proof_key().map(|thumbprint| ProofKey::Stored(thumbprint.to_owned()))
            }
        }
    }

    /// Whether it goes with a proof.
    pub(super) fn is_bound(&self, attempt: &Attempt) -> bool {
        match attempt.what {
            What::ClientCredentials { .. } => self.client_key(attempt).is_some(),
            What::Refresh { .. }
            | What::TokenExchange { .. }
            | What::Code { .. }
            | What::Push { .. }
            | What::DeviceAuthorization { .. }
            | What::DevicePoll { .. } => self.proof_key().is_some(),
        }
    }

    pub(super) fn begins_with_key(&self, attempt: &Attempt) -> bool {
        self.lacks_key(attempt) && attempt.definition.dpop == Switch::On
    }

    /// Whether a client that has no key may get one.
    pub(super) fn lacks_key(&self, attempt: &Attempt) -> bool {
        let is_client = matches!(attempt.what, What::ClientCredentials { .. });
        is_client && attempt.definition.dpop != Switch::Off && self.client_key(attempt).is_none()
    }

    /// The server gives no token without a proof. It did nothing, so it is asked once more, unless that has to wait.
    pub(super) fn prove_client(&mut self, attempt: Attempt, why: String, turn: &mut Turn<'_>) {
        if self.vault.open().is_some() && !self.asleep {
            return self.make_key(attempt, turn);
        }
        self.not_reached(why, None, turn);
        self.not_acted(&attempt, turn);
    }

    pub(super) fn make_key(&mut self, attempt: Attempt, turn: &mut Turn<'_>) {
        let ticket = self.ticket();
        self.errand = Errand::Keying { ticket, attempt };
        turn.emit(Effect::MakeKey { ticket });
    }

    pub(super) fn key_made(&mut self, ticket: Ticket, key: Secret, turn: &mut Turn<'_>) {
        match std::mem::replace(&mut self.errand, Errand::None) {
            Errand::Keying { ticket: awaited, attempt } if awaited == ticket => {
                // Whoever still waits has it asked for later: nothing was sent, and the key is dropped.
                if self.vault.open().is_some() && !self.asleep && self.leaving.is_none() {
                    self.ask(Attempt { new_key: Some(key), ..attempt }, turn);
                }
            }
            other => self.errand = other,
        }
    }
}

/// Notes down what a client's new token is bound to; gives the key itself, where it is a new one.
pub(super) fn bind_client(attempt: &Attempt, key: Option<ProofKey>, facts: &mut Facts) -> Option<Secret> {
    let What::ClientCredentials { .. } = attempt.what else { return None };
    let (thumbprint, new_key) = match key {
        None => (None, None),
        Some(ProofKey::Stored(thumbprint)) => (Some(thumbprint), None),
        Some(ProofKey::New(key)) => (codec::thumbprint(&key), Some(key)),
    };
    facts.proof_key = thumbprint;
    new_key
}

impl Login {
    /// The key that its tokens will be bound to.
    pub(super) fn new_key(&self) -> Option<Secret> {
        self.proves.then(|| self.entropy.proof_key.duplicate())
    }
}
