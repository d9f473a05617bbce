//! The browser's part of a login: a listener, an address to open, and one redirect that is judged before its code goes
//! anywhere.

use std::time::Duration;

use url::Url;

use super::codec;
use super::denied::Denied;
use super::effect::{Effect, Progress};
use super::input::{LoginOptions, RequestId};
use super::login::{Awaits, login_scopes};
use super::machine::{Account, Turn};
use crate::oauth::authorize::{self, AuthorizeAsk};
use crate::oauth::par;
use crate::oauth::redirect::{self, RedirectProblem};
use crate::secret::Secret;

impl Account {
    pub(super) fn open_listener(&mut self, turn: &mut Turn<'_>) {
        let (Some(login), Some(definition)) = (&mut self.login, &self.defined.good) else { return };
        login.awaits = Awaits::Listener;
        login.listens = true;
        let redirect = definition.redirect.clone();
        let path = redirect.path.clone().unwrap_or_else(|| login.entropy.path.clone());
        turn.emit(Effect::Listen { request: login.request, redirect, path });
    }

    pub(super) fn listening(&mut self, request: RequestId, redirect_uri: String, turn: &mut Turn<'_>) {
        let (Some(metadata), Some(definition)) = (self.metadata(), self.defined.good.clone()) else {
            let why = "the server's addresses changed meanwhile; sign in again".to_owned();
            return self.login_failed(request, Denied::Failed(why), turn);
        };
        let Some(login) = self.login.as_mut().filter(|login| login.request == request) else { return };
        if !matches!(login.awaits, Awaits::Listener) {
            return;
        }
        let LoginOptions { login_hint, prompt, acr_values, max_age, .. } = &login.options;
        let scopes = login_scopes(&definition, &metadata, &login.options.scopes);
        let proof_key = login.new_key().as_ref().and_then(codec::thumbprint);
        let ask = AuthorizeAsk {
            redirect_uri: &redirect_uri,
            scopes: &scopes,
            state: &login.entropy.state,
            nonce: &login.entropy.nonce,
            verifier: &login.entropy.verifier,
            login_hint: login_hint.as_deref(),
            prompt: prompt.as_deref(),
            acr_values: acr_values.as_deref(),
            max_age: *max_age,
            proof_key: proof_key.as_deref(),
        };
        let judged = par::is_wanted(&definition, &metadata).and_then(|is_pushed| match is_pushed {
            true => authorize::parameters(&definition, &ask).map(Err),
            false => authorize::url(&definition, &metadata, &ask).map(Ok),
        });
        match judged {
            Ok(Ok(uri)) => self.show_address(request, redirect_uri, uri, None, turn),
            Ok(Err(parameters)) => {
                login.awaits = Awaits::TurnToPush { redirect_uri, parameters: Box::new(parameters), metadata };
            }
            Err(problem) => self.login_failed(request, Denied::Misconfigured(problem.to_string()), turn),
        }
    }

    /// The browser's turn. `opens_within`: how long the server knows the address.
    pub(super) fn show_address(
        &mut self,
        request: RequestId,
        redirect_uri: String,
        uri: Url,
        opens_within: Option<Duration>,
        turn: &mut Turn<'_>,
    ) {
        let Some(login) = self.login.as_mut().filter(|login| login.request == request) else { return };
        let expires_in = login.deadline.since(turn.now.boot);
        login.awaits = Awaits::Redirect { redirect_uri, opens_within };
        let progress = Progress::Uri { uri: uri.into(), user_code: None, expires_in };
        turn.emit(Effect::Report { request, progress });
    }

    pub(super) fn listen_failed(&mut self, request: RequestId, why: String, turn: &mut Turn<'_>) {
        self.login_failed(request, Denied::Failed(why), turn);
    }

    /// One shot: whatever the browser or the person brings first decides.
    pub(super) fn redirected(&mut self, request: RequestId, query: &[(String, Secret)], turn: &mut Turn<'_>) {
        let metadata = self.metadata();
        let Some(login) = self.login.as_mut().filter(|login| login.request == request) else { return };
        let Awaits::Redirect { redirect_uri, .. } = &login.awaits else { return };
        let own_issuer = metadata.as_ref().and_then(|metadata| metadata.issuer.as_deref());
        let iss_required = metadata.as_ref().is_some_and(|metadata| metadata.iss_parameter_supported);
        let redirect_uri = redirect_uri.clone();
        match redirect::read(query, &login.entropy.state, own_issuer, iss_required) {
            Ok(code) => login.awaits = Awaits::TurnToRedeem { redirect_uri, code },
            Err(problem) => {
                login.awaits = Awaits::Answer;
                let why = problem.to_string();
                let denied = match problem {
                    RedirectProblem::Denied(_) => Denied::NotPermitted(why),
                    RedirectProblem::Duplicate(_)
                    | RedirectProblem::State
                    | RedirectProblem::Issuer(_)
                    | RedirectProblem::Refused { .. }
                    | RedirectProblem::NoCode => Denied::Failed(why),
                };
                self.login_failed(request, denied, turn);
            }
        }
    }
}
