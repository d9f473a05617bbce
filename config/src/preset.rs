//! Provider presets: what is known of a kind of server, as data (`providers.toml`, compiled in). A preset is written in
//! the keys of an account, in which `{domain}` stands for the account's domain, plus what people need to register.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::LazyLock;

use toml::de::DeTable;

use crate::Specifiers;
use crate::definition::{Flow, Redirect};
use crate::fault::{Fault, Source};
use crate::keys::Keys;
use crate::nearest::nearest;
use crate::params::Params;
use crate::table::{Context, Item, Read, Table};
use crate::value::Words;

/// What is known of one kind of server.
#[derive(Debug, Clone)]
pub struct Preset {
    /// As written in `provider = "…"`.
    pub name: String,
    /// As people call it.
    pub title: String,
    /// The account keys that have no default here, in the order in which to ask for them.
    pub needs: Vec<Need>,
    /// Whether the server wants a client secret.
    pub client_secret: ClientSecret,
    /// The page where a client is registered; `{domain}` stands for the account's domain.
    pub register: Option<String>,
    /// What to choose on that page.
    pub register_hint: Option<String>,
    /// What to know before signing in.
    pub notes: Vec<String>,
    /// What usually helps against a well-known failure: the `error` of an answer, `no_refresh_token` (a login without
    /// one, though offline access was asked for), `redirect_mismatch` (nobody came back) or `registered` (what to know of a
    /// client that the server registered by itself).
    pub hints: BTreeMap<String, String>,
    /// Where the facts were read.
    pub sources: Vec<String>,
    /// Whether the server has the device flow (RFC 8628).
    pub device: bool,
    /// Whether the server registers clients for anybody who asks (RFC 7591).
    pub registers: bool,
    pub(crate) keys: Keys,
}

/// An account key that a person has to fill in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// The key.
    pub key: &'static str,
    /// How a value looks.
    pub example: String,
}

/// Whether a client secret goes with the client ID.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientSecret {
    /// Tokens come only with it.
    Needed,
    /// Depends on how the client was registered.
    Optional,
    /// Native apps have none.
    None,
}

impl Words for ClientSecret {
    const WORDS: &'static [(&'static str, Self)] =
        &[("needed", Self::Needed), ("optional", Self::Optional), ("none", Self::None)];
}

/// All presets, in the order of `providers.toml`.
pub fn providers() -> &'static [Preset] {
    static PRESETS: LazyLock<Vec<Preset>> =
        LazyLock::new(|| read_all(TEXT).expect("providers.toml is compiled in and tested"));
    &PRESETS
}

/// The preset of this name.
pub fn preset(name: &str) -> Option<&'static Preset> {
    providers().iter().find(|preset| preset.name == name)
}

/// The preset that was probably meant.
pub(crate) fn nearest_preset(name: &str) -> Option<&'static str> {
    nearest(name, providers().iter().map(|preset| preset.name.as_str()))
}

impl Preset {
    /// The scopes that are asked for when the account says nothing.
    pub fn scopes(&self) -> &[String] {
        self.keys.scopes.as_ref().map_or(&[], |found| &found.value.0)
    }

    /// How a person signs in when the account says nothing.
    pub fn flow(&self) -> Flow {
        self.keys.flow.as_ref().map_or(Flow::Auto, |found| found.value)
    }

    /// The default of `domain`, where there is one.
    pub fn domain(&self) -> Option<&str> {
        self.keys.domain.as_ref().map(|found| found.value.0.as_str())
    }

    /// The redirect URI's parts when the account says nothing.
    pub fn redirect(&self) -> Redirect {
        Redirect::of(&self.keys)
    }

    /// The registration page for this domain.
    pub fn register_page(&self, domain: Option<&str>) -> Option<String> {
        let page = self.register.as_deref()?;
        match domain.or(self.domain()) {
            Some(domain) => Some(page.replace("{domain}", domain)),
            None => Some(page.to_owned()),
        }
    }
}

const TEXT: &str = include_str!("../providers.toml");

fn read_all(text: &str) -> Result<Vec<Preset>, Vec<Fault>> {
    let source = Source::new(Path::new("providers.toml"), text);
    let parsed = DeTable::parse(text).map_err(|error| vec![source.fault(0, error.to_string(), "correct it")])?;
    let context = Context { source: &source, specifiers: &Specifiers::default() };
    let table = Table::new(context, parsed.get_ref(), String::new());
    let mut presets = Vec::new();
    for (_, item) in table.items() {
        presets.push(read_one(item)?);
    }
    Ok(presets)
}

fn read_one(item: Item<'_>) -> Result<Preset, Vec<Fault>> {
    let mut table = item.table(item.key.to_owned(), "a table").map_err(|fault| vec![fault])?;
    let title = table.take::<String>("title");
    let client_secret = table.take("client_secret");
    let example = table.take::<Params>("example");
    let register = table.take("register");
    let register_hint = table.take("register_hint");
    let notes = table.take("notes");
    let hints = table.take::<Hints>("hints");
    let sources = table.take("sources");
    let device = table.take("device");
    let registers = table.take("registers");
    let keys = Keys::read(&mut table);
    let faults = table.finish();
    if !faults.is_empty() {
        return Err(faults);
    }

    let example = example.map(|found| found.value.0).unwrap_or_default();
    let need = |key: &'static str| Need { key, example: example.get(key).cloned().unwrap_or_default() };
    let mut needs = Vec::new();
    if keys.issuer.is_none() && keys.token_endpoint.is_none() {
        needs.push(need("issuer"));
    }
    if keys.domain.is_none() && keys.addresses().any(|address| address.contains("{domain}")) {
        needs.push(need("domain"));
    }
    needs.push(need("client_id"));
    Ok(Preset {
        name: item.key.to_owned(),
        title: title.map_or_else(|| item.key.to_owned(), |found| found.value),
        needs,
        client_secret: client_secret.map_or(ClientSecret::Optional, |found| found.value),
        register: register.map(|found| found.value),
        register_hint: register_hint.map(|found| found.value),
        notes: notes.map(|found| found.value).unwrap_or_default(),
        hints: hints.map(|found| found.value.0).unwrap_or_default(),
        sources: sources.map(|found| found.value).unwrap_or_default(),
        device: device.is_some_and(|found| found.value),
        registers: registers.is_some_and(|found| found.value),
        keys,
    })
}

/// Hints by failure: keys are not parameters, so no name is reserved.
struct Hints(BTreeMap<String, String>);

impl Read for Hints {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let table = item.table(item.key.to_owned(), "a table")?;
        let hint = |(_, entry): (usize, Item<'_>)| Ok((entry.key.to_owned(), String::read(entry)?));
        table.items().into_iter().map(hint).collect::<Result<_, _>>().map(Self)
    }
}
