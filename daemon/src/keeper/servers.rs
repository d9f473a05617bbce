//! What servers say of themselves in their answers, by origin: how far their clock is from ours, and what they want to see
//! in the next proof. In memory only: the first answer after a start tells it again. Expiry never goes by their clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use url::Url;

use crate::oauth::Heard;
use crate::time::Wall;

/// More origins than any configuration has.
const MOST: usize = 10_000;

/// Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Servers(Arc<Mutex<HashMap<String, Server>>>);

#[derive(Default)]
struct Server {
    /// Seconds that its clock is ahead of ours.
    ahead: i64,
    /// Said last.
    nonce: Option<String>,
}

impl Servers {
    /// Every answer is heard, whatever it says.
    pub(super) fn hear(&self, address: &Url, heard: Heard, wall: Wall) {
        let mut servers = self.locked();
        if servers.len() >= MOST {
            servers.clear();
        }
        let server = servers.entry(origin(address)).or_default();
        if let Some(date) = heard.date {
            server.ahead = seconds(date).saturating_sub(seconds(wall.unix()));
        }
        if heard.nonce.is_some() {
            server.nonce = heard.nonce;
        }
    }

    /// Unix seconds by the clock of this server; by ours where it has not told.
    pub(super) fn time_at(&self, address: Option<&Url>, wall: Wall) -> u64 {
        let ahead = address.and_then(|address| self.locked().get(&origin(address)).map(|server| server.ahead));
        wall.unix().saturating_add_signed(ahead.unwrap_or(0))
    }

    /// What this server wants to see in the next proof.
    pub(super) fn nonce_at(&self, address: &Url) -> Option<String> {
        self.locked().get(&origin(address)).and_then(|server| server.nonce.clone())
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<String, Server>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn origin(address: &Url) -> String {
    address.origin().ascii_serialization()
}

fn seconds(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_origin_has_a_clock_and_a_nonce_of_its_own() {
        let servers = Servers::default();
        let at = |address: &str| Url::parse(address).expect("an address");
        let ours = Wall::from_unix(1_000_000);
        servers.hear(&at("https://as.example/token"), Heard { date: Some(1_000_600), nonce: Some("n-1".into()) }, ours);
        servers.hear(&at("https://as.example:8443/token"), Heard { date: Some(999_000), nonce: None }, ours);
        let later = Wall::from_unix(1_000_100);
        let time = |address: &str| servers.time_at(Some(&at(address)), later);
        assert_eq!(time("https://as.example/other?query"), 1_000_700);
        assert_eq!(time("https://as.example:8443/"), 999_100);
        assert_eq!(time("https://unheard.example/"), 1_000_100);
        assert_eq!(servers.time_at(None, later), 1_000_100);
        let nonce = |address: &str| servers.nonce_at(&at(address));
        assert_eq!(nonce("https://as.example/other?query").as_deref(), Some("n-1"));
        assert_eq!(nonce("https://as.example:8443/"), None);
        // An answer that says nothing changes nothing.
        servers.hear(&at("https://as.example/token"), Heard::default(), later);
        assert_eq!(time("https://as.example/token"), 1_000_700);
        assert_eq!(nonce("https://as.example/token").as_deref(), Some("n-1"));
        servers.hear(&at("https://as.example/token"), Heard { date: None, nonce: Some("n-2".into()) }, later);
        assert_eq!(nonce("https://as.example/token").as_deref(), Some("n-2"));
    }
}
