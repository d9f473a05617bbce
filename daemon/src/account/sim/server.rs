//! The model server: keeps families of refresh tokens as servers do, and a ledger of what it did. It is the truth that
//! the account is measured against.

use std::collections::BTreeMap;
use std::time::Duration;

use super::device::Given;

/// What becomes of a refresh token that was used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// It goes on.
    Keeps,
    /// Another takes its place; it is accepted again for so long.
    Window(Duration),
    /// Another takes its place; using it again ends the family.
    Strict,
}

/// The family of what nobody signed in for.
const CLIENT: u64 = 0;

pub(super) struct Server {
    pub(super) kind: Kind,
    /// A refresh ends the access tokens made before.
    pub(super) kills: bool,
    pub(super) lifetime: Duration,
    /// Whether answers say how long an access token lives.
    pub(super) tells: bool,
    tokens: BTreeMap<String, Token>,
    access: BTreeMap<String, Access>,
    made: u64,
    /// Families that ended, and why.
    pub(super) ended: BTreeMap<u64, Why>,
    pub(super) families: u64,
    /// Codes that wait for a person (RFC 8628).
    pub(super) codes: BTreeMap<String, Given>,
    /// The key that each family's tokens are bound to.
    keys: BTreeMap<u64, Option<String>>,
}

/// Why a family ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// A used token came again.
    Reuse,
    /// Somebody ended it at the server.
    Revoked,
}

struct Token {
    family: u64,
    used_at: Option<Duration>,
}

struct Access {
    family: u64,
    /// What it is bound to.
    key: Option<String>,
    expires: Duration,
    killed: bool,
}

/// What a token request brings.
#[derive(Clone)]
pub(super) enum Reply {
    Tokens {
        access: String,
        refresh: Option<String>,
    },
    InvalidGrant,
    /// Not the key that the token is bound to.
    WrongKey,
}

impl Server {
    pub(super) fn new(kind: Kind, kills: bool, lifetime: Duration) -> Self {
        Self {
            kind,
            kills,
            lifetime,
            tells: true,
            tokens: BTreeMap::new(),
            access: BTreeMap::new(),
            made: 0,
            ended: BTreeMap::new(),
            families: 0,
            codes: BTreeMap::new(),
            keys: BTreeMap::new(),
        }
    }

    /// Somebody signed in, with a proof by this key.
    pub(super) fn sign_in(&mut self, key: Option<String>, now: Duration) -> Reply {
        self.families += 1;
        let family = self.families;
        self.keys.insert(family, key);
        let refresh = self.refresh_token(family);
        Reply::Tokens { access: self.access_token(family, now), refresh: Some(refresh) }
    }

    /// RFC 6749 §6, as this kind of server does it.
    pub(super) fn refresh(&mut self, token: &str, key: Option<&str>, now: Duration) -> Reply {
        let Some(Token { family, used_at }) = self.tokens.get(token) else { return Reply::InvalidGrant };
        let (family, used_at) = (*family, *used_at);
        if self.keys.get(&family).and_then(Option::as_deref) != key {
            return Reply::WrongKey;
        }
        if self.ended.contains_key(&family) {
            return Reply::InvalidGrant;
        }
        let again = match (self.kind, used_at) {
            (Kind::Keeps, _) => return Reply::Tokens { access: self.access_token(family, now), refresh: None },
            (_, None) => true,
            (Kind::Window(window), Some(used_at)) => now <= used_at + window,
            (Kind::Strict, Some(_)) => false,
        };
        if !again {
            self.ended.insert(family, Why::Reuse);
            return Reply::InvalidGrant;
        }
        if let Some(token) = self.tokens.get_mut(token) {
            token.used_at.get_or_insert(now);
        }
        let refresh = self.refresh_token(family);
        Reply::Tokens { access: self.access_token(family, now), refresh: Some(refresh) }
    }

    /// RFC 6749 §4.4: a token for the client itself, bound to the key of the proof.
    pub(super) fn client_token(&mut self, key: Option<String>, now: Duration) -> Reply {
        self.keys.insert(CLIENT, key);
        Reply::Tokens { access: self.access_token(CLIENT, now), refresh: None }
    }

    /// RFC 8693: another access token for a live one. No refresh token is touched, no access token killed.
    pub(super) fn exchange(&mut self, subject: &str, key: Option<String>, now: Duration) -> Reply {
        let family = match self.access.get(subject) {
            Some(access) if !access.killed && access.expires > now => access.family,
            Some(_) | None => return Reply::InvalidGrant,
        };
        if self.ended.contains_key(&family) {
            return Reply::InvalidGrant;
        }
        self.made += 1;
        let token = format!("ex-{}", self.made);
        self.access.insert(token.clone(), Access { family, key, expires: now + self.lifetime, killed: false });
        Reply::Tokens { access: token, refresh: None }
    }

    pub(super) fn revoke(&mut self, family: u64) {
        self.ended.entry(family).or_insert(Why::Revoked);
    }

    pub(super) fn family_of(&self, token: &str) -> Option<u64> {
        self.tokens.get(token).map(|token| token.family)
    }

    /// Whether this refresh token would be taken now.
    pub(super) fn would_take(&self, token: &str, now: Duration) -> bool {
        let Some(Token { family, used_at }) = self.tokens.get(token) else { return false };
        let is_fresh = match (self.kind, used_at) {
            (Kind::Keeps, _) | (_, None) => true,
            (Kind::Window(window), Some(used_at)) => now <= *used_at + window,
            (Kind::Strict, Some(_)) => false,
        };
        is_fresh && !self.ended.contains_key(family)
    }

    /// Whether it was exchanged for another one.
    pub(super) fn was_used(&self, token: &str) -> bool {
        self.kind != Kind::Keeps && self.tokens.get(token).is_some_and(|token| token.used_at.is_some())
    }

    /// Until the access token truly expires.
    pub(super) fn access_left(&self, token: &str, now: Duration) -> Option<Duration> {
        self.access.get(token).map(|access| access.expires.saturating_sub(now))
    }

    /// The key that the access token is bound to.
    pub(super) fn access_key(&self, token: &str) -> Option<&str> {
        self.access.get(token)?.key.as_deref()
    }

    fn refresh_token(&mut self, family: u64) -> String {
        self.made += 1;
        let token = format!("rt-{}", self.made);
        self.tokens.insert(token.clone(), Token { family, used_at: None });
        token
    }

    fn access_token(&mut self, family: u64, now: Duration) -> String {
        if self.kills {
            self.access.values_mut().filter(|access| access.family == family).for_each(|access| access.killed = true);
        }
        self.made += 1;
        let token = format!("at-{}", self.made);
        let key = self.keys.get(&family).cloned().flatten();
        let access = Access { family, key, expires: now + self.lifetime, killed: false };
        self.access.insert(token.clone(), access);
        token
    }
}
