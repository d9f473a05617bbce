//! How a login ends: given up, too late, failed or done. Each of them ends it once, for its own request.

use super::denied::Denied;
use super::effect::{Effect, Page, Progress};
use super::input::RequestId;
use super::login::{Awaits, Login};
use super::machine::{Account, Turn};

impl Account {
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
            Awaits::Redirect { opens_within: Some(span), .. } => format!(
                "nobody came back from {} within 10 minutes; the address had to be opened within {} seconds",
                self.host(),
                span.as_secs()
            ),
            Awaits::Redirect { redirect_uri, opens_within: None } => format!(
                "nobody came back from {} within 10 minutes; if the browser showed an error there, register exactly \
                 this redirect URI for the client: {redirect_uri}",
                self.host()
            ),
            Awaits::Decision(device) => device.nobody_came(),
            Awaits::Metadata
            | Awaits::Listener
            | Awaits::TurnToPush { .. }
            | Awaits::Reference { .. }
            | Awaits::TurnToAsk { .. }
            | Awaits::Code { .. }
            | Awaits::Poll(_)
            | Awaits::TurnToRedeem { .. }
            | Awaits::Answer
            | Awaits::Keys(_)
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
