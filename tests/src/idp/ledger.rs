//! The ledger: what the server received, what it committed, what it truly sent. The oracle of every crash test: a
//! login may be lost only if the ledger says so. Tokens stand in it as hashes.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use crate::clock;

/// One line.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Entry {
    /// Its number, from 0.
    pub seq: u64,
    /// The exchange it belongs to: all lines of one request share it.
    pub exchange: u64,
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened. Token names are SHA-256 in hex, see [`digest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum Event {
    /// A token request arrived. `token` is the code or the refresh token it carried.
    Received { grant: String, client: String, token: String, audience: String },
    /// A login or a rotation took effect: from here on `token` is spent (unless it is its own successor).
    Committed { family: u64, token: String, successor: String },
    /// The last byte of the answer went into the connection.
    Sent { status: u16 },
    /// The connection was cut on purpose after so many bytes of the answer.
    Cut { after: usize },
    /// A spent token came back: the family has ended.
    Reused { family: u64, token: String },
    /// A family was revoked.
    Revoked { family: u64 },
    /// Somebody asked about an access token.
    Introspected { token: String },
    /// A client was registered.
    Registered { client: String },
    /// A client was deleted.
    Unregistered { client: String },
    /// A request was refused.
    Refused { error: String },
}

/// The ledger, in memory and, if it has a file, on disk before anything is answered.
pub struct Ledger {
    lines: Mutex<Lines>,
    length: watch::Sender<usize>,
}

struct Lines {
    entries: Vec<Entry>,
    file: Option<File>,
    exchanges: u64,
}

/// The name of a token in the ledger.
pub fn digest(token: &str) -> String {
    Sha256::digest(token.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Ledger {
    /// An empty ledger.
    pub fn in_memory() -> Self {
        Self::new(None)
    }

    /// An empty ledger that appends each line to a file and syncs it.
    pub fn at(path: &Path) -> std::io::Result<Self> {
        Ok(Self::new(Some(File::options().create(true).append(true).open(path)?)))
    }

    fn new(file: Option<File>) -> Self {
        let lines = Lines { entries: Vec::new(), file, exchanges: 0 };
        Self { lines: Mutex::new(lines), length: watch::Sender::new(0) }
    }

    /// Everything so far.
    pub fn entries(&self) -> Vec<Entry> {
        self.lines.lock().expect("no writer panics").entries.clone()
    }

    /// How many lines a question is true of.
    pub fn count(&self, question: impl Fn(&Event) -> bool) -> usize {
        self.lines.lock().expect("no writer panics").entries.iter().filter(|entry| question(&entry.event)).count()
    }

    /// How many refreshes arrived.
    pub fn refreshes(&self) -> usize {
        self.count(|event| matches!(event, Event::Received { grant, .. } if grant == "refresh_token"))
    }

    /// How many refreshes took effect.
    pub fn rotations(&self) -> usize {
        let entries = self.entries();
        let refreshing = |exchange| {
            entries.iter().any(|entry| {
                entry.exchange == exchange
                    && matches!(&entry.event, Event::Received { grant, .. } if grant == "refresh_token")
            })
        };
        entries
            .iter()
            .filter(|entry| matches!(entry.event, Event::Committed { .. }) && refreshing(entry.exchange))
            .count()
    }

    /// Waits until something is true of the ledger, at most so long; false = it did not come true.
    pub async fn until(&self, limit: Duration, question: impl Fn(&Self) -> bool) -> bool {
        let mut length = self.length.subscribe();
        let wait = async {
            while !question(self) {
                length.changed().await.expect("the ledger outlives its readers");
            }
        };
        tokio::time::timeout(limit, wait).await.is_ok()
    }

    pub(super) fn begin(&self) -> u64 {
        let mut lines = self.lines.lock().expect("no writer panics");
        lines.exchanges += 1;
        lines.exchanges
    }

    pub(super) fn write(&self, exchange: u64, event: Event) {
        let mut lines = self.lines.lock().expect("no writer panics");
        let seq = lines.entries.len() as u64;
        let at_ms = clock::millis();
        let entry = Entry { seq, exchange, at_ms, event };
        if let Some(file) = &mut lines.file {
            let line = serde_json::to_string(&entry).expect("an entry is plain data");
            writeln!(file, "{line}").and_then(|()| file.sync_data()).expect("the ledger's disk works");
        }
        lines.entries.push(entry);
        let length = lines.entries.len();
        drop(lines);
        self.length.send_replace(length);
    }
}
