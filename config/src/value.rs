//! The kinds of values that keys have, each with its bounds and its remedy.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

use url::{Host, Url};

use crate::definition::{ClientAuth, Flow, Rotation, ScopeNarrowing, Switch, TokenFormat, TokenKind};
use crate::fault::Fault;
use crate::nearest::nearest;
use crate::table::{Item, Read, instead_of_secret};

/// A type whose values are written as words.
pub(crate) trait Words: Copy + 'static {
    const WORDS: &'static [(&'static str, Self)];
}

impl<T: Words> Read for T {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let words = || T::WORDS.iter().map(|(word, _)| *word);
        let all = words().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let text = item.text(&format!("one of {all}"))?;
        if let Some((_, value)) = T::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let remedy = match nearest(text, words()) {
            Some(meant) => format!("did you mean \"{meant}\"? Allowed: {all}"),
            None => format!("write one of {all}"),
        };
        Err(item.fault(format!("`{}` has no value \"{}\"", item.key, short(text)), remedy))
    }
}

impl Words for ClientAuth {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("none", Self::None),
        ("basic", Self::Basic),
        ("basic-raw", Self::BasicRaw),
        ("post", Self::Post),
        ("private_key_jwt", Self::PrivateKeyJwt),
    ];
}

impl Words for Flow {
    const WORDS: &'static [(&'static str, Self)] = &[
        ("auto", Self::Auto),
        ("browser", Self::Browser),
        ("device", Self::Device),
        ("client-credentials", Self::ClientCredentials),
    ];
}

impl Words for Switch {
    const WORDS: &'static [(&'static str, Self)] = &[("auto", Self::Auto), ("on", Self::On), ("off", Self::Off)];
}

impl Words for Rotation {
    const WORDS: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("none", Self::None), ("rotating", Self::Rotating)];
}

impl Words for ScopeNarrowing {
    const WORDS: &'static [(&'static str, Self)] = &[("permanent", Self::Permanent), ("per-request", Self::PerRequest)];
}

impl Words for TokenKind {
    const WORDS: &'static [(&'static str, Self)] = &[("access", Self::Access), ("id", Self::Id)];
}

impl Words for TokenFormat {
    const WORDS: &'static [(&'static str, Self)] = &[("raw", Self::Raw), ("json", Self::Json), ("netrc", Self::Netrc)];
}

impl Read for bool {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        item.boolean()
    }
}

impl Read for String {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let text = item.text("text in quotes")?;
        if text.is_empty() {
            return Err(item.fault(format!("`{}` is empty", item.key), "write its value, or remove the line"));
        }
        Ok(text.to_owned())
    }
}

impl Read for Vec<String> {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        item.list("a list, like [\"one\", \"two\"]")?.map(String::read).collect()
    }
}

impl Read for Duration {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        const LONGEST: Duration = Duration::from_secs(10 * 366 * 86400);
        let remedy = "write a number with a unit, like \"90s\", \"5m\", \"12h\" or \"30d\"";
        let text = item.text("a time in quotes, like \"90s\", \"5m\", \"12h\" or \"30d\"")?;
        match humantime::parse_duration(text) {
            Ok(time) if time <= LONGEST => Ok(time),
            Ok(_) => Err(item.fault(format!("`{}` is longer than ten years", item.key), "write a shorter time")),
            Err(_) => Err(item.fault(format!("`{}` is no time: \"{}\"", item.key, short(text)), remedy)),
        }
    }
}

/// A path, specifiers expanded, absolute. Faults do not repeat it: people write the secret itself where its file is asked.
impl Read for PathBuf {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let text = item.text("a path in quotes")?;
        let path = item.context.specifiers.expand(text).map_err(|(what, remedy)| item.fault(what, remedy))?;
        if !path.is_absolute() {
            return Err(item.fault(
                format!("`{}` is no absolute path", item.key),
                "write a path that begins with `/`, or with `%h/` for your home directory",
            ));
        }
        if path.components().any(|part| part.as_os_str() == "..") {
            return Err(item.fault(format!("`{}` contains `..`", item.key), "write the path without it"));
        }
        Ok(path)
    }
}

/// Scopes (RFC 6749 §3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scopes(pub(crate) Vec<String>);

impl Read for Scopes {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let wanted = "a list, like [\"openid\", \"offline_access\"]";
        let mut scopes = Vec::new();
        for entry in item.list(wanted)? {
            let scope = entry.text(wanted)?;
            if scope.is_empty() || !scope.bytes().all(|b| matches!(b, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)) {
                return Err(entry.fault(
                    format!("\"{}\" is no scope", short(scope)),
                    "write each scope as an entry of its own, without spaces: [\"openid\", \"offline_access\"]",
                ));
            }
            if !scopes.iter().any(|known| known == scope) {
                scopes.push(scope.to_owned());
            }
        }
        Ok(Self(scopes))
    }
}

/// TCP ports to try.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ports(pub(crate) Vec<u16>);

impl Read for Ports {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let wanted = "a list of ports, like [8400, 8401]; [] for any free port";
        let mut ports = Vec::new();
        for entry in item.list(wanted)? {
            let number = entry.integer(wanted)?;
            let port = u16::try_from(number).ok().filter(|port| *port >= 1024).ok_or_else(|| {
                entry.fault(format!("{number} is no port for the redirect"), "write ports from 1024 to 65535")
            })?;
            if ports.contains(&port) {
                return Err(entry.fault(format!("port {port} stands there twice"), "remove one of the two"));
            }
            ports.push(port);
        }
        Ok(Self(ports))
    }
}

/// The host of a loopback redirect URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LoopbackHost(pub(crate) String);

impl Read for LoopbackHost {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let remedy = "write \"127.0.0.1\", \"[::1]\" or \"localhost\"";
        match item.text("\"127.0.0.1\", \"[::1]\" or \"localhost\"")? {
            host @ ("127.0.0.1" | "[::1]" | "localhost") => Ok(Self(host.to_owned())),
            other => Err(item.fault(format!("`{}` is not this machine: \"{}\"", item.key, short(other)), remedy)),
        }
    }
}

/// The path of a redirect URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedirectPath(pub(crate) String);

impl Read for RedirectPath {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let text = item.text("a path, like \"/callback\"")?;
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
        if !text.starts_with('/') || text.starts_with("//") || !text.bytes().all(plain) {
            return Err(item.fault(
                format!("`{}` is no path of a redirect URI", item.key),
                "write it like \"/callback\": it begins with one `/` and has only letters, digits and / - . _ ~",
            ));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A host name, perhaps with a port: what fills `{domain}` in a preset, and the hosts that helpers answer for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domain(pub(crate) String);

impl Read for Domain {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let text = item.text("a host name, like \"acme.eu.auth0.com\"")?;
        let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        let label =
            |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        if host.split('.').all(label) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
            return Ok(Self(text.to_owned()));
        }
        let remedy = match Url::parse(text).ok().as_ref().and_then(Url::host_str) {
            Some(host) => format!("write only the host: \"{host}\""),
            None => "write it like \"acme.eu.auth0.com\": no https://, no path".to_owned(),
        };
        Err(item.fault(format!("`{}` is no host name", item.key), remedy))
    }
}

/// Host names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Domains(pub(crate) Vec<String>);

impl Read for Domains {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let entries = item.list("a list of hosts, like [\"git.acme.example\"]")?;
        Ok(Self(entries.map(|entry| Domain::read(entry).map(|domain| domain.0)).collect::<Result<_, _>>()?))
    }
}

/// Extra parameters: text by name. An empty text takes a preset's parameter away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Params(pub(crate) BTreeMap<String, String>);

impl Read for Params {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let table = item.table(item.key.to_owned(), "a table, like { prompt = \"consent\" }")?;
        let mut params = BTreeMap::new();
        for (at, entry) in table.items() {
            let fault = |what, remedy: &str| Err(item.context.source.fault(at, what, remedy));
            // RFC 6749 §8.2
            let name_char = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
            if entry.key.is_empty() || !entry.key.bytes().all(name_char) {
                return fault(
                    format!("`{}` has a name that is none", item.key),
                    "use letters, digits and - . _ in names",
                );
            }
            if let Some(instead) = instead_of_secret(entry.key) {
                return fault(format!("`{}` would put a secret into the config", entry.key), instead);
            }
            if let Some((_, remedy)) = OURS.iter().find(|(name, _)| *name == entry.key) {
                return fault(format!("`{}` is not yours to set here", entry.key), remedy);
            }
            params.insert(entry.key.to_owned(), entry.text("text in quotes")?.to_owned());
        }
        Ok(Self(params))
    }
}

/// Parameters that the protocol itself sets.
const OURS: &[(&str, &str)] = &[
    ("client_id", "write client_id as a key of the account"),
    ("scope", "write scopes as a key of the account"),
    ("audience", "write audience as a key of the account"),
    ("resource", "write resource as a key of the account"),
    ("organization", "write organization as a key of the account"),
    ("redirect_uri", "write redirect_host, redirect_ports and redirect_path as keys of the account"),
    ("response_type", "remove it: it is always `code`"),
    ("response_mode", "remove it: the loopback redirect takes only the default"),
    ("grant_type", "remove it: the flow decides"),
    ("state", "remove it: it is random for each login"),
    ("nonce", "remove it: it is random for each login"),
    ("code", "remove it"),
    ("code_verifier", "remove it: PKCE is always on"),
    ("code_challenge", "remove it: PKCE is always on"),
    ("code_challenge_method", "remove it: it is always S256"),
    ("request_uri", "write par = \"on\" as a key of the account"),
    ("dpop_jkt", "write dpop = \"on\" as a key of the account"),
];

/// A single character that separates scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Separator(pub(crate) char);

impl Words for Separator {
    const WORDS: &'static [(&'static str, Self)] = &[(" ", Self(' ')), (",", Self(','))];
}

/// Why an address cannot be used, and what to write: https, or http on a loopback literal (RFC 8252 §7.3 and §8.3).
/// The address itself is not repeated: it may carry a password.
pub(crate) fn check_address(key: &str, text: &str) -> Result<Url, (String, String)> {
    let wrong = |what: String, remedy: &str| Err((what, remedy.to_owned()));
    let Ok(url) = Url::parse(text) else {
        return wrong(format!("`{key}` is no address"), "write a whole one, like \"https://login.acme.example\"");
    };
    if !url.username().is_empty() || url.password().is_some() {
        return wrong(format!("`{key}` contains a user name or password"), "write the address without it");
    }
    if url.fragment().is_some() {
        return wrong(format!("`{key}` contains a fragment"), "write the address without `#` and what follows");
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        "http" => wrong(
            format!("`{key}` is http and not on this machine, so tokens would travel in the clear"),
            "write https:// (http only with 127.0.0.1, [::1] or localhost)",
        ),
        scheme => {
            wrong(format!("`{key}` is a {} address", short(scheme)), "write an address that begins with https://")
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => Ipv4Addr::is_loopback(&address),
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// The beginning of a text, for a message.
pub(crate) fn short(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
