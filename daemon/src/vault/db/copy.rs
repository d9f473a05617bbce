//! Copies of the database: written beside it, and believed only when what was read back is what was to be kept.

use std::fs::File;
use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params};
use sha2::{Digest, Sha256};

use super::{APPLICATION_ID, Db, FORMAT_VERSION, Failure, Fault, migrate};
use crate::vault::place::Draft;

/// Everything that a vault holds, in an order that no rewriting changes.
const CONTENT: [&str; 3] = [
    "SELECT * FROM vault",
    "SELECT id, kind, params, salt, wrapped, sum FROM slot ORDER BY id",
    "SELECT account, kind, generation, binding, sealed FROM record ORDER BY account, kind",
];

impl Db {
    /// Writes all that is committed to a file of its own, synced, and gives it its name only when it holds the same.
    pub(in crate::vault) fn copy_to(&self, path: &Path) -> Result<(), Failure> {
        let draft = Draft::made_by(path, |draft| {
            let name = draft.to_str().ok_or_else(|| Failure::Other("its path is not UTF-8".into()))?;
            self.conn.execute("VACUUM INTO ?1", params![name])?;
            Ok::<_, Failure>(())
        })?;
        let copied = read_only(draft.lies_at()).and_then(|copy| Ok(content(&copy)?));
        let copied = copied.map_err(|fault| Failure::Io(format!("the copy cannot be read: {fault}")))?;
        if copied != content(&self.conn)? {
            return Err(Failure::Io("the copy is not what was copied".into()));
        }
        Ok(draft.take_its_name()?)
    }

    /// Unix seconds by the system's clock, as SQLite reads it.
    pub(in crate::vault) fn now(&self) -> Result<u64, Failure> {
        Ok(self.conn.query_row("SELECT max(unixepoch(), 0)", [], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs)?)
    }

    /// A moment as people write it.
    pub(in crate::vault) fn day_of(&self, unix: u64) -> Result<String, Failure> {
        let unix = i64::try_from(unix).unwrap_or(0);
        Ok(self
            .conn
            .query_row("SELECT strftime('%Y-%m-%d %H:%M UTC', ?1, 'unixepoch')", params![unix], |row| row.get(0))?)
    }
}

/// The id of the vault that a copy is of, if the copy is whole.
pub(in crate::vault) fn id_of_copy(path: &Path) -> Result<[u8; 16], Fault> {
    let copy = read_only(path)?;
    Ok(copy.query_row("SELECT id FROM vault WHERE one = 1", [], |row| row.get(0))?)
}

/// Brings a copy that nobody has open to the present format and notes in it when it was made, so that whoever opens it
/// next holds what it cannot vouch for. Synced.
pub(in crate::vault) fn mark_restored(path: &Path, made: u64) -> Result<(), Fault> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut copy = Connection::open_with_flags(path, flags)?;
    copy.pragma_update_and_check(None, "journal_mode", "MEMORY", |_| Ok(()))?;
    migrate::up(&mut copy)?;
    copy.execute("UPDATE vault SET restored = ?1", params![i64::try_from(made).unwrap_or(i64::MAX)])?;
    copy.close().map_err(|(_, error)| error)?;
    File::open(path).and_then(|file| file.sync_all()).map_err(|error| Fault::Disk(error.to_string()))
}

/// Opens a copy for reading, after a check of all of it.
fn read_only(path: &Path) -> Result<Connection, Fault> {
    // SQLite takes a file that is not there for an error of the disk, and one of no length for an empty database.
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let copy = Connection::open_with_flags(path, flags)?;
    let number = |pragma| copy.pragma_query_value(None, pragma, |row| row.get::<_, u32>(0));
    let version = number("user_version")?;
    if version > FORMAT_VERSION {
        return Err(Fault::Newer(version));
    }
    if version == 0 || number("application_id")? != APPLICATION_ID {
        return Err(Fault::Damaged("it is not a vault".into()));
    }
    let said: String = copy.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if said != "ok" {
        return Err(Fault::Damaged(said));
    }
    Ok(copy)
}

/// A digest of all rows.
fn content(conn: &Connection) -> rusqlite::Result<[u8; 32]> {
    let mut digest = Sha256::new();
    for query in CONTENT {
        let mut statement = conn.prepare(query)?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            for column in 0..columns {
                let value = row.get_ref(column)?;
                let (kind, bytes): (u8, &[u8]) = match value {
                    ValueRef::Null => (0, &[]),
                    ValueRef::Integer(number) => {
                        digest.update([1]);
                        digest.update(number.to_le_bytes());
                        continue;
                    }
                    ValueRef::Real(_) => (2, &[]),
                    ValueRef::Text(bytes) => (3, bytes),
                    ValueRef::Blob(bytes) => (4, bytes),
                };
                digest.update([kind]);
                digest.update((bytes.len() as u64).to_le_bytes());
                digest.update(bytes);
            }
        }
        digest.update([9]);
    }
    Ok(digest.finalize().into())
}
