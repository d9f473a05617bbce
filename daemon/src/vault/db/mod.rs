//! The SQLite file: pragmas, schema, transactions. It sees only ciphertext and names, and knows nothing of keys.

mod copy;
mod fault;
mod files;
mod log;
mod migrate;
mod rows;

use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::place::{private_file, sync_dir};

pub(super) use copy::{id_of_copy, mark_restored};
pub(super) use fault::{Failure, Fault};
pub(super) use files::move_aside;
pub(super) use log::log_of;
pub(super) use rows::{Row, SlotRow, VaultRow, Writer};

/// `TKv1` in the header's application id.
const APPLICATION_ID: u32 = u32::from_be_bytes(*b"TKv1");
pub(super) const FORMAT_VERSION: u32 = 2;

const PAGE: u64 = 4096;

const SCHEMA: &str = "
CREATE TABLE vault (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id BLOB NOT NULL,
  meta BLOB NOT NULL,
  restored INTEGER
) STRICT;
CREATE TABLE slot (
  id TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  created INTEGER NOT NULL DEFAULT (unixepoch()),
  params TEXT NOT NULL,
  salt BLOB NOT NULL,
  wrapped BLOB NOT NULL,
  sum BLOB NOT NULL
) STRICT;
CREATE TABLE record (
  account TEXT NOT NULL,
  kind TEXT NOT NULL,
  generation INTEGER NOT NULL,
  binding BLOB NOT NULL,
  sealed BLOB NOT NULL,
  PRIMARY KEY (account, kind)
) STRICT;";

/// The open database.
pub(super) struct Db {
    conn: Connection,
    path: PathBuf,
}

impl Db {
    /// Opens the file and checks all of it. A file of no length, or one whose first transaction never became durable,
    /// has no vault row. It is called damaged only if it can be read from end to end and looks damaged twice: SQLite's
    /// check reports a page that the disk did not give as a damaged one. An earlier format becomes the present one.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        let mut db = match Self::try_open(path) {
            Err(Fault::Damaged(_)) => {
                files::read_through(path).map_err(|error| Fault::Disk(error.to_string()))?;
                Self::try_open(path)?
            }
            sound => sound?,
        };
        db.migrate()?;
        Ok(db)
    }

    fn try_open(path: &Path) -> Result<Self, Fault> {
        let length =
            private_file(path).and_then(|file| file.metadata()).map_err(|error| Fault::Disk(error.to_string()))?.len();
        // SQLite takes a file of less than a page for an empty one and would write over it.
        if (1..PAGE).contains(&length) {
            return Err(Fault::Damaged(format!("it has {length} bytes")));
        }
        let flags =
            OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let conn = Connection::open_with_flags(path, flags)?;
        // The exclusive lock comes first: then the log's index lives on the heap and there is no shared memory file.
        for (pragma, value) in [
            ("locking_mode", "EXCLUSIVE"),
            ("page_size", "4096"),
            ("journal_mode", "WAL"),
            ("synchronous", "FULL"),
            ("trusted_schema", "OFF"),
            ("cell_size_check", "ON"),
            ("secure_delete", "ON"),
            ("temp_store", "MEMORY"),
            ("mmap_size", "0"),
            ("wal_autocheckpoint", "0"),
        ] {
            conn.pragma_update_and_check(None, pragma, value, |_| Ok(())).or_else(no_answer)?;
        }
        conn.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        let db = Self { conn, path: path.to_owned() };
        db.check()?;
        Ok(db)
    }

    fn check(&self) -> Result<(), Fault> {
        let number = |pragma| self.conn.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
        let version = number("user_version")?;
        if version > FORMAT_VERSION {
            return Err(Fault::Newer(version));
        }
        self.must_pass("quick_check(1)")?;
        if version == 0 {
            return if self.is_empty()? { Ok(()) } else { Err(Fault::Damaged("it is not a vault".into())) };
        }
        if number("application_id")? != APPLICATION_ID {
            return Err(Fault::Damaged("it is not a vault".into()));
        }
        if self.conn.query_row("SELECT count(*) FROM vault", [], |row| row.get::<_, u32>(0))? == 0 {
            return Err(Fault::Damaged("it has no vault row".into()));
        }
        self.must_pass("integrity_check(1)").or_else(|_| self.mend_indexes())
    }

    fn must_pass(&self, check: &str) -> Result<(), Fault> {
        let said: String = self.conn.query_row(&format!("PRAGMA {check}"), [], |row| row.get(0))?;
        if said == "ok" { Ok(()) } else { Err(Fault::Damaged(said)) }
    }

    /// Where the tables are whole, an index that is not is made anew from them: one flipped bit is no reason to shut
    /// everybody out.
    fn mend_indexes(&self) -> Result<(), Fault> {
        self.conn.execute_batch("REINDEX")?;
        self.must_pass("integrity_check(1)")?;
        tracing::error!("an index of {} was damaged and was made anew", self.path.display());
        Ok(())
    }

    /// Makes the tables and the first rows in one transaction.
    pub(super) fn create(&mut self, vault: &VaultRow, slot: &SlotRow) -> Result<(), Failure> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(SCHEMA)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", FORMAT_VERSION)?;
        tx.execute("INSERT INTO vault (one, id, meta) VALUES (1, ?1, ?2)", params![vault.id, vault.meta])?;
        rows::insert_slot(&tx, slot)?;
        tx.commit()?;
        self.conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?;
        self.extend_log().map_err(|error| Failure::Io(error.to_string()))?;
        Ok(sync_dir(self.path.parent().unwrap_or(Path::new("/")))?)
    }

    pub(super) fn vault(&self) -> Result<Option<VaultRow>, Fault> {
        if self.is_empty()? {
            return Ok(None);
        }
        let row = self.conn.query_row("SELECT id, meta, restored FROM vault WHERE one = 1", [], |row| {
            let restored: Option<i64> = row.get(2)?;
            let restored = restored.map(|made| u64::try_from(made).unwrap_or(0));
            Ok(VaultRow { id: row.get(0)?, meta: row.get(1)?, restored })
        });
        Ok(row.optional()?)
    }

    fn is_empty(&self) -> Result<bool, Fault> {
        Ok(self.conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, u32>(0))? == 0)
    }

    /// Makes every write fail, as a disk does that was remounted read-only.
    #[cfg(test)]
    pub(super) fn refuse_writes(&self, refuse: bool) {
        self.conn.pragma_update(None, "query_only", refuse).expect("a pragma");
    }

    /// Runs one transaction; durable when it returns well.
    pub(super) fn transact(&mut self, work: impl FnOnce(&Writer<'_>) -> rusqlite::Result<()>) -> Result<(), Failure> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        work(&Writer(&tx))?;
        Ok(tx.commit()?)
    }
}

/// Some pragmas answer with the new value and some with nothing.
fn no_answer(error: rusqlite::Error) -> rusqlite::Result<()> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other),
    }
}
