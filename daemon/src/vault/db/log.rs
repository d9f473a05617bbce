//! The write-ahead log. It is extended to its full length beforehand and kept, so that a commit on a full disk needs no
//! new block (a plain log fails after a handful of commits, a temporary file and rename at once). Only moving its
//! content over can grow the database, and where that fails nothing is lost.

use std::io::{self, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::{Db, Failure, PAGE};
use crate::vault::place::private_file;

/// A frame is a page behind a header (<https://sqlite.org/fileformat2.html#walformat>).
const FRAME: u64 = PAGE + 24;
/// The length of the log, extended beforehand.
const LOG: u64 = 1 << 20;
/// Frames in the log as it was extended.
const FRAMES: u64 = (LOG - 32) / FRAME;
/// The most that one commit of one account writes: nine pages for each of two records of the largest class, and the
/// index, interior and free-list pages around them.
const FRAMES_OF_A_COMMIT: u64 = 32;

impl Db {
    /// Gives the log its full length, once: real zeros, because blocks that are only reserved still need the file
    /// system's own room when they are first written. SQLite looks at the log's length only when it opens it.
    pub(in crate::vault) fn extend_log(&self) -> io::Result<()> {
        let mut log = private_file(&log_of(&self.path))?;
        let missing = LOG.saturating_sub(log.metadata()?.len());
        if missing == 0 {
            return Ok(());
        }
        log.seek(SeekFrom::End(0))?;
        log.write_all(&vec![0; usize::try_from(missing).unwrap_or(0)])?;
        log.sync_all()
    }

    /// Whether two more commits fit into the log as it was extended.
    pub(in crate::vault) fn has_room(&self) -> Result<bool, Failure> {
        Ok(self.frames_used()? + 2 * FRAMES_OF_A_COMMIT <= FRAMES)
    }

    /// Whether it is time to move the log's content over.
    pub(in crate::vault) fn is_half_full(&self) -> Result<bool, Failure> {
        Ok(self.frames_used()? > FRAMES / 2)
    }

    /// Moves the log's content into the database; the next commit begins the log anew.
    pub(in crate::vault) fn checkpoint(&self) -> Result<(), Failure> {
        Ok(self.conn.query_row("PRAGMA wal_checkpoint(RESTART)", [], |_| Ok(()))?)
    }

    /// Moves the log's content over and leaves nothing of it.
    pub(in crate::vault) fn clear_log(&self) -> Result<(), Failure> {
        self.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        Ok(self.extend_log()?)
    }

    fn frames_used(&self) -> Result<u64, Failure> {
        let (log, moved): (i64, i64) =
            self.conn.query_row("PRAGMA wal_checkpoint(NOOP)", [], |row| Ok((row.get(1)?, row.get(2)?)))?;
        Ok(if log == moved { 0 } else { u64::try_from(log).unwrap_or(0) })
    }

    /// Frames in use, and the most there is room for.
    #[cfg(test)]
    pub(in crate::vault) fn room(&self) -> (u64, u64) {
        (self.frames_used().expect("a log"), FRAMES)
    }
}

/// The log that SQLite keeps beside a database.
pub(in crate::vault) fn log_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    PathBuf::from(name)
}
