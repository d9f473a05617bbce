//! The account itself: its fields, and which input goes where.

use std::sync::Arc;

use tokenkeeper_config::{AccountName, Definition};

use super::denied::Denied;
use super::effect::{Effect, Notice, Served};
use super::errand::Errand;
use super::holding::{Memory, Vault};
use super::input::{Input, Ticket, WaiterId};
use super::introspection::Introspecting;
use super::login::Login;
use super::waiters::Waiters;
use crate::oauth::Metadata;
use crate::time::{Boot, Now};

/// One account's whole life. Fed by [`Account::step`]; it never fails and never panics, whatever comes in whatever order.
pub struct Account {
    pub(super) name: AccountName,
    pub(super) seed: u64,
    tickets: u64,
    pub(super) defined: Defined,
    pub(super) server: Server,
    pub(super) vault: Vault,
    pub(super) memory: Option<Memory>,
    pub(super) errand: Errand,
    pub(super) login: Option<Login>,
    pub(super) waiters: Waiters,
    /// A logout is wanted, by these callers as far as they still wait.
    pub(super) leaving: Option<Vec<WaiterId>>,
    pub(super) introspecting: Vec<Introspecting>,
    pub(super) told: Told,
    pub(super) asleep: bool,
    pub(super) waking_until: Option<Boot>,
    next: Option<Boot>,
}

/// What the config says.
#[derive(Default)]
pub(super) struct Defined {
    /// The last definition that was good: it stays in force while the config has a fault.
    pub(super) good: Option<Arc<Definition>>,
    pub(super) fault: Option<String>,
}

/// What is known of the server.
pub(super) enum Server {
    Unread,
    Reading {
        ticket: Ticket,
        again: bool,
    },
    Known {
        metadata: Arc<Metadata>,
        read_at: Boot,
        /// It was read anew because an endpoint was gone.
        again: bool,
    },
}

/// What the person was told and has not been taken back.
#[derive(Default)]
pub(super) struct Told {
    pub(super) login_needed: bool,
    pub(super) attention: bool,
    /// That its tokens are of no use without a certificate; never taken back.
    pub(super) certificate: bool,
}

/// One step: what time it is, and where effects go.
pub(super) struct Turn<'a> {
    pub(super) now: &'a Now,
    effects: &'a mut Vec<Effect>,
}

impl Account {
    /// An account of which nothing is known yet. `seed` spreads its schedule; equal seeds give equal schedules.
    pub fn new(name: AccountName, seed: u64) -> Self {
        Self {
            name,
            seed,
            tickets: 0,
            defined: Defined::default(),
            server: Server::Unread,
            vault: Vault::Locked,
            memory: None,
            errand: Errand::None,
            login: None,
            waiters: Waiters::default(),
            leaving: None,
            introspecting: Vec::new(),
            told: Told::default(),
            asleep: false,
            waking_until: None,
            next: None,
        }
    }

    /// Takes in what happened; what is to be done is appended to `effects`.
    #[must_use]
    pub fn step(mut self, now: &Now, input: Input, effects: &mut Vec<Effect>) -> Self {
        let mut turn = Turn { now, effects };
        self.hear(input, &mut turn);
        self.tend(&mut turn);
        self.next = self.next_deadline(now);
        self
    }

    /// When [`Input::Due`] wants to come, on the boot clock of the last step. It may come at any other time too, and
    /// should whenever the wall clock was set.
    pub fn deadline(&self) -> Option<Boot> {
        self.next
    }

    /// No exchange and no commit is under way. Otherwise the vault's key is still needed, and a shutdown should wait.
    pub fn is_settled(&self) -> bool {
        self.errand.is_none()
    }

    /// Something that must not be lost is only in memory.
    pub fn has_unsaved(&self) -> bool {
        self.errand.unsaved().is_some()
    }

    fn hear(&mut self, input: Input, turn: &mut Turn<'_>) {
        match input {
            Input::Defined(definition) => self.defined(definition, turn),
            Input::Unlocked(stored) => self.unlocked(*stored, turn),
            Input::Locked => self.locked(turn),
            Input::Adopted => self.adopted(turn),

            Input::TokenWanted { waiter, ask } => self.token_wanted(waiter, ask, turn),
            Input::RefreshWanted { waiter, deadline } => self.refresh_wanted(waiter, deadline, turn),
            Input::WaiterLeft { waiter } => self.waiter_left(waiter),
            Input::LogoutWanted { waiter } => self.logout_wanted(waiter, turn),

            Input::LoginWanted { request, options, entropy } => self.login_wanted(request, options, entropy, turn),
            Input::RefreshTokenGiven { request, token } => self.refresh_token_given(request, token),
            Input::LoginCancelled { request } => self.login_cancelled(request, turn),
            Input::Listening { request, redirect_uri } => self.listening(request, redirect_uri, turn),
            Input::ListenFailed { request, why } => self.listen_failed(request, why, turn),
            Input::Redirected { request, query } => self.redirected(request, &query, turn),

            Input::Discovered { ticket, result } => self.discovered(ticket, result, turn),
            Input::KeyMade { ticket, key } => self.key_made(ticket, key, turn),
            Input::Answered { ticket, answer } => self.answered(ticket, answer, turn),
            Input::Authorized { ticket, authorization } => self.authorized(ticket, *authorization, turn),
            Input::Pushed { ticket, pushed } => self.pushed(ticket, &pushed, turn),
            Input::Undecided { ticket, interval, quiet } => self.undecided(ticket, interval, quiet, turn),
            Input::Unopenable { ticket, why } => self.unopenable(ticket, why, turn),
            Input::Introspected { ticket, left } => self.introspected(ticket, left, turn),
            Input::Saved { ticket, sealed } => self.saved(ticket, sealed, turn),
            Input::SaveFailed { ticket, why, change } => self.save_failed(ticket, why, change, turn),

            Input::NetworkUp => self.network_up(turn),
            Input::Sleeping => self.asleep = true,
            Input::Woke => self.woke(turn),
            Input::Due => {}
        }
    }

    pub(super) fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }

    /// The server's name, for sentences.
    pub(super) fn host(&self) -> String {
        let of_definition = || {
            let definition = self.defined.good.as_ref()?;
            let endpoint =
                definition.endpoints.token_endpoint.as_ref().and_then(|url| url.host_str()).map(str::to_owned);
            let issuer = || url::Url::parse(definition.issuer.as_deref()?).ok()?.host_str().map(str::to_owned);
            endpoint.or_else(issuer)
        };
        let known = match &self.server {
            Server::Known { metadata, .. } => metadata.token_endpoint.as_ref().and_then(|url| url.host_str()),
            Server::Unread | Server::Reading { .. } => None,
        };
        known.map(str::to_owned).or_else(of_definition).unwrap_or_else(|| "the server".to_owned())
    }
}

impl Turn<'_> {
    pub(super) fn emit(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn reply(&mut self, waiter: WaiterId, served: Served) {
        self.emit(Effect::Reply { waiter, served });
    }

    pub(super) fn deny(&mut self, waiter: WaiterId, denied: Denied) {
        self.emit(Effect::Deny { waiter, denied });
    }

    pub(super) fn notify(&mut self, notice: Notice) {
        self.emit(Effect::Notify(notice));
    }

    pub(super) fn log(&mut self, message: String) {
        self.emit(Effect::Log { warning: false, message });
    }

    pub(super) fn warn(&mut self, message: String) {
        self.emit(Effect::Log { warning: true, message });
    }
}
