//! Reading a TOML table key by key: every key that is asked for is known, every other is a fault, and one wrong value
//! does not hide the next.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::fault::{Fault, Source};
use crate::nearest::nearest;
use crate::places::Specifiers;

/// What reading a value needs besides the value.
#[derive(Clone, Copy)]
pub(crate) struct Context<'r> {
    pub(crate) source: &'r Source<'r>,
    pub(crate) specifiers: &'r Specifiers,
}

/// A value and the offset where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found<T> {
    pub(crate) value: T,
    pub(crate) at: usize,
}

/// A value that is about to be read.
#[derive(Clone, Copy)]
pub(crate) struct Item<'r> {
    pub(crate) context: Context<'r>,
    pub(crate) key: &'r str,
    value: &'r Spanned<DeValue<'r>>,
}

/// A type that can be read from a value.
pub(crate) trait Read: Sized {
    fn read(item: Item<'_>) -> Result<Self, Fault>;
}

impl<'r> Item<'r> {
    pub(crate) fn at(&self) -> usize {
        self.value.span().start
    }

    pub(crate) fn fault(&self, what: impl Into<String>, write_instead: impl Into<String>) -> Fault {
        self.context.source.fault(self.at(), what, write_instead)
    }

    pub(crate) fn wrong_type(&self, wanted: &str) -> Fault {
        let is = match self.value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.fault(format!("`{}` is {is}", self.key), format!("write {wanted}"))
    }

    pub(crate) fn text(&self, wanted: &str) -> Result<&'r str, Fault> {
        let DeValue::String(text) = self.value.get_ref() else { return Err(self.wrong_type(wanted)) };
        if text.len() > MAX_TEXT {
            return Err(self.fault(format!("`{}` is longer than {MAX_TEXT} bytes", self.key), "write a shorter text"));
        }
        if text.chars().any(char::is_control) {
            return Err(
                self.fault(format!("`{}` contains a control character", self.key), "write printable text on one line")
            );
        }
        Ok(text)
    }

    /// As it was written, for values whose shape is not ours.
    pub(crate) fn raw(&self) -> &'r DeValue<'r> {
        self.value.get_ref()
    }

    pub(crate) fn boolean(&self) -> Result<bool, Fault> {
        let DeValue::Boolean(value) = self.value.get_ref() else { return Err(self.wrong_type("true or false")) };
        Ok(*value)
    }

    pub(crate) fn integer(&self, wanted: &str) -> Result<i64, Fault> {
        let DeValue::Integer(number) = self.value.get_ref() else { return Err(self.wrong_type(wanted)) };
        i64::from_str_radix(number.as_str(), number.radix())
            .map_err(|_| self.fault(format!("`{}` is out of range", self.key), format!("write {wanted}")))
    }

    pub(crate) fn list(&self, wanted: &str) -> Result<impl Iterator<Item = Item<'r>> + use<'r>, Fault> {
        let DeValue::Array(entries) = self.value.get_ref() else { return Err(self.wrong_type(wanted)) };
        if entries.len() > MAX_ENTRIES {
            return Err(self.fault(format!("`{}` has more than {MAX_ENTRIES} entries", self.key), "write fewer"));
        }
        let (context, key) = (self.context, self.key);
        Ok(entries.iter().map(move |value| Item { context, key, value }))
    }

    pub(crate) fn table(&self, name: String, wanted: &str) -> Result<Table<'r>, Fault> {
        let DeValue::Table(entries) = self.value.get_ref() else { return Err(self.wrong_type(wanted)) };
        Ok(Table::new(self.context, entries, name))
    }
}

/// Longest text: a client ID may be a URL, and nothing in a config is longer than that.
const MAX_TEXT: usize = 2048;
const MAX_ENTRIES: usize = 256;

/// A table that is being read.
pub(crate) struct Table<'r> {
    pub(crate) context: Context<'r>,
    entries: &'r DeTable<'r>,
    /// As in its header: `account.work`.
    name: String,
    asked: Vec<&'static str>,
    faults: Vec<(usize, Fault)>,
}

impl<'r> Table<'r> {
    pub(crate) fn new(context: Context<'r>, entries: &'r DeTable<'r>, name: String) -> Self {
        Self { context, entries, name, asked: Vec::new(), faults: Vec::new() }
    }

    pub(crate) fn take<T: Read>(&mut self, key: &'static str) -> Option<Found<T>> {
        let item = self.item(key)?;
        match T::read(item) {
            Ok(value) => Some(Found { value, at: item.at() }),
            Err(fault) => {
                self.note(item.at(), fault);
                None
            }
        }
    }

    pub(crate) fn item(&mut self, key: &'static str) -> Option<Item<'r>> {
        self.asked.push(key);
        let (key, value) = self.entries.get_key_value(key)?;
        Some(Item { context: self.context, key: key.get_ref(), value })
    }

    pub(crate) fn note(&mut self, at: usize, fault: Fault) {
        self.faults.push((at, fault));
    }

    /// Every key with its offset and value, in file order; for tables whose keys are names.
    pub(crate) fn items(&self) -> Vec<(usize, Item<'r>)> {
        let context = self.context;
        let item = |(key, value): (&'r Spanned<std::borrow::Cow<'r, str>>, _)| {
            (key.span().start, Item { context, key: key.get_ref(), value })
        };
        let mut items: Vec<_> = self.entries.iter().map(item).collect();
        items.sort_by_key(|(at, _)| *at);
        items
    }

    /// The faults of this table in file order, unknown keys included.
    pub(crate) fn finish(mut self) -> Vec<Fault> {
        for (at, item) in self.items() {
            if !self.asked.contains(&item.key) {
                self.faults.push((at, self.unknown(at, item.key)));
            }
        }
        self.faults.sort_by_key(|(at, _)| *at);
        self.faults.into_iter().map(|(_, fault)| fault).collect()
    }

    fn unknown(&self, at: usize, key: &str) -> Fault {
        let place = if self.name.is_empty() { "the file".to_owned() } else { format!("[{}]", self.name) };
        let key: String = key.chars().filter(|c| !c.is_control()).take(64).collect();
        if let Some(instead) = instead_of_secret(&key) {
            let account = self.name.strip_prefix("account.").unwrap_or("NAME");
            let what = format!("`{key}` would put a secret into the config");
            return self.context.source.fault(at, what, instead.replace("NAME", account));
        }
        let remedy = match nearest(&key, self.asked.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None if self.asked.len() <= 8 => format!("known here: {}", self.asked.join(", ")),
            None => "remove it; docs/configuration.md lists every key".to_owned(),
        };
        self.context.source.fault(at, format!("unknown key `{key}` in {place}"), remedy)
    }
}

/// What to do instead of a key that people write to hold a secret; none of them exists here.
pub(crate) fn instead_of_secret(key: &str) -> Option<&'static str> {
    match key.to_ascii_lowercase().replace('-', "_").as_str() {
        "client_secret" | "secret" | "client_assertion" => {
            Some("remove it and run `tokenkeeper secret NAME`, or write client_secret_file = \"/path\"")
        }
        "private_key" => Some("remove it and write private_key_file = \"/path\""),
        "refresh_token" => Some("remove it and run `tokenkeeper add NAME --refresh-token-file FILE`"),
        "access_token" | "token" | "password" | "passphrase" => Some("remove it and run `tokenkeeper login NAME`"),
        _ => None,
    }
}
