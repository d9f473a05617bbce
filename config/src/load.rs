//! Reading the config: `config.toml`, then `config.d/*.toml` in name order, all in one schema.
//!
//! Nothing here fails as a whole: a fault in an account leaves the others, a file that does not parse leaves the other
//! files, and `Loaded::keeping` puts the last good version in their place.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use toml::de::DeTable;
use url::Url;

use crate::define::define;
use crate::fault::{Fault, Source};
use crate::keys::Keys;
use crate::places::{Places, Specifiers};
use crate::table::{Context, Found, Item, Read, Table};
use crate::value::Words;
use crate::{AccountName, Definition};

/// The largest config file.
pub const MAX_FILE: u64 = 1 << 20;

/// What `[keeper]` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperSettings {
    /// Programs outside a sandbox.
    pub host_apps: HostApps,
    /// Whether GetToken answers on the bus beside SendToken.
    pub tokens_in_messages: bool,
    /// What a locked screen means for the vault.
    pub on_screen_lock: OnScreenLock,
    /// The proxy for every request to a server; the environment's is ignored.
    pub proxy: Option<Url>,
}

/// Whether programs outside a sandbox get tokens without being asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum HostApps {
    Allow,
    Ask,
}

/// What a locked screen means for the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum OnScreenLock {
    Keep,
    Lock,
}

impl Default for KeeperSettings {
    fn default() -> Self {
        Self { host_apps: HostApps::Allow, tokens_in_messages: true, on_screen_lock: OnScreenLock::Keep, proxy: None }
    }
}

impl Words for HostApps {
    const WORDS: &'static [(&'static str, Self)] = &[("allow", Self::Allow), ("ask", Self::Ask)];
}

impl Words for OnScreenLock {
    const WORDS: &'static [(&'static str, Self)] = &[("keep", Self::Keep), ("lock", Self::Lock)];
}

/// The config as it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    /// What `[keeper]` says; a later file wins per key, a faulty key keeps its default.
    pub keeper: KeeperSettings,
    /// Every account that is mentioned, or its first fault.
    pub accounts: BTreeMap<AccountName, Result<Definition, Fault>>,
    /// The file that each account stands in.
    pub sources: BTreeMap<AccountName, PathBuf>,
    /// Every fault, in file order.
    pub faults: Vec<Fault>,
    /// Files that could not be read or do not parse: of what they define, the last good version should live on.
    pub unreadable_files: BTreeSet<PathBuf>,
}

/// The entry point.
#[derive(Debug, Clone, Copy)]
pub struct Config;

impl Config {
    /// Reads the config of these places. A missing file or directory is an empty one.
    pub fn load(places: &Places) -> Loaded {
        let mut loaded = Loaded::default();
        loaded.read_file(&places.config_file(), &places.specifiers);
        for file in loaded.drop_ins(&places.drop_in_dir()) {
            loaded.read_file(&file, &places.specifiers);
        }
        loaded
    }

    /// Reads one text as if it stood in this file. Pure.
    pub fn parse(text: &str, file: &Path, specifiers: &Specifiers) -> Loaded {
        let mut loaded = Loaded::default();
        loaded.read_text(text, file, specifiers);
        loaded
    }
}

impl Loaded {
    /// This config, with the last good version of whatever stands in files that cannot be read now.
    #[must_use]
    pub fn keeping(mut self, last_good: &Loaded) -> Self {
        for (name, source) in &last_good.sources {
            let lost = self.unreadable_files.contains(source) && !matches!(self.accounts.get(name), Some(Ok(_)));
            if let Some(account) = last_good.accounts.get(name).filter(|_| lost) {
                self.accounts.insert(name.clone(), account.clone());
                self.sources.insert(name.clone(), source.clone());
            }
        }
        if !self.unreadable_files.is_empty() {
            self.keeper = last_good.keeper.clone();
        }
        self
    }

    fn drop_ins(&mut self, dir: &Path) -> Vec<PathBuf> {
        let entries = match fs::read_dir(dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                self.unreadable(dir, format!("cannot be listed: {error}"), "make it readable for you (chmod 700)");
                return Vec::new();
            }
        };
        let is_ours = |path: &PathBuf| {
            let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
            !hidden && path.extension().is_some_and(|extension| extension == "toml")
        };
        let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).filter(is_ours).collect();
        files.sort();
        files
    }

    fn read_file(&mut self, file: &Path, specifiers: &Specifiers) {
        match read_bounded(file) {
            Ok(Some(text)) => self.read_text(&text, file, specifiers),
            Ok(None) => {}
            Err((what, remedy)) => self.unreadable(file, what, remedy),
        }
    }

    fn unreadable(&mut self, file: &Path, what: String, write_instead: &str) {
        self.unreadable_files.insert(file.to_owned());
        let write_instead = write_instead.to_owned();
        self.faults.push(Fault { file: file.to_owned(), position: None, what, write_instead });
    }

    fn read_text(&mut self, text: &str, file: &Path, specifiers: &Specifiers) {
        let source = Source::new(file, text);
        let (parsed, errors) = DeTable::parse_recoverable(text);
        if let Some(error) = errors.first() {
            let at = error.span().map_or(0, |span| span.start);
            // Only the message: the error's own text repeats the line, which may hold a secret.
            let fault = source.fault(
                at,
                format!("this is no TOML: {}", error.message()),
                "correct the line; `tokenkeeper config check` shows the next",
            );
            return self.unparsable(file, fault, parsed.get_ref());
        }

        let context = Context { source: &source, specifiers };
        let mut root = Table::new(context, parsed.get_ref(), String::new());
        if let Some(item) = root.item("keeper") {
            self.read_keeper(item);
        }
        let mut faults = Vec::new();
        match root.item("account").map(|item| item.table("account".to_owned(), "[account.NAME]")) {
            Some(Ok(accounts)) => {
                for (at, item) in accounts.items() {
                    faults.extend(self.read_account(at, item));
                }
            }
            Some(Err(fault)) => faults.push(fault),
            None => {}
        }
        faults.extend(root.finish());
        faults.sort_by_key(|fault| fault.position);
        self.faults.extend(faults);
    }

    /// Whatever accounts can still be made out are faulty, so that a first start says so instead of not knowing them.
    fn unparsable(&mut self, file: &Path, fault: Fault, rest: &DeTable<'_>) {
        let accounts = rest.get("account").and_then(|accounts| accounts.get_ref().as_table());
        for key in accounts.into_iter().flat_map(DeTable::keys) {
            let Ok(name) = key.get_ref().parse::<AccountName>() else { continue };
            if !self.accounts.contains_key(&name) {
                self.sources.insert(name.clone(), file.to_owned());
                self.accounts.insert(name, Err(fault.clone()));
            }
        }
        self.unreadable_files.insert(file.to_owned());
        self.faults.push(fault);
    }

    fn read_keeper(&mut self, item: Item<'_>) {
        let mut table = match item.table("keeper".to_owned(), "[keeper]") {
            Ok(table) => table,
            Err(fault) => return self.faults.push(fault),
        };
        let keeper = &mut self.keeper;
        set(&mut keeper.host_apps, table.take("host_apps"));
        set(&mut keeper.tokens_in_messages, table.take("tokens_in_messages"));
        set(&mut keeper.on_screen_lock, table.take("on_screen_lock"));
        if let Some(Found { value: ProxyAddress(proxy), .. }) = table.take("proxy") {
            keeper.proxy = Some(proxy);
        }
        self.faults.extend(table.finish());
    }

    fn read_account(&mut self, at: usize, item: Item<'_>) -> Vec<Fault> {
        let source = item.context.source;
        let name = match item.key.parse::<AccountName>() {
            Ok(name) => name,
            Err(bad) => {
                return vec![source.fault(
                    at,
                    format!("\"{}\" is no account name", bad.0.escape_debug()),
                    "use 1 to 63 of a-z, 0-9 and `-`, not beginning with `-`",
                )];
            }
        };
        if let Some(first) = self.sources.get(&name).filter(|first| *first != source.file) {
            let what = format!("account {name} is defined a second time; the first is in {}", first.display());
            let fault = source.fault(at, what, "remove one of the two");
            self.accounts.insert(name, Err(fault.clone()));
            return vec![fault];
        }
        let mut table = match item.table(format!("account.{name}"), &format!("[account.{name}]")) {
            Ok(table) => table,
            Err(fault) => {
                self.sources.insert(name.clone(), source.file.to_owned());
                self.accounts.insert(name, Err(fault.clone()));
                return vec![fault];
            }
        };
        let keys = Keys::read(&mut table);
        let mut faults = table.finish();
        // Missing keys are worth telling only when every key that is there was understood.
        let account = match faults.first() {
            Some(fault) => Err(fault.clone()),
            None => define(&name, at, keys, source),
        };
        if faults.is_empty() {
            faults.extend(account.as_ref().err().cloned());
        }
        self.sources.insert(name.clone(), source.file.to_owned());
        self.accounts.insert(name, account);
        faults
    }
}

fn set<T>(setting: &mut T, found: Option<Found<T>>) {
    if let Some(found) = found {
        *setting = found.value;
    }
}

/// The proxy: http or https, any host, no password.
struct ProxyAddress(Url);

impl Read for ProxyAddress {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let wanted = "write it like \"http://proxy.acme.example:3128\"";
        let text = item.text("an address in quotes, like \"http://proxy.acme.example:3128\"")?;
        let url = Url::parse(text).map_err(|_| item.fault("`proxy` is no address", wanted))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(item.fault("`proxy` is no http address", wanted));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(item.fault("`proxy` contains a user name or password", wanted));
        }
        Ok(Self(url))
    }
}

/// The text of a file, `None` if there is none; else what is wrong and what to do.
fn read_bounded(file: &Path) -> Result<Option<String>, (String, &'static str)> {
    let cannot = |error: std::io::Error| (format!("cannot be read: {error}"), "make it readable for you (chmod 600)");
    // Asked before opening: to open a pipe would wait for its writer.
    match fs::metadata(file) {
        Ok(metadata) if !metadata.is_file() => return Err(("is no file".to_owned(), "replace it by a text file")),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(cannot(error)),
    }
    let mut bytes = Vec::new();
    let mut opened = fs::File::open(file).map_err(cannot)?.take(MAX_FILE + 1);
    opened.read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > MAX_FILE {
        return Err((format!("is larger than {} MiB", MAX_FILE >> 20), "split it into files in config.d/"));
    }
    let text = String::from_utf8(bytes).map_err(|_| ("is not UTF-8".to_owned(), "save it as UTF-8 text"))?;
    Ok(Some(text))
}
