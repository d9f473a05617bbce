//! The kinds of values that keys have, each with its bounds and its remedy.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::definition::{
    AssertionAudience, ClientAuth, Flow, Rotation, ScopeNarrowing, Switch, TokenFormat, TokenKind,
};
use crate::fault::Fault;
use crate::nearest::nearest;
use crate::table::{Item, Read};

/// A type whose values are written as words.
pub(crate) trait Words: Copy + 'static {
    const WORDS: &'static [(&'static str, Self)];

    /// Words that nothing acts on yet. Taking them silently would promise a protection that is not there.
    const NOT_YET: &'static [&'static str] = &[];
}

impl<T: Words> Read for T {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let words = || T::WORDS.iter().map(|(word, _)| *word);
        let all = words().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
        let text = item.text(&format!("one of {all}"))?;
        if T::NOT_YET.contains(&text) {
            let others = words().filter(|word| !T::NOT_YET.contains(word)).map(|word| format!("\"{word}\""));
            let remedy = format!("write {} for now, or remove the line", others.collect::<Vec<_>>().join(" or "));
            return Err(item.fault(format!("`{}` cannot be \"{text}\" yet", item.key), remedy));
        }
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

impl Words for AssertionAudience {
    const WORDS: &'static [(&'static str, Self)] = &[("issuer", Self::Issuer), ("token-endpoint", Self::TokenEndpoint)];
}

impl ClientAuth {
    /// Its word in the configuration.
    pub fn word(self) -> &'static str {
        word_of(self)
    }

    /// What the word means.
    pub fn of_word(word: &str) -> Option<Self> {
        meant_by(word)
    }
}

impl AssertionAudience {
    /// Its word in the configuration.
    pub fn word(self) -> &'static str {
        word_of(self)
    }

    /// What the word means.
    pub fn of_word(word: &str) -> Option<Self> {
        meant_by(word)
    }
}

fn word_of<T: Words + PartialEq>(value: T) -> &'static str {
    let found = T::WORDS.iter().find(|(_, known)| *known == value);
    found.map(|(word, _)| *word).expect("every value has its word")
}

fn meant_by<T: Words>(word: &str) -> Option<T> {
    T::WORDS.iter().find(|(known, _)| *known == word).map(|(_, value)| *value)
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

/// The path of a redirect URI; `None` = another one for each login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedirectPath(pub(crate) Option<String>);

impl Read for RedirectPath {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let text = item.text("a path, like \"/callback\"")?;
        if text == "random" {
            return Ok(Self(None));
        }
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"/-._~".contains(&b);
        if !text.starts_with('/') || text.starts_with("//") || !text.bytes().all(plain) {
            return Err(item.fault(
                format!("`{}` is no path of a redirect URI", item.key),
                "write it like \"/callback\", of letters, digits and / - . _ ~, or \"random\" if any path is registered",
            ));
        }
        Ok(Self(Some(text.to_owned())))
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

/// A single character that separates scopes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Separator(pub(crate) char);

impl Words for Separator {
    const WORDS: &'static [(&'static str, Self)] = &[(" ", Self(' ')), (",", Self(','))];
}

/// The beginning of a text, for a message.
pub(crate) fn short(text: &str) -> String {
    let mut short: String = text.chars().take(40).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
