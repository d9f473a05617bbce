//! The keeper's own socket, for programs that ask for one token and end: no bus between, one question, one answer.
//!
//! The question is lines of `key=value`, to the end of the stream: [`GREETING`], `account`, and the options of GetToken
//! by their names on the bus, a list as one line for each of its elements. The answer is lines in the same form, then
//! an empty line. After [`GRANTED`] they are what comes with a token (and `length`, in bytes), and the token follows;
//! after [`REFUSED`] they are the error's `name` on the bus and its `message`. A keeper that lets nobody in closes the
//! connection: then the bus is asked.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The first line of a question.
pub const GREETING: &str = "tokenkeeper 1";
/// The first line of an answer with a token.
pub const GRANTED: &str = "granted";
/// The first line of an answer without one.
pub const REFUSED: &str = "refused";
/// The account that is asked.
pub const ACCOUNT: &str = "account";
/// How many bytes the token has.
pub const LENGTH: &str = "length";
/// The error's name on the bus.
pub const NAME: &str = "name";
/// The error's sentence.
pub const MESSAGE: &str = "message";
/// The longest question, and the longest lines of an answer, bytes.
pub const MOST: usize = 64 << 10;

/// Where the keeper of this environment's session bus listens. Without `XDG_RUNTIME_DIR`, as after su(1), it is where
/// systemd has it for this user.
pub fn path(environment: impl Fn(&str) -> Option<OsString>, uid: u32) -> PathBuf {
    let variable = |name| environment(name).filter(|value| !value.is_empty());
    let runtime = variable("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_absolute());
    let runtime = runtime.unwrap_or_else(|| PathBuf::from(format!("/run/user/{uid}")));
    let bus = variable("DBUS_SESSION_BUS_ADDRESS").and_then(|address| address.into_string().ok());
    let bus = bus.unwrap_or_else(|| format!("unix:path={}/bus", runtime.display()));
    at(&runtime, &bus)
}

/// The bus is in the name, so that a keeper on another bus (a second instance, a test) is never taken for this one.
fn at(runtime: &Path, bus_address: &str) -> PathBuf {
    runtime.join("tokenkeeper").join(format!("door-{:016x}", fnv1a(&identity(bus_address))))
}

/// An address without what differs between those who know one bus: fallbacks, and the `guid` key (D-Bus specification,
/// "Server Addresses").
fn identity(address: &str) -> String {
    let first = address.split(';').next().unwrap_or_default();
    first.split(',').filter(|part| !part.starts_with("guid=")).collect::<Vec<_>>().join(",")
}

/// FNV-1a, 64 bit: the name must come out the same in every version, and nothing rests on its being hard to guess.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Lines, one by one. Values hold no line break: whoever has one asks on the bus.
#[derive(Debug, Clone)]
pub struct Lines(String);

impl Lines {
    /// Begins with a line of its own.
    pub fn new(first: &str) -> Self {
        Self(format!("{first}\n"))
    }

    /// Adds a line; `None`, and nothing is added, when the value cannot stand in one.
    pub fn add(&mut self, key: &str, value: impl std::fmt::Display) -> Option<()> {
        let line = format!("{key}={value}");
        if line.contains('\n') {
            return None;
        }
        self.0.push_str(&line);
        self.0.push('\n');
        Some(())
    }

    /// The text.
    pub fn into_text(self) -> String {
        self.0
    }

    /// The first line, and the `key=value` pairs after it; `None` when a line is neither.
    pub fn read(text: &str) -> Option<(&str, Vec<(&str, &str)>)> {
        let mut lines = text.lines();
        let first = lines.next()?;
        let pairs: Option<Vec<_>> = lines.map(|line| line.split_once('=')).collect();
        Some((first, pairs?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_knows_the_same_bus_finds_the_same_door() {
        let run = Path::new("/run/user/1000");
        let plain = at(run, "unix:path=/run/user/1000/bus");
        assert_eq!(plain, Path::new("/run/user/1000/tokenkeeper/door-d06dda095d2cf226"));
        assert_eq!(plain, at(run, "unix:path=/run/user/1000/bus,guid=0123"));
        assert_eq!(plain, at(run, "unix:path=/run/user/1000/bus;tcp:host=localhost"));
        assert_ne!(plain, at(run, "unix:path=/tmp/dbus-1"));
    }

    #[test]
    fn who_knows_nothing_looks_where_systemd_has_it() {
        let inside = |name: &str| match name {
            "XDG_RUNTIME_DIR" => Some("/run/user/1000".into()),
            "DBUS_SESSION_BUS_ADDRESS" => Some("unix:path=/run/user/1000/bus".into()),
            _ => None,
        };
        assert_eq!(path(|_| None, 1000), path(inside, 1000));
        assert_ne!(path(|_| None, 1000), path(|_| None, 1001));
    }

    #[test]
    fn lines_are_read_as_they_were_written() {
        let mut lines = Lines::new(GREETING);
        assert_eq!(lines.add(ACCOUNT, "work"), Some(()));
        assert_eq!(lines.add("audience", "https://api.example/?a=b"), Some(()));
        let text = lines.clone().into_text();
        let pairs = vec![("account", "work"), ("audience", "https://api.example/?a=b")];
        assert_eq!(Lines::read(&text), Some((GREETING, pairs)));
        assert_eq!(lines.add("audience", "one\naccount=another"), None);
        assert_eq!(Lines::read("tokenkeeper 1\nno pair\n"), None);
        assert_eq!(Lines::read(""), None);
    }
}
