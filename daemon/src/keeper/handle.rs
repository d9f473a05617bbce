//! The door to the keeper task: what the bus face calls. One bounded channel; a full one is `Busy`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::{AccountName, KeeperSettings, Value};
use tokio::sync::{mpsc, oneshot, watch};

use super::message::{Message, ProofWanted, Reply, Wanted};
use super::registering::Enrolled;
use super::view::{Begun, View};
use crate::account::{Denied, LoginOptions, RequestId, Served};
use crate::secret::Secret;

/// The mailbox's size (dbus.md "Life").
const MAILBOX: usize = 1024;

/// Talks to the keeper task. Cheap to clone.
#[derive(Clone)]
pub struct Handle {
    mailbox: mpsc::Sender<Message>,
    view: watch::Receiver<Arc<View>>,
    settings: watch::Receiver<KeeperSettings>,
}

impl Handle {
    pub(super) fn new(
        view: watch::Receiver<Arc<View>>,
        settings: watch::Receiver<KeeperSettings>,
    ) -> (Self, mpsc::Receiver<Message>) {
        let (mailbox, inbox) = mpsc::channel(MAILBOX);
        (Self { mailbox, view, settings }, inbox)
    }

    /// The `[keeper]` table of the config, as it is now.
    pub fn settings(&self) -> KeeperSettings {
        self.settings.borrow().clone()
    }

    /// Whether the keeper task still takes calls.
    pub async fn is_alive(&self) -> bool {
        self.ask(|reply| Message::Hello { reply }).await.is_ok()
    }

    /// What may be read without asking.
    pub fn view(&self) -> Arc<View> {
        self.view.borrow().clone()
    }

    /// Tells of every new view; whoever is slow sees the newest only.
    pub fn changes(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// A token; waits for a refresh at most `wanted.timeout`.
    pub async fn token(&self, account: &AccountName, wanted: Wanted) -> Result<Served, Denied> {
        self.ask(|reply| Message::Token { account: account.clone(), ask: wanted, reply }).await
    }

    /// Refreshes now; gives the new expiry in unix seconds.
    pub async fn refresh(&self, account: &AccountName, timeout: Duration) -> Result<u64, Denied> {
        self.ask(|reply| Message::Refresh { account: account.clone(), timeout, reply }).await
    }

    /// Begins a login; answers when its address is known, or it failed, or it waits for input.
    pub async fn login(&self, account: &AccountName, options: LoginOptions) -> Result<Begun, Denied> {
        self.ask(|reply| Message::Login { account: account.clone(), options, reply }).await
    }

    /// Signs a proof for one request, by the key that the account's tokens are bound to.
    pub async fn sign_proof(&self, account: &AccountName, wanted: ProofWanted) -> Result<Secret, Denied> {
        self.ask(|reply| Message::SignProof { account: account.clone(), wanted, reply }).await
    }

    /// Revokes and forgets the grant.
    pub async fn logout(&self, account: &AccountName) -> Result<(), Denied> {
        self.ask(|reply| Message::Logout { account: account.clone(), reply }).await
    }

    /// Logs out and deletes the definition.
    pub async fn remove(&self, account: &AccountName) -> Result<(), Denied> {
        self.ask(|reply| Message::Remove { account: account.clone(), reply }).await
    }

    /// Begins to take a client secret.
    pub async fn set_secret(&self, account: &AccountName) -> Result<Begun, Denied> {
        self.ask(|reply| Message::SetSecret { account: account.clone(), reply }).await
    }

    /// Writes a definition (`name` and the keys of config.md) and loads it.
    pub async fn add_account(&self, definition: BTreeMap<String, Value>) -> Result<AccountName, Denied> {
        self.ask(|reply| Message::AddAccount { definition, reply }).await
    }

    /// Registers a client at the definition's server, then as [`Handle::add_account`].
    pub async fn register(&self, definition: BTreeMap<String, Value>) -> Result<Enrolled, Denied> {
        self.ask(|reply| Message::Register { definition, reply }).await
    }

    /// Begins to register a client at a server that wants to see an initial access token, which the request wants.
    pub async fn register_by_token(&self, definition: BTreeMap<String, Value>) -> Result<(AccountName, Begun), Denied> {
        self.ask(|reply| Message::RegisterByToken { definition, reply }).await
    }

    /// Reads the configuration again; the first fault is the error.
    pub async fn reload(&self) -> Result<(), Denied> {
        self.ask(|reply| Message::Reload { reply }).await
    }

    /// Begins to open the vault. `interactive` = a prompt may be shown.
    pub async fn unlock(&self, interactive: bool) -> Result<Begun, Denied> {
        self.ask(|reply| Message::Unlock { interactive, reply }).await
    }

    /// Closes the vault; answers when nothing secret is held any more.
    pub async fn lock(&self) -> Result<(), Denied> {
        self.ask(|reply| Message::Lock { reply }).await
    }

    /// Begins to enrol a slot.
    pub async fn add_slot(&self, kind: String, options: BTreeMap<String, Value>) -> Result<Begun, Denied> {
        self.ask(|reply| Message::AddSlot { kind, options, reply }).await
    }

    /// Forgets a slot; the last one stays.
    pub async fn remove_slot(&self, id: String) -> Result<(), Denied> {
        self.ask(|reply| Message::RemoveSlot { id, reply }).await
    }

    /// Begins to give the vault a new key.
    pub async fn rekey(&self) -> Result<Begun, Denied> {
        self.ask(|reply| Message::Rekey { reply }).await
    }

    /// Brings what a request wants.
    pub async fn input(&self, request: RequestId, values: Vec<(String, Secret)>) -> Result<(), Denied> {
        self.ask(|reply| Message::Input { request, values, reply }).await
    }

    /// Gives a request up.
    pub async fn cancel(&self, request: RequestId) -> Result<(), Denied> {
        self.ask(|reply| Message::Cancel { request, reply }).await
    }

    async fn ask<T>(&self, message: impl FnOnce(Reply<T>) -> Message) -> Result<T, Denied> {
        let (reply, answer) = oneshot::channel();
        self.mailbox.try_send(message(reply)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Denied::Busy("the keeper has more calls than it can hold".into()),
            mpsc::error::TrySendError::Closed(_) => Denied::ShuttingDown,
        })?;
        answer.await.unwrap_or(Err(Denied::ShuttingDown))
    }
}
