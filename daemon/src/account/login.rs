//! Signing in, beside whatever grant there is: the old one stays until the new one is durable.

use tokenkeeper_config::Flow;

use super::denied::Denied;
use super::effect::{Effect, Page, Progress};
use super::holding::Grant;
use super::input::{Entropy, LoginOptions, RequestId};
use super::machine::{Account, Server, Turn};
use super::schedule;
use crate::oauth::authorize::{self, AuthorizeAsk};
use crate::oauth::redirect::{self, RedirectProblem};
use crate::secret::Secret;
use crate::time::{Boot, Now};

/// The login in progress: one for each account, the latest wins.
pub(super) struct Login {
    pub(super) request: RequestId,
    pub(super) options: LoginOptions,
    pub(super) entropy: Entropy,
    /// When it fails by itself, unless it is past the person's part.
    pub(super) deadline: Boot,
    pub(super) awaits: Awaits,
}

/// What a login waits for.
pub(super) enum Awaits {
    Metadata,
    Listener,
    /// The browser, once.
    Redirect {
        redirect_uri: String,
    },
    /// The errand, to redeem its code.
    TurnToRedeem {
        redirect_uri: String,
        code: Secret,
    },
    Answer,
    Commit,
    /// The refresh token to import.
    Token,
    /// The errand, to store the imported token.
    TurnToStore {
        token: Secret,
    },
    /// The outcome of one refresh.
    Proof,
    /// The errand, to take the vault over.
    TurnToAdopt,
}

impl Account {
    pub(super) fn login_wanted(
        &mut self,
        request: RequestId,
        options: LoginOptions,
        entropy: Entropy,
        turn: &mut Turn<'_>,
    ) {
        if let Some(older) = self.login.take_if(|login| !matches!(login.awaits, Awaits::Commit)) {
            turn.emit(Effect::Report { request: older.request, progress: Progress::Cancelled });
        }
        let awaits = match self.login_begins(&options, turn.now) {
            Ok(awaits) => awaits,
            Err(denied) => return turn.emit(Effect::Report { request, progress: Progress::Failed(denied) }),
        };
        let Some(awaits) = awaits else {
            let progress = Progress::Done { subject: self.subject() };
            return turn.emit(Effect::Report { request, progress });
        };
        let awaits_metadata = matches!(awaits, Awaits::Metadata);
        let deadline = turn.now.boot.after(schedule::LOGIN_LIMIT);
        self.login = Some(Login { request, options, entropy, deadline, awaits });
        if awaits_metadata {
            self.prepare_server(turn);
        }
    }

    /// What the login waits for first; `None` = there is nothing to do.
    fn login_begins(&self, options: &LoginOptions, now: &Now) -> Result<Option<Awaits>, Denied> {
        let name = &self.name;
        let Some(definition) = &self.defined.good else {
            return Err(Denied::Misconfigured(
                self.defined.fault.clone().unwrap_or_else(|| format!("`{name}` is not defined")),
            ));
        };
        let holding = self.vault.open().ok_or(Denied::Locked)?;
        if self.login.is_some() {
            return Err(Denied::Busy(format!("a login of `{name}` is being stored at this moment")));
        }
        if let Some(why) = self.errand.unsaved() {
            return Err(Denied::Failed(format!("the vault cannot be written: {why}; free some space, then sign in")));
        }
        let is_foreign = matches!(holding.grant, Grant::Foreign(_));
        if options.adopt {
            return Ok(is_foreign.then_some(Awaits::TurnToAdopt));
        }
        if is_foreign {
            return Err(self.foreign());
        }
        let flow = options.flow.unwrap_or(definition.flow);
        if options.retry || flow == Flow::ClientCredentials {
            let has_token = holding.grant.lineage().is_some_and(|lineage| lineage.token.is_some());
            if !has_token && flow != Flow::ClientCredentials {
                return Err(Denied::LoginRequired(format!("`{name}` has no old login to try again")));
            }
            let may_be_now = self.person_may_try_at(now).is_some_and(|at| at <= now.boot);
            return if may_be_now { Ok(Some(Awaits::Proof)) } else { Err(self.troubled(holding, now)) };
        }
        if options.import {
            return match holding.grant {
                Grant::Live(_) => Err(Denied::Busy(format!(
                    "`{name}` is signed in, and an import would replace that; first: tokenkeeper logout {name}"
                ))),
                Grant::None { .. } | Grant::Unopenable { .. } | Grant::Foreign(_) | Grant::Ended(..) => {
                    Ok(Some(Awaits::Token))
                }
            };
        }
        match flow {
            Flow::Auto | Flow::Browser | Flow::ClientCredentials => Ok(Some(Awaits::Metadata)),
            Flow::Device => Err(Denied::NotSupported("signing in by device code is not built yet".to_owned())),
        }
    }

    /// A login goes by metadata and keys of today.
    fn prepare_server(&mut self, turn: &mut Turn<'_>) {
        match self.server {
            Server::Known { read_at, .. } if turn.now.boot.since(read_at) < schedule::METADATA_FRESH => {
                self.open_listener(turn);
            }
            Server::Known { .. } | Server::Unread | Server::Reading { .. } => self.discover(false, turn),
        }
    }

    pub(super) fn open_listener(&mut self, turn: &mut Turn<'_>) {
        let (Some(login), Some(definition)) = (&mut self.login, &self.defined.good) else { return };
        if !matches!(login.awaits, Awaits::Metadata) {
            return;
        }
        login.awaits = Awaits::Listener;
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
        let scopes = login_scopes(&definition.scopes, &login.options.scopes);
        let ask = AuthorizeAsk {
            redirect_uri: &redirect_uri,
            scopes: &scopes,
            state: &login.entropy.state,
            nonce: &login.entropy.nonce,
            verifier: &login.entropy.verifier,
            login_hint: login.options.login_hint.as_deref(),
            prompt: login.options.prompt.as_deref(),
        };
        match authorize::url(&definition, &metadata, &ask) {
            Ok(uri) => {
                let expires_in = login.deadline.since(turn.now.boot);
                login.awaits = Awaits::Redirect { redirect_uri };
                let progress = Progress::Uri { uri: uri.into(), user_code: None, expires_in };
                turn.emit(Effect::Report { request, progress });
            }
            Err(problem) => self.login_failed(request, Denied::Misconfigured(problem.to_string()), turn),
        }
    }

    pub(super) fn listen_failed(&mut self, request: RequestId, why: String, turn: &mut Turn<'_>) {
        self.login_failed(request, Denied::Failed(why), turn);
    }

    /// One shot: whatever the browser or the person brings first decides.
    pub(super) fn redirected(&mut self, request: RequestId, query: &[(String, Secret)], turn: &mut Turn<'_>) {
        let metadata = self.metadata();
        let Some(login) = self.login.as_mut().filter(|login| login.request == request) else { return };
        let Awaits::Redirect { redirect_uri } = &login.awaits else { return };
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

    pub(super) fn login_cancelled(&mut self, request: RequestId, turn: &mut Turn<'_>) {
        let ours = |login: &mut Login| login.request == request && !matches!(login.awaits, Awaits::Commit);
        if self.login.take_if(ours).is_some() {
            turn.emit(Effect::Report { request, progress: Progress::Cancelled });
        }
    }

    /// The definition names another server or client now: a code of the old one must not go there.
    pub(super) fn abandon_login(&mut self, turn: &mut Turn<'_>) {
        let Some(login) = self.login.as_mut().filter(|login| !matches!(login.awaits, Awaits::Commit)) else { return };
        let request = login.request;
        let why = "the definition was changed during the login; sign in again".to_owned();
        self.login_failed(request, Denied::Failed(why), turn);
    }

    pub(super) fn end_late_login(&mut self, turn: &mut Turn<'_>) {
        let Some(login) = &self.login else { return };
        if login.limit().is_none_or(|limit| limit > turn.now.boot) {
            return;
        }
        let request = login.request;
        let why = match &login.awaits {
            Awaits::Redirect { redirect_uri } => format!(
                "nobody came back from {} within 10 minutes; if the browser showed an error there, register exactly \
                 this redirect URI for the client: {redirect_uri}",
                self.host()
            ),
            Awaits::Metadata
            | Awaits::Listener
            | Awaits::TurnToRedeem { .. }
            | Awaits::Answer
            | Awaits::Commit
            | Awaits::Token
            | Awaits::TurnToStore { .. }
            | Awaits::Proof
            | Awaits::TurnToAdopt => "the login took longer than 10 minutes; sign in again".to_owned(),
        };
        self.login_failed(request, Denied::Failed(why), turn);
    }

    pub(super) fn login_failed(&mut self, request: RequestId, denied: Denied, turn: &mut Turn<'_>) {
        let Some(login) = self.login.take_if(|login| login.request == request) else { return };
        if login.browser_waits() {
            let (account, remedy) = (self.name.to_string(), self.remedy(&denied));
            turn.emit(Effect::Show { request, page: Page::Failed { account, what: denied.to_string(), remedy } });
        }
        turn.emit(Effect::Report { request, progress: Progress::Failed(denied) });
    }

    /// It is durable: the page says so, then the request.
    pub(super) fn login_done(&mut self, request: RequestId, subject: Option<String>, turn: &mut Turn<'_>) {
        let Some(login) = self.login.take_if(|login| login.request == request) else { return };
        if login.browser_waits() {
            let definition = self.defined.good.as_deref();
            let issuer = definition.and_then(|definition| definition.issuer.clone()).unwrap_or_else(|| self.host());
            let page = Page::Stored { account: self.name.to_string(), subject: self.shown_subject(), issuer };
            turn.emit(Effect::Show { request, page });
        }
        turn.emit(Effect::Report { request, progress: Progress::Done { subject } });
    }
}

impl Login {
    pub(super) fn awaits_metadata(&self) -> bool {
        matches!(self.awaits, Awaits::Metadata | Awaits::TurnToRedeem { .. })
    }

    /// When it fails by itself; an answer or a commit that is under way has its own end.
    pub(super) fn limit(&self) -> Option<Boot> {
        (!matches!(self.awaits, Awaits::Answer | Awaits::Commit)).then_some(self.deadline)
    }

    fn browser_waits(&self) -> bool {
        let is_sign_in = !(self.options.import || self.options.retry || self.options.adopt);
        is_sign_in && matches!(self.awaits, Awaits::TurnToRedeem { .. } | Awaits::Answer | Awaits::Commit)
    }
}

/// The definition's scopes and the login's own, none twice.
pub(super) fn login_scopes(defined: &[String], more: &[String]) -> Vec<String> {
    let mut scopes = defined.to_vec();
    for scope in more {
        if !scopes.contains(scope) {
            scopes.push(scope.clone());
        }
    }
    scopes
}
