//! The daily copy of the vault, for the day on which the vault itself cannot be read. It is made while nobody waits,
//! verified, and renamed over the one before. A copy of *another* vault is never written over: it may be all that is
//! left of it.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::db::{Failure, id_of_copy, move_aside};
use super::store::Store;

/// The name of the copy.
pub(super) const NAME: &str = "vault.db.backup";

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;
/// The vault's disk keeps this much room free of copies.
const ROOM: u64 = 16 << 20;

/// When the next copy is to be made, in Unix seconds.
#[derive(Default)]
pub(super) struct Due(u64);

impl Due {
    /// A day after the copy that is there; at once without one.
    pub(super) fn of(path: &Path, now: u64) -> Self {
        let made = fs::metadata(path).map_or(0, |meta| u64::try_from(meta.mtime()).unwrap_or(0));
        // One from the future was made while the clock was wrong.
        Self(if made > now { now } else { made.saturating_add(DAY) })
    }

    fn is_at(&self, now: u64) -> bool {
        self.0 <= now
    }
}

impl Store {
    /// What a restored vault should not lack has changed: the next quiet moment is time for a copy.
    pub(super) fn hurry(&mut self) {
        let now = self.now();
        self.backup.0 = self.backup.0.min(now);
    }

    /// In a quiet moment: makes the copy that is due.
    pub(super) fn back_up_if_due(&mut self) {
        if self.is_sound() && self.backup.is_at(self.now()) {
            self.back_up();
        }
    }

    /// Between commits: where no moment is quiet, a copy that is an hour late is made all the same.
    pub(super) fn back_up_if_late(&mut self) {
        if self.is_sound() && self.backup.is_at(self.now().saturating_sub(HOUR)) {
            self.back_up();
        }
    }

    /// What was just taken away (a slot, a key) still opens the copy that is there: it is replaced now, or goes.
    pub(super) fn replace_backup(&mut self) {
        if !self.back_up() {
            let path = self.place.file(NAME);
            if fs::remove_file(&path).is_ok() {
                tracing::warn!("{} was removed: what no longer opens the vault would open it", path.display());
            }
        }
    }

    fn back_up(&mut self) -> bool {
        let done = self.try_to_back_up();
        let now = self.now();
        self.backup.0 = now + if done.is_ok() { DAY } else { HOUR };
        if let Err(failure) = &done {
            tracing::warn!("cannot make the daily copy of the vault, trying again in an hour: {failure}");
        }
        done.is_ok()
    }

    fn try_to_back_up(&mut self) -> Result<(), Failure> {
        let path = self.place.file(NAME);
        let Some(db) = &self.db else { return Err(Failure::Other("the vault cannot be opened".into())) };
        let needed = fs::metadata(self.path())?.len() + ROOM;
        if !super::place::has_room(self.place.dir(), needed) {
            return Err(Failure::Full(format!("it needs {} MB of room", needed >> 20)));
        }
        if path.exists() && id_of_copy(&path).ok() != Some(self.id) {
            let aside = move_aside(&path, "of-another")?;
            tracing::warn!("{} is of another vault; it was moved to {}", path.display(), aside.display());
        }
        db.copy_to(&path)
    }

    fn is_sound(&self) -> bool {
        self.exists() && !self.suspect && self.sunk.is_empty()
    }

    fn now(&self) -> u64 {
        self.clock().unwrap_or(0)
    }
}

/// Where the copy of a vault in this directory lies.
pub(super) fn path_in(dir: &Path) -> PathBuf {
    dir.join(NAME)
}
