//! The authorization request goes to the server first (RFC 9126): once, and the browser gets the reference.

use std::sync::Arc;

use super::denied::Denied;
use super::effect::Exchange;
use super::errand::{Attempt, What};
use super::input::Ticket;
use super::login::Awaits;
use super::machine::{Account, Turn};
use crate::oauth::Metadata;
use crate::oauth::authorize::Parameters;
use crate::oauth::par::{self, Pushed};

impl Account {
    /// Never twice: the server may have kept the first one.
    pub(super) fn push(
        &mut self,
        redirect_uri: String,
        parameters: Box<Parameters>,
        metadata: Arc<Metadata>,
        turn: &mut Turn<'_>,
    ) {
        let (Some(login), Some(definition)) = (&mut self.login, self.defined.good.clone()) else { return };
        login.awaits = Awaits::Reference { redirect_uri, metadata: metadata.clone() };
        let what = What::Push { request: login.request };
        self.send(Attempt::first(what, definition, turn.now), metadata, Exchange::Push { parameters }, turn);
    }

    pub(super) fn pushed(&mut self, ticket: Ticket, pushed: &Pushed, turn: &mut Turn<'_>) {
        let Some(attempt) = self.take_asking(ticket) else { return };
        let What::Push { request } = attempt.what else { return };
        let Some(login) = self.login.as_mut().filter(|login| login.request == request) else { return };
        let Awaits::Reference { redirect_uri, metadata } = &login.awaits else { return };
        let redirect_uri = redirect_uri.clone();
        match par::address(&attempt.definition, metadata, pushed) {
            Ok(uri) => self.show_address(request, redirect_uri, uri, Some(pushed.expires_in), turn),
            Err(problem) => self.login_failed(request, Denied::Misconfigured(problem.to_string()), turn),
        }
    }
}
