//! Clients that nobody signs in to (RFC 6749 §4.4): their server, what happens to them beside what happens to every
//! account, and how they end. Their keys are made late, twice, or not before the keeper is killed.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokenkeeper_config::{Definition, Flow, Switch};

use super::super::*;
use super::rng::Rng;
use super::world::{Event, SECOND, World};
use crate::oauth::{self, Metadata};
use crate::secret::Secret;

/// What the server thinks of a client.
pub(super) struct Client {
    /// Its metadata says that it takes proofs.
    lists_proofs: bool,
    /// It calls a request that lacks a proof invalid, and says no more.
    hides_demand: bool,
    /// It gives the client nothing for now, and says so in this way.
    pub(super) refuses: Option<Refusal>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    InvalidClient,
    InvalidGrant,
}

/// Enough that none comes twice in a row. They differ from run to run, what happens does not.
static KEYS: LazyLock<[Secret; 16]> = LazyLock::new(|| std::array::from_fn(|_| oauth::new_proof_key()));

const SWITCHES: [Switch; 3] = [Switch::Auto, Switch::On, Switch::Off];

impl Client {
    pub(super) fn new(definition: &mut Definition, rng: &mut Rng) -> Self {
        definition.flow = Flow::ClientCredentials;
        definition.scopes = vec!["read".to_owned()];
        definition.dpop = rng.pick(&SWITCHES);
        let lists_proofs = rng.once_in(2);
        Self { lists_proofs, hides_demand: lists_proofs && rng.once_in(3), refuses: None }
    }

    pub(super) fn publishes(&self, metadata: &mut Metadata) {
        metadata.dpop_signing_alg_values_supported = self.lists_proofs.then(|| vec!["ES256".to_owned()]);
    }

    /// How a request without a proof is refused that needs one.
    pub(super) fn refuses_unproved(&self) -> Option<Refusal> {
        self.hides_demand.then_some(Refusal::InvalidGrant)
    }
}

impl World {
    /// Beside callers, sleep, locks and crashes.
    pub(super) fn act_on_client(&mut self) {
        if self.rng.once_in(3) {
            return self.refuse_client();
        }
        let dpop = self.rng.pick(&SWITCHES);
        self.switch_proofs(dpop);
    }

    /// The server refuses the client from now on, or no longer.
    fn refuse_client(&mut self) {
        let refusal = self.rng.pick(&[Refusal::InvalidClient, Refusal::InvalidGrant]);
        let Some(client) = &mut self.client else { return };
        client.refuses = if client.refuses.is_some() { None } else { Some(refusal) };
        let words = format!("the server refuses the client: {:?}", client.refuses);
        self.note(&words);
    }

    fn switch_proofs(&mut self, dpop: Switch) {
        self.note(&format!("the definition says dpop {dpop:?}"));
        self.definition = Arc::new(Definition { dpop, ..(*self.definition).clone() });
        self.hear(Input::Defined(Ok(self.definition.clone())));
    }

    /// Soon or late, once or twice; never, where the keeper is killed first. Between the key and its commit somebody may
    /// lock, too.
    pub(super) fn make_key(&mut self, ticket: Ticket) {
        let is_late = self.rng.once_in(6);
        let wait = if is_late { self.rng.millis(100, 90_000) } else { self.rng.millis(1, 20) };
        let key = self.new_key();
        self.later_input(wait, Input::KeyMade { ticket, key });
        if self.rng.once_in(8) {
            let (again, key) = (wait + self.rng.millis(0, 500), self.new_key());
            self.later_input(again, Input::KeyMade { ticket, key });
        }
        let (crash, lock) = (self.faults.crash, self.faults.lock);
        let meanwhile = self.rng.millis(0, 600).min(wait + self.rng.millis(0, 600));
        if self.rng.once_in(crash) {
            self.later(meanwhile, Event::Kill);
        } else if self.rng.once_in(lock) {
            self.later(meanwhile, Event::Lock);
        }
    }

    fn new_key(&mut self) -> Secret {
        let name = usize::try_from(self.name()).expect("a small number");
        KEYS[name % KEYS.len()].duplicate()
    }

    /// Nothing stands in the way of a token any more, and a person tries whether that is so.
    pub(super) fn calm_client(&mut self) {
        let Some(client) = &mut self.client else { return };
        client.refuses = None;
        let is_forbidden = self.demands_proofs && self.definition.dpop == Switch::Off;
        self.switch_proofs(if is_forbidden { Switch::Auto } else { self.definition.dpop });
        self.refresh();
        self.run_for(21 * SECOND);
    }

    /// It got no token although its server gives one to whoever asks.
    pub(super) fn judge_client(&mut self, status: &Status) {
        let is_logged_out = status.state == State::LoggedOut;
        self.referee.rule(is_logged_out, "5", || format!("a client that its server knows gets no token: {status:?}"));
    }
}

/// What the referee knows of a server that does not answer: it is asked ever more rarely.
#[derive(Default)]
pub(super) struct Silence {
    failures: u32,
    since: Duration,
    /// A person asked: one request goes out whatever was before.
    excused: bool,
    /// It is that one that went out last.
    was_excused: bool,
    /// Requests that were repeated at once for want of another proof.
    repeated: u32,
    demanded_at: Option<Duration>,
}

impl Silence {
    /// Whether a request may go out now; `None` = it may, else why not.
    pub(super) fn asks(&mut self, now: Duration) -> Option<String> {
        let is_repeated = self.demanded_at.take().is_some_and(|at| now < at + SECOND / 8);
        self.repeated = if is_repeated { self.repeated + 1 } else { 0 };
        if self.repeated > 2 {
            return Some(format!("asked {} times in a row for want of another proof", self.repeated + 1));
        }
        let early = self.discovers(now);
        self.was_excused = std::mem::take(&mut self.excused);
        early
    }

    /// The same for its metadata, after which a request goes out.
    pub(super) fn discovers(&self, now: Duration) -> Option<String> {
        let failures = self.failures.checked_sub(1).filter(|_| !self.excused)?;
        let ceiling = (SECOND * 2_u32.pow(failures.min(20))).min(300 * SECOND);
        let earliest = self.since + ceiling / 8;
        (now < earliest).then(|| format!("a silent server was asked at {now:?}, {earliest:?} is early enough"))
    }

    pub(super) fn fails(&mut self, now: Duration) {
        *self = Self { failures: self.failures + 1, since: now, ..Self::default() };
    }

    pub(super) fn is_over(&mut self) {
        self.failures = 0;
    }

    pub(super) fn excuses(&mut self) {
        (self.excused, self.demanded_at) = (true, None);
    }

    /// The request did not go out, after all.
    pub(super) fn is_put_off(&mut self) {
        self.excused = self.was_excused;
    }

    pub(super) fn demands_proof(&mut self, now: Duration) {
        self.is_over();
        self.demanded_at = Some(now);
    }
}
