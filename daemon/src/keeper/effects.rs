//! Carrying out what an account asks for.

use tokenkeeper_config::AccountName;

use super::exchange::Asked;
use super::notify::Note;
use super::random;
use super::task::Keeper;
use super::view::{Outcome, RequestState};
use crate::account::{Effect, Input, Progress, RequestId, RevocationId, UserCode};

impl Keeper {
    pub(super) fn carry_out(&mut self, name: &AccountName, effect: Effect) {
        let Some(who) = self.errander(name) else { return };
        match effect {
            Effect::Reply { waiter, served } => self.waiters.serve(waiter, served),
            Effect::ReplyDone { waiter, expires_at } => self.waiters.done(waiter, expires_at),
            Effect::Deny { waiter, denied } => self.waiters.deny(waiter, denied),
            Effect::Discover { ticket, definition } => self.errands.discover(who, ticket, definition),
            Effect::MakeKey { ticket } => {
                self.errands.hear(who.account, Input::KeyMade { ticket, key: random::proof_key() });
            }
            Effect::Ask { ticket, definition, metadata, exchange, timeout } => {
                self.errands.ask(who, ticket, Asked { definition, metadata, exchange, timeout });
            }
            Effect::Save { ticket, change } => self.errands.save(who, ticket, change),
            Effect::Introspect { ticket, definition, metadata, token } => {
                self.errands.introspect(who, ticket, definition, metadata, token);
            }
            Effect::Revoke { at } => self.add_revocations(vec![RevocationId { account: name.clone(), at }]),
            Effect::Listen { request, redirect, path } => {
                self.errands.listen(name.clone(), request, redirect, path);
            }
            Effect::Show { request, page } => {
                if let Some(browser) = self.pages.remove(&request) {
                    // A browser that has gone away misses its page, nothing else.
                    let _ = browser.send(page);
                }
            }
            Effect::Report { request, progress } => self.report(name, request, progress),
            Effect::Notify(notice) => {
                let _ = self.notices.send(Note { account: name.clone(), notice });
            }
            Effect::Log { warning: true, message } => tracing::warn!(account = %name, "{message}"),
            Effect::Log { warning: false, message } => tracing::info!(account = %name, "{message}"),
        }
    }

    fn report(&mut self, name: &AccountName, request: RequestId, progress: Progress) {
        let state = match progress {
            Progress::Uri { uri, user_code, expires_in } => {
                let expires_at = self.now().wall.after(expires_in).unix();
                if let Some(open) = self.requests.find(request) {
                    open.publish(request, |view| {
                        view.uri = uri;
                        if let Some(UserCode { code, place }) = user_code {
                            (view.user_code, view.verification_uri) = (code, place);
                            // Nothing comes back from the page where a code is typed.
                            view.wants.clear();
                        }
                        view.expires_at = expires_at;
                    });
                }
                return;
            }
            Progress::Done { subject } => {
                RequestState::Done(Outcome { account: Some(name.clone()), subject, enrolled: None })
            }
            Progress::Failed(denied) => RequestState::Failed(denied),
            Progress::Cancelled => RequestState::Cancelled,
        };
        self.requests.end(request, state);
        // An account shows its page before it reports the end; without one the listener just closes.
        self.pages.remove(&request);
    }
}
