//! The ways in: making a vault, opening it, enrolling and removing slots. What a slot needs (a bus, a prompt, a second
//! of Argon2) happens here, on the caller's side; the vault's thread only wraps and unwraps.

use std::path::PathBuf;

use super::db::SlotRow;
use super::error::{SlotError, UnlockError};
use super::slot::{self, Opener, SlotKind};
use super::view::VaultState;
use super::{Refused, Vault};

/// Which slot opened the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlocked {
    /// The slot's id.
    pub by: String,
    /// Its kind.
    pub kind: String,
}

/// What slots are told of the vault.
struct Site {
    vault: [u8; 16],
    dir: PathBuf,
}

impl Vault {
    /// Makes a vault with one slot, after a trial of that slot, and leaves it open.
    ///
    /// # Errors
    /// When there is a vault already, or the slot does not give back what was put into it.
    pub async fn create(&self, kind: SlotKind, opener: Opener) -> Result<(), SlotError> {
        let opener = self.equipped(opener);
        if self.state().await != VaultState::NoVault {
            return Err(SlotError::NotAllowed("there is a vault already".into()));
        }
        let site = self.site().await?;
        let (row, key) = slot::enrol(kind, kind.as_str().to_owned(), &site.vault, &site.dir, &opener).await?;
        let of = row.clone();
        let made = self.worker.call(move |store| store.create(row, &key)).await?;
        if made.is_err() {
            // What the slot made opens nothing; the first error is the one to tell.
            drop(slot::forget(&of, &site.vault, &site.dir, &opener).await);
        }
        made
    }

    /// Opens the vault by the first slot that gives its key: those that ask nobody first, a passphrase if there is one.
    ///
    /// # Errors
    /// When no slot opens it; what each said stands in [`Vault::slots`] too.
    pub async fn unlock(&self, opener: Opener) -> Result<Unlocked, UnlockError> {
        let opener = self.equipped(opener);
        let site = self.site().await?;
        let mut failed = Vec::new();
        for row in slot::in_order(self.slot_rows().await?) {
            let tried = match slot::key(&row, &site.vault, &site.dir, &opener).await {
                Ok(key) => {
                    let row = row.clone();
                    self.worker.call(move |store| store.unlock(&row, &key)).await?
                }
                Err(why) => Err(why),
            };
            match tried {
                Ok(()) => return Ok(Unlocked { by: row.id, kind: row.kind }),
                Err(why) => {
                    // It is told even where another slot opens the vault: it will not be looked at until that one fails.
                    let (id, said) = (row.id.clone(), why.clone());
                    self.worker.call(move |store| store.note(&id, Err(said))).await?;
                    failed.push((row, why));
                }
            }
        }
        Err(shut(failed))
    }

    /// Enrols another slot of an open vault; gives its id.
    ///
    /// # Errors
    /// When the vault is shut, or the slot does not give back what was put into it.
    pub async fn add_slot(&self, kind: SlotKind, opener: Opener) -> Result<String, SlotError> {
        self.must_be_open().await?;
        let taken = self.slot_rows().await?;
        if !kind.may_repeat() && taken.iter().any(|row| row.kind == kind.as_str()) {
            return Err(SlotError::NotAllowed(format!("there is a {kind} slot already: remove it first")));
        }
        let names = std::iter::once(kind.to_string()).chain((2..).map(|n| format!("{kind}-{n}")));
        let id = names.into_iter().find(|name| taken.iter().all(|row| row.id != *name)).expect("some number is free");
        self.enrol(kind, id.clone(), opener).await?;
        Ok(id)
    }

    /// Gives a passphrase slot of an open vault another passphrase.
    ///
    /// # Errors
    /// When the vault is shut, or there is no passphrase slot of this id.
    pub async fn change_passphrase(&self, id: &str, opener: Opener) -> Result<(), SlotError> {
        self.must_be_open().await?;
        let row = self.slot_row(id).await?;
        if row.kind != SlotKind::Passphrase.as_str() {
            return Err(SlotError::NotAllowed(format!("slot `{id}` has no passphrase")));
        }
        self.enrol(SlotKind::Passphrase, row.id, opener).await
    }

    /// Forgets a slot. The last one stays: without it nobody would ever open the vault again.
    ///
    /// # Errors
    /// When there is no such slot, or it is the last one. What the slot keeps elsewhere and cannot be deleted now is an
    /// error too, and the slot is forgotten all the same.
    pub async fn remove_slot(&self, id: &str, opener: Opener) -> Result<(), SlotError> {
        let row = self.slot_row(id).await?;
        if self.slot_rows().await?.len() == 1 {
            return Err(SlotError::NotAllowed(format!("`{id}` is the only slot: add another one first")));
        }
        let of = row.id.clone();
        self.worker.call(move |store| store.remove_slot(&of)).await??;
        let site = self.site().await?;
        slot::forget(&row, &site.vault, &site.dir, &opener).await
    }

    /// Gives an open vault a new key and seals everything anew. `opener` brings the passphrase if there is such a slot.
    ///
    /// # Errors
    /// When a slot cannot be opened now (it would be shut out), an exchange is under way, or the disk fails; the vault
    /// is then as it was.
    pub async fn rekey(&self, opener: Opener) -> Result<(), SlotError> {
        let opener = self.equipped(opener);
        self.must_be_open().await?;
        let site = self.site().await?;
        let mut keys = Vec::new();
        for row in self.slot_rows().await? {
            let key = slot::key(&row, &site.vault, &site.dir, &opener).await?;
            keys.push((row, key));
        }
        Ok(self.worker.call(move |store| store.rekey(keys)).await??)
    }

    async fn enrol(&self, kind: SlotKind, id: String, opener: Opener) -> Result<(), SlotError> {
        let opener = self.equipped(opener);
        let site = self.site().await?;
        let (row, key) = slot::enrol(kind, id, &site.vault, &site.dir, &opener).await?;
        Ok(self.worker.call(move |store| store.put_slot(row, &key)).await??)
    }

    fn equipped(&self, opener: Opener) -> Opener {
        Opener { credentials: self.credentials.clone(), ..opener }
    }

    async fn must_be_open(&self) -> Result<(), Refused> {
        match self.state().await {
            VaultState::Ready => Ok(()),
            VaultState::Locked => Err(Refused::Locked),
            VaultState::NoVault => Err(Refused::NoVault),
        }
    }

    async fn site(&self) -> Result<Site, Refused> {
        self.worker.call(|store| Site { vault: store.id(), dir: store.place.dir().to_owned() }).await
    }

    async fn slot_rows(&self) -> Result<Vec<SlotRow>, Refused> {
        self.worker.call(|store| store.slot_rows()).await?
    }

    async fn slot_row(&self, id: &str) -> Result<SlotRow, SlotError> {
        let found = self.slot_rows().await?.into_iter().find(|row| row.id == id);
        found.ok_or_else(|| SlotError::NotAllowed(format!("there is no slot `{id}`")))
    }
}

/// The one error that says most to the person.
fn shut(failed: Vec<(SlotRow, SlotError)>) -> UnlockError {
    let passphrase = |row: &SlotRow| row.kind == SlotKind::Passphrase.as_str();
    if failed.iter().any(|(row, why)| passphrase(row) && matches!(why, SlotError::WrongKey(_))) {
        return UnlockError::WrongPassphrase;
    }
    let asks = failed.iter().any(|(row, why)| passphrase(row) && matches!(why, SlotError::NeedsPerson(_)));
    let others = failed.into_iter().filter(|(row, _)| !(asks && passphrase(row))).map(|(row, why)| (row.id, why));
    if asks { UnlockError::NeedsPassphrase { others: others.collect() } } else { UnlockError::Shut(others.collect()) }
}
