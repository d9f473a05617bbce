//! The keeper task: hears calls, reports and the world, one at a time; steps the account that is meant; carries its
//! effects out. It awaits nothing but the next thing to hear.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::{AccountName, KeeperSettings};
use tokio::sync::{mpsc, oneshot, watch};

use super::clock::{Alarm, ClockSteps};
use super::definitions::Definitions;
use super::entry::Entry;
use super::errands::{Errander, Errands};
use super::message::{Message, Reply};
use super::registering::Registration;
use super::requests::{Kind, Requests};
use super::revoking::Revoked;
use super::vaulting::{Gate, VaultReport};
use super::view::{RequestState, View};
use super::waiters::{Waiters, Waiting};
use crate::account::{Denied, Effect, Input, Page, RequestId, RevocationId, Revocations, TokenAsk};
use crate::time::Boot;

/// What errands and watchers tell the keeper.
pub(super) enum Report {
    /// Something happened to an account.
    Heard { account: AccountName, input: Input },
    /// A loopback listener is open and will show `page`.
    Listening { account: AccountName, request: RequestId, redirect_uri: String, page: oneshot::Sender<Page> },
    /// The vault did something.
    Vault(VaultReport),
    /// Servers that have still to be told of these logouts.
    Unrevoked(Vec<RevocationId>),
    /// A server was told of a logout, or not.
    Revoked { id: RevocationId, result: Revoked },
    /// An account was logged out and its definition deleted, or not.
    Removed { result: Result<(), Denied>, reply: Reply<()> },
    /// A client was registered for an account that is to be, or not.
    Registered(Box<Registration>),
    /// A client secret was put into the vault.
    SecretChanged { account: AccountName },
    /// The vault is this machine's now, by a login of this account.
    Adopted { by: AccountName },
    /// Configuration files changed.
    ConfigChanged,
    /// An address or a route appeared.
    NetworkUp,
    /// The machine is about to sleep; whoever asked waits until the sender is dropped.
    Sleeping,
    /// The machine woke up.
    Woke,
    /// A Secret Service came, or a keyring of it was opened.
    KeyringChanged,
    /// The screen was locked.
    ScreenLocked,
    /// The screen was unlocked.
    ScreenUnlocked,
}

/// The state of the keeper task.
pub(super) struct Keeper {
    pub(super) errands: Errands,
    pub(super) definitions: Definitions,
    pub(super) entries: BTreeMap<AccountName, Entry>,
    /// When which account wants to be stepped, soonest first.
    pub(super) deadlines: BTreeSet<(Boot, AccountName)>,
    /// Accounts with something in flight or unsaved.
    pub(super) busy: BTreeSet<AccountName>,
    pub(super) waiters: Waiters,
    pub(super) requests: Requests,
    pub(super) revocations: Revocations,
    /// For whom a client is being registered.
    pub(super) registering: BTreeSet<AccountName>,
    pub(super) pages: HashMap<RequestId, oneshot::Sender<Page>>,
    pub(super) gate: Gate,
    /// Whether the vault is dropping its key.
    pub(super) closing: bool,
    pub(super) settings: watch::Sender<KeeperSettings>,
    pub(super) view: watch::Sender<Arc<View>>,
    /// Which accounts' published status may be out of date.
    pub(super) stale: BTreeSet<AccountName>,
    pub(super) notices: mpsc::UnboundedSender<super::notify::Note>,
    /// Held while anything is in flight, so that the machine sleeps only afterwards.
    pub(super) in_flight: watch::Sender<bool>,
    /// How many times the vault is being read for accounts just now, and the calls about accounts that came meanwhile:
    /// they wait for it, instead of hearing that the account is locked.
    pub(super) loads: usize,
    pub(super) held_back: Vec<Message>,
    /// Set once the keeper drains: no call is taken any more.
    pub(super) draining: bool,
    /// The alarm does not ring before this: a deadline that stays in the past must not spin.
    pub(super) not_before: Boot,
    /// How long the machine had slept when the keeper last looked.
    pub(super) slept: Duration,
    /// Told once, when the first trial to open the vault has ended.
    pub(super) ready: Option<oneshot::Sender<()>>,
}

/// A jump of the boot clock over the monotonic clock that counts as sleep.
const A_NAP: Duration = Duration::from_secs(5);

/// The shortest time between two rings of the alarm.
const BREATH: Duration = Duration::from_millis(1);

/// What the keeper listens to.
pub(super) struct Ears {
    pub(super) calls: mpsc::Receiver<Message>,
    pub(super) reports: mpsc::UnboundedReceiver<Report>,
    pub(super) alarm: Alarm,
    pub(super) clock_steps: ClockSteps,
    pub(super) stop: oneshot::Receiver<()>,
}

impl Keeper {
    /// Runs until told to stop, then until nothing is in flight and nothing is unsaved.
    pub(super) async fn run(mut self, mut ears: Ears) -> std::io::Result<()> {
        let mut set_for = None;
        loop {
            let deadline = self.deadline();
            if deadline != set_for {
                ears.alarm.set(deadline)?;
                set_for = deadline;
            }
            tokio::select! {
                biased;
                Some(report) = ears.reports.recv() => self.hear(report),
                Some(call) = ears.calls.recv() => self.take(call),
                rang = ears.alarm.rang() => { rang?; set_for = None; self.due() }
                stepped = ears.clock_steps.stepped() => { stepped?; self.tell_all(|| Input::Due) }
                _ = &mut ears.stop, if !self.draining => self.drain(),
            }
            self.notice_sleep();
            if ears.reports.is_empty() && ears.calls.is_empty() {
                self.publish();
            }
            if self.draining && self.is_settled() {
                self.publish();
                return Ok(());
            }
        }
    }

    fn hear(&mut self, report: Report) {
        match report {
            Report::Heard { account, input } => self.step(&account, input),
            Report::Listening { account, request, redirect_uri, page } => {
                if self.requests.find(request).is_some() {
                    self.pages.insert(request, page);
                    self.step(&account, Input::Listening { request, redirect_uri });
                }
            }
            Report::Vault(report) => self.vault_did(report),
            Report::Unrevoked(ids) => self.add_revocations(ids),
            Report::Revoked { id, result } => self.revoked(id, result),
            Report::Removed { result, reply } => self.removed(result, reply),
            Report::Registered(registration) => self.registered(*registration),
            Report::SecretChanged { account } => self.define_again(&account),
            Report::Adopted { by } => {
                let others: Vec<AccountName> = self.entries.keys().filter(|name| **name != by).cloned().collect();
                for name in others {
                    self.step(&name, Input::Adopted);
                }
            }
            // Faults are logged as they are found.
            Report::ConfigChanged => drop(self.reload()),
            Report::NetworkUp => {
                let now = self.now();
                self.revocations.network_up(&now);
                self.tell_all(|| Input::NetworkUp);
            }
            Report::Sleeping => self.tell_all(|| Input::Sleeping),
            Report::Woke => self.tell_all(|| Input::Woke),
            Report::KeyringChanged => self.keyring_changed(),
            Report::ScreenLocked => self.screen_locked(),
            Report::ScreenUnlocked => self.screen_unlocked(),
        }
    }

    pub(super) fn take(&mut self, call: Message) {
        if self.draining {
            return call.refuse(Denied::ShuttingDown);
        }
        if self.loads > 0 && call.is_about_an_account() {
            return self.held_back.push(call);
        }
        match call {
            Message::Hello { reply } => drop(reply.send(Ok(()))),
            Message::Token { account, ask, reply } => {
                let deadline = self.now().boot.after(ask.timeout);
                let ask = TokenAsk { key: ask.key, min_validity: ask.min_validity, rejected: ask.rejected, deadline };
                self.ask(&account, reply, Waiting::Token, |waiter| Input::TokenWanted { waiter, ask });
            }
            Message::Refresh { account, timeout, reply } => {
                let deadline = self.now().boot.after(timeout);
                self.ask(&account, reply, Waiting::Refresh, |waiter| Input::RefreshWanted { waiter, deadline });
            }
            Message::SignProof { account, wanted, reply } => self.sign_proof(&account, wanted, reply),
            Message::Logout { account, reply } => {
                self.ask(&account, reply, Waiting::Logout, |waiter| Input::LogoutWanted { waiter });
            }
            Message::Login { account, options, reply } => self.begin_login(account, options, reply),
            Message::Remove { account, reply } => self.remove(&account, reply),
            Message::SetSecret { account, reply } => self.begin_secret(account, reply),
            Message::AddAccount { definition, reply } => drop(reply.send(self.add_account(&definition))),
            Message::Register { definition, reply } => self.begin_registration(definition, reply),
            Message::RegisterByToken { definition, reply } => self.begin_registration_by_token(definition, reply),
            Message::Reload { reply } => drop(reply.send(self.reload().map_err(Denied::Misconfigured))),
            Message::Unlock { interactive, reply } => self.begin_unlock(interactive, reply),
            Message::Lock { reply } => self.lock_for_good(reply),
            Message::AddSlot { kind, options, reply } => self.begin_slot(kind, options, reply),
            Message::RemoveSlot { id, reply } => self.remove_slot(id, reply),
            Message::Rekey { reply } => self.begin_rekey(reply),
            Message::Input { request, values, reply } => drop(reply.send(self.input(request, values))),
            Message::Cancel { request, reply } => {
                self.cancel(request);
                let _ = reply.send(Ok(()));
            }
        }
    }

    /// Whether an account may be asked for anything: it is there, and the vault is open.
    pub(super) fn admit(&self, account: &AccountName) -> Result<(), Denied> {
        if !self.entries.contains_key(account) {
            return Err(Denied::UnknownAccount(account.to_string()));
        }
        self.gate.denial().map_or(Ok(()), Err)
    }

    /// Lets a caller wait for one answer of an account.
    fn ask<T>(
        &mut self,
        account: &AccountName,
        reply: Reply<T>,
        waiting: impl FnOnce(Reply<T>) -> Waiting,
        input: impl FnOnce(crate::account::WaiterId) -> Input,
    ) {
        if let Err(denied) = self.admit(account) {
            return drop(reply.send(Err(denied)));
        }
        let waiter = self.waiters.add(waiting(reply));
        self.step(account, input(waiter));
    }

    /// The heart of the shell: one step of one account, its effects in order.
    pub(super) fn step(&mut self, name: &AccountName, input: Input) {
        let now = self.now();
        let Some(entry) = self.entries.get_mut(name) else { return };
        let before = entry.deadline();
        let is_question = matches!(input, Input::TokenWanted { .. });
        let effects = entry.step(&now, input);
        let after = entry.deadline();
        if before != after {
            if let Some(at) = before {
                self.deadlines.remove(&(at, name.clone()));
            }
            if let Some(at) = after {
                self.deadlines.insert((at, name.clone()));
            }
        }
        if entry.is_settled() && !entry.has_unsaved() {
            self.busy.remove(name);
        } else {
            self.busy.insert(name.clone());
        }
        // Serving a cached token changes nothing that is published: that path stays free of it. (A refresh that one
        // caller waited for ends with a lone reply, too.)
        if !(is_question && matches!(effects.as_slice(), [Effect::Reply { .. }])) {
            self.stale.insert(name.clone());
        }
        for effect in effects {
            self.carry_out(name, effect);
        }
        self.settle(name);
    }

    /// What was put off until nothing was in flight: another definition, or the end of the entry.
    fn settle(&mut self, name: &AccountName) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        if !entry.is_settled() {
            return;
        }
        if entry.leaving {
            if let Some(at) = entry.deadline() {
                self.deadlines.remove(&(at, name.clone()));
            }
            self.entries.remove(name);
            self.busy.remove(name);
            self.stale.insert(name.clone());
        } else if let Some(definition) = entry.next_definition.take() {
            self.define(name, definition);
        }
        self.close_if_settled();
    }

    fn due(&mut self) {
        let now = self.now().boot;
        self.not_before = now.after(BREATH);
        // Only those that were due when the alarm rang: an account that stays due is stepped once for each ring.
        let due: Vec<AccountName> =
            self.deadlines.iter().take_while(|(at, _)| *at <= now).map(|(_, name)| name.clone()).collect();
        for name in due {
            self.step(&name, Input::Due);
        }
        for request in self.requests.overdue(now) {
            self.expire(request);
        }
        self.revoke_due();
    }

    /// The jump rule (refresh.md "Clocks"), for machines without logind.
    fn notice_sleep(&mut self) {
        let slept = super::clock::slept();
        if slept.saturating_sub(std::mem::replace(&mut self.slept, slept)) > A_NAP {
            self.tell_all(|| Input::Woke);
        }
    }

    pub(super) fn tell_ready(&mut self) {
        if let Some(ready) = self.ready.take() {
            let _ = ready.send(());
        }
    }

    fn expire(&mut self, request: RequestId) {
        self.requests.end(request, RequestState::Failed(Denied::Failed("nobody answered in time".into())));
    }

    /// Steps every account with the same input.
    pub(super) fn tell_all(&mut self, input: impl Fn() -> Input) {
        let names: Vec<AccountName> = self.entries.keys().cloned().collect();
        for name in names {
            self.step(&name, input());
        }
    }

    fn drain(&mut self) {
        self.draining = true;
        // As before a sleep: what is in flight ends and is saved, nothing new begins.
        self.tell_all(|| Input::Sleeping);
    }

    /// Whether nothing is in flight and nothing is unsaved.
    pub(super) fn is_settled(&self) -> bool {
        self.busy.is_empty()
    }

    fn deadline(&self) -> Option<Boot> {
        let account = self.deadlines.first().map(|(at, _)| *at);
        let request = self.requests.deadline();
        let revocation = if self.draining { None } else { self.revocations.deadline() };
        [account, request, revocation].into_iter().flatten().min().map(|at| at.max(self.not_before))
    }

    pub(super) fn now(&self) -> crate::time::Now {
        self.errands.clock.now()
    }

    pub(super) fn errander(&self, account: &AccountName) -> Option<Errander> {
        self.entries.get(account).map(|entry| Errander { account: account.clone(), binding: entry.binding })
    }

    /// Gives a request up, whatever it is about.
    pub(super) fn cancel(&mut self, request: RequestId) {
        let account = match self.requests.find(request).map(|open| &open.kind) {
            Some(Kind::Login(login)) => login.account.clone(),
            Some(_) => return self.requests.end(request, RequestState::Cancelled),
            None => return,
        };
        self.step(&account, Input::LoginCancelled { request });
    }
}
