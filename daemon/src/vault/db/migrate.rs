//! From an earlier format to the present one: one step and one transaction for each format, after a verified copy.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, TransactionBehavior};

use super::{Db, FORMAT_VERSION, Failure, Fault};

/// What takes format 1 to 2, 2 to 3, and so on.
const STEPS: [&str; FORMAT_VERSION as usize - 1] = ["ALTER TABLE vault ADD COLUMN restored INTEGER"];

impl Db {
    /// Brings the database to the present format. What it was before stays beside it as `vault.db.format-N`.
    pub(super) fn migrate(&mut self) -> Result<(), Fault> {
        let from = format_of(&self.conn)?;
        if from == 0 || from == FORMAT_VERSION {
            return Ok(());
        }
        let kept = kept_as(&self.path, from);
        self.copy_to(&kept).map_err(|failure: Failure| {
            Fault::Disk(format!(
                "it has to be kept as {} before it becomes format {FORMAT_VERSION}: {failure}",
                kept.display()
            ))
        })?;
        up(&mut self.conn)?;
        tracing::info!(
            "{} was format {from} and is {FORMAT_VERSION} now; kept as {}",
            self.path.display(),
            kept.display()
        );
        Ok(())
    }
}

/// The steps that are missing.
pub(super) fn up(conn: &mut Connection) -> rusqlite::Result<()> {
    let from = format_of(conn)?;
    for (format, step) in (1..).zip(STEPS).skip_while(|(format, _)| *format < from) {
        let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        tx.execute_batch(step)?;
        tx.pragma_update(None, "user_version", format + 1)?;
        tx.commit()?;
    }
    Ok(())
}

fn format_of(conn: &Connection) -> rusqlite::Result<u32> {
    conn.pragma_query_value(None, "user_version", |row| row.get(0))
}

fn kept_as(path: &Path, format: u32) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".format-{format}"));
    name.into()
}
