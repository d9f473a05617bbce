//! The rows: reading them, and writing them inside a transaction. Their content is sealed.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Db, Fault};
use crate::vault::seal::{Binding, Kind};

/// One sealed record.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::vault) struct Row {
    pub(in crate::vault) kind: Kind,
    pub(in crate::vault) generation: u64,
    pub(in crate::vault) binding: Binding,
    pub(in crate::vault) sealed: Vec<u8>,
}

/// The vault's own row.
pub(in crate::vault) struct VaultRow {
    pub(in crate::vault) id: [u8; 16],
    pub(in crate::vault) meta: Vec<u8>,
    /// Set from a restore to the first unlock: when the copy was made, Unix seconds.
    pub(in crate::vault) restored: Option<u64>,
}

/// One way to open it.
#[derive(Clone)]
pub(in crate::vault) struct SlotRow {
    pub(in crate::vault) id: String,
    pub(in crate::vault) kind: String,
    /// Unix seconds; shown to people only.
    pub(in crate::vault) created: u64,
    pub(in crate::vault) params: String,
    pub(in crate::vault) salt: Vec<u8>,
    pub(in crate::vault) wrapped: Vec<u8>,
    pub(in crate::vault) sum: Vec<u8>,
}

impl Db {
    pub(in crate::vault) fn slots(&self) -> Result<Vec<SlotRow>, Fault> {
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
    pub(in crate::vault) fn row(&self, account: &str, kind: Kind) -> Result<Option<Row>, Fault> {
        let mut statement = self
            .conn
            .prepare_cached("SELECT generation, binding, sealed FROM record WHERE account = ?1 AND kind = ?2")?;
        let row = statement.query_row(params![account, kind.as_str()], |row| {
            Ok(Row {
                kind,
                generation: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
                binding: binding_of(row.get(1)?),
                sealed: row.get(2)?,
            })
        });
        Ok(row.optional()?)
    }

    /// The accounts that have a record of this kind.
    pub(in crate::vault) fn accounts_with(&self, kind: Kind) -> Result<Vec<String>, Fault> {
        let mut statement = self.conn.prepare("SELECT account FROM record WHERE kind = ?1")?;
        let names = statement.query_map(params![kind.as_str()], |row| row.get(0))?;
        Ok(names.collect::<Result<_, _>>()?)
    }

    /// All records with their accounts.
    pub(in crate::vault) fn every_row(&self) -> Result<Vec<(String, Row)>, Fault> {
        let mut statement = self.conn.prepare("SELECT account, kind, generation, binding, sealed FROM record")?;
        let rows = statement.query_map([], |row| {
            let kind: String = row.get(1)?;
            let kind = Kind::of_record(&kind).ok_or(rusqlite::Error::InvalidQuery)?;
            let generation = u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0);
            Ok((row.get(0)?, Row { kind, generation, binding: binding_of(row.get(3)?), sealed: row.get(4)? }))
        })?;
        Ok(rows.collect::<Result<_, _>>()?)
    }
}

/// Writes inside a transaction.
pub(in crate::vault) struct Writer<'a>(pub(super) &'a Connection);

impl Writer<'_> {
    pub(in crate::vault) fn put(&self, account: &str, row: &Row) -> rusqlite::Result<()> {
        let mut statement = self.0.prepare_cached(
            "INSERT INTO record (account, kind, generation, binding, sealed) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (account, kind) DO UPDATE
             SET generation = excluded.generation, binding = excluded.binding, sealed = excluded.sealed",
        )?;
        let generation = i64::try_from(row.generation).unwrap_or(i64::MAX);
        statement.execute(params![account, row.kind.as_str(), generation, row.binding, row.sealed])?;
        Ok(())
    }

    pub(in crate::vault) fn delete(&self, account: &str, kind: Kind) -> rusqlite::Result<()> {
        let mut statement = self.0.prepare_cached("DELETE FROM record WHERE account = ?1 AND kind = ?2")?;
        statement.execute(params![account, kind.as_str()])?;
        Ok(())
    }

    pub(in crate::vault) fn set_meta(&self, meta: &[u8]) -> rusqlite::Result<()> {
        self.0.execute("UPDATE vault SET meta = ?1", params![meta])?;
        Ok(())
    }

    pub(in crate::vault) fn is_restored_no_more(&self) -> rusqlite::Result<()> {
        self.0.execute("UPDATE vault SET restored = NULL", [])?;
        Ok(())
    }

    pub(in crate::vault) fn put_slot(&self, slot: &SlotRow) -> rusqlite::Result<()> {
        insert_slot(self.0, slot)
    }

    pub(in crate::vault) fn delete_slot(&self, id: &str) -> rusqlite::Result<()> {
        self.0.execute("DELETE FROM slot WHERE id = ?1", params![id])?;
        Ok(())
    }
}

pub(super) fn insert_slot(conn: &Connection, slot: &SlotRow) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO slot (id, kind, params, salt, wrapped, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (id) DO UPDATE
         SET params = excluded.params, salt = excluded.salt, wrapped = excluded.wrapped, sum = excluded.sum",
        params![slot.id, slot.kind, slot.params, slot.salt, slot.wrapped, slot.sum],
    )?;
    Ok(())
}

/// A binding of another length is that of no definition: one such row is no reason to refuse the others.
fn binding_of(bytes: Vec<u8>) -> Binding {
    bytes.try_into().unwrap_or([0; 32])
}
