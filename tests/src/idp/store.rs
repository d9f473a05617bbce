//! The server's books: codes, families of refresh tokens, live access tokens. Pure but for fresh names: time is an
//! argument, in milliseconds.

use std::collections::HashMap;

use super::ledger::digest;
use super::settings::{Rotation, Settings};

/// Who signed in, for what.
#[derive(Debug, Clone)]
pub(super) struct Login {
    pub(super) client: String,
    pub(super) subject: String,
    pub(super) scopes: Vec<String>,
    pub(super) audience: Option<String>,
    pub(super) nonce: Option<String>,
    pub(super) redirect_uri: String,
    /// The S256 challenge; empty for grants without one.
    pub(super) challenge: String,
    /// Unix seconds.
    pub(super) auth_time: u64,
    /// `authorization_details` as asked, all of which is granted.
    pub(super) details: Option<String>,
    pub(super) acr: Option<String>,
    pub(super) offline: bool,
}

/// What an answer is made of.
pub(super) struct Minted {
    pub(super) login: Login,
    pub(super) family: u64,
    pub(super) access_token: String,
    /// What the answer carries; `None` where the old one stays.
    pub(super) refresh_token: Option<String>,
}

/// Why not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Unknown, expired, or of an ended family.
    Unknown,
    /// Spent: its family has ended because of this.
    Reused(u64),
}

/// A code lives a minute (RFC 6749 §4.1.2 allows ten).
const CODE_LIFETIME: u64 = 60_000;

#[derive(Default)]
pub(super) struct Store {
    codes: HashMap<String, Code>,
    families: Vec<Family>,
    refresh: HashMap<String, Refresh>,
    access: HashMap<String, Access>,
    /// The registered clients, each with the key that ends it.
    pub(super) registrations: HashMap<String, String>,
    /// Pushed requests by their references.
    pub(super) pushed: HashMap<String, Vec<u8>>,
    /// Every secret ever given out, so that a test can look for them where they must not be.
    pub(super) given_out: Vec<String>,
}

struct Code {
    login: Login,
    issued: u64,
    spent: Option<u64>,
}

struct Family {
    login: Login,
    alive: bool,
    newest: u64,
}

struct Refresh {
    family: u64,
    depth: u64,
    last_used: u64,
    spent: Option<Spent>,
}

#[derive(Clone)]
struct Spent {
    at: u64,
    successor: String,
}

struct Access {
    family: u64,
    dies: u64,
}

impl Store {
    /// A code for a login.
    pub(super) fn code(&mut self, login: Login, now: u64) -> String {
        let code = self.fresh("co");
        self.codes.insert(code.clone(), Code { login, issued: now, spent: None });
        code
    }

    /// The login behind an unspent code, to check the request against before it is spent.
    pub(super) fn behind(&self, code: &str) -> Option<&Login> {
        self.codes.get(code).map(|code| &code.login)
    }

    /// Spends a code. A second use ends what the first one made (RFC 6749 §4.1.2).
    pub(super) fn redeem(&mut self, code: &str, settings: &Settings, now: u64) -> Result<Minted, Refusal> {
        let entry = self.codes.get(code).ok_or(Refusal::Unknown)?;
        if let Some(family) = entry.spent {
            self.revoke(family);
            return Err(Refusal::Reused(family));
        }
        if now > entry.issued + CODE_LIFETIME {
            return Err(Refusal::Unknown);
        }
        let login = entry.login.clone();
        let minted = self.found(login, settings, now);
        self.codes.get_mut(code).expect("looked up above").spent = Some(minted.family);
        Ok(minted)
    }

    /// A new family.
    pub(super) fn found(&mut self, login: Login, settings: &Settings, now: u64) -> Minted {
        let family = self.families.len() as u64;
        self.families.push(Family { login: login.clone(), alive: true, newest: 0 });
        let refresh_token = login.offline.then(|| self.grow(family, 0, now));
        let access_token = self.access_token(family, settings, now);
        Minted { login, family, access_token, refresh_token }
    }

    /// Refreshes.
    pub(super) fn refresh(
        &mut self,
        client: &str,
        token: &str,
        settings: &Settings,
        now: u64,
    ) -> Result<Minted, Refusal> {
        let known = self.refresh.get(token).ok_or(Refusal::Unknown)?;
        let (number, depth, spent) = (known.family, known.depth, known.spent.clone());
        let idle = settings.idle_lifetime.map(|seconds| (seconds * 1000.0) as u64);
        let expired = idle.is_some_and(|idle| now > known.last_used + idle);
        let family = &self.families[number as usize];
        if !family.alive || family.login.client != client || expired {
            return Err(Refusal::Unknown);
        }
        let login = family.login.clone();
        let replays_previous = depth + 1 == family.newest;
        let refresh_token = match (settings.rotation, spent) {
            (Rotation::None, _) => None,
            (Rotation::Rotating { .. }, None) => {
                let successor = self.grow(number, depth + 1, now);
                let spent = Spent { at: now, successor: successor.clone() };
                self.refresh.get_mut(token).expect("looked up above").spent = Some(spent);
                Some(successor)
            }
            (Rotation::Rotating { window, same_pair }, Some(spent)) => {
                let in_window = now < spent.at + (window * 1000.0) as u64;
                if !(in_window && replays_previous) {
                    self.revoke(number);
                    return Err(Refusal::Reused(number));
                }
                Some(if same_pair { spent.successor } else { self.grow(number, depth + 1, now) })
            }
        };
        self.refresh.get_mut(token).expect("looked up above").last_used = now;
        if settings.refresh_kills_token {
            self.access.retain(|_, access| access.family != number);
        }
        let access_token = self.access_token(number, settings, now);
        Ok(Minted { login, family: number, access_token, refresh_token })
    }

    /// The family that a refresh token belongs to.
    pub(super) fn family_of(&self, token: &str) -> Option<u64> {
        Some(self.refresh.get(token)?.family)
    }

    /// Ends the family that a refresh token belongs to.
    pub(super) fn revoke_token(&mut self, token: &str) -> Option<u64> {
        let family = self.family_of(token)?;
        self.revoke(family);
        Some(family)
    }

    /// Ends every family, as when the user is blocked.
    pub(super) fn revoke_all(&mut self) -> Vec<u64> {
        let alive: Vec<u64> = (0..self.families.len() as u64).filter(|&n| self.families[n as usize].alive).collect();
        alive.iter().for_each(|&family| self.revoke(family));
        alive
    }

    /// When a live access token dies, in milliseconds.
    pub(super) fn dies(&self, access_token: &str, now: u64) -> Option<u64> {
        self.access.get(&digest(access_token)).map(|access| access.dies).filter(|dies| now < *dies)
    }

    /// The subject of a live access token.
    pub(super) fn subject_of(&self, access_token: &str, now: u64) -> Option<String> {
        let access = self.access.get(&digest(access_token)).filter(|access| now < access.dies)?;
        Some(self.families[access.family as usize].login.subject.clone())
    }

    /// One more access token of the login behind a live one.
    pub(super) fn another(&mut self, access_token: &str, settings: &Settings, now: u64) -> Option<(Login, String)> {
        let family = self.access.get(&digest(access_token)).filter(|access| now < access.dies)?.family;
        let login = self.families[family as usize].login.clone();
        Some((login, self.access_token(family, settings, now)))
    }

    /// An access token that this server did not name itself (a JWT) in place of the named one.
    pub(super) fn rename_access(&mut self, from: &str, to: &str) {
        if let Some(access) = self.access.remove(&digest(from)) {
            self.access.insert(digest(to), access);
            self.given_out.push(to.to_owned());
        }
    }

    fn revoke(&mut self, family: u64) {
        self.families[family as usize].alive = false;
        self.access.retain(|_, access| access.family != family);
    }

    fn grow(&mut self, family: u64, depth: u64, now: u64) -> String {
        let token = self.fresh("rt");
        self.refresh.insert(token.clone(), Refresh { family, depth, last_used: now, spent: None });
        let newest = &mut self.families[family as usize].newest;
        *newest = depth.max(*newest);
        token
    }

    fn access_token(&mut self, family: u64, settings: &Settings, now: u64) -> String {
        let token = self.fresh("at");
        let dies = now + (settings.access_lifetime * 1000.0) as u64;
        self.access.insert(digest(&token), Access { family, dies });
        token
    }

    fn fresh(&mut self, prefix: &str) -> String {
        let name = super::params::random(prefix);
        self.given_out.push(name.clone());
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Login {
        Login {
            client: "desktop".into(),
            subject: "ada".into(),
            scopes: vec!["offline_access".into()],
            audience: None,
            nonce: None,
            redirect_uri: "http://127.0.0.1:1/cb".into(),
            challenge: String::new(),
            auth_time: 0,
            details: None,
            acr: None,
            offline: true,
        }
    }

    fn with(rotation: Rotation) -> Settings {
        Settings { rotation, ..Settings::default() }
    }

    #[test]
    fn a_token_that_does_not_rotate_works_for_ever() {
        let (mut store, settings) = (Store::default(), with(Rotation::None));
        let first = store.found(login(), &settings, 0).refresh_token.expect("offline");
        for now in 1..5 {
            assert!(store.refresh("desktop", &first, &settings, now).expect("lives").refresh_token.is_none());
        }
    }

    #[test]
    fn a_strict_server_ends_the_family_at_the_first_replay() {
        let (mut store, settings) = (Store::default(), with(Rotation::STRICT));
        let first = store.found(login(), &settings, 0).refresh_token.expect("offline");
        let second = store.refresh("desktop", &first, &settings, 1).expect("fresh").refresh_token.expect("rotates");
        assert_eq!(store.refresh("desktop", &first, &settings, 1).err(), Some(Refusal::Reused(0)));
        assert_eq!(store.refresh("desktop", &second, &settings, 2).err(), Some(Refusal::Unknown));
    }

    #[test]
    fn a_window_forgives_the_previous_token_only() {
        let (mut store, settings) = (Store::default(), with(Rotation::window(10.0)));
        let first = store.found(login(), &settings, 0).refresh_token.expect("offline");
        let lost = store.refresh("desktop", &first, &settings, 1_000).expect("fresh").refresh_token;
        let second = store.refresh("desktop", &first, &settings, 9_000).expect("in window").refresh_token;
        assert_ne!(lost, second);
        let second = second.expect("rotates");
        store.refresh("desktop", &second, &settings, 9_500).expect("fresh");
        assert_eq!(store.refresh("desktop", &first, &settings, 9_600).err(), Some(Refusal::Reused(0)));
    }

    #[test]
    fn another_client_gets_nothing_and_breaks_nothing() {
        let (mut store, settings) = (Store::default(), with(Rotation::STRICT));
        let first = store.found(login(), &settings, 0).refresh_token.expect("offline");
        assert_eq!(store.refresh("post", &first, &settings, 1).err(), Some(Refusal::Unknown));
        assert!(store.refresh("desktop", &first, &settings, 1).is_ok());
    }
}
