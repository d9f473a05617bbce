//! The encrypted store: seals, opens, commits. It knows no policy: what to keep and when is decided in `account`.
//!
//! What it promises: a commit that returned is durable; a record opens only for the account, generation and endpoint it
//! was sealed for; nothing that was ever stored is deleted because it cannot be read. The format is written down byte
//! for byte in `docs/vault-format.md`.

mod backup;
mod ballast;
mod change;
mod commit;
mod db;
mod door;
mod error;
#[doc(hidden)]
pub mod fuzzed;
mod machine;
mod place;
mod reading;
mod record;
mod registration;
mod rekey;
mod restore;
mod seal;
mod sealer;
mod sink;
mod slot;
mod store;
mod unrevoked;
mod view;
mod worker;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use tokenkeeper_config::AccountName;
use zeroize::Zeroizing;

use crate::account::{Change, RevocationId, Stored, Unrevoked};
use crate::secret::{Sealed, Secret};
use commit::{Committed, Pending};
use store::Store;
use worker::Worker;

pub use door::Unlocked;
pub use error::{CommitFailed, OpenError, Refused, RestoreError, SlotError, UnlockError, Unopenable};
pub use registration::Registration;
pub use restore::{Restored, restore};
pub use seal::{Binding, binding};
pub use slot::{Opener, SlotKind};
pub use view::{SlotView, VaultState};

/// Talks to the vault's thread. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    worker: Worker,
    credentials: Option<PathBuf>,
}

impl Vault {
    /// Takes the state directory and opens the vault in it, if there is one: it is then locked. `runtime_dir` takes
    /// what the disk refuses.
    ///
    /// # Errors
    /// When another keeper holds the directory, it is not private, the vault is of a later format, or the disk fails.
    pub fn open(state_dir: &Path, runtime_dir: Option<&Path>) -> Result<Self, OpenError> {
        Self::open_on(state_dir, runtime_dir, machine::this())
    }

    fn open_on(state_dir: &Path, runtime_dir: Option<&Path>, machine: Zeroizing<Vec<u8>>) -> Result<Self, OpenError> {
        let store = Store::open(state_dir, runtime_dir, machine)?;
        let worker = Worker::start(store).map_err(|error| place::io_error("start a thread for", state_dir, &error))?;
        Ok(Self { worker, credentials: None })
    }

    /// The same vault, whose `load-credential` slots find their keys in this directory.
    #[must_use]
    pub fn with_credentials(self, directory: Option<PathBuf>) -> Self {
        Self { credentials: directory, ..self }
    }

    /// Ends the vault's thread after all that waits. The directory is free when this returns.
    pub async fn close(&self) {
        self.worker.close().await;
    }

    /// Whether it is open.
    pub async fn state(&self) -> VaultState {
        self.worker.call(|store| store.state()).await.unwrap_or(VaultState::Locked)
    }

    /// Where a damaged vault was put when this one was opened.
    pub async fn moved_aside(&self) -> Option<PathBuf> {
        self.worker.call(|store| store.moved_aside()).await.ok().flatten()
    }

    /// The ways to open it.
    pub async fn slots(&self) -> Vec<SlotView> {
        self.worker.call(|store| store.slots()).await.unwrap_or_default()
    }

    /// Drops the key. The keeper calls this when every account has settled.
    pub async fn lock(&self) {
        let _ = self.worker.call(|store| store.lock()).await;
    }

    /// Everything that is kept of these accounts, tokens opened, refresh tokens sealed. A grant of another binding, or
    /// a damaged one, is a sentence for people.
    ///
    /// # Errors
    /// When the vault is shut or its disk fails.
    pub async fn load(&self, accounts: Vec<(AccountName, Binding)>) -> Result<Vec<(AccountName, Stored)>, Refused> {
        self.worker.call(move |store| store.load(accounts)).await?
    }

    /// Opens one refresh token.
    ///
    /// # Errors
    /// When the vault is shut, or the token was sealed for another account or binding.
    pub async fn reveal(&self, account: &AccountName, binding: Binding, token: &Sealed) -> Result<Secret, Unopenable> {
        let (account, token) = (account.clone(), token.clone());
        self.worker.call(move |store| store.reveal(account.as_str(), &binding, &token)).await?
    }

    /// Commits a change; it is durable when this returns. Gives the grant's refresh token as it is sealed now, if the
    /// change stored one.
    ///
    /// # Errors
    /// When it is durable nowhere; the change is given back.
    pub async fn commit(&self, account: &AccountName, binding: Binding, change: Change) -> Committed {
        let pending = Pending { account: account.clone(), binding, change };
        self.worker.commit(pending).await
    }

    /// Binds the vault to this machine: a copy that is used here from now on, and nowhere else. Durable when this
    /// returns.
    ///
    /// # Errors
    /// When the vault is shut or its disk fails.
    pub async fn adopt(&self) -> Result<(), Refused> {
        self.worker.call(|store| store.adopt()).await?
    }

    /// The key that the tokens of an account's grant are bound to (PKCS#8).
    ///
    /// # Errors
    /// When the vault is shut, or there is no such key that opens.
    pub async fn proof_key(&self, account: &AccountName, binding: Binding) -> Result<Secret, Unopenable> {
        let account = account.clone();
        self.worker.call(move |store| store.proof_key(account.as_str(), &binding)).await?
    }

    /// The client secret that the vault keeps for an account.
    ///
    /// # Errors
    /// When the vault is shut, its disk fails, or the record is damaged.
    pub async fn client_secret(&self, account: &AccountName) -> Result<Option<Secret>, Refused> {
        let account = account.clone();
        self.worker.call(move |store| store.client_secret(account.as_str())).await?
    }

    /// Keeps a client secret; durable when this returns.
    ///
    /// # Errors
    /// When the vault is shut or its disk fails.
    pub async fn set_client_secret(&self, account: &AccountName, secret: Secret) -> Result<(), Refused> {
        let account = account.clone();
        self.worker.call(move |store| store.set_client_secret(&account, &secret)).await?
    }

    /// Keeps one more thing that a server has to be told to end; durable when this returns.
    ///
    /// # Errors
    /// When the vault is shut or its disk fails.
    pub async fn add_unrevoked(&self, account: &AccountName, new: Unrevoked) -> Result<RevocationId, Refused> {
        let account = account.clone();
        self.worker.call(move |store| store.add_unrevoked(&account, new)).await?
    }

    /// Of which forgotten logins the servers have not been told.
    ///
    /// # Errors
    /// When the vault is shut or its disk fails.
    pub async fn unrevoked(&self) -> Result<Vec<RevocationId>, Refused> {
        self.worker.call(|store| store.unrevoked()).await?
    }

    /// What it takes to tell one; `None` = it is settled.
    ///
    /// # Errors
    /// When the vault is shut, its disk fails, or the record is damaged.
    pub async fn unrevoked_one(&self, id: &RevocationId) -> Result<Option<Unrevoked>, Refused> {
        let id = id.clone();
        self.worker.call(move |store| store.unrevoked_one(&id)).await?
    }

    /// Deletes what was kept for it; durable when this returns.
    ///
    /// # Errors
    /// When the vault is shut or its disk fails.
    pub async fn revoked(&self, id: &RevocationId) -> Result<(), Refused> {
        let id = id.clone();
        self.worker.call(move |store| store.revoked(&id)).await?
    }

    /// The registration that the vault keeps for an account whose client the keeper registered.
    ///
    /// # Errors
    /// When the vault is shut, its disk fails, or the record is damaged.
    pub async fn registration(&self, account: &AccountName) -> Result<Option<Registration>, Refused> {
        let account = account.clone();
        self.worker.call(move |store| store.registration(account.as_str())).await?
    }

    /// Keeps a registration and the client secret that came with it, in the place of those before; durable when this
    /// returns.
    ///
    /// # Errors
    /// When the vault is shut or its disk fails.
    pub async fn set_registration(
        &self,
        account: &AccountName,
        registration: Registration,
        secret: Option<Secret>,
    ) -> Result<(), Refused> {
        let account = account.clone();
        self.worker.call(move |store| store.set_registration(&account, &registration, secret.as_ref())).await?
    }

    /// Forgets everything of an account but what its server has still to be told; durable when this returns.
    ///
    /// # Errors
    /// When its disk fails.
    pub async fn remove(&self, account: &AccountName) -> Result<(), Refused> {
        let account = account.clone();
        self.worker.call(move |store| store.remove(&account)).await?
    }
}
