//! A megabyte kept back beside the vault, freed when the disk is full: room for what must be written then.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;

use super::place::{has_room, private_file};
use super::seal::fill;

const SIZE: usize = 1 << 20;
/// Only where there is this much room is the ballast taken anew.
const PLENTY: u64 = 16 << 20;

/// The file, there or not.
pub(super) struct Ballast {
    path: PathBuf,
}

impl Ballast {
    pub(super) fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Takes the room if there is plenty of it.
    pub(super) fn keep(&self) {
        let there = fs::metadata(&self.path).is_ok_and(|meta| meta.len() == SIZE as u64);
        if there || !self.has_plenty() {
            return;
        }
        if let Err(error) = self.fill() {
            tracing::debug!("no ballast beside the vault: {error}");
            self.free();
        }
    }

    /// Gives the room back.
    pub(super) fn free(&self) {
        if fs::remove_file(&self.path).is_ok() {
            tracing::warn!("the vault's disk refuses to write: the ballast {} was freed", self.path.display());
        }
    }

    /// Random bytes: a file system that compresses would keep no room for zeros.
    fn fill(&self) -> io::Result<()> {
        let mut bytes = vec![0; SIZE];
        fill(&mut bytes);
        let mut file = private_file(&self.path)?;
        file.set_len(0)?;
        file.write_all(&bytes)?;
        file.sync_all()
    }

    fn has_plenty(&self) -> bool {
        has_room(self.path.parent().unwrap_or(&self.path), PLENTY)
    }
}
