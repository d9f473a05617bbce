//! What can go wrong at each door of the vault: what was attempted, on what. No error holds a secret.

use std::path::PathBuf;

use crate::account::Change;

/// The vault cannot be opened for work at all.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Two keepers on one vault would refresh the same tokens.
    #[error("another keeper runs (pid {pid}) on {}", dir.display())]
    Running {
        /// Its process id, as it wrote it down; empty if it had no time to.
        pid: String,
        /// The state directory.
        dir: PathBuf,
    },
    /// Others could read or replace what lies there.
    #[error("{} is not a private directory of this user: {why}", dir.display())]
    NotPrivate {
        /// The state directory.
        dir: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// Written by a later version of this program.
    #[error("{} has format {found}, this keeper knows {known}: install the newer tokenkeeper", path.display())]
    Newer {
        /// The vault.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// Ours.
        known: u32,
    },
    /// The file system refused.
    #[error("cannot {what} {}: {why}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        why: String,
    },
}

/// A copy could not be put in the vault's place, which is as it was.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The directory, the present vault or the disk stood in the way.
    #[error(transparent)]
    Place(#[from] OpenError),
    /// There is nothing to restore.
    #[error("there is no copy {}", .0.display())]
    NoCopy(PathBuf),
    /// The copy is no better than what it would replace.
    #[error("the copy {} cannot be used: {why}", copy.display())]
    Damaged {
        /// The copy.
        copy: PathBuf,
        /// What is wrong with it.
        why: String,
    },
}

/// The vault does not answer: it is shut, not there, or its disk fails.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// `tokenkeeper setup` has not been run, or the vault was damaged and moved aside.
    #[error("there is no vault yet")]
    NoVault,
    /// No slot has opened it.
    #[error("the vault is locked")]
    Locked,
    /// The keeper is ending.
    #[error("the vault has been closed")]
    Closed,
    /// What was asked for is there and does not open.
    #[error("{0}")]
    Damaged(String),
    /// The disk refused.
    #[error("{0}")]
    Disk(String),
}

/// A slot that could not be made, opened or removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// Only a person can open it, and none was there.
    #[error("{0}")]
    NeedsPerson(String),
    /// Trying again may help: the service did not answer, the prompt was dismissed.
    #[error("{0}")]
    Temporary(String),
    /// Trying again will not help until somebody changes something.
    #[error("{0}")]
    Permanent(String),
    /// The key that came does not open the vault: for a passphrase, a wrong one.
    #[error("{0}")]
    WrongKey(String),
    /// This build, or this system, has no such slot.
    #[error("{0}")]
    NotSupported(String),
    /// The last slot stays, a name that is taken stays, and so on.
    #[error("{0}")]
    NotAllowed(String),
    /// The vault itself refused.
    #[error(transparent)]
    Vault(#[from] Refused),
}

/// No slot opened the vault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnlockError {
    /// The passphrase is not the one; nothing is damaged.
    #[error("wrong passphrase")]
    WrongPassphrase,
    /// A passphrase would open it, and none was given.
    #[error("the vault opens with a passphrase{}", because(.others))]
    NeedsPassphrase {
        /// Why the other slots did not open, by slot id.
        others: Vec<(String, SlotError)>,
    },
    /// Every slot was tried.
    #[error("no slot opens the vault{}", because(.0))]
    Shut(Vec<(String, SlotError)>),
    /// There is nothing to open.
    #[error(transparent)]
    Vault(#[from] Refused),
}

/// Why a sealed token does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unopenable {
    /// The vault was locked meanwhile.
    #[error(transparent)]
    Vault(#[from] Refused),
    /// Bound to another issuer, client or token endpoint, or damaged.
    #[error("the refresh token does not open under the present issuer, client id and token endpoint")]
    Sealed,
    /// The key that tokens are bound to is not there, is damaged, or is bound to another issuer, client or endpoint.
    #[error("the key that the tokens are bound to cannot be opened: sign in again")]
    ProofKey,
}

/// A commit that is durable nowhere. The change is given back, so that nothing is lost while the process lives.
#[derive(thiserror::Error)]
#[error("{why}")]
pub struct CommitFailed {
    /// What was to be committed.
    pub change: Box<Change>,
    /// A sentence for people.
    pub why: String,
}

impl std::fmt::Debug for CommitFailed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CommitFailed").field("why", &self.why).finish_non_exhaustive()
    }
}

impl UnlockError {
    /// Whether trying again, with nothing changed, may help.
    pub fn is_temporary(&self) -> bool {
        let reasons = match self {
            Self::NeedsPassphrase { others } => others,
            Self::Shut(reasons) => reasons,
            Self::WrongPassphrase | Self::Vault(_) => return false,
        };
        reasons.iter().any(|(_, why)| matches!(why, SlotError::Temporary(_)))
    }
}

fn because(reasons: &[(String, SlotError)]) -> String {
    let each: Vec<_> = reasons.iter().map(|(slot, why)| format!("{slot}: {why}")).collect();
    if each.is_empty() { String::new() } else { format!(" ({})", each.join("; ")) }
}
