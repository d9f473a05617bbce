//! The vault's gate, unlocking and locking. While the gate is not open nobody gets a token, and while it closes whatever
//! is in flight is still saved.

use std::time::Duration;

use tokenkeeper_config::{AccountName, OnScreenLock};

use super::message::Reply;
use super::requests::Kind;
use super::task::{Keeper, Report};
use super::view::{Begun, Outcome, RequestState, VaultView};
use crate::account::{Denied, Input, RequestId, Stored};
use crate::vault::{Opener, SlotKind, SlotView, UnlockError, Unlocked, VaultState};

/// How long a request waits for a person.
pub(super) const PATIENCE: Duration = Duration::from_secs(600);

/// Whether tokens may leave.
pub(super) struct Gate {
    pub(super) position: Position,
    pub(super) slots: Vec<SlotView>,
    pub(super) opened_by: String,
    /// What opens it again once it is locked.
    pub(super) returns: Return,
    /// Who wants it opened, interactively or not, as soon as the key that is just being dropped is gone.
    pub(super) unlocks: Vec<(bool, Reply<Begun>)>,
}

/// Where the gate stands.
pub(super) enum Position {
    NoVault,
    Locked,
    Open,
    /// Closed for callers; exchanges in flight are still being saved. Whoever asked to lock waits.
    Closing(Vec<Reply<()>>),
}

/// What opens a locked vault without a person, by the slots that ask nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Return {
    /// Nothing: a person locked it.
    ByPerson,
    /// The screen's being unlocked.
    WithScreen,
    /// Its having closed: the screen was unlocked meanwhile.
    OnceClosed,
    /// A keyring that comes or is opened: no slot opened it when it was tried.
    WithKeyring,
}

/// What the vault did.
pub(super) enum VaultReport {
    /// A trial to open it ended.
    Tried { request: Option<RequestId>, result: Result<Unlocked, UnlockError> },
    /// Records of accounts were read.
    Loaded { accounts: Vec<(AccountName, Stored)> },
    /// Records could not be read; a sentence for people.
    NotLoaded { why: String },
    /// The key is gone from memory.
    Locked,
    /// Its slots as they are now.
    Slots(Vec<SlotView>),
    /// A request about a slot or a secret ended, and the slots as they are now.
    Ended { request: RequestId, result: Result<(), Denied>, slots: Vec<SlotView> },
}

impl Gate {
    /// Why nobody may pass, if so.
    pub(super) fn denial(&self) -> Option<Denied> {
        match self.position {
            Position::Open => None,
            Position::NoVault => Some(Denied::NoVault),
            Position::Locked | Position::Closing(_) => Some(Denied::Locked),
        }
    }

    /// As published. `locked` only when nothing secret is held any more: while it closes it is still `ready`.
    pub(super) fn view(&self) -> VaultView {
        let state = match self.position {
            Position::NoVault => VaultState::NoVault,
            Position::Locked => VaultState::Locked,
            Position::Open | Position::Closing(_) => VaultState::Ready,
        };
        VaultView { state, slots: self.slots.clone(), opened_by: self.opened_by.clone() }
    }
}

impl Keeper {
    pub(super) fn vault_did(&mut self, report: VaultReport) {
        match report {
            // A person locked it while a trial by itself was under way.
            VaultReport::Tried { request: None, result: Ok(_) } if self.gate.returns == Return::ByPerson => {
                self.close()
            }
            VaultReport::Tried { result: Ok(unlocked), .. } => self.opened(unlocked),
            VaultReport::Tried { request, result: Err(error) } => self.not_opened(request, error),
            VaultReport::Loaded { accounts } => {
                self.loaded(accounts);
                self.go_on();
            }
            VaultReport::NotLoaded { why } => {
                tracing::error!("could not read the vault: {why}");
                self.tell_unlocked();
                self.tell_ready();
                self.go_on();
            }
            VaultReport::Locked => self.locked(),
            VaultReport::Slots(slots) => self.gate.slots = slots,
            VaultReport::Ended { request, result, slots } => {
                self.gate.slots = slots;
                let state = match result {
                    Ok(()) => RequestState::Done(Outcome::default()),
                    Err(denied) => RequestState::Failed(denied),
                };
                self.requests.end(request, state);
            }
        }
    }

    pub(super) fn begin_unlock(&mut self, interactive: bool, reply: Reply<Begun>) {
        match self.gate.position {
            Position::NoVault => return drop(reply.send(Err(Denied::NoVault))),
            // What is left of it is the vault's own work, a copy after a login at the most.
            Position::Closing(_) if self.closing => return self.gate.unlocks.push((interactive, reply)),
            // An exchange may have to wait for its server, or a save for room on the disk.
            Position::Closing(_) => {
                return drop(reply.send(Err(Denied::Busy("the vault is just being locked; try again".into()))));
            }
            Position::Open | Position::Locked => {}
        }
        let wants = if self.has_slot(SlotKind::Passphrase) { vec!["passphrase"] } else { Vec::new() };
        let begun = self.open_request(Kind::Unlock, wants);
        let id = begun.id;
        let _ = reply.send(Ok(begun));
        if matches!(self.gate.position, Position::Open) {
            return self.requests.end(id, RequestState::Done(Outcome::default()));
        }
        self.try_to_open(Some(id), Opener { interactive, ..Opener::default() });
    }

    /// Tries the slots that need nobody, or those that `opener` brings something for.
    pub(super) fn try_to_open(&self, request: Option<RequestId>, opener: Opener) {
        self.errands.run(async move |errands| {
            Report::Vault(VaultReport::Tried { request, result: errands.vault.unlock(opener).await })
        });
    }

    fn opened(&mut self, unlocked: Unlocked) {
        self.gate.position = Position::Open;
        self.gate.opened_by = unlocked.by;
        tracing::info!("the vault is open, by its slot {}", self.gate.opened_by);
        self.look_at_slots();
        let names: Vec<AccountName> = self.entries.keys().cloned().collect();
        self.load(names);
        self.read_revocations();
    }

    /// Ends the requests to unlock: only now, when the accounts have what the vault held, does a token call pass.
    fn tell_unlocked(&mut self) {
        for request in self.requests.unlocks() {
            self.requests.end(request, RequestState::Done(Outcome::default()));
        }
    }

    fn not_opened(&mut self, request: Option<RequestId>, error: UnlockError) {
        self.look_at_slots();
        let Some(id) = request else {
            self.tell_ready();
            return tracing::info!("the vault stays locked: {error}");
        };
        // Without a passphrase yet, a vault that has such a slot goes on waiting for one.
        let waits = self.requests.find(id).is_some_and(|open| open.wants("passphrase"));
        if !(waits && matches!(error, UnlockError::NeedsPassphrase { .. })) {
            self.requests.end(id, RequestState::Failed(Denied::NotOpened(error.to_string())));
        }
    }

    /// Reads what the vault holds of these accounts.
    pub(super) fn load(&mut self, names: Vec<AccountName>) {
        let wanted = names.into_iter().filter_map(|name| self.errander(&name)).map(|who| (who.account, who.binding));
        let wanted: Vec<_> = wanted.collect();
        self.loads += 1;
        self.errands.run(async move |errands| {
            Report::Vault(match errands.vault.load(wanted).await {
                Ok(accounts) => VaultReport::Loaded { accounts },
                Err(error) => VaultReport::NotLoaded { why: error.to_string() },
            })
        });
    }

    /// Takes the calls that waited for the vault to be read.
    fn go_on(&mut self) {
        self.loads -= 1;
        if self.loads == 0 {
            for call in std::mem::take(&mut self.held_back) {
                self.take(call);
            }
        }
    }

    fn loaded(&mut self, accounts: Vec<(AccountName, Stored)>) {
        if !matches!(self.gate.position, Position::Open) {
            return;
        }
        for (name, stored) in accounts {
            self.step(&name, Input::Unlocked(Box::new(stored)));
        }
        self.publish();
        self.tell_unlocked();
        self.tell_ready();
    }

    /// A person said so: it stays locked, whatever the screen does.
    pub(super) fn lock_for_good(&mut self, reply: Reply<()>) {
        self.gate.returns = Return::ByPerson;
        self.lock(reply);
    }

    /// `on_screen_lock = "lock"`.
    pub(super) fn screen_locked(&mut self) {
        let follows = self.settings.borrow().on_screen_lock == OnScreenLock::Lock;
        if follows && matches!(self.gate.position, Position::Open) {
            tracing::info!("the vault is locked with the screen");
            self.gate.returns = Return::WithScreen;
            self.lock(tokio::sync::oneshot::channel().0);
        }
    }

    pub(super) fn screen_unlocked(&mut self) {
        match (self.gate.returns, &self.gate.position) {
            (Return::WithScreen, Position::Closing(_)) => self.gate.returns = Return::OnceClosed,
            (Return::WithScreen, Position::Locked) => self.come_back(),
            (Return::WithScreen, Position::Open | Position::NoVault)
            | (Return::ByPerson | Return::OnceClosed | Return::WithKeyring, _) => {}
        }
    }

    pub(super) fn keyring_changed(&mut self) {
        let waits = self.gate.returns == Return::WithKeyring && matches!(self.gate.position, Position::Locked);
        if waits && self.has_slot(SlotKind::SecretService) {
            self.come_back();
        }
    }

    fn come_back(&mut self) {
        self.gate.returns = Return::WithKeyring;
        self.try_to_open(None, Opener::default());
    }

    fn lock(&mut self, reply: Reply<()>) {
        match &mut self.gate.position {
            Position::NoVault => return drop(reply.send(Err(Denied::NoVault))),
            Position::Locked => return drop(reply.send(Ok(()))),
            Position::Closing(waiting) => return waiting.push(reply),
            Position::Open => self.gate.position = Position::Closing(vec![reply]),
        }
        self.revocations.forget();
        self.tell_all(|| Input::Locked);
        self.close_if_settled();
    }

    /// Drops the key once the last exchange in flight is saved.
    pub(super) fn close_if_settled(&mut self) {
        if !matches!(self.gate.position, Position::Closing(_)) || self.closing || !self.is_settled() {
            return;
        }
        self.closing = true;
        self.close();
    }

    fn close(&self) {
        self.errands.run(async |errands| {
            errands.vault.lock().await;
            Report::Vault(VaultReport::Locked)
        });
    }

    fn locked(&mut self) {
        self.closing = false;
        let before = std::mem::replace(&mut self.gate.position, Position::Locked);
        self.gate.opened_by.clear();
        self.look_at_slots();
        self.publish();
        if let Position::Closing(waiting) = before {
            for reply in waiting {
                let _ = reply.send(Ok(()));
            }
        }
        if self.gate.returns == Return::OnceClosed {
            self.come_back();
        }
        for (interactive, reply) in std::mem::take(&mut self.gate.unlocks) {
            self.begin_unlock(interactive, reply);
        }
    }

    /// Publishes the slots as the vault has them now.
    pub(super) fn look_at_slots(&self) {
        self.errands.run(async |errands| Report::Vault(VaultReport::Slots(errands.vault.slots().await)));
    }

    pub(super) fn has_slot(&self, kind: SlotKind) -> bool {
        self.gate.slots.iter().any(|slot| slot.kind == kind.as_str())
    }

    /// Opens a request that waits for a person, but not for ever.
    pub(super) fn open_request(&mut self, kind: Kind, wants: Vec<&'static str>) -> Begun {
        let now = self.now();
        let expires = (now.boot.after(PATIENCE), now.wall.after(PATIENCE).unix());
        self.requests.open(kind, wants, Some(expires))
    }
}
