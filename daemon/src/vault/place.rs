//! The vault's directory: private, and held by one keeper at a time. The lock file is never unlinked: whoever removes
//! one opens the door to two keepers that each hold a lock on a file of that name.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::error::OpenError;

/// The state directory, locked for as long as this lives.
pub(super) struct Place {
    dir: PathBuf,
    _lock: File,
}

impl Place {
    /// Makes the directory if need be, sees that it is private, and takes the lock.
    pub(super) fn hold(dir: &Path) -> Result<Self, OpenError> {
        let dir = private(dir)?;
        let path = dir.join("lock");
        let mut lock = private_file(&path).map_err(|error| io_error("open", &path, &error))?;
        if let Err(error) = flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            if error != rustix::io::Errno::WOULDBLOCK {
                return Err(io_error("lock", &path, &error.into()));
            }
            let mut pid = String::new();
            let _ = lock.take(20).read_to_string(&mut pid);
            return Err(OpenError::Running { pid: pid.trim().to_owned(), dir });
        }
        let note = lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{}", std::process::id()));
        // On a full disk there is no room for the number; the lock holds all the same.
        drop(note);
        Ok(Self { dir, _lock: lock })
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }
}

/// A directory that is ours and closed to others, as an absolute path without symbolic links.
pub(super) fn private(dir: &Path) -> Result<PathBuf, OpenError> {
    DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(|error| io_error("create", dir, &error))?;
    let dir = fs::canonicalize(dir).map_err(|error| io_error("resolve", dir, &error))?;
    let meta = fs::metadata(&dir).map_err(|error| io_error("look at", &dir, &error))?;
    let me = rustix::process::geteuid().as_raw();
    if meta.uid() != me {
        let why = format!("it belongs to uid {}", meta.uid());
        return Err(OpenError::NotPrivate { dir, why });
    }
    if meta.mode() & 0o077 != 0 {
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).map_err(|error| OpenError::NotPrivate {
            dir: dir.clone(),
            why: format!("others may enter it, {error}"),
        })?;
    }
    Ok(dir)
}

/// Opens a file of ours for reading and writing, making it if need be; never through a symbolic link.
pub(super) fn private_file(path: &Path) -> io::Result<File> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed())
        .open(path)
}

/// Writes a whole file of ours, so that after any crash either the old or the new content has the name.
pub(super) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    Draft::fill(path, |file| file.write_all(content))?.take_its_name()
}

/// A file that is whole and synced and does not have its name yet. It is removed unless it takes it.
pub(super) struct Draft {
    draft: PathBuf,
    path: PathBuf,
    named: bool,
}

impl Draft {
    /// The bytes of a file on another inode.
    pub(super) fn copy_of(path: &Path) -> io::Result<Self> {
        Self::copy(path, path)
    }

    /// The bytes of a file, to be called `path`.
    pub(super) fn copy(from: &Path, path: &Path) -> io::Result<Self> {
        Self::fill(path, |draft| io::copy(&mut File::open(from)?, draft).map(drop))
    }

    /// What `make` writes into the empty file that it is told of.
    pub(super) fn made_by<E: From<io::Error>>(
        path: &Path,
        make: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<Self, E> {
        let (draft, file) = Self::begin(path)?;
        make(draft.lies_at())?;
        file.sync_all()?;
        Ok(draft)
    }

    fn fill(path: &Path, fill: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Self> {
        let (draft, mut file) = Self::begin(path)?;
        fill(&mut file)?;
        file.sync_all()?;
        Ok(draft)
    }

    fn begin(path: &Path) -> io::Result<(Self, File)> {
        let mut name = path.as_os_str().to_owned();
        name.push(".new");
        let draft = Self { draft: name.into(), path: path.to_owned(), named: false };
        let _ = fs::remove_file(&draft.draft);
        let file = private_file(&draft.draft)?;
        Ok((draft, file))
    }

    /// Where it lies until it takes its name.
    pub(super) fn lies_at(&self) -> &Path {
        &self.draft
    }

    pub(super) fn take_its_name(mut self) -> io::Result<()> {
        fs::rename(&self.draft, &self.path)?;
        self.named = true;
        sync_dir(self.path.parent().unwrap_or(Path::new("/")))
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.named {
            let _ = fs::remove_file(&self.draft);
        }
    }
}

/// Whether the file system of a directory has this many bytes for us.
pub(super) fn has_room(dir: &Path, bytes: u64) -> bool {
    rustix::fs::statvfs(dir).is_ok_and(|room| room.f_bavail.saturating_mul(room.f_frsize) >= bytes)
}

/// Makes names in a directory durable.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

pub(super) fn io_error(what: &'static str, path: &Path, error: &io::Error) -> OpenError {
    OpenError::Io { what, path: path.to_owned(), why: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_keeper_is_told_who_is_there() {
        let dir = tempfile::tempdir().expect("a directory");
        let first = Place::hold(dir.path()).expect("the lock");
        let second = Place::hold(dir.path()).err().expect("no second lock").to_string();
        assert!(second.starts_with(&format!("another keeper runs (pid {}) on", std::process::id())), "{second}");
        drop(first);
        assert!(dir.path().join("lock").exists(), "the lock file is never unlinked");
        Place::hold(dir.path()).expect("the lock, again");
    }

    #[test]
    fn the_directory_is_closed_to_others() {
        let dir = tempfile::tempdir().expect("a directory");
        let fresh = dir.path().join("a/b");
        let _place = Place::hold(&fresh).expect("the lock");
        assert_eq!(fs::metadata(&fresh).expect("it is there").mode() & 0o777, 0o700);

        let open = dir.path().join("open");
        fs::create_dir(&open).expect("a directory");
        fs::set_permissions(&open, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let _place = Place::hold(&open).expect("the lock");
        assert_eq!(fs::metadata(&open).expect("it is there").mode() & 0o777, 0o700);
    }

    #[test]
    fn a_symbolic_link_is_not_followed() {
        let dir = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink(dir.path().join("elsewhere"), dir.path().join("lock")).expect("a link");
        assert!(Place::hold(dir.path()).is_err());
        assert!(!dir.path().join("elsewhere").exists());
    }
}
