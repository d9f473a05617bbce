//! Reading the config: `config.toml`, then `config.d/*.toml` in name order, all in one schema.
//!
//! Nothing here fails as a whole: a fault in an account leaves the others, a file that does not parse leaves the other
//! files and says that it is unreadable, so that the last good version of what it defines can live on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use crate::define::define;
use crate::fault::{Fault, Source};
use crate::keeper::KeeperSettings;
use crate::keys::Keys;
use crate::places::{Places, Specifiers};
use crate::table::{Context, Item, Table};
use crate::{AccountName, Definition, TokenFile};

/// The largest config file.
pub const MAX_FILE: u64 = 1 << 20;

/// The config as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What `[keeper]` says. `Err` = it has a fault, or a file that might say something cannot be read: keep what is in
    /// force, so that a typing mistake never loosens a setting.
    pub keeper: Result<KeeperSettings, Fault>,
    /// Every account of the files that parse.
    pub accounts: BTreeMap<AccountName, Account>,
    /// Accounts that can be made out in files that do not parse: misconfigured at a first start, else left on their
    /// last good version.
    pub unparsed: BTreeMap<AccountName, Fault>,
    /// Every fault, in file order.
    pub faults: Vec<Fault>,
    /// Files that could not be read or do not parse: the accounts that came from them stay as they are.
    pub unreadable_files: BTreeSet<PathBuf>,
    /// Who writes which token file.
    writers: BTreeMap<PathBuf, AccountName>,
}

/// One account as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// What it says, or its first fault.
    pub definition: Result<Definition, Fault>,
    /// The file it stands in.
    pub source: PathBuf,
}

impl Default for Loaded {
    fn default() -> Self {
        Self {
            keeper: Ok(KeeperSettings::default()),
            accounts: BTreeMap::new(),
            unparsed: BTreeMap::new(),
            faults: Vec::new(),
            unreadable_files: BTreeSet::new(),
            writers: BTreeMap::new(),
        }
    }
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
        let write_instead = write_instead.to_owned();
        self.lost(Fault { file: file.to_owned(), position: None, what, write_instead });
    }

    fn lost(&mut self, fault: Fault) {
        self.unreadable_files.insert(fault.file.clone());
        if self.keeper.is_ok() {
            self.keeper = Err(fault.clone());
        }
        self.faults.push(fault);
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
            return self.unparsable(fault, parsed.get_ref());
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

    fn unparsable(&mut self, fault: Fault, rest: &DeTable<'_>) {
        let accounts = rest.get("account").and_then(|accounts| accounts.get_ref().as_table());
        let names = accounts.into_iter().flat_map(DeTable::keys).filter_map(|key| key.get_ref().parse().ok());
        for name in names.filter(|name| !self.accounts.contains_key(name)).collect::<Vec<AccountName>>() {
            self.unparsed.insert(name, fault.clone());
        }
        self.lost(fault);
    }

    fn read_keeper(&mut self, item: Item<'_>) {
        let faults = match &mut self.keeper {
            Ok(keeper) => keeper.read(item),
            Err(_) => KeeperSettings::default().read(item),
        };
        if let Some(first) = faults.first().filter(|_| self.keeper.is_ok()) {
            self.keeper = Err(first.clone());
        }
        self.faults.extend(faults);
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
        if let Some(first) = self.accounts.get_mut(&name) {
            let what = format!("account {name} is defined a second time; the first is in {}", first.source.display());
            let fault = source.fault(at, what, "remove one of the two");
            first.definition = Err(fault.clone());
            return vec![fault];
        }
        let (mut definition, mut faults) = read_definition(&name, at, item);
        if let Err((other, file)) = definition.as_ref().map_or(Ok(()), |made| self.writes(made)) {
            let what = format!("account {other} writes the same token_file: {}", file.display());
            faults.push(source.fault(at, what, "give each its own path"));
            definition = Err(faults[0].clone());
        }
        self.unparsed.remove(&name);
        self.accounts.insert(name, Account { definition, source: source.file.to_owned() });
        faults
    }

    /// Notes the files that an account writes. An account that was read before and writes one of them too is the error:
    /// the two would take turns.
    fn writes(&mut self, made: &Definition) -> Result<(), (AccountName, PathBuf)> {
        let others = |file: &TokenFile| self.writers.get(&file.path).map(|other| (other.clone(), file.path.clone()));
        if let Some(other) = made.token_files.iter().find_map(others) {
            return Err(other);
        }
        self.writers.extend(made.token_files.iter().map(|file| (file.path.clone(), made.name.clone())));
        Ok(())
    }
}

fn read_definition(name: &AccountName, at: usize, item: Item<'_>) -> (Result<Definition, Fault>, Vec<Fault>) {
    let mut table = match item.table(format!("account.{name}"), &format!("[account.{name}]")) {
        Ok(table) => table,
        Err(fault) => return (Err(fault.clone()), vec![fault]),
    };
    let keys = Keys::read(&mut table);
    let faults = table.finish();
    // A missing key is worth telling only when every key that is there was understood.
    if let Some(first) = faults.first() {
        return (Err(first.clone()), faults);
    }
    let definition = define(name, at, keys, item.context.source);
    let faults = definition.as_ref().err().cloned().into_iter().collect();
    (definition, faults)
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
