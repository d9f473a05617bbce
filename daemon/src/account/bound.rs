//! Tokens that are bound to a key (RFC 9449). The key is made for a login and stored with its grant: the grant says whether
//! there is one, the definition only whether the next login makes one.

use std::sync::Arc;

use tokenkeeper_config::{Definition, Switch};

use super::effect::Exchange;
use super::errand::{Attempt, What};
use super::login::Login;
use super::machine::{Account, Turn};
use crate::oauth::{Metadata, Outcome};
use crate::secret::Secret;

impl Account {
    /// Thumbprint of the key that the present grant's tokens are bound to.
    pub fn proof_key(&self) -> Option<&str> {
        self.vault.held()?.grant.lineage()?.facts.proof_key.as_deref()
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
        let takes_proofs = self.metadata().is_some_and(|metadata| metadata.takes_proofs());
        match outcome {
            Outcome::AnotherProof { .. } => may_prove,
            Outcome::Ended { .. } => may_prove && is_unproved && takes_proofs,
            _ => false,
        }
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

impl Login {
    /// The key that its tokens will be bound to.
    pub(super) fn new_key(&self) -> Option<Secret> {
        self.proves.then(|| self.entropy.proof_key.duplicate())
    }
}
