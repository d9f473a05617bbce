//! `tokenkeeperd --init`: makes the vault, opened by one slot, and proves that the slot opens it. `--restore`: puts a copy
//! of the vault in its place. Both are for when no keeper runs.

use std::io::Read as _;
use std::path::Path;

use tokenkeeper_config::Places;
use zeroize::Zeroizing;

use crate::secret::Secret;
use crate::vault::{self, Opener, SlotError, SlotKind, Vault};

/// A passphrase is no longer than this, in bytes.
const PASSPHRASE_LIMIT: u64 = 4096;

/// Makes the vault with `slot` (`KIND[=PATH]`).
///
/// # Errors
/// A sentence for people: the slot is unknown or does not work here, there is a vault already, or the disk refused.
pub async fn create(places: &Places, slot: &str, passphrase_file: Option<&Path>) -> Result<(), String> {
    let (kind, path) = match slot.split_once('=') {
        Some((kind, path)) => (kind, Some(path.into())),
        None => (slot, None),
    };
    let kind: SlotKind = kind.parse().map_err(|e: SlotError| e.to_string())?;
    let passphrase = match kind {
        SlotKind::Passphrase => Some(read_passphrase(passphrase_file)?),
        _ => None,
    };
    let vault = Vault::open(&places.state_dir, places.runtime_dir.as_deref()).map_err(|e| e.to_string())?;
    let vault = vault.with_credentials(places.specifiers.credentials.clone());
    let opener = Opener { passphrase, path, interactive: true, ..Opener::default() };
    vault.create(kind, opener).await.map_err(|e| e.to_string())
}

/// Puts the daily copy of the vault, or `copy`, in the vault's place; gives a line for people.
///
/// # Errors
/// A sentence for people: a keeper runs, there is no good copy, or the disk refused. The vault is then as it was.
pub fn restore(places: &Places, copy: Option<&Path>) -> Result<String, String> {
    let restored = vault::restore(&places.state_dir, copy).map_err(|e| e.to_string())?;
    Ok(match restored.aside {
        Some(aside) => format!("what was there is {} now", aside.display()),
        None => "there was none".to_owned(),
    })
}

fn read_passphrase(file: Option<&Path>) -> Result<Secret, String> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = match file {
        Some(path) => std::fs::File::open(path)
            .and_then(|file| file.take(PASSPHRASE_LIMIT + 1).read_to_end(&mut bytes))
            .map_err(|e| format!("could not read the passphrase from {}: {e}", path.display())),
        None => std::io::stdin()
            .lock()
            .take(PASSPHRASE_LIMIT + 1)
            .read_to_end(&mut bytes)
            .map_err(|e| format!("could not read the passphrase from stdin: {e}")),
    };
    read?;
    let passphrase = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
    match passphrase.len() as u64 {
        0 => Err("the passphrase is empty: give one on stdin or with --passphrase-file".into()),
        1..=PASSPHRASE_LIMIT => Ok(Secret::locked_copy_of(passphrase)),
        _ => Err("the passphrase is over 4096 bytes".into()),
    }
}
