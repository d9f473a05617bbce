//! What SQLite's errors mean for the vault: damage, a disk that refuses, or room that is missing.

use std::io;

use rusqlite::ErrorCode;

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub(in crate::vault) enum Fault {
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
pub(in crate::vault) enum Failure {
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
