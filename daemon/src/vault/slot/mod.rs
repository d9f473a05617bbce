//! Slots: the ways to open the vault. Each gives a secret; from it a key is derived that unwraps the vault key. Which
//! slot is enrolled is the person's choice, and no slot ever falls back to a weaker one.

mod file;
mod passphrase;
mod secret_service;
mod systemd_creds;

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use futures_util::future::BoxFuture;
use hkdf::Hkdf;
use sha2::Sha256;

use super::db::SlotRow;
use super::error::SlotError;
use super::seal::{Key, fill, prefixed};
use crate::secret::Secret;
#[cfg(test)]
pub(super) use passphrase::stretch_for_vectors;

/// The kinds of slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotKind {
    /// One item in the desktop's Secret Service.
    SecretService,
    /// A user-scoped systemd credential.
    SystemdCreds,
    /// `$CREDENTIALS_DIRECTORY/tokenkeeper.key`, from a unit's `LoadCredential=`.
    LoadCredential,
    /// A passphrase that a person types.
    Passphrase,
    /// A file of at least 32 bytes that only its owner can read.
    Keyfile,
    /// A key beside the vault: protects against nothing, and is flagged for ever.
    Insecure,
}

/// What whoever opens the vault brings along.
#[derive(Default)]
pub struct Opener {
    /// For `passphrase` slots.
    pub passphrase: Option<Secret>,
    /// Where a new `keyfile` slot finds its key, which is made if it is not there; a new `load-credential` slot's place,
    /// or its name among the unit's credentials.
    pub path: Option<PathBuf>,
    /// `$CREDENTIALS_DIRECTORY`; the vault fills it in.
    pub credentials: Option<PathBuf>,
    /// Whether a prompt may be shown to the person.
    pub interactive: bool,
    /// The bus of the Secret Service; `None` = the session bus.
    pub bus: Option<zbus::Connection>,
}

/// What a slot is asked about.
pub(super) struct Of<'a> {
    /// The vault's id in hex.
    pub(super) vault: &'a str,
    /// The state directory.
    pub(super) dir: &'a Path,
    /// The slot's salt.
    pub(super) salt: &'a [u8],
    /// The slot's parameters, as [`Slot::enrol`] gave them.
    pub(super) params: &'a str,
}

/// One way to open the vault.
pub(super) trait Slot: Send + Sync {
    /// Makes what the slot needs and gives its parameters, which are no secret.
    fn enrol<'a>(&'a self, of: Of<'a>, opener: &'a Opener) -> BoxFuture<'a, Result<String, SlotError>>;

    /// The slot's secret.
    fn secret<'a>(&'a self, of: Of<'a>, opener: &'a Opener) -> BoxFuture<'a, Result<Secret, SlotError>>;

    /// Forgets what the slot keeps outside the vault. What is not ours to delete stays.
    fn forget<'a>(&'a self, of: Of<'a>, opener: &'a Opener) -> BoxFuture<'a, Result<(), SlotError>>;
}

/// The slot of a kind.
fn of_kind(kind: SlotKind) -> &'static dyn Slot {
    match kind {
        SlotKind::Passphrase => &passphrase::Passphrase,
        SlotKind::Keyfile => &file::KeyFile::OWN,
        SlotKind::LoadCredential => &file::KeyFile::CREDENTIAL,
        SlotKind::Insecure => &file::KeyFile::INSECURE,
        SlotKind::SecretService => &secret_service::SecretService,
        SlotKind::SystemdCreds => &systemd_creds::SystemdCreds::OWN,
    }
}

/// Enrols a slot and tries it: what was put in must come out again. The row is not wrapped yet.
pub(super) async fn enrol(
    kind: SlotKind,
    id: String,
    vault: &[u8; 16],
    dir: &Path,
    opener: &Opener,
) -> Result<(SlotRow, Key), SlotError> {
    let slot = of_kind(kind);
    let mut salt = vec![0; 32];
    fill(&mut salt);
    let hex = hex(vault);
    let params = slot.enrol(Of { vault: &hex, dir, salt: &salt, params: "" }, opener).await?;
    let row =
        SlotRow { id, kind: kind.as_str().to_owned(), created: 0, params, salt, wrapped: Vec::new(), sum: Vec::new() };
    let key = key(&row, vault, dir, opener).await?;
    Ok((row, key))
}

/// The key that a slot gives.
pub(super) async fn key(row: &SlotRow, vault: &[u8; 16], dir: &Path, opener: &Opener) -> Result<Key, SlotError> {
    let of = Of { vault: &hex(vault), dir, salt: &row.salt, params: &row.params };
    let secret = of_kind(row.kind.parse()?).secret(of, opener).await?;
    Ok(derive(vault, row, &secret))
}

/// Forgets what a slot keeps outside the vault.
pub(super) async fn forget(row: &SlotRow, vault: &[u8; 16], dir: &Path, opener: &Opener) -> Result<(), SlotError> {
    let of = Of { vault: &hex(vault), dir, salt: &row.salt, params: &row.params };
    of_kind(row.kind.parse()?).forget(of, opener).await
}

/// Slots in the order in which they are tried.
pub(super) fn in_order(mut rows: Vec<SlotRow>) -> Vec<SlotRow> {
    rows.sort_by_key(|row| SlotKind::ALL.into_iter().position(|kind| kind.as_str() == row.kind));
    rows
}

/// Whether a slot's parameters are such as its kind reads.
pub(super) fn params_are_read(kind: &str, params: &str) -> Result<(), SlotError> {
    match kind.parse()? {
        SlotKind::Passphrase => passphrase::cost_of(params).map(drop),
        kind @ (SlotKind::Keyfile | SlotKind::LoadCredential | SlotKind::Insecure) => {
            file::path_in(kind, params).map(drop)
        }
        SlotKind::SecretService | SlotKind::SystemdCreds => Ok(()),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The key that a slot's secret stands for, bound to this vault and this slot.
pub(super) fn derive(vault: &[u8; 16], slot: &SlotRow, secret: &Secret) -> Key {
    let info = prefixed(&[b"tokenkeeper slot 1", vault, slot.id.as_bytes(), slot.kind.as_bytes()]);
    let extracted = Hkdf::<Sha256>::new(Some(&slot.salt), secret.reveal());
    Key::made(|key| extracted.expand(&info, key).expect("32 bytes are one block of SHA-256"))
}

impl SlotKind {
    /// All of them, in the order in which they are tried: those that ask nobody first.
    pub const ALL: [Self; 6] = [
        Self::LoadCredential,
        Self::SystemdCreds,
        Self::Keyfile,
        Self::Insecure,
        Self::SecretService,
        Self::Passphrase,
    ];

    /// Whether a vault may have several of the kind. The others have one place for their key.
    pub(super) const fn may_repeat(self) -> bool {
        matches!(self, Self::Passphrase | Self::Keyfile)
    }

    /// The word on the bus and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SecretService => "secret-service",
            Self::SystemdCreds => "systemd-creds",
            Self::LoadCredential => "load-credential",
            Self::Passphrase => "passphrase",
            Self::Keyfile => "keyfile",
            Self::Insecure => "insecure",
        }
    }
}

impl fmt::Display for SlotKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for SlotKind {
    type Err = SlotError;

    fn from_str(word: &str) -> Result<Self, SlotError> {
        let unknown = || SlotError::NotSupported(format!("there is no slot kind `{word}`"));
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or_else(unknown)
    }
}
