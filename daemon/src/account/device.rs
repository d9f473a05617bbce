//! Signing in by a code that a person types elsewhere (RFC 8628): ask for one, show it, poll until the server says what
//! came of it.
//!
//! The interval counts from the end of the last answer. A poll that brought no answer is followed by another, ever more
//! rarely; any answer but "not yet" was the last one, since after a success one server hands out a second pair.

use std::sync::Arc;
use std::time::Duration;

use super::denied::Denied;
use super::effect::{Effect, Exchange, Progress};
use super::errand::{Attempt, What};
use super::input::{RequestId, Ticket};
use super::login::{Awaits, login_scopes};
use super::machine::{Account, Turn};
use super::schedule;
use crate::oauth::device::Authorization;
use crate::oauth::{Metadata, Outcome};
use crate::secret::Secret;
use crate::time::Boot;

/// A code that waits for a person.
pub(super) struct Device {
    code: Secret,
    /// Of the server that gave the code: whatever becomes known meanwhile, it is asked.
    metadata: Arc<Metadata>,
    scopes: Vec<String>,
    lifetime: Duration,
    interval: Duration,
    /// Polls in a row that brought no answer.
    failures: u32,
    /// When the last answer had come, or the last poll had come to nothing.
    heard_at: Boot,
}

impl Account {
    /// Asks for a code.
    pub(super) fn ask_for_code(&mut self, metadata: Arc<Metadata>, turn: &mut Turn<'_>) {
        let (Some(login), Some(definition)) = (&mut self.login, self.defined.good.clone()) else { return };
        login.awaits = Awaits::Code { metadata: metadata.clone() };
        let scopes = login_scopes(&definition, &metadata, &login.options.scopes);
        let what = What::DeviceAuthorization { request: login.request };
        let exchange = Exchange::DeviceAuthorization { scopes };
        self.send(Attempt::first(what, definition, turn.now), metadata, exchange, turn);
    }

    /// There is a code: the person has it from here on.
    pub(super) fn authorized(&mut self, ticket: Ticket, authorization: Authorization, turn: &mut Turn<'_>) {
        let Some(attempt) = self.take_asking(ticket) else { return };
        let What::DeviceAuthorization { request } = attempt.what else { return };
        let Some(login) = self.login.as_mut().filter(|login| login.request == request) else { return };
        let Awaits::Code { metadata } = &login.awaits else { return };
        let metadata = metadata.clone();
        let Authorization { device_code, user_code, expires_in, interval, .. } = authorization;
        login.deadline = turn.now.boot.after(expires_in);
        login.awaits = Awaits::Decision(Box::new(Device {
            code: device_code,
            scopes: login_scopes(&attempt.definition, &metadata, &login.options.scopes),
            metadata,
            lifetime: expires_in,
            interval,
            failures: 0,
            heard_at: turn.now.boot,
        }));
        let place = authorization.verification_uri;
        let uri = authorization.verification_uri_complete.unwrap_or_else(|| place.clone()).into();
        let code = super::effect::UserCode { code: user_code, place: place.into() };
        turn.emit(Effect::Report { request, progress: Progress::Uri { uri, user_code: Some(code), expires_in } });
    }

    /// When the server may be asked what the person has decided.
    pub(super) fn poll_at(&self) -> Option<Boot> {
        let (holding, login) = (self.vault.open()?, self.login.as_ref()?);
        let Awaits::Decision(device) = &login.awaits else { return None };
        if self.asleep || self.leaving.is_some() || !self.errand.is_none() {
            return None;
        }
        let next = device.next_poll();
        Some(holding.trouble.quiet_until().map_or(next, |until| next.max(until)))
    }

    pub(super) fn poll_if_due(&mut self, turn: &mut Turn<'_>) {
        if self.poll_at().is_none_or(|at| at > turn.now.boot) {
            return;
        }
        let (Some(login), Some(definition)) = (&mut self.login, self.defined.good.clone()) else { return };
        let device = match std::mem::replace(&mut login.awaits, Awaits::Answer) {
            Awaits::Decision(device) => device,
            other => return login.awaits = other,
        };
        let what = What::DevicePoll { request: login.request, scopes: device.scopes.clone() };
        let (code, interval) = (device.code.duplicate(), device.interval);
        let exchange = Exchange::DeviceCode { code, interval, proof_key: login.new_key() };
        let metadata = device.metadata.clone();
        login.awaits = Awaits::Poll(device);
        self.send(Attempt::first(what, definition, turn.now), metadata, exchange, turn);
    }

    /// "Not yet", by a server that may want to be left alone altogether for a while.
    pub(super) fn undecided(
        &mut self,
        ticket: Ticket,
        interval: Duration,
        quiet: Option<Duration>,
        turn: &mut Turn<'_>,
    ) {
        let Some(attempt) = self.take_asking(ticket) else { return };
        let What::DevicePoll { request, .. } = attempt.what else { return };
        self.go_on_polling(request, |device| device.answered(interval, turn.now.boot));
        if quiet.is_some() {
            self.not_reached(format!("{} wants to be left alone for a while", self.host()), quiet, turn);
            self.answer_after_failure(turn);
        }
    }

    /// A poll's answer that is not "not yet".
    pub(super) fn poll_answered(
        &mut self,
        attempt: Attempt,
        refresh_token: Option<Secret>,
        outcome: Outcome,
        turn: &mut Turn<'_>,
    ) {
        let What::DevicePoll { request, .. } = attempt.what else { return };
        let now = turn.now.boot;
        match outcome {
            // RFC 8628 §3.5: less often, and go on.
            Outcome::NotSent { why, .. } | Outcome::Portal { why } | Outcome::Ambiguous { why }
                if refresh_token.is_none() =>
            {
                turn.log(format!("{why}; the poll is repeated"));
                self.go_on_polling(request, |device| device.not_answered(now));
            }
            Outcome::NotProcessed { why, retry_after } => {
                self.not_reached(why, Some(retry_after), turn);
                self.go_on_polling(request, |device| device.answered(device.interval, now));
                self.answer_after_failure(turn);
            }
            outcome if self.wants_proof(&attempt, &outcome) => {
                self.prove_from_now_on();
                self.go_on_polling(request, |device| device.answered(device.interval, now));
            }
            // Auth0 says `expired_token` once and `invalid_grant` ever after: it is the same to the person.
            Outcome::Ended { why } => {
                let why = format!("the code is no longer good: {why}; sign in again for a new one");
                self.login_failed(request, Denied::Failed(why), turn);
            }
            outcome => self.login_answered(attempt, refresh_token, outcome, turn),
        }
    }

    /// The network may have been the reason.
    pub(super) fn poll_soon(&mut self) {
        if let Some(Awaits::Decision(device)) = self.login.as_mut().map(|login| &mut login.awaits) {
            device.failures = 0;
        }
    }

    fn go_on_polling(&mut self, request: RequestId, note: impl FnOnce(&mut Device)) {
        let Some(login) = self.login.as_mut().filter(|login| login.request == request) else { return };
        match std::mem::replace(&mut login.awaits, Awaits::Answer) {
            Awaits::Poll(mut device) => {
                note(&mut device);
                login.awaits = Awaits::Decision(device);
            }
            other => login.awaits = other,
        }
    }
}

impl Device {
    fn next_poll(&self) -> Boot {
        self.heard_at.after(schedule::poll_pause(self.interval, self.failures))
    }

    fn answered(&mut self, interval: Duration, now: Boot) {
        (self.interval, self.failures, self.heard_at) = (interval, 0, now);
    }

    fn not_answered(&mut self, now: Boot) {
        (self.failures, self.heard_at) = (self.failures + 1, now);
    }

    /// Why the login ends when the code does.
    pub(super) fn nobody_came(&self) -> String {
        let lifetime = match self.lifetime.as_secs() {
            seconds @ 0..120 => format!("{seconds} seconds"),
            seconds => format!("{} minutes", seconds / 60),
        };
        format!("nobody entered the code within {lifetime}; sign in again for a new one")
    }
}
