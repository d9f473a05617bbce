//! One schedule: an account, a server, a disk, clocks, callers and a keeper that carries effects out, with faults drawn
//! from a seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::{Definition, Rotation, Switch};

use super::super::testing::{self, Clock, line};
use super::super::*;
use super::client::{Client, Silence};
use super::disk::Disk;
use super::net::{Asked, Fate};
use super::referee::Referee;
use super::rng::Rng;
use super::server::{Kind, Server};
use super::trace;

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const AUDIENCES: [&str; 2] = ["https://a", "https://b"];
/// What no definition declares: got by exchange, or not at all.
pub(super) const UNDECLARED: [&str; 2] = ["https://x", "https://y"];

/// Whose schedules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Plays {
    /// People sign in.
    Login,
    /// A client asks by itself.
    Client,
}

pub(super) struct World {
    pub(super) rng: Rng,
    /// True time.
    pub(super) time: Duration,
    pub(super) clock: Clock,
    pub(super) account: Option<Account>,
    /// Which process: results for an earlier one are lost.
    pub(super) life: u32,
    pub(super) definition: Arc<Definition>,
    pub(super) server: Server,
    pub(super) disk: Disk,
    pub(super) referee: Referee,
    pub(super) queue: BTreeMap<(Duration, u64), Event>,
    pub(super) queued: u64,
    pub(super) asleep_until: Option<Duration>,
    pub(super) network: bool,
    pub(super) disk_full: bool,
    /// The server answers nobody without a proof, and wants another nonce now and then.
    pub(super) demands_proofs: bool,
    /// Set where nobody signs in.
    pub(super) client: Option<Client>,
    pub(super) faults: Faults,
    pub(super) names: u64,
    /// Set when the clock was set while the machine also rebooted: then nobody can know when a token expires.
    pub(super) clock_lies: bool,
    pub(super) trace: Option<Vec<String>>,
    pub(super) steps: u64,
    /// A rotation whose answer never became durable here.
    pub(super) lost_rotations: u64,
}

/// How wild this schedule is: once in so many.
pub(super) struct Faults {
    pub(super) lost: u64,
    pub(super) refused: u64,
    pub(super) slow: u64,
    pub(super) crash: u64,
    pub(super) outage: u64,
    pub(super) sleep: u64,
    pub(super) lock: u64,
    pub(super) disk: u64,
    pub(super) revoke: u64,
}

pub(super) enum Event {
    /// Something reaches the account of this process.
    Hear {
        life: u32,
        input: Box<Input>,
        sent: Option<String>,
    },
    /// A token request reaches the server.
    Arrive {
        life: u32,
        ticket: Ticket,
        asked: Asked,
        fate: Fate,
        due: Duration,
    },
    /// A commit reaches the disk.
    Commit {
        life: u32,
        ticket: Ticket,
        change: Box<Change>,
    },
    Network(bool),
    /// Out of turn.
    Kill,
    /// The same, and unlocked again.
    Lock,
    DiskFull(bool),
    Wake {
        told: bool,
    },
}

impl World {
    pub(super) fn new(plays: Plays, seed: u64, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let windows = [3, 10, 60, 600].map(Duration::from_secs);
        let kind = match rng.below(3) {
            0 => Kind::Keeps,
            1 => Kind::Window(rng.pick(&windows)),
            _ => Kind::Strict,
        };
        let kills = kind != Kind::Keeps && rng.once_in(4);
        let lifetime = rng.pick(&[20, 300, 3_600, 86_400].map(Duration::from_secs));
        let mut definition = define(&mut rng, kind, kills);
        // By the seed, so that the schedules of servers that know no proofs stay as they are.
        let demands_proofs = seed % 4 == 2;
        if demands_proofs {
            definition.dpop = rng.pick(&[Switch::Auto, Switch::On]);
        }
        let client = (plays == Plays::Client).then(|| Client::new(&mut definition, &mut rng));
        let calm = rng.once_in(3);
        let often = |n: u64| if calm { n * 10 } else { n };
        let faults = Faults {
            lost: often(6),
            refused: often(12),
            slow: often(8),
            crash: often(12),
            outage: often(10),
            sleep: often(12),
            lock: often(16),
            disk: often(12),
            revoke: often(60),
        };
        let mut server = Server::new(kind, kills, lifetime);
        server.tells = !rng.once_in(6);
        let mut world = Self {
            rng,
            time: Duration::from_secs(1_000),
            clock: Clock::START,
            account: None,
            life: 0,
            definition: Arc::new(definition),
            server,
            disk: Disk::default(),
            referee: Referee::default(),
            queue: BTreeMap::new(),
            queued: 0,
            asleep_until: None,
            network: true,
            disk_full: false,
            demands_proofs,
            client,
            faults,
            names: 0,
            clock_lies: false,
            trace: trace.then(Vec::new),
            steps: 0,
            lost_rotations: 0,
        };
        world.referee.silence = world.client.as_ref().map(|_| Silence::default());
        world.start();
        world
    }

    /// Plays a while with faults, then a while without, and asks what is left.
    pub(super) fn play(&mut self) {
        self.begin_login();
        let acts = 20 + self.rng.below(40);
        for _ in 0..acts {
            let pause = match self.rng.below(4) {
                0 => self.rng.millis(1, 2_000),
                1 => self.rng.millis(100, 30_000),
                2 => self.rng.millis(10_000, 1_000_000),
                _ => self.server.lifetime.mul_f64(0.3) + self.rng.millis(1, 5_000),
            };
            self.run_for(pause);
            if !self.referee.broken.is_empty() {
                return;
            }
            self.act();
        }
        self.calm();
    }

    pub(super) fn account(&self) -> &Account {
        self.account.as_ref().expect("a running keeper")
    }

    pub(super) fn hear(&mut self, input: Input) {
        let Some(account) = self.account.take() else { return };
        self.steps += 1;
        if self.trace.is_some() {
            self.note(&format!("-> {}", trace::named(&input)));
        }
        self.referee.hears_of_server(&input, self.time);
        let now = self.clock.now();
        let mut effects = Vec::new();
        let account = account.step(&now, input, &mut effects);
        let unsaved = account.has_unsaved();
        self.account = Some(account);
        for effect in effects {
            if self.trace.is_some() {
                self.note(&format!("   {}", line(&effect, &now)));
            }
            // What is durable lies on the disk before its report is heard, so the referee may look there.
            self.referee.sees(&effect, unsaved, &self.server, &self.disk, self.time, self.clock_lies);
            self.carry_out(effect);
        }
        self.referee.checks_patience(self.time);
    }

    pub(super) fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Discover { ticket, .. } => {
                let wait = self.rng.millis(1, 3_000);
                let result = match self.network {
                    true => Ok(self.metadata()),
                    false => Err(DiscoveryFailed { why: "no network".into(), misconfigured: false }),
                };
                self.later_input(wait, Input::Discovered { ticket, result });
            }
            Effect::MakeKey { ticket } => self.make_key(ticket),
            Effect::Ask { ticket, exchange, timeout, .. } => self.send(ticket, exchange, timeout),
            Effect::Save { ticket, change } => {
                let wait = self.rng.millis(1, 60);
                let life = self.life;
                self.later(wait, Event::Commit { life, ticket, change: Box::new(change) });
            }
            Effect::Listen { request, .. } => {
                let wait = self.rng.millis(1, 20);
                let input = match self.rng.once_in(30) {
                    true => Input::ListenFailed { request, why: "the port is in use".into() },
                    false => Input::Listening { request, redirect_uri: "http://127.0.0.1:7/x".into() },
                };
                self.later_input(wait, input);
            }
            Effect::Report { request, progress: Progress::Uri { user_code: None, .. } } => self.browser(request),
            Effect::Revoke { .. } => self.tell_of_logouts(),
            Effect::Introspect { ticket, token, .. } => {
                let wait = self.rng.millis(5, 30_000);
                let token = token.reveal_str().unwrap_or("?").to_owned();
                // Whatever time the answer takes, it tells how long the token lives from now on.
                let left = self.server.access_left(&token, self.time).filter(|_| self.rng.below(3) > 0);
                self.later_input(wait, Input::Introspected { ticket, left });
            }
            Effect::Reply { .. }
            | Effect::ReplyDone { .. }
            | Effect::Deny { .. }
            | Effect::Show { .. }
            | Effect::Report { .. }
            | Effect::Notify(_)
            | Effect::Log { .. } => {}
        }
    }

    fn metadata(&self) -> Arc<crate::oauth::Metadata> {
        let mut metadata = testing::metadata(false);
        if !self.server.tells {
            let endpoint = "https://idp.example/introspect".parse().expect("an address");
            Arc::make_mut(&mut metadata).introspection_endpoint = Some(endpoint);
        }
        if let Some(client) = &self.client {
            client.publishes(Arc::make_mut(&mut metadata));
        }
        metadata
    }

    /// The keeper's part: what the disk holds of forgotten logins.
    pub(super) fn tell_of_logouts(&mut self) {
        for token in std::mem::take(&mut self.disk.unrevoked) {
            if let Some(family) = self.server.family_of(&testing::unseal(&token)) {
                self.server.revoke(family);
            }
        }
    }

    pub(super) fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    pub(super) fn note(&mut self, words: &str) {
        let time = self.time;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>14.3} {words}", time.as_secs_f64()));
        }
    }
}

fn define(rng: &mut Rng, kind: Kind, kills: bool) -> Definition {
    let mut definition = testing::definition();
    definition.audiences = AUDIENCES.map(String::from).into();
    definition.token_exchange = rng.once_in(2);
    definition.refresh_kills_token = kills;
    (definition.rotation, definition.replay_window) = match kind {
        Kind::Keeps => (rng.pick(&[Rotation::None, Rotation::Auto]), None),
        Kind::Window(window) => (rng.pick(&[Rotation::Auto, Rotation::Rotating]), rng.once_in(2).then_some(window)),
        Kind::Strict => (rng.pick(&[Rotation::Auto, Rotation::Rotating]), rng.once_in(2).then_some(Duration::ZERO)),
    };
    if rng.once_in(3) {
        definition.par = Switch::On;
    }
    if rng.once_in(4) {
        definition.token_files = vec![testing::token_file()];
    }
    definition
}
