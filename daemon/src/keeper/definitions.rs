//! Definitions: what the config says of each account, as it changes. A file that does not parse leaves its accounts on
//! their last good version.

use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokenkeeper_config::{AccountName, Config, Loaded, Places, Value};

use super::entry::{Defined, Entry};
use super::message::Reply;
use super::random;
use super::slots::vault_denied;
use super::task::{Keeper, Report};
use super::waiters::Waiting;
use crate::account::{Denied, Input};

/// Where definitions come from, and where each one came from.
pub(super) struct Definitions {
    pub(super) places: Places,
    sources: BTreeMap<AccountName, PathBuf>,
}

impl Definitions {
    pub(super) fn of(places: Places) -> Self {
        Self { places, sources: BTreeMap::new() }
    }

    /// The file that `tokenkeeper add` writes for an account.
    fn own_file(&self, name: &AccountName) -> PathBuf {
        self.places.account_file(name)
    }

    /// The file an account stands in, if that is not its own.
    fn elsewhere(&self, name: &AccountName) -> Option<&Path> {
        self.sources.get(name).map(PathBuf::as_path).filter(|source| *source != self.own_file(name))
    }
}

impl Keeper {
    /// Reads the configuration again and puts it in force.
    ///
    /// # Errors
    /// As [`Keeper::redefine`].
    pub(super) fn reload(&mut self) -> Result<(), String> {
        self.redefine(Config::load(&self.definitions.places))
    }

    /// Puts a configuration in force; the first fault is the error, and everything else holds.
    pub(super) fn redefine(&mut self, loaded: Loaded) -> Result<(), String> {
        for fault in &loaded.faults {
            tracing::warn!("{fault}");
        }
        let first_fault = loaded.faults.first().map(ToString::to_string);
        self.apply(loaded);
        first_fault.map_or(Ok(()), Err)
    }

    fn apply(&mut self, loaded: Loaded) {
        let gone: Vec<AccountName> = self.entries.keys().filter(|name| self.is_gone(name, &loaded)).cloned().collect();
        for name in gone {
            self.leave(&name);
        }
        for (name, account) in loaded.accounts {
            self.definitions.sources.insert(name.clone(), account.source);
            self.define_when_settled(&name, account.definition.map(Arc::new).map_err(|fault| fault.to_string()));
        }
        // In a file that does not parse: what is known stays as it was, what is new says what is wrong.
        for (name, fault) in loaded.unparsed {
            if !self.entries.contains_key(&name) {
                self.definitions.sources.insert(name.clone(), fault.file.clone());
                self.define_when_settled(&name, Err(fault.to_string()));
            }
        }
        if let Ok(settings) = loaded.keeper {
            let _ = self.settings.send_if_modified(|now| std::mem::replace(now, settings.clone()) != settings);
        }
    }

    fn is_gone(&self, name: &AccountName, loaded: &Loaded) -> bool {
        let source = self.definitions.sources.get(name);
        let unreadable = source.is_some_and(|source| loaded.unreadable_files.contains(source));
        !loaded.accounts.contains_key(name) && !loaded.unparsed.contains_key(name) && !unreadable
    }

    fn define_when_settled(&mut self, name: &AccountName, defined: Defined) {
        match self.entries.get_mut(name) {
            None => {
                let seed = u64::from_ne_bytes(random::bytes());
                let entry = Entry::new(name.clone(), seed, defined.clone());
                self.entries.insert(name.clone(), entry);
                self.step(name, Input::Defined(defined));
                if self.gate.denial().is_none() {
                    self.load(vec![name.clone()]);
                }
            }
            Some(entry) if entry.definition == defined && !entry.leaving => entry.next_definition = None,
            // An exchange in flight belongs to the definition it was begun under, to its end.
            Some(entry) if !entry.is_settled() => {
                entry.leaving = false;
                entry.next_definition = Some(defined);
            }
            Some(entry) => {
                entry.leaving = false;
                self.define(name, defined);
            }
        }
    }

    /// Puts another definition in force for an account at rest.
    pub(super) fn define(&mut self, name: &AccountName, defined: Defined) {
        let Some(entry) = self.entries.get_mut(name) else { return };
        let bound_elsewhere = entry.redefine(defined.clone());
        self.step(name, Input::Defined(defined));
        if bound_elsewhere && self.gate.denial().is_none() {
            self.load(vec![name.clone()]);
        }
    }

    /// Says the definition once more: what made the account stop may have been put right elsewhere.
    pub(super) fn define_again(&mut self, name: &AccountName) {
        if let Some(entry) = self.entries.get(name) {
            self.step(name, Input::Defined(entry.definition.clone()));
        }
    }

    fn leave(&mut self, name: &AccountName) {
        self.definitions.sources.remove(name);
        let Some(entry) = self.entries.get_mut(name) else { return };
        entry.leaving = true;
        self.stale.insert(name.clone());
        // Whoever waits for this account is told; what is in flight is still saved.
        self.step(name, Input::Locked);
    }

    /// The account that a definition is for, if it may be written.
    pub(super) fn writable(&self, definition: &BTreeMap<String, Value>) -> Result<AccountName, Denied> {
        let Some(Value::Text(name)) = definition.get("name") else {
            return Err(Denied::InvalidArgs("`name` is missing: the account's name, a string".into()));
        };
        let name: AccountName =
            name.parse().map_err(|bad: tokenkeeper_config::BadName| Denied::InvalidArgs(bad.to_string()))?;
        match self.definitions.elsewhere(&name) {
            None => Ok(name),
            Some(source) => {
                Err(Denied::InvalidArgs(format!("`{name}` is defined in {}: edit it there", source.display())))
            }
        }
    }

    /// Writes a definition and loads it.
    pub(super) fn add_account(&mut self, definition: &BTreeMap<String, Value>) -> Result<AccountName, Denied> {
        let name = self.writable(definition)?;
        let own_file = self.definitions.own_file(&name);
        let mut keys = definition.clone();
        keys.remove("name");
        let text = tokenkeeper_config::render_account(&name, &keys, &self.definitions.places)
            .map_err(|fault| Denied::InvalidArgs(format!("{}; {}", fault.what, fault.write_instead)))?;
        write_durably(&own_file, text.as_bytes())
            .map_err(|e| Denied::Failed(format!("could not write {}: {e}", own_file.display())))?;
        // Faults elsewhere in the configuration are not this caller's.
        let _ = self.reload();
        match self.entries.get(&name).map(|entry| &entry.definition) {
            Some(Ok(_)) => Ok(name),
            Some(Err(why)) => Err(Denied::Misconfigured(why.clone())),
            None => Err(Denied::Failed(format!("{} was written and not found again", own_file.display()))),
        }
    }

    /// Logs out, then deletes the definition.
    pub(super) fn remove(&mut self, name: &AccountName, reply: Reply<()>) {
        if let Err(denied) = self.admit(name) {
            return drop(reply.send(Err(denied)));
        }
        let own_file = self.definitions.own_file(name);
        if let Some(source) = self.definitions.elsewhere(name) {
            let why = format!("`{name}` is defined in {}: delete it there, then it is gone", source.display());
            return drop(reply.send(Err(Denied::InvalidArgs(why))));
        }
        let (logged_out, done) = tokio::sync::oneshot::channel();
        let waiter = self.waiters.add(Waiting::Logout(logged_out));
        self.step(name, Input::LogoutWanted { waiter });
        let name = name.clone();
        self.errands.run(async move |errands| {
            let result = match done.await {
                Ok(Ok(())) => {
                    errands.unregister(&name).await;
                    let removed = errands.vault.remove(&name).await.map_err(|refused| vault_denied(&refused));
                    removed.and_then(|()| delete(&own_file))
                }
                Ok(Err(denied)) => Err(denied),
                Err(_) => Err(Denied::ShuttingDown),
            };
            // The reply comes after the definition is out of force, so that a second look finds no account.
            Report::Removed { result, reply }
        });
    }

    pub(super) fn removed(&mut self, result: Result<(), Denied>, reply: Reply<()>) {
        let _ = self.reload();
        self.publish();
        let _ = reply.send(result);
    }
}

fn delete(file: &Path) -> Result<(), Denied> {
    match std::fs::remove_file(file) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(Denied::Failed(format!("could not delete {}: {e}", file.display())))
        }
        _ => Ok(()),
    }
}

/// Writes a file so that after a crash it is the old one or the new one, whole: temporary file, sync, rename, sync of
/// the directory.
fn write_durably(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = file.parent().ok_or_else(|| io::Error::other("a file has a directory"))?;
    std::fs::create_dir_all(dir)?;
    let temporary = file.with_extension("toml.new");
    let mut out = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    out.write_all(bytes)?;
    out.sync_all()?;
    std::fs::rename(&temporary, file)?;
    std::fs::File::open(dir)?.sync_all()
}
