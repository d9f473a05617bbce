//! Slots whose secret lies in a file: `keyfile` (the person's own place), `load-credential` (a unit's credential) and
//! `insecure` (beside the vault). A file that others can read is refused: it may be known to them already.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Of, Opener, Slot, SlotKind};
use crate::secret::Secret;
use crate::vault::error::SlotError;
use crate::vault::place::sync_dir;
use crate::vault::seal::Key;

/// A key has at least this many bytes.
const SHORTEST: usize = 32;
/// The name of the key among a unit's credentials.
const CREDENTIAL: &str = "tokenkeeper.key";
/// More than this is not read.
const LONGEST: u64 = 64 * 1024;

/// A slot of one of the three kinds.
pub(super) struct KeyFile {
    kind: SlotKind,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Params {
    path: PathBuf,
}

impl KeyFile {
    pub(super) const OWN: Self = Self { kind: SlotKind::Keyfile };
    pub(super) const CREDENTIAL: Self = Self { kind: SlotKind::LoadCredential };
    pub(super) const INSECURE: Self = Self { kind: SlotKind::Insecure };

    fn enrolled(&self, of: &Of<'_>, opener: &Opener) -> Result<String, SlotError> {
        let path = match (self.kind, &opener.path) {
            (SlotKind::Insecure, _) => of.dir.join("insecure.key"),
            (SlotKind::LoadCredential, None) => CREDENTIAL.into(),
            (SlotKind::LoadCredential, Some(path)) => path.clone(),
            _ => given_path(self.kind, opener)?,
        };
        if self.kind != SlotKind::LoadCredential && !path.exists() {
            make(&path).map_err(|error| SlotError::Permanent(format!("cannot make {}: {error}", path.display())))?;
        }
        self.read(&self.found(&path, opener)?)?;
        serde_json::to_string(&Params { path })
            .map_err(|_| SlotError::NotAllowed("the path of a key must be UTF-8".into()))
    }

    fn path(&self, of: &Of<'_>, opener: &Opener) -> Result<PathBuf, SlotError> {
        // A moved state directory keeps its key beside it.
        if self.kind == SlotKind::Insecure {
            return Ok(of.dir.join("insecure.key"));
        }
        self.found(&path_in(self.kind, of.params)?, opener)
    }

    /// Where a path of the parameters leads: a relative one names a credential, and those lie elsewhere for every unit.
    fn found(&self, path: &Path, opener: &Opener) -> Result<PathBuf, SlotError> {
        match (self.kind, &opener.credentials) {
            _ if path.is_absolute() => Ok(path.to_owned()),
            (SlotKind::LoadCredential, Some(credentials)) => Ok(credentials.join(path)),
            _ => Err(SlotError::Permanent(format!(
                "the keeper was given no credential {name}: it has to run as a unit with LoadCredential={name}:…",
                name = path.display()
            ))),
        }
    }

    fn read(&self, path: &Path) -> Result<Secret, SlotError> {
        let refused = |why: String| SlotError::Permanent(format!("the key {}: {why}", path.display()));
        let file = File::open(path).map_err(|error| refused(error.to_string()))?;
        let meta = file.metadata().map_err(|error| refused(error.to_string()))?;
        if !meta.is_file() {
            return Err(refused("is not a regular file".into()));
        }
        if meta.mode() & 0o077 & !self.harmless(&meta) != 0 {
            return Err(refused(format!(
                "others may read it (mode {:04o}): chmod 0400 it, or make a new one",
                meta.mode() & 0o7777
            )));
        }
        let me = rustix::process::geteuid().as_raw();
        if meta.uid() != me && meta.uid() != 0 {
            return Err(refused(format!("it belongs to uid {}", meta.uid())));
        }
        if meta.len() > LONGEST {
            return Err(refused("it is over 64 KiB, this is no key".into()));
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(meta.len()).unwrap_or(0) + 1));
        let read = file.take(LONGEST).read_to_end(&mut bytes);
        let secret = Secret::locked_copy_of(&bytes);
        read.map_err(|error| refused(error.to_string()))?;
        if secret.len() < SHORTEST {
            return Err(refused(format!("it has {} bytes, a key has at least {SHORTEST}", secret.len())));
        }
        Ok(secret)
    }

    /// Bits of the mode that let nobody in: systemd gives its user a credential by an access list, which shows in the
    /// place of root's group.
    fn harmless(&self, meta: &fs::Metadata) -> u32 {
        let of_root = meta.uid() == 0 && meta.gid() == 0;
        if self.kind == SlotKind::LoadCredential && of_root { 0o040 } else { 0 }
    }
}

impl Slot for KeyFile {
    fn enrol<'a>(&'a self, of: Of<'a>, opener: &'a Opener) -> BoxFuture<'a, Result<String, SlotError>> {
        Box::pin(async move { self.enrolled(&of, opener) })
    }

    fn secret<'a>(&'a self, of: Of<'a>, opener: &'a Opener) -> BoxFuture<'a, Result<Secret, SlotError>> {
        Box::pin(async move { self.read(&self.path(&of, opener)?) })
    }

    fn forget<'a>(&'a self, of: Of<'a>, _: &'a Opener) -> BoxFuture<'a, Result<(), SlotError>> {
        Box::pin(async move {
            if self.kind == SlotKind::Insecure {
                let path = of.dir.join("insecure.key");
                fs::remove_file(&path)
                    .map_err(|error| SlotError::Permanent(format!("cannot remove {}: {error}", path.display())))?;
            }
            Ok(())
        })
    }
}

/// The path in a slot's parameters.
pub(super) fn path_in(kind: SlotKind, params: &str) -> Result<PathBuf, SlotError> {
    let params: Result<Params, _> = serde_json::from_str(params);
    let damaged = |_| SlotError::Permanent(format!("the {kind} slot's parameters are damaged"));
    params.map(|params| params.path).map_err(damaged)
}

fn given_path(kind: SlotKind, opener: &Opener) -> Result<PathBuf, SlotError> {
    let Some(path) = &opener.path else {
        return Err(SlotError::NotAllowed(format!("a {kind} slot needs the path of its key: {kind}=PATH")));
    };
    if !path.is_absolute() {
        return Err(SlotError::NotAllowed(format!("{} is not an absolute path", path.display())));
    }
    Ok(path.clone())
}

/// Makes a key file, 0400, durable before anything is sealed under it.
fn make(path: &Path) -> io::Result<()> {
    let key = Key::random();
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o400).open(path)?;
    file.write_all(key.reveal())?;
    file.sync_all()?;
    sync_dir(path.parent().unwrap_or(Path::new("/")))
}
