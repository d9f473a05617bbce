//! Putting a copy in the vault's place: only when a person asks for it, and with no keeper running. A copy may hold
//! refresh tokens that were spent after it was made, and sending a spent one ends the login at a careful server; so the
//! first unlock holds every login that may rotate, until a person decides.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::backup;
use super::db::{Db, FORMAT_VERSION, Fault, id_of_copy, mark_restored, move_aside};
use super::error::{OpenError, Refused, RestoreError};
use super::place::{Draft, Place, io_error};
use super::seal::Kind;
use super::sealer::Sealer;
use super::store::Store;
use crate::account::Ended;

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// When the copy was made, Unix seconds.
    pub made: u64,
    /// Where the vault went that was there.
    pub aside: Option<PathBuf>,
}

/// Puts the daily copy, or the copy in `from`, in the place of the vault. The vault that is there is moved aside; the
/// copy stays where it is.
///
/// # Errors
/// When a keeper runs, there is no copy, it is damaged or of a later format, or the disk refuses. The vault is then
/// where it was.
pub fn restore(state_dir: &Path, from: Option<&Path>) -> Result<Restored, RestoreError> {
    let place = Place::hold(state_dir)?;
    let (vault, daily) = (place.file("vault.db"), backup::path_in(place.dir()));
    let copy = from.unwrap_or(&daily);
    let made = match fs::metadata(copy) {
        Ok(meta) => u64::try_from(meta.mtime()).unwrap_or(0),
        Err(_) => return Err(RestoreError::NoCopy(copy.to_owned())),
    };
    let refused = |fault| match fault {
        Fault::Damaged(why) => RestoreError::Damaged { copy: copy.to_owned(), why },
        Fault::Newer(found) => OpenError::Newer { path: copy.to_owned(), found, known: FORMAT_VERSION }.into(),
        Fault::Disk(why) => OpenError::Io { what: "read", path: copy.to_owned(), why }.into(),
    };
    id_of_copy(copy).map_err(refused)?;
    let draft = Draft::copy(copy, &vault).map_err(|error| io_error("copy", copy, &error))?;
    mark_restored(draft.lies_at(), made).map_err(refused)?;

    let aside = make_way(&vault)?;
    draft.take_its_name().map_err(|error| io_error("restore", &vault, &error))?;
    Ok(Restored { made, aside })
}

/// Moves the vault that is there aside, with nothing in its log that the file itself does not hold.
fn make_way(vault: &Path) -> Result<Option<PathBuf>, OpenError> {
    if !vault.exists() {
        return Ok(None);
    }
    let word = match Db::open(vault) {
        Ok(db) => match db.clear_log() {
            Ok(()) => "replaced",
            Err(why) => return Err(OpenError::Io { what: "write", path: vault.to_owned(), why: why.to_string() }),
        },
        Err(Fault::Damaged(_)) => "damaged",
        Err(Fault::Newer(_)) => "replaced",
        Err(Fault::Disk(why)) => return Err(OpenError::Io { what: "read", path: vault.to_owned(), why }),
    };
    move_aside(vault, word).map(Some).map_err(|error| io_error("move aside", vault, &error))
}

impl Store {
    /// At the first unlock of a restored vault: holds the logins whose refresh tokens may have been spent since, durably
    /// and before any of them can be used. One that was refreshed and never rotated is what it was.
    pub(super) fn hold_what_rotates(&mut self, sealer: &Sealer) -> Result<(), Refused> {
        let Some(made) = self.restored else { return Ok(()) };
        let at = self.clock()?.saturating_mul(1000);
        let why = format!(
            "this login comes from the copy of the vault of {}, and its server may have given newer tokens since: \
             sign in again, or try it with `tokenkeeper login --retry`",
            self.day(made)?
        );
        let mut held = Vec::new();
        for (account, row) in self.every_row()? {
            if row.kind != Kind::Grant {
                continue;
            }
            // One that does not open says so when it is loaded.
            let Ok(mut body) = sealer.open_grant(&account, &row) else { continue };
            let Some(facts) = &mut body.facts else { continue };
            let never_rotated = facts.refreshes > 0 && !facts.rotates;
            if never_rotated || body.token.is_none() || facts.ended.is_some() {
                continue;
            }
            facts.ended = Some(Ended { at: i64::try_from(at).unwrap_or(i64::MAX), why: why.clone(), held: true });
            body.intent = None;
            let row = sealer.seal_grant(&account, row.generation, &row.binding, &body);
            held.push((row.map_err(|_| Refused::Damaged(format!("the login of `{account}` does not fit")))?, account));
        }
        self.transact(|writer| {
            for (row, account) in &held {
                writer.put(account, row)?;
                // With a token that still lives the account would look well until it ends.
                writer.delete(account, Kind::Tokens)?;
            }
            writer.is_restored_no_more()
        })?;
        tracing::warn!("the vault was restored from a copy; {} logins are held", held.len());
        self.restored = None;
        Ok(())
    }
}
