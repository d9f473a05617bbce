//! One schedule: an account, a server, a disk, clocks, callers and a keeper that carries effects out, with faults drawn
//! from a seed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::{Definition, Rotation};

use super::super::holding::Vault;
use super::super::testing::{self, Clock, line, unseal};
use super::super::*;
use super::disk::Disk;
use super::referee::Referee;
use super::rng::Rng;
use super::server::{Kind, Reply, Server, Why};
use crate::oauth::{Answer, Granted, Outcome};
use crate::secret::Secret;

const SECOND: Duration = Duration::from_secs(1);
const AUDIENCES: [&str; 2] = ["https://a", "https://b"];

pub(super) struct World {
    rng: Rng,
    /// True time.
    pub(super) time: Duration,
    clock: Clock,
    account: Option<Account>,
    /// Which process: results for an earlier one are lost.
    life: u32,
    definition: Arc<Definition>,
    pub(super) server: Server,
    pub(super) disk: Disk,
    pub(super) referee: Referee,
    queue: BTreeMap<(Duration, u64), Event>,
    queued: u64,
    asleep_until: Option<Duration>,
    network: bool,
    disk_full: bool,
    faults: Faults,
    names: u64,
    /// Set when the clock was set while the machine also rebooted: then nobody can know when a token expires.
    clock_lies: bool,
    pub(super) trace: Option<Vec<String>>,
    pub(super) steps: u64,
    /// A rotation whose answer never became durable here.
    pub(super) lost_rotations: u64,
}

/// How wild this schedule is: once in so many.
struct Faults {
    lost: u64,
    refused: u64,
    slow: u64,
    crash: u64,
    outage: u64,
    sleep: u64,
    lock: u64,
    disk: u64,
    revoke: u64,
}

enum Event {
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
    DiskFull(bool),
    Wake {
        told: bool,
    },
}

#[derive(Clone)]
enum Asked {
    Refresh(String),
    Code,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Answered,
    /// The server acts, the answer never comes.
    AnswerLost,
    /// The server acts, half of the answer comes, with the refresh token in it.
    Half,
    /// The server does not act.
    ServerError,
    TooMany,
    Unexplained,
    Denied,
    Attention,
    Moved,
}

impl World {
    pub(super) fn new(seed: u64, trace: bool) -> Self {
        let mut rng = Rng::new(seed);
        let windows = [3, 10, 60, 600].map(Duration::from_secs);
        let kind = match rng.below(3) {
            0 => Kind::Keeps,
            1 => Kind::Window(rng.pick(&windows)),
            _ => Kind::Strict,
        };
        let kills = kind != Kind::Keeps && rng.once_in(4);
        let lifetime = rng.pick(&[20, 300, 3_600, 86_400].map(Duration::from_secs));
        let definition = define(&mut rng, kind, kills);
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
        let mut world = Self {
            rng,
            time: Duration::from_secs(1_000),
            clock: Clock::START,
            account: None,
            life: 0,
            definition: Arc::new(definition),
            server: Server::new(kind, kills, lifetime),
            disk: Disk::default(),
            referee: Referee::default(),
            queue: BTreeMap::new(),
            queued: 0,
            asleep_until: None,
            network: true,
            disk_full: false,
            faults,
            names: 0,
            clock_lies: false,
            trace: trace.then(Vec::new),
            steps: 0,
            lost_rotations: 0,
        };
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

    // ---- what happens ----

    fn act(&mut self) {
        if let Some(until) = self.asleep_until {
            return self.run_for(until.saturating_sub(self.time) + SECOND);
        }
        let f = &self.faults;
        let (crash, outage, sleep, lock, disk, revoke) = (f.crash, f.outage, f.sleep, f.lock, f.disk, f.revoke);
        if self.rng.once_in(crash) {
            let reboots = self.rng.once_in(3);
            return self.crash(reboots);
        }
        if self.rng.once_in(outage) && self.network {
            let lasts = self.rng.millis(500, 3_000_000);
            self.network = false;
            self.note("the network is gone");
            return self.later(lasts, Event::Network(true));
        }
        if self.rng.once_in(sleep) && self.asleep_until.is_none() {
            return self.sleep();
        }
        if self.rng.once_in(lock) {
            return self.lock_and_unlock();
        }
        if self.rng.once_in(disk) {
            let lasts = self.rng.millis(100, 300_000);
            self.disk_full = true;
            self.note("the disk is full");
            return self.later(lasts, Event::DiskFull(false));
        }
        if self.rng.once_in(revoke) {
            let family = self.server.families;
            self.note("somebody ends the login at the server");
            return self.server.revoke(family);
        }
        match self.rng.below(24) {
            0 => self.begin_login(),
            1 => self.refresh(),
            2 => self.set_clock(),
            3 => {
                if let Some(waiter) = self.referee.oldest_caller() {
                    self.referee.caller_left(waiter);
                    self.hear(Input::WaiterLeft { waiter });
                }
            }
            4 => self.hear(Input::NetworkUp),
            5 => self.hear(Input::Due),
            6 if self.rng.once_in(8) => self.logout(),
            7 => self.stray(),
            8 => {
                let request = self.name();
                let options = LoginOptions { retry: true, ..LoginOptions::default() };
                let request = RequestId(request.into());
                self.hear(Input::LoginWanted { request, options, entropy: testing::entropy(request) });
            }
            9 => {
                let definition = self.definition.clone();
                let input = if self.rng.once_in(4) { Err("a typo".to_owned()) } else { Ok(definition) };
                self.hear(Input::Defined(input));
            }
            _ => {
                for _ in 0..=self.rng.below(4) {
                    self.ask();
                }
            }
        }
    }

    fn ask(&mut self) {
        let waiter = WaiterId(self.name());
        let audience = self.rng.once_in(4).then(|| self.rng.pick(&AUDIENCES).to_owned());
        let timeout = self.rng.millis(1_000, 130_000);
        let rejected = self.rng.once_in(8).then_some(self.disk.generation);
        let min_validity = Duration::from_secs(self.rng.pick(&[0, 60, 60, 600, 100_000]));
        let key = TokenKey { audience, ..TokenKey::DEFAULT };
        let deadline = self.clock.now().boot.after(timeout);
        self.referee.caller(waiter, self.time + timeout.min(120 * SECOND));
        self.hear(Input::TokenWanted { waiter, ask: TokenAsk { key, min_validity, rejected, deadline } });
    }

    fn refresh(&mut self) {
        let waiter = WaiterId(self.name());
        let deadline = self.clock.now().boot.after(20 * SECOND);
        self.referee.caller(waiter, self.time + 20 * SECOND);
        self.hear(Input::RefreshWanted { waiter, deadline });
    }

    fn logout(&mut self) {
        let waiter = WaiterId(self.name());
        // Bounded by the exchange that may be in flight and its commit.
        self.referee.caller(waiter, self.time + Duration::from_secs(100_000));
        self.hear(Input::LogoutWanted { waiter });
    }

    fn begin_login(&mut self) {
        let request = RequestId(self.name().into());
        let options = LoginOptions::default();
        self.hear(Input::LoginWanted { request, options, entropy: testing::entropy(request) });
        if self.rng.once_in(10) {
            let pause = self.rng.millis(1, 60_000);
            self.later_input(pause, Input::LoginCancelled { request });
        }
    }

    /// Reports that nobody waits for.
    fn stray(&mut self) {
        let ticket = Ticket(self.rng.below(50));
        let request = RequestId(self.rng.below(50).into());
        let query = vec![("state".to_owned(), Secret::from("foreign".to_owned()))];
        let input = match self.rng.below(6) {
            0 => Input::Listening { request, redirect_uri: "http://127.0.0.1:1/x".into() },
            1 => Input::Redirected { request, query },
            2 => Input::Discovered { ticket: Ticket(0), result: Ok(testing::metadata(false)) },
            3 => Input::Revoked { ticket, done: true },
            4 => Input::RefreshTokenGiven { request, token: Secret::from("rt-stray".to_owned()) },
            _ => Input::Answered {
                ticket: Ticket(0),
                answer: Answer { refresh_token: None, outcome: Outcome::Ended { why: "stray".into() } },
            },
        };
        self.hear(input);
    }

    fn set_clock(&mut self) {
        let by = self.rng.pick(&[-86_400_000, -3_600_000, -30_000, 30_000, 3_600_000, 86_400_000]);
        self.note(&format!("the wall clock is set by {by} ms"));
        self.clock.wall += by;
        self.clock_lies = true;
        self.hear(Input::Due);
    }

    fn lock_and_unlock(&mut self) {
        self.note("lock");
        self.hear(Input::Locked);
        self.referee.locked = true;
        self.run_for(Duration::ZERO);
        let pause = self.rng.millis(1, 200_000);
        self.run_for(pause);
        self.unlock();
    }

    /// The keeper unlocks only what is settled: the vault says locked first.
    fn unlock(&mut self) {
        for _ in 0..1_000 {
            if self.account().is_settled() {
                break;
            }
            self.run_for(SECOND);
        }
        if !self.account().is_settled() && !self.rng.once_in(2) {
            return;
        }
        self.note("unlock");
        self.referee.locked = false;
        let stored = Box::new(self.disk.read());
        self.hear(Input::Unlocked(stored));
    }

    fn sleep(&mut self) {
        let told = self.rng.below(4) > 0;
        if told {
            self.hear(Input::Sleeping);
            let inhibited = self.rng.millis(1, 5_000);
            self.run_for(inhibited);
        }
        let until = self.time + self.rng.millis(1_000, 40_000_000);
        self.note(&format!("asleep until {until:?}"));
        self.asleep_until = Some(until);
        self.referee.sleeps_until(until + SECOND);
        self.later(until - self.time, Event::Wake { told });
    }

    fn crash(&mut self, reboots: bool) {
        self.note(if reboots { "the machine reboots" } else { "the keeper is killed" });
        self.life += 1;
        let dead: Vec<_> =
            self.queue.iter().filter(|(_, event)| matches!(event, Event::Commit { .. })).map(|(at, _)| *at).collect();
        if self.account.as_ref().is_some_and(Account::has_unsaved) {
            self.lost_rotations += 1;
        }
        for at in dead {
            let Some(Event::Commit { change, .. }) = self.queue.remove(&at) else { continue };
            // The write had begun: it is there after the crash, or it is not.
            let survives = self.rng.once_in(2) && !self.disk_full && self.disk.commit(&change).is_ok();
            self.note(&format!("the commit survived the crash: {survives}"));
            if matches!(*change, Change::Grant { .. }) && !survives {
                self.lost_rotations += 1;
            }
        }
        self.asleep_until = None;
        let off = if reboots { self.rng.millis(5_000, 10_000_000) } else { self.rng.millis(50, 1_000) };
        self.account = None;
        self.referee.crashed();
        self.run_for(off);
        if reboots {
            self.clock.reboot(Duration::ZERO);
        }
        self.start();
    }

    fn start(&mut self) {
        self.account = Some(Account::new("work".parse().expect("a name"), self.rng.next()));
        self.referee.locked = false;
        let (definition, stored) = (self.definition.clone(), Box::new(self.disk.read()));
        if self.rng.once_in(2) {
            self.hear(Input::Defined(Ok(definition)));
            self.hear(Input::Unlocked(stored));
        } else {
            self.hear(Input::Unlocked(stored));
            self.hear(Input::Defined(Ok(definition)));
        }
    }

    // ---- the end ----

    /// Everything is well again: what can still be used must be usable.
    fn calm(&mut self) {
        self.note("from here on nothing fails");
        self.faults = Faults {
            lost: u64::MAX,
            refused: u64::MAX,
            slow: u64::MAX,
            crash: u64::MAX,
            outage: u64::MAX,
            sleep: u64::MAX,
            lock: u64::MAX,
            disk: u64::MAX,
            revoke: u64::MAX,
        };
        if let Some(until) = self.asleep_until {
            self.run_for(until - self.time + SECOND);
        }
        self.network = true;
        self.disk_full = false;
        self.run_for(120 * SECOND);
        self.hear(Input::Defined(Ok(self.definition.clone())));
        if self.referee.locked || self.account().vault.open().is_none() {
            self.unlock();
        }
        self.hear(Input::NetworkUp);
        let mut served = false;
        for _ in 0..30 {
            let before = self.referee.served;
            let waiter = WaiterId(self.name());
            self.referee.caller(waiter, self.time + 120 * SECOND);
            let deadline = self.clock.now().boot.after(120 * SECOND);
            let ask = TokenAsk { key: TokenKey::DEFAULT, min_validity: Duration::ZERO, rejected: None, deadline };
            self.hear(Input::TokenWanted { waiter, ask });
            self.run_for(121 * SECOND);
            served = self.referee.served > before;
            if served || !self.referee.broken.is_empty() {
                break;
            }
            self.run_for(Duration::from_secs(20 * 60));
        }
        if !served && self.referee.broken.is_empty() {
            self.judge_the_end();
        }
        self.locks_clean();
    }

    /// Nobody could get a token: the server must have ended the login, or nobody was signed in, and the account says so.
    fn judge_the_end(&mut self) {
        let status = self.account().status(&self.clock.now());
        let token = self.disk.token.as_ref().map(unseal);
        let would_take = token.as_ref().is_some_and(|token| self.server.would_take(token, self.time));
        // `held` may be known only in memory: its commit is one of those that can fail.
        let excused = self.referee.refusals >= 4 || status.state == State::Held;
        let mut broken = |words: String| self.referee.broken.push(words);
        if would_take && !excused {
            broken(format!("5: a login that the server would take is not used: {status:?}"));
        }
        let says_why = matches!(status.state, State::LoginRequired | State::Held | State::LoggedOut);
        if !says_why || (status.state != State::LoggedOut && status.last_error.0.is_empty()) {
            broken(format!("5: no token, and the account does not say why: {status:?}"));
        }
        let family = token.as_ref().and_then(|token| self.server.family_of(token));
        let by_reuse = family.and_then(|family| self.server.ended.get(&family)) == Some(&Why::Reuse);
        let was_used = token.as_ref().is_some_and(|token| self.server.was_used(token));
        if (by_reuse || was_used) && self.lost_rotations == 0 {
            broken("5: a login was lost although every answer was received and saved".to_owned());
        }
        if self.server.kind == Kind::Keeps && by_reuse {
            broken("5: a server that does not rotate ended a login by reuse".to_owned());
        }
    }

    /// Nothing secret is held once everything is settled and locked.
    fn locks_clean(&mut self) {
        self.hear(Input::Locked);
        self.referee.locked = true;
        self.run_for(300 * SECOND);
        let account = self.account();
        if !account.is_settled() || !matches!(account.vault, Vault::Locked) {
            self.referee.broken.push("6: the account is not settled long after it was locked".to_owned());
        }
        self.referee.checks_patience(self.time);
    }

    // ---- time ----

    fn run_for(&mut self, span: Duration) {
        let end = self.time + span;
        loop {
            let due = self.next_due();
            let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
            let next = [due, queued].into_iter().flatten().min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.pass(next);
            if queued == Some(next) {
                let ((_, _), event) = self.queue.pop_first().expect("the first event");
                self.happen(event);
            } else {
                self.hear(Input::Due);
                let again = self.account.as_ref().and_then(Account::deadline);
                if again.is_some_and(|again| again <= self.clock.now().boot) {
                    self.referee.broken.push("no busy loop: the account is due again at once".to_owned());
                }
            }
            if !self.referee.broken.is_empty() || self.steps > 20_000 {
                break;
            }
        }
        if self.steps > 20_000 {
            self.referee.broken.push("no busy loop: 20,000 steps in one schedule".to_owned());
        }
        self.pass(end.max(self.time));
    }

    fn next_due(&self) -> Option<Duration> {
        let due = self.account.as_ref()?.deadline()?;
        let due = self.time + due.since(self.clock.now().boot);
        Some(self.asleep_until.map_or(due, |until| due.max(until)))
    }

    fn pass(&mut self, until: Duration) {
        self.clock.pass(until.saturating_sub(self.time));
        self.time = until.max(self.time);
    }

    fn later(&mut self, span: Duration, event: Event) {
        self.queued += 1;
        self.queue.insert((self.time + span, self.queued), event);
    }

    fn later_input(&mut self, span: Duration, input: Input) {
        let life = self.life;
        self.later(span, Event::Hear { life, input: Box::new(input), sent: None });
    }

    fn happen(&mut self, event: Event) {
        // A sleeping machine hears and writes nothing. The server goes on.
        if let Some(until) = self.asleep_until
            && matches!(event, Event::Hear { .. } | Event::Commit { .. })
        {
            let event = match event {
                Event::Hear { life, input, sent } => Event::Hear { life, input: self.lost_in_sleep(*input), sent },
                other => other,
            };
            return self.later(until.saturating_sub(self.time) + Duration::from_millis(1), event);
        }
        match event {
            Event::Hear { life, input, sent } if life == self.life && self.account.is_some() => {
                if let Input::Answered { ticket, answer } = &*input {
                    self.referee.heard_answer(*ticket, sent.as_deref(), answer.refresh_token.is_some());
                    self.weigh(&answer.outcome);
                }
                self.hear(*input);
            }
            Event::Hear { input, .. } => self.never_heard(&input),
            Event::Arrive { life, ticket, asked, fate, due } => self.arrive(life, ticket, asked, fate, due),
            Event::Commit { life, ticket, change } if life == self.life => {
                let input = match self.disk_full {
                    true => Input::SaveFailed { ticket, why: "no space left on device".into(), change },
                    false => match self.disk.commit(&change) {
                        Ok(sealed) => Input::Saved { ticket, sealed },
                        Err(why) => {
                            self.referee.broken.push(format!("compare and swap: {why}"));
                            return;
                        }
                    },
                };
                self.hear(input);
            }
            Event::Commit { .. } => {}
            Event::Network(up) => {
                self.network = up;
                self.note("the network is back");
                if self.account.is_some() && self.rng.below(4) > 0 {
                    self.hear(Input::NetworkUp);
                }
            }
            Event::DiskFull(full) => self.disk_full = full,
            Event::Wake { told } => {
                if self.asleep_until.take().is_some() && self.account.is_some() {
                    self.note("awake");
                    let _ = told;
                    self.hear(Input::Woke);
                }
            }
        }
    }

    /// Connections do not survive sleep.
    fn lost_in_sleep(&mut self, input: Input) -> Box<Input> {
        match input {
            Input::Answered { ticket, answer } if self.rng.once_in(2) => {
                self.never_answered(&answer);
                let outcome = Outcome::Ambiguous { why: "the connection broke while asleep".into() };
                Box::new(Input::Answered { ticket, answer: Answer { refresh_token: None, outcome } })
            }
            other => Box::new(other),
        }
    }

    fn never_heard(&mut self, input: &Input) {
        if let Input::Answered { answer, .. } = input {
            self.never_answered(answer);
        }
    }

    fn never_answered(&mut self, answer: &Answer) {
        if answer.refresh_token.is_some() {
            self.lost_rotations += 1;
        }
    }

    /// What the referee must know of an answer.
    fn weigh(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Ended { .. } => self.referee.endings += 1,
            Outcome::AccessDenied { .. } | Outcome::Unexplained { .. } => self.referee.refusals += 1,
            Outcome::NotProcessed { retry_after, .. } => self.referee.not_before = Some(self.time + *retry_after),
            Outcome::Granted(_) => {
                self.referee.refusals = 0;
                self.referee.not_before = None;
            }
            _ => {}
        }
    }

    // ---- the account and its keeper ----

    fn account(&self) -> &Account {
        self.account.as_ref().expect("a running keeper")
    }

    fn hear(&mut self, input: Input) {
        let Some(account) = self.account.take() else { return };
        self.steps += 1;
        if self.trace.is_some() {
            self.note(&format!("-> {}", named(&input)));
        }
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

    fn carry_out(&mut self, effect: Effect) {
        match effect {
            Effect::Discover { ticket, .. } => {
                let wait = self.rng.millis(1, 3_000);
                let result = match self.network {
                    true => Ok(testing::metadata(false)),
                    false => Err(DiscoveryFailed { why: "no network".into(), misconfigured: false }),
                };
                self.later_input(wait, Input::Discovered { ticket, result });
            }
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
            Effect::Report { request, progress: Progress::Uri { .. } } => self.browser(request),
            Effect::Revoke { ticket, token, .. } => {
                if let Some(family) = self.server.family_of(&unseal(&token)) {
                    self.server.revoke(family);
                }
                self.later_input(SECOND, Input::Revoked { ticket, done: true });
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

    /// The person signs in, or not, or somebody meddles.
    fn browser(&mut self, request: RequestId) {
        let query = |state: String| {
            let code = format!("code-{}", request.0);
            vec![("state".to_owned(), Secret::from(state)), ("code".to_owned(), Secret::from(code))]
        };
        let wait = self.rng.millis(1_000, 60_000);
        match self.rng.below(12) {
            0 => {}
            1 => self.later_input(wait, Input::Redirected { request, query: query("guessed".into()) }),
            n => {
                self.referee.proper.insert(request);
                let ours = || query(format!("state-{}", request.0));
                self.later_input(wait, Input::Redirected { request, query: ours() });
                if n == 2 {
                    self.later_input(wait + SECOND, Input::Redirected { request, query: ours() });
                }
            }
        }
    }

    /// A token request leaves.
    fn send(&mut self, ticket: Ticket, exchange: Exchange, timeout: Duration) {
        let (asked, sent) = match exchange {
            Exchange::Refresh { token, .. } => (Asked::Refresh(unseal(&token)), Some(unseal(&token))),
            Exchange::Code { .. } => (Asked::Code, None),
            Exchange::ClientCredentials { .. } => (Asked::Code, None),
        };
        let life = self.life;
        let there =
            if self.rng.once_in(self.faults.slow) { self.rng.millis(100, 40_000) } else { self.rng.millis(5, 200) };
        if !self.network || self.rng.once_in(self.faults.lost.saturating_mul(2)) {
            let outcome = match self.rng.once_in(5) {
                true => Outcome::Portal { why: "a login page".into() },
                false => Outcome::NotSent { why: "no route".into(), certificate: false },
            };
            let answer = Answer { refresh_token: None, outcome };
            let input = Box::new(Input::Answered { ticket, answer });
            return self.later(there.min(timeout), Event::Hear { life, input, sent });
        }
        let fate = if self.rng.once_in(self.faults.lost) {
            self.rng.pick(&[Fate::AnswerLost, Fate::AnswerLost, Fate::Half, Fate::ServerError])
        } else if self.rng.once_in(self.faults.refused) {
            self.rng.pick(&[
                Fate::TooMany,
                Fate::TooMany,
                Fate::Unexplained,
                Fate::Denied,
                Fate::Attention,
                Fate::Moved,
            ])
        } else {
            Fate::Answered
        };
        let due = self.time + timeout;
        self.later(there, Event::Arrive { life, ticket, asked, fate, due });
        // Whatever the server does, the keeper stops waiting.
        if self.time + there >= due {
            let outcome = Outcome::Ambiguous { why: "timed out after the request was sent".into() };
            let input = Box::new(Input::Answered { ticket, answer: Answer { refresh_token: None, outcome } });
            self.later(timeout, Event::Hear { life, input, sent });
        }
    }

    fn arrive(&mut self, life: u32, ticket: Ticket, asked: Asked, fate: Fate, due: Duration) {
        let acts = matches!(fate, Fate::Answered | Fate::AnswerLost | Fate::Half);
        let reply = acts.then(|| match &asked {
            Asked::Refresh(token) => self.server.refresh(token, self.time),
            Asked::Code => self.server.sign_in(self.time),
        });
        let sent = match asked {
            Asked::Refresh(token) => Some(token),
            Asked::Code => None,
        };
        if self.trace.is_some() {
            let what = match &reply {
                Some(Reply::Tokens { access, refresh }) => format!("{access} {refresh:?}"),
                Some(Reply::InvalidGrant) => "invalid_grant".into(),
                None => "does not act".into(),
            };
            self.note(&format!("server: {sent:?} {fate:?} {what}"));
        }
        let is_late = self.time >= due;
        let rotated = matches!(&reply, Some(Reply::Tokens { refresh: Some(_), .. })) && sent.is_some();
        // A request that crawls through the network past its timeout may even come after its own replay.
        if acts && (is_late || life != self.life || (rotated && fate == Fate::AnswerLost)) {
            self.lost_rotations += 1;
        }
        if is_late {
            // The keeper has given up; its timeout is in the queue.
            return;
        }
        let answer = self.answered(fate, reply);
        let back = self.rng.millis(1, 100).min(due - self.time);
        self.later(back, Event::Hear { life, input: Box::new(Input::Answered { ticket, answer }), sent });
    }

    fn answered(&mut self, fate: Fate, reply: Option<Reply>) -> Answer {
        let why = || format!("{fate:?}");
        let none = |outcome| Answer { refresh_token: None, outcome };
        match (fate, reply) {
            (Fate::Answered, Some(Reply::Tokens { access, refresh })) => {
                let granted = Granted {
                    access_token: Secret::from(access),
                    token_type: "Bearer".into(),
                    lifetime: Some(self.server.lifetime),
                    scopes: None,
                    id_token: None,
                    audience: Vec::new(),
                    refresh_in: None,
                    login_lifetime: None,
                };
                Answer { refresh_token: refresh.map(Secret::from), outcome: Outcome::Granted(Box::new(granted)) }
            }
            (Fate::Answered | Fate::Half, Some(Reply::InvalidGrant)) => {
                none(Outcome::Ended { why: "invalid_grant".into() })
            }
            (Fate::Half, Some(Reply::Tokens { refresh, .. })) => {
                Answer { refresh_token: refresh.map(Secret::from), outcome: Outcome::Ambiguous { why: why() } }
            }
            (Fate::TooMany, _) => {
                let retry_after = Duration::from_secs(self.rng.pick(&[1, 60, 600]));
                none(Outcome::NotProcessed { why: why(), retry_after })
            }
            (Fate::Unexplained, _) => none(Outcome::Unexplained { why: why() }),
            (Fate::Denied, _) => none(Outcome::AccessDenied { why: why() }),
            (Fate::Attention, _) => none(Outcome::Attention { why: why() }),
            (Fate::Moved, _) => none(Outcome::Drift { why: why() }),
            (Fate::AnswerLost | Fate::ServerError | Fate::Answered | Fate::Half, _) => {
                none(Outcome::Ambiguous { why: why() })
            }
        }
    }

    fn name(&mut self) -> u64 {
        self.names += 1;
        self.names
    }

    fn note(&mut self, words: &str) {
        let time = self.time;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>14.3} {words}", time.as_secs_f64()));
        }
    }
}

fn define(rng: &mut Rng, kind: Kind, kills: bool) -> Definition {
    let mut definition = testing::definition();
    definition.audiences = AUDIENCES.map(String::from).into();
    definition.refresh_kills_token = kills;
    (definition.rotation, definition.replay_window) = match kind {
        Kind::Keeps => (rng.pick(&[Rotation::None, Rotation::Auto]), None),
        Kind::Window(window) => (rng.pick(&[Rotation::Auto, Rotation::Rotating]), rng.once_in(2).then_some(window)),
        Kind::Strict => (rng.pick(&[Rotation::Auto, Rotation::Rotating]), rng.once_in(2).then_some(Duration::ZERO)),
    };
    if rng.once_in(4) {
        definition.token_files = vec![testing::token_file()];
    }
    definition
}

fn named(input: &Input) -> String {
    match input {
        Input::Defined(_) => "Defined".into(),
        Input::Unlocked(stored) => format!("Unlocked generation {}", stored.generation),
        Input::Locked => "Locked".into(),
        Input::TokenWanted { waiter, ask } => format!(
            "TokenWanted w{}{} min {:?} rejected {:?}",
            waiter.0,
            testing::keyed(&ask.key),
            ask.min_validity,
            ask.rejected
        ),
        Input::RefreshWanted { waiter, .. } => format!("RefreshWanted w{}", waiter.0),
        Input::WaiterLeft { waiter } => format!("WaiterLeft w{}", waiter.0),
        Input::LoginWanted { request, options, .. } => format!("LoginWanted r{} retry {}", request.0, options.retry),
        Input::RefreshTokenGiven { .. } => "RefreshTokenGiven".into(),
        Input::LoginCancelled { request } => format!("LoginCancelled r{}", request.0),
        Input::Listening { request, .. } => format!("Listening r{}", request.0),
        Input::ListenFailed { request, .. } => format!("ListenFailed r{}", request.0),
        Input::Redirected { request, .. } => format!("Redirected r{}", request.0),
        Input::Discovered { result, .. } => format!("Discovered {}", result.is_ok()),
        Input::Answered { answer, .. } => {
            let token = answer.refresh_token.as_ref().map(testing::shown);
            format!("Answered {} {token:?}", outcome(&answer.outcome))
        }
        Input::Saved { .. } => "Saved".into(),
        Input::SaveFailed { .. } => "SaveFailed".into(),
        Input::Unopenable { .. } => "Unopenable".into(),
        Input::Revoked { .. } => "Revoked".into(),
        Input::LogoutWanted { waiter } => format!("LogoutWanted w{}", waiter.0),
        Input::Adopted => "Adopted".into(),
        Input::NetworkUp => "NetworkUp".into(),
        Input::Sleeping => "Sleeping".into(),
        Input::Woke => "Woke".into(),
        Input::Due => "Due".into(),
    }
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Granted(_) => "Granted",
        Outcome::NotSent { .. } => "NotSent",
        Outcome::NotProcessed { .. } => "NotProcessed",
        Outcome::Ambiguous { .. } => "Ambiguous",
        Outcome::Portal { .. } => "Portal",
        Outcome::Ended { .. } => "Ended",
        Outcome::Attention { .. } => "Attention",
        Outcome::AccessDenied { .. } => "AccessDenied",
        Outcome::Misconfigured { .. } => "Misconfigured",
        Outcome::BadRequest { .. } => "BadRequest",
        Outcome::BadTarget { .. } => "BadTarget",
        Outcome::Unexplained { .. } => "Unexplained",
        Outcome::Nonce { .. } => "Nonce",
        Outcome::Drift { .. } => "Drift",
    }
}
