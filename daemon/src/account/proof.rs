//! Logins without a browser: a refresh token that is given, or the old one tried again. One refresh proves it.

use tokenkeeper_config::Flow;

use super::effect::{Effect, Progress};
use super::holding::Trouble;
use super::input::RequestId;
use super::login::Awaits;
use super::machine::{Account, Turn};
use crate::secret::Secret;

impl Account {
    pub(super) fn refresh_token_given(&mut self, request: RequestId, token: Secret) {
        let Some(login) = self.login.as_mut().filter(|login| login.request == request) else { return };
        if matches!(login.awaits, Awaits::Token) {
            login.awaits = Awaits::TurnToStore { token };
        }
    }

    pub(super) fn imported(&mut self, request: RequestId) {
        if let Some(login) = self.login.as_mut().filter(|login| login.request == request) {
            login.awaits = Awaits::Proof;
        }
    }

    /// A login waits for one refresh to tell.
    pub(super) fn is_proving(&self) -> bool {
        self.login.as_ref().is_some_and(|login| matches!(login.awaits, Awaits::Proof))
    }

    /// What was to be tried once more was forgotten meanwhile: there is nothing to ask with.
    pub(super) fn end_vain_proof(&mut self, turn: &mut Turn<'_>) {
        let (Some(holding), Some(definition)) = (self.vault.open(), &self.defined.good) else { return };
        let has_token = holding.grant.lineage().is_some_and(|lineage| lineage.token.is_some());
        if self.is_proving() && !has_token && definition.flow != Flow::ClientCredentials {
            self.proof_failed(turn);
        }
    }

    pub(super) fn proof_succeeded(&mut self, turn: &mut Turn<'_>) {
        if let Some(login) = self.login.take_if(|login| matches!(login.awaits, Awaits::Proof)) {
            if let Some(holding) = self.vault.open_mut() {
                holding.asked_at = Some(turn.now.boot);
            }
            let progress = Progress::Done { subject: self.subject() };
            turn.emit(Effect::Report { request: login.request, progress });
        }
    }

    pub(super) fn proof_failed(&mut self, turn: &mut Turn<'_>) {
        if let Some(login) = self.login.take_if(|login| matches!(login.awaits, Awaits::Proof)) {
            let denied = match self.vault.open() {
                Some(holding) if !matches!(holding.trouble, Trouble::None) => self.troubled(holding, turn.now),
                Some(_) | None => self.denial(turn.now),
            };
            let progress = Progress::Failed(denied);
            turn.emit(Effect::Report { request: login.request, progress });
        }
    }
}
