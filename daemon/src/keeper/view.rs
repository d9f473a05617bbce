//! What the keeper publishes, of itself and of requests: it may be read without asking.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokenkeeper_config::{AccountName, Value};
use tokio::sync::watch;

use super::registering::Enrolled;
use crate::account::{Denied, RequestId, Status};
use crate::vault::{SlotView, VaultState};

/// A request that has begun.
pub struct Begun {
    /// Its name; unguessable.
    pub id: RequestId,
    /// Its state, as it changes. The sender is dropped some time after the end.
    pub view: watch::Receiver<RequestView>,
}

/// The published state of a request.
#[derive(Debug, Clone)]
pub struct RequestView {
    /// Where it stands.
    pub state: RequestState,
    /// What `Input` may bring: passphrase, new_passphrase, client_secret, refresh_token, initial_access_token, redirect_uri.
    pub wants: Vec<&'static str>,
    /// The address to open; empty = none.
    pub uri: String,
    /// The code to type; empty = none.
    pub user_code: String,
    /// Where to type it; empty = nowhere.
    pub verification_uri: String,
    /// When it fails by itself, unix seconds; 0 = never.
    pub expires_at: u64,
}

/// Where a request stands.
#[derive(Debug, Clone)]
pub enum RequestState {
    /// Not ended.
    Pending,
    /// Ended well.
    Done(Outcome),
    /// Ended badly.
    Failed(Denied),
    /// Its maker or the person gave up.
    Cancelled,
}

/// What a request came to, as far as that means something.
#[derive(Debug, Clone, Default)]
pub struct Outcome {
    /// The account it was about.
    pub account: Option<AccountName>,
    /// Who signed in.
    pub subject: Option<String>,
    /// The client that was registered.
    pub enrolled: Option<Box<Enrolled>>,
}

/// Everything that may be read without asking the keeper. Replaced as a whole, never changed.
#[derive(Debug, Clone)]
pub struct View {
    /// Accounts by name.
    pub accounts: BTreeMap<AccountName, Arc<Status>>,
    /// The vault.
    pub vault: VaultView,
    /// Which protections took effect: `key → yes/no or a word`.
    pub hardening: BTreeMap<String, Value>,
}

/// The vault as published.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the properties of org.tokenkeeper.Keeper1.Vault")]
pub struct VaultView {
    pub state: VaultState,
    pub slots: Vec<SlotView>,
    pub opened_by: String,
}
