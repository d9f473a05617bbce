//! The database and its log as files: copied to new inodes, read from end to end, moved aside.

use std::fs;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::{Db, Fault, PAGE, log_of};
use crate::vault::place::{Draft, sync_dir};

impl Db {
    /// Copies database and log, byte for byte and synced. After a failed sync the kernel may call a page clean that is
    /// not on the disk, and no later sync of that inode will say so; a copy that is synced is on the disk. The database
    /// stays open for reading: its advisory locks go when a copy is read, but the directory's lock stands.
    pub(in crate::vault) fn copies(path: &Path) -> io::Result<Copies> {
        let files = [log_of(path), path.to_owned()];
        let there: Vec<_> = files.into_iter().filter(|file| file.exists()).collect();
        Ok(Copies(there.iter().map(|file| Draft::copy_of(file)).collect::<Result<_, _>>()?))
    }
}

/// Copies of database and log that do not have their names yet.
pub(in crate::vault) struct Copies(Vec<Draft>);

impl Copies {
    /// Lets the copies take their names and opens them. As their bytes are the same, a crash between the two leaves
    /// files that belong together.
    pub(in crate::vault) fn take_their_names(self, path: &Path) -> Result<Db, Fault> {
        self.0.into_iter().try_for_each(Draft::take_its_name).map_err(|error| Fault::Disk(error.to_string()))?;
        Db::open(path)
    }
}

/// Fails where the disk does not give every byte.
pub(in crate::vault) fn read_through(path: &Path) -> io::Result<()> {
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

/// Moves a database and its log aside, as `NAME.WORD-N` with an N that is free. Nothing is deleted.
pub(in crate::vault) fn move_aside(path: &Path, word: &str) -> io::Result<PathBuf> {
    let aside = (1..)
        .map(|n| {
            let mut name = path.as_os_str().to_owned();
            name.push(format!(".{word}-{n}"));
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
