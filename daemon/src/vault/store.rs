//! What the vault's thread owns: the file, the key while it is open, and what is known of the slots. Synchronous; one
//! method per thing that can be asked of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::backup::{self, Due};
use super::ballast::Ballast;
use super::db::{Db, Fault, SlotRow, VaultRow, log_of, move_aside};
use super::error::{OpenError, Refused, SlotError};
use super::place::{Place, io_error};
use super::seal::{Key, Kind, Unsealable};
use super::sealer::{Meta, Sealer, is_intact, unwrap};
use super::sink::{Sink, Sunk};
use super::view::{SlotView, VaultState};

/// The vault on disk, open or shut.
pub(super) struct Store {
    pub(super) place: Place,
    /// Identifies this machine; see [`super::machine`].
    machine: Zeroizing<Vec<u8>>,
    pub(super) db: Option<Db>,
    /// Whether the files must get new inodes before anything is written.
    pub(super) suspect: bool,
    /// Whether the last write failed, for the log.
    pub(super) refuses: bool,
    pub(super) ballast: Ballast,
    runtime_dir: Option<PathBuf>,
    pub(super) sink: Option<Sink>,
    /// What the sinks hold, by account: the vault's own rows are older.
    pub(super) sunk: BTreeMap<String, Sunk>,
    pub(super) id: [u8; 16],
    pub(super) meta: Vec<u8>,
    /// Set until the first unlock after a restore: when the copy was made.
    pub(super) restored: Option<u64>,
    /// When the next copy of the vault is to be made.
    pub(super) backup: Due,
    pub(super) sealer: Option<Sealer>,
    /// Whether it comes from another machine and was not bound to this one yet.
    pub(super) foreign: bool,
    tried: BTreeMap<String, Tried>,
    moved_aside: Option<PathBuf>,
}

/// How the last attempt at a slot went.
enum Tried {
    Opened,
    Failed(String),
}

impl Store {
    /// Opens the vault if there is one. A damaged one is moved aside and reported as none.
    pub(super) fn open(dir: &Path, runtime_dir: Option<&Path>, machine: Zeroizing<Vec<u8>>) -> Result<Self, OpenError> {
        let place = Place::hold(dir)?;
        let mut store = Self {
            ballast: Ballast::at(place.file("ballast")),
            place,
            machine,
            db: None,
            suspect: false,
            refuses: false,
            runtime_dir: runtime_dir.map(Path::to_owned),
            sink: None,
            sunk: BTreeMap::new(),
            id: [0; 16],
            meta: Vec::new(),
            restored: None,
            backup: Due::default(),
            sealer: None,
            foreign: false,
            tried: BTreeMap::new(),
            moved_aside: None,
        };
        let path = store.path();
        // An empty file is one whose making was cut short.
        if std::fs::symlink_metadata(&path).map_or(true, |meta| meta.len() == 0) {
            return Ok(store);
        }
        match Db::open(&path).and_then(|db| Ok((db.vault()?, db))) {
            Ok((Some(row), db)) => {
                store.take(row, db);
                let taken_back = store.take_sinks_back();
                taken_back.map_err(|why| OpenError::Io { what: "read", path, why: why.to_string() })?;
            }
            Ok((None, db)) => store.db = Some(db),
            Err(Fault::Newer(found)) => return Err(OpenError::Newer { path, found, known: super::db::FORMAT_VERSION }),
            Err(Fault::Disk(why)) => return Err(OpenError::Io { what: "open", path, why }),
            Err(Fault::Damaged(why)) => {
                let aside = move_aside(&path, "damaged").map_err(|error| io_error("move aside", &path, &error))?;
                tracing::error!("{} is damaged ({why}); it was moved to {}", path.display(), aside.display());
                store.moved_aside = Some(aside);
            }
        }
        Ok(store)
    }

    pub(super) fn path(&self) -> PathBuf {
        self.place.file("vault.db")
    }

    fn take(&mut self, row: VaultRow, db: Db) {
        if let Err(error) = db.extend_log() {
            tracing::warn!("cannot extend the vault's log beforehand: {error}");
        }
        self.id = row.id;
        self.meta = row.meta;
        self.restored = row.restored;
        self.backup = Due::of(&backup::path_in(self.place.dir()), db.now().unwrap_or(0));
        self.db = Some(db);
        self.ballast.keep();
        self.sink = Sink::of(self.runtime_dir.as_deref(), self.id);
    }

    /// Recovers what was committed while the disk refused. If it still does, it stays in the sinks.
    fn take_sinks_back(&mut self) -> Result<(), Refused> {
        for (account, sunk) in self.sink.as_ref().map(Sink::all).unwrap_or_default() {
            if sunk.is_newer_than(self.row(&account, Kind::Grant)?.as_ref()) {
                self.sunk.insert(account, sunk);
            } else {
                self.sink.iter().for_each(|sink| sink.drop(&account));
            }
        }
        if let Err(why) = self.write(&[]) {
            tracing::warn!("the vault cannot take back what its disk refused before: {why}");
        }
        Ok(())
    }

    pub(super) fn state(&self) -> VaultState {
        match (&self.sealer, self.exists()) {
            (Some(_), _) => VaultState::Ready,
            (None, true) => VaultState::Locked,
            (None, false) => VaultState::NoVault,
        }
    }

    pub(super) fn moved_aside(&self) -> Option<PathBuf> {
        self.moved_aside.clone()
    }

    pub(super) fn exists(&self) -> bool {
        !self.meta.is_empty()
    }

    /// The id of the vault, or of the one about to be made.
    pub(super) fn id(&mut self) -> [u8; 16] {
        if self.id == [0; 16] {
            super::seal::fill(&mut self.id);
        }
        self.id
    }

    /// Makes the vault with its first slot, and leaves it open.
    pub(super) fn create(&mut self, mut slot: SlotRow, slot_key: &Key) -> Result<(), SlotError> {
        if self.exists() {
            return Err(SlotError::NotAllowed("there is a vault already".into()));
        }
        let sealer = Sealer::new(Key::random(), self.id());
        sealer.wrap(slot_key, &mut slot);
        let meta = sealer.seal_meta(&Meta { machine: self.machine_hash() });
        let path = self.path();
        let failed = |why: String| Refused::Disk(format!("cannot create {}: {why}", path.display()));
        let mut db = match self.db.take() {
            Some(db) => db,
            None => Db::open(&path).map_err(|fault| failed(fault.to_string()))?,
        };
        let row = VaultRow { id: self.id, meta, restored: None };
        if let Err(failure) = db.create(&row, &slot) {
            // It may be on the disk all the same, but holds nothing yet, and its slot's key will be forgotten.
            drop(db);
            for file in [log_of(&path), path.clone()] {
                drop(std::fs::remove_file(file));
            }
            return Err(failed(failure.to_string()).into());
        }
        self.take(row, db);
        self.hurry();
        self.sealer = Some(sealer);
        self.tried.insert(slot.id, Tried::Opened);
        Ok(())
    }

    pub(super) fn slot_rows(&self) -> Result<Vec<SlotRow>, Refused> {
        if !self.exists() {
            return Err(Refused::NoVault);
        }
        self.db()?.slots().map_err(|fault| self.disk("read the slots of", &fault))
    }

    pub(super) fn slots(&self) -> Vec<SlotView> {
        let view = |row: SlotRow| SlotView {
            opened: matches!(self.tried.get(&row.id), Some(Tried::Opened)),
            error: match self.tried.get(&row.id) {
                Some(Tried::Failed(why)) => why.clone(),
                Some(Tried::Opened) | None => String::new(),
            },
            id: row.id,
            kind: row.kind,
            created: row.created,
        };
        self.slot_rows().unwrap_or_default().into_iter().map(view).collect()
    }

    /// Tries the key that a slot gave.
    pub(super) fn unlock(&mut self, slot: &SlotRow, slot_key: &Key) -> Result<(), SlotError> {
        let result = self.try_key(slot, slot_key).and_then(|(sealer, meta)| {
            self.hold_what_rotates(&sealer)?;
            Ok((sealer, meta))
        });
        self.note(&slot.id, result.as_ref().map(|_| ()).map_err(Clone::clone));
        let (sealer, meta) = result?;
        self.foreign = meta.machine != self.machine_hash();
        // One that is open already goes on: it may hold the former key.
        self.sealer.get_or_insert(sealer);
        Ok(())
    }

    fn try_key(&self, slot: &SlotRow, slot_key: &Key) -> Result<(Sealer, Meta), SlotError> {
        if !is_intact(&self.id, slot) {
            return Err(SlotError::Permanent(format!("slot `{}` is damaged", slot.id)));
        }
        let sealer = unwrap(&self.id, slot_key, slot).map_err(|why| match why {
            Unsealable::Seal => SlotError::WrongKey(format!("the key of slot `{}` is not the one", slot.id)),
            other => SlotError::Permanent(format!("slot `{}` is damaged: {other}", slot.id)),
        })?;
        let meta = sealer
            .open_meta(&self.meta)
            .map_err(|why| SlotError::Permanent(format!("the vault's key check is damaged: {why}")))?;
        Ok((sealer, meta))
    }

    /// Remembers how a slot went, for [`Store::slots`].
    pub(super) fn note(&mut self, slot: &str, result: Result<(), SlotError>) {
        let tried = match result {
            Ok(()) => Tried::Opened,
            Err(why) => Tried::Failed(why.to_string()),
        };
        self.tried.insert(slot.to_owned(), tried);
    }

    /// Drops the key.
    pub(super) fn lock(&mut self) {
        self.sealer = None;
        self.tried.clear();
    }

    /// Wraps the vault key for one more slot, or anew for one that is there.
    pub(super) fn put_slot(&mut self, mut slot: SlotRow, slot_key: &Key) -> Result<(), Refused> {
        self.sealer()?.wrap(slot_key, &mut slot);
        self.transact(|writer| writer.put_slot(&slot))?;
        self.tried.remove(&slot.id);
        // A changed passphrase is not to go on opening the copy.
        self.replace_backup();
        Ok(())
    }

    pub(super) fn remove_slot(&mut self, id: &str) -> Result<(), Refused> {
        self.transact(|writer| writer.delete_slot(id))?;
        self.tried.remove(id);
        self.replace_backup();
        Ok(())
    }

    /// Unix seconds.
    pub(super) fn clock(&self) -> Result<u64, Refused> {
        self.db()?.now().map_err(|failure| Refused::Disk(failure.to_string()))
    }

    /// A moment as people write it.
    pub(super) fn day(&self, unix: u64) -> Result<String, Refused> {
        self.db()?.day_of(unix).map_err(|failure| Refused::Disk(failure.to_string()))
    }

    pub(super) fn sealer(&self) -> Result<&Sealer, Refused> {
        match self.state() {
            VaultState::NoVault => Err(Refused::NoVault),
            VaultState::Locked | VaultState::Ready => self.sealer.as_ref().ok_or(Refused::Locked),
        }
    }

    pub(super) fn db(&self) -> Result<&Db, Refused> {
        self.db.as_ref().ok_or_else(|| Refused::Disk(format!("{} cannot be opened", self.path().display())))
    }

    pub(super) fn disk(&self, what: &str, why: &Fault) -> Refused {
        Refused::Disk(format!("cannot {what} {}: {why}", self.path().display()))
    }

    pub(super) fn machine_hash(&self) -> [u8; 32] {
        super::seal::hash([b"tokenkeeper machine 1", &self.id, &self.machine])
    }
}
