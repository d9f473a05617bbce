//! Where a commit goes when the vault's disk refuses it: a file for each account in the runtime directory, a file system
//! of its own. It holds ciphertext and names, as the vault does, and outlives the process but not the machine; the
//! vault takes it back as soon as its disk works, and before anything else when it is opened.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tokenkeeper_config::AccountName;

use super::db::Row;
use super::place::{private, replace};
use super::seal::{Kind, hash, prefixed, take_part};

const FORMAT: &[u8] = b"tokenkeeper sink 1";

/// More than this is no sink: two records of the largest class, names and hashes.
const LARGEST: u64 = 128 * 1024;

/// The directory of one vault's sinks.
pub(super) struct Sink {
    dir: PathBuf,
    vault: [u8; 16],
}

/// What an account's sink holds: rows that the vault lacks.
#[derive(Clone, Default)]
pub(super) struct Sunk {
    pub(super) rows: BTreeMap<Kind, Option<Row>>,
    /// Hashes of the grants in whose place `rows` come at the same generation: what the vault held, and what may have
    /// reached its disk although it seemed to fail.
    pub(super) replaces: Vec<[u8; 32]>,
}

/// Why a file in the sink's directory is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum BadSink {
    #[error("it is cut short")]
    Short,
    #[error("its sum is not that of its bytes")]
    Sum,
    #[error("it is of no format that this program knows")]
    Format,
    #[error("it belongs to another vault")]
    Vault,
    #[error("what it is about is no account's name")]
    Account,
    #[error("its hashes are no hashes")]
    Hashes,
    #[error("a part of it leads beyond its end")]
    Part,
    #[error("a record in it is of no known kind")]
    Kind,
    #[error("a record in it is not what a record is")]
    Row,
}

impl Sink {
    /// The sinks of this vault; none without a runtime directory.
    pub(super) fn of(runtime_dir: Option<&Path>, vault: [u8; 16]) -> Option<Self> {
        let name: String = vault.iter().map(|byte| format!("{byte:02x}")).collect();
        Some(Self { dir: runtime_dir?.join("sink").join(name), vault })
    }

    pub(super) fn put(&self, account: &str, sunk: &Sunk) -> io::Result<()> {
        private(&self.dir).map_err(io::Error::other)?;
        replace(&self.dir.join(account), &self.encode(account, sunk))
    }

    pub(super) fn drop(&self, account: &str) {
        if let Err(error) = fs::remove_file(self.dir.join(account))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!("cannot remove {}: {error}", self.dir.join(account).display());
        }
    }

    /// Everything that is there and whole. What is not stays where it is.
    pub(super) fn all(&self) -> Vec<(String, Sunk)> {
        let Ok(entries) = fs::read_dir(&self.dir) else { return Vec::new() };
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths.filter(|path| path.extension().is_none()).filter_map(|path| self.read(&path)).collect()
    }

    fn read(&self, path: &Path) -> Option<(String, Sunk)> {
        let small = fs::symlink_metadata(path).ok().filter(|meta| meta.is_file() && meta.len() <= LARGEST)?;
        let read = fs::read(path).ok().filter(|bytes| bytes.len() as u64 == small.len());
        let Some(bytes) = read else {
            tracing::error!("{} cannot be read; it is left there", path.display());
            return None;
        };
        match self.decode(&bytes) {
            // A sink of another name would be taken back and never removed.
            Ok(sunk) if path.file_name().is_some_and(|name| name == sunk.0.as_str()) => Some(sunk),
            Ok((account, _)) => {
                tracing::error!("{} is the sink of `{account}`; it is left there", path.display());
                None
            }
            Err(why) => {
                tracing::error!("{} is no sink of this vault: {why}; it is left there", path.display());
                None
            }
        }
    }

    pub(super) fn encode(&self, account: &str, sunk: &Sunk) -> Vec<u8> {
        let replaces = sunk.replaces.concat();
        let rows = sunk.rows.iter().map(|(kind, row)| match row {
            Some(row) => {
                let generation = row.generation.to_le_bytes();
                prefixed(&[kind.as_str().as_bytes(), &generation, &row.binding, &row.sealed])
            }
            None => prefixed(&[kind.as_str().as_bytes()]),
        });
        let rows: Vec<_> = rows.collect();
        let mut parts: Vec<&[u8]> = vec![FORMAT, &self.vault, account.as_bytes(), &replaces];
        parts.extend(rows.iter().map(|row| row.as_slice()));
        let mut bytes = prefixed(&parts).to_vec();
        let sum = hash([&bytes]);
        bytes.extend_from_slice(&sum);
        bytes
    }

    pub(super) fn decode(&self, bytes: &[u8]) -> Result<(String, Sunk), BadSink> {
        let (mut rest, sum) = bytes.split_last_chunk::<32>().ok_or(BadSink::Short)?;
        if hash([rest]) != *sum {
            return Err(BadSink::Sum);
        }
        if part(&mut rest)? != FORMAT {
            return Err(BadSink::Format);
        }
        if part(&mut rest)? != self.vault {
            return Err(BadSink::Vault);
        }
        let account = std::str::from_utf8(part(&mut rest)?).ok().and_then(|name| name.parse::<AccountName>().ok());
        let account = account.ok_or(BadSink::Account)?.to_string();
        let (replaces, odd) = part(&mut rest)?.as_chunks::<32>();
        if !odd.is_empty() {
            return Err(BadSink::Hashes);
        }
        let mut sunk = Sunk { replaces: replaces.to_vec(), rows: BTreeMap::new() };
        while !rest.is_empty() {
            let (kind, row) = decode_row(part(&mut rest)?)?;
            sunk.rows.insert(kind, row);
        }
        Ok((account, sunk))
    }
}

fn decode_row(mut bytes: &[u8]) -> Result<(Kind, Option<Row>), BadSink> {
    let kind = std::str::from_utf8(part(&mut bytes)?).ok().and_then(Kind::of_record).ok_or(BadSink::Kind)?;
    if bytes.is_empty() {
        return Ok((kind, None));
    }
    let generation = part(&mut bytes)?.try_into().map_err(|_| BadSink::Row)?;
    let binding = part(&mut bytes)?.try_into().map_err(|_| BadSink::Row)?;
    let sealed = part(&mut bytes)?.to_vec();
    if !bytes.is_empty() {
        return Err(BadSink::Row);
    }
    Ok((kind, Some(Row { kind, generation: u64::from_le_bytes(generation), binding, sealed })))
}

fn part<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], BadSink> {
    take_part(bytes).ok_or(BadSink::Part)
}

impl Sunk {
    /// Puts newer rows in. `held` is the grant that the vault or this sink held before.
    pub(super) fn merge(&mut self, held: Option<&Row>, rows: &[(Kind, Option<Row>)]) {
        self.replaces.push(hash_of(held));
        for (kind, row) in rows {
            self.rows.insert(*kind, row.clone());
        }
    }

    /// Whether this comes after the grant that the vault holds.
    pub(super) fn is_newer_than(&self, held: Option<&Row>) -> bool {
        let Some(Some(sunk)) = self.rows.get(&Kind::Grant) else { return false };
        let generation = held.map_or(0, |row| row.generation);
        sunk.generation > generation || (sunk.generation == generation && self.replaces.contains(&hash_of(held)))
    }
}

fn hash_of(grant: Option<&Row>) -> [u8; 32] {
    hash([grant.map_or(&[][..], |row| &row.sealed)])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(generation: u64, byte: u8) -> Row {
        Row { kind: Kind::Grant, generation, binding: [1; 32], sealed: vec![byte; 100] }
    }

    fn sunk(row: Row) -> Sunk {
        let mut sunk = Sunk::default();
        sunk.merge(None, &[(Kind::Grant, Some(row)), (Kind::Tokens, None)]);
        sunk
    }

    #[test]
    fn what_is_put_in_comes_back_and_what_was_damaged_does_not() {
        let dir = tempfile::tempdir().expect("a directory");
        let sink = Sink::of(Some(dir.path()), [3; 16]).expect("a directory");
        assert!(sink.all().is_empty());
        sink.put("work", &sunk(row(2, 7))).expect("written");
        let all = sink.all();
        assert_eq!(all.len(), 1);
        assert!(all[0].0 == "work" && all[0].1.rows == sunk(row(2, 7)).rows);
        assert!(Sink::of(Some(dir.path()), [4; 16]).expect("a directory").all().is_empty(), "another vault's");

        let whole = sink.encode("work", &sunk(row(2, 7)));
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            assert!(sink.decode(&flipped).is_err());
            assert!(sink.decode(&whole[..at]).is_err());
        }
        sink.drop("work");
        assert!(sink.all().is_empty());
    }

    #[test]
    fn a_sink_left_behind_never_undoes_what_came_later() {
        let old = sunk(row(2, 7));
        assert!(old.is_newer_than(None) && old.is_newer_than(Some(&row(1, 9))));
        assert!(!old.is_newer_than(Some(&row(2, 7))), "it has been taken back");
        assert!(!old.is_newer_than(Some(&row(2, 8))), "the vault has gone on at this generation");
        assert!(!old.is_newer_than(Some(&row(3, 8))));

        let mut facts = Sunk::default();
        facts.merge(Some(&row(2, 5)), &[(Kind::Grant, Some(row(2, 6)))]);
        assert!(facts.is_newer_than(Some(&row(2, 5))));
        facts.merge(Some(&row(2, 6)), &[(Kind::Grant, Some(row(2, 7)))]);
        assert!(facts.is_newer_than(Some(&row(2, 6))), "it may have reached the disk after all");
    }
}
