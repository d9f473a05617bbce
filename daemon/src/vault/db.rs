//! The SQLite file: pragmas, schema, rows. It sees only ciphertext and names, and knows nothing of keys.
//!
//! The write-ahead log is extended to its full length beforehand and kept, so that a commit on a full disk needs no new
//! block (a plain log fails after a handful of commits, a temporary file and rename at once). Only a checkpoint can
//! grow the database, and a failed checkpoint loses nothing.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::place::{Draft, private_file, sync_dir};
use super::seal::{Binding, Kind};

/// `TKv1` in the header's application id.
const APPLICATION_ID: u32 = u32::from_be_bytes(*b"TKv1");
pub(super) const FORMAT_VERSION: u32 = 1;

const PAGE: u64 = 4096;
/// A frame is a page behind a header (<https://sqlite.org/fileformat2.html#walformat>).
const FRAME: u64 = PAGE + 24;
/// The length of the log, extended beforehand.
const LOG: u64 = 1 << 20;
/// Frames in the log as it was extended.
const FRAMES: u64 = (LOG - 32) / FRAME;
/// The most that one commit of one account writes: nine pages for each of two records of the largest class, and the
/// index, interior and free-list pages around them.
const FRAMES_OF_A_COMMIT: u64 = 32;

const SCHEMA: &str = "
CREATE TABLE vault (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  id BLOB NOT NULL,
  meta BLOB NOT NULL
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

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It is no database of ours, or a damaged one.
    #[error("it is damaged: {0}")]
    Damaged(String),
    /// It has a later format.
    #[error("it has format {0}")]
    Newer(u32),
    /// The file system refused.
    #[error("{0}")]
    Disk(String),
}

/// What a failed write means for the next step.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// No room: freeing some may help.
    #[error("{0}")]
    Full(String),
    /// Reading or syncing failed: what the page cache says may not be on the disk.
    #[error("{0}")]
    Io(String),
    /// Anything else; trying again will not help.
    #[error("{0}")]
    Other(String),
}

/// One sealed record.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) generation: u64,
    pub(super) binding: Binding,
    pub(super) sealed: Vec<u8>,
}

/// The vault's own row.
pub(super) struct VaultRow {
    pub(super) id: [u8; 16],
    pub(super) meta: Vec<u8>,
}

/// One way to open it.
#[derive(Clone)]
pub(super) struct SlotRow {
    pub(super) id: String,
    pub(super) kind: String,
    /// Unix seconds; shown to people only.
    pub(super) created: u64,
    pub(super) params: String,
    pub(super) salt: Vec<u8>,
    pub(super) wrapped: Vec<u8>,
    pub(super) sum: Vec<u8>,
}

impl Db {
    /// Opens the file and checks all of it. A file of no length, or one whose first transaction never became durable,
    /// has no vault row. It is called damaged only if it can be read from end to end and looks damaged twice: SQLite's
    /// check reports a page that the disk did not give as a damaged one.
    pub(super) fn open(path: &Path) -> Result<Self, Fault> {
        match Self::try_open(path) {
            Err(Fault::Damaged(_)) => {
                read_through(path).map_err(|error| Fault::Disk(error.to_string()))?;
                Self::try_open(path)
            }
            sound => sound,
        }
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
        conn.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
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
        let said: String = self.conn.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if said != "ok" {
            return Err(Fault::Damaged(said));
        }
        if version == 0 {
            let tables: u32 = self.conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
            return if tables == 0 { Ok(()) } else { Err(Fault::Damaged("it is not a vault".into())) };
        }
        if number("application_id")? != APPLICATION_ID {
            return Err(Fault::Damaged("it is not a vault".into()));
        }
        if self.vault()?.is_none() {
            return Err(Fault::Damaged("it has no vault row".into()));
        }
        Ok(())
    }

    /// Makes the tables and the first rows in one transaction.
    pub(super) fn create(&mut self, vault: &VaultRow, slot: &SlotRow) -> Result<(), Failure> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(SCHEMA)?;
        tx.pragma_update(None, "application_id", APPLICATION_ID)?;
        tx.pragma_update(None, "user_version", FORMAT_VERSION)?;
        tx.execute("INSERT INTO vault (one, id, meta) VALUES (1, ?1, ?2)", params![vault.id, vault.meta])?;
        insert_slot(&tx, slot)?;
        tx.commit()?;
        self.conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?;
        self.extend_log().map_err(|error| Failure::Io(error.to_string()))?;
        Ok(sync_dir(self.path.parent().unwrap_or(Path::new("/")))?)
    }

    /// Gives the log its full length, once: real zeros, because blocks that are only reserved still need the file
    /// system's own room when they are first written. SQLite looks at the log's length only when it opens it.
    pub(super) fn extend_log(&self) -> io::Result<()> {
        let mut log = private_file(&log_of(&self.path))?;
        let missing = LOG.saturating_sub(log.metadata()?.len());
        if missing == 0 {
            return Ok(());
        }
        io::Seek::seek(&mut log, io::SeekFrom::End(0))?;
        log.write_all(&vec![0; usize::try_from(missing).unwrap_or(0)])?;
        log.sync_all()
    }

    pub(super) fn vault(&self) -> Result<Option<VaultRow>, Fault> {
        if self.is_empty()? {
            return Ok(None);
        }
        let row = self.conn.query_row("SELECT id, meta FROM vault WHERE one = 1", [], |row| {
            Ok(VaultRow { id: row.get(0)?, meta: row.get(1)? })
        });
        Ok(row.optional()?)
    }

    fn is_empty(&self) -> Result<bool, Fault> {
        Ok(self.conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, u32>(0))? == 0)
    }

    pub(super) fn slots(&self) -> Result<Vec<SlotRow>, Fault> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT id, kind, created, params, salt, wrapped, sum FROM slot ORDER BY created, id")?;
        let rows = statement.query_map([], |row| {
            Ok(SlotRow {
                id: row.get(0)?,
                kind: row.get(1)?,
                created: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
                params: row.get(3)?,
                salt: row.get(4)?,
                wrapped: row.get(5)?,
                sum: row.get(6)?,
            })
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// One record, if it is there.
    pub(super) fn row(&self, account: &str, kind: Kind) -> Result<Option<Row>, Fault> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT generation, binding, sealed FROM record WHERE account = ?1 AND kind = ?2")?;
        let row = statement.query_row(params![account, kind.as_str()], |row| {
            Ok(Row {
                kind,
                generation: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
                binding: row.get(1)?,
                sealed: row.get(2)?,
            })
        });
        Ok(row.optional()?)
    }

    /// Makes every write fail, as a disk does that was remounted read-only.
    #[cfg(test)]
    pub(super) fn refuse_writes(&self, refuse: bool) {
        self.conn.pragma_update(None, "query_only", refuse).expect("a pragma");
    }

    /// Frames in use, and the most there is room for.
    #[cfg(test)]
    pub(super) fn room(&self) -> (u64, u64) {
        (self.frames_used().expect("a log"), FRAMES)
    }

    /// All records with their accounts.
    pub(super) fn every_row(&self) -> Result<Vec<(String, Row)>, Fault> {
        let mut statement = self.conn.prepare("SELECT account, kind, generation, binding, sealed FROM record")?;
        let rows = statement.query_map([], |row| {
            let kind: String = row.get(1)?;
            let kind = Kind::of_record(&kind).ok_or(rusqlite::Error::InvalidQuery)?;
            let generation = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            Ok((row.get(0)?, Row { kind, generation, binding: row.get(3)?, sealed: row.get(4)? }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }

    /// Runs one transaction; durable when it returns well.
    pub(super) fn transact(&mut self, work: impl FnOnce(&Writer<'_>) -> rusqlite::Result<()>) -> Result<(), Failure> {
        let tx = self.conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        work(&Writer(&tx))?;
        Ok(tx.commit()?)
    }

    /// Whether two more commits fit into the log as it was extended.
    pub(super) fn has_room(&self) -> Result<bool, Failure> {
        Ok(self.frames_used()? + 2 * FRAMES_OF_A_COMMIT <= FRAMES)
    }

    /// Whether it is time to move the log's content over.
    pub(super) fn is_half_full(&self) -> Result<bool, Failure> {
        Ok(self.frames_used()? > FRAMES / 2)
    }

    /// Moves the log's content into the database; the next commit begins the log anew.
    pub(super) fn checkpoint(&self) -> Result<(), Failure> {
        Ok(self.conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?)
    }

    /// Moves the log's content over and leaves nothing of it.
    pub(super) fn clear_log(&self) -> Result<(), Failure> {
        self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(self.extend_log()?)
    }

    fn frames_used(&self) -> Result<u64, Failure> {
        let (log, moved): (i64, i64) =
            self.conn.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| Ok((row.get(1)?, row.get(2)?)))?;
        Ok(if log == moved { 0 } else { u64::try_from(log).unwrap_or(0) })
    }

    /// Copies database and log, byte for byte and synced. After a failed sync the kernel may call a page clean that is
    /// not on the disk, and no later sync of that inode will say so; a copy that is synced is on the disk. The database
    /// stays open for reading: its advisory locks go when a copy is read, but the directory's lock stands.
    pub(super) fn copies(path: &Path) -> io::Result<Copies> {
        let files = [log_of(path), path.to_owned()];
        let there: Vec<_> = files.into_iter().filter(|file| file.exists()).collect();
        Ok(Copies(there.iter().map(|file| Draft::copy_of(file)).collect::<Result<_, _>>()?))
    }
}

/// Copies of database and log that do not have their names yet.
pub(super) struct Copies(Vec<Draft>);

impl Copies {
    /// Lets the copies take their names and opens them. As their bytes are the same, a crash between the two leaves
    /// files that belong together.
    pub(super) fn take_their_names(self, path: &Path) -> Result<Db, Fault> {
        self.0.into_iter().try_for_each(Draft::take_its_name).map_err(|error| Fault::Disk(error.to_string()))?;
        Db::open(path)
    }
}

/// Writes inside a transaction.
pub(super) struct Writer<'a>(&'a Connection);

impl Writer<'_> {
    pub(super) fn put(&self, account: &str, row: &Row) -> rusqlite::Result<()> {
        let mut statement = self.0.prepare_cached(
            "INSERT INTO record (account, kind, generation, binding, sealed) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (account, kind) DO UPDATE
             SET generation = excluded.generation, binding = excluded.binding, sealed = excluded.sealed",
        )?;
        let generation = i64::try_from(row.generation).unwrap_or(i64::MAX);
        statement.execute(params![account, row.kind.as_str(), generation, row.binding, row.sealed])?;
        Ok(())
    }

    pub(super) fn delete(&self, account: &str, kind: Kind) -> rusqlite::Result<()> {
        let mut statement = self.0.prepare_cached("DELETE FROM record WHERE account = ?1 AND kind = ?2")?;
        statement.execute(params![account, kind.as_str()])?;
        Ok(())
    }

    pub(super) fn set_meta(&self, meta: &[u8]) -> rusqlite::Result<()> {
        self.0.execute("UPDATE vault SET meta = ?1", params![meta])?;
        Ok(())
    }

    pub(super) fn put_slot(&self, slot: &SlotRow) -> rusqlite::Result<()> {
        insert_slot(self.0, slot)
    }

    pub(super) fn delete_slot(&self, id: &str) -> rusqlite::Result<()> {
        self.0.execute("DELETE FROM slot WHERE id = ?1", params![id])?;
        Ok(())
    }
}

/// The log that SQLite keeps beside a database.
pub(super) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}

fn read_through(path: &Path) -> io::Result<()> {
    let file = fs::File::open(path)?;
    let mut page = [0; PAGE as usize];
    let mut at = 0;
    loop {
        match file.read_at(&mut page, at)? {
            0 => return Ok(()),
            read => at += read as u64,
        }
    }
}

/// Moves a damaged database and its log aside, under a name that is free. Nothing is deleted.
pub(super) fn move_aside(path: &Path) -> io::Result<PathBuf> {
    let aside = (1..)
        .map(|n| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".damaged-{n}"));
            PathBuf::from(name)
        })
        .find(|aside| !aside.exists() && !log_of(aside).exists())
        .expect("some number is free");
    let log = log_of(path);
    if log.exists() {
        fs::rename(&log, log_of(&aside))?;
    }
    fs::rename(path, &aside)?;
    sync_dir(path.parent().unwrap_or(Path::new("/")))?;
    Ok(aside)
}

fn insert_slot(conn: &Connection, slot: &SlotRow) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO slot (id, kind, params, salt, wrapped, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (id) DO UPDATE
         SET params = excluded.params, salt = excluded.salt, wrapped = excluded.wrapped, sum = excluded.sum",
        params![slot.id, slot.kind, slot.params, slot.salt, slot.wrapped, slot.sum],
    )?;
    Ok(())
}

/// Some pragmas answer with the new value and some with nothing.
fn no_answer(error: rusqlite::Error) -> rusqlite::Result<()> {
    match error {
        rusqlite::Error::QueryReturnedNoRows => Ok(()),
        other => Err(other),
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::SystemIoFailure
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::ReadOnly
                | ErrorCode::DatabaseBusy
                | ErrorCode::DiskFull
                | ErrorCode::OutOfMemory,
            ) => Self::Disk(error.to_string()),
            // What is left is about content: no database, a malformed page, a missing table, a value of another type.
            _ => Self::Damaged(error.to_string()),
        }
    }
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full(error.to_string()),
            // A write that was refused (a quota) leaves the page cache honest; only a failed sync or read does not.
            Some(ErrorCode::SystemIoFailure) if is_refused_write(&error) => Self::Full(error.to_string()),
            Some(ErrorCode::SystemIoFailure) => Self::Io(error.to_string()),
            _ => Self::Other(error.to_string()),
        }
    }
}

fn is_refused_write(error: &rusqlite::Error) -> bool {
    matches!(error, rusqlite::Error::SqliteFailure(ffi, _) if ffi.extended_code == rusqlite::ffi::SQLITE_IOERR_WRITE)
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Io(error.to_string())
    }
}
