//! The tokens at hand, one for each key. Nothing here asks for one.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokenkeeper_config::{Definition, TokenKind};

use super::effect::Served;
use super::input::TokenKey;
use super::record::NewToken;
use super::schedule;
use crate::oauth::is_certificate_bound;
use crate::secret::Secret;
use crate::time::{Boot, Moment, Now, Wall};

/// More keys than any definition needs; the oldest gives way.
const LIMIT: usize = 64;

/// A cached token.
#[derive(Clone)]
pub(super) struct Cached {
    pub(super) key: TokenKey,
    pub(super) served: Served,
    /// `None` = unknown.
    pub(super) expiry: Option<Moment>,
    pub(super) lifetime: Option<Duration>,
    /// When the server wants to be asked again, from its birth.
    pub(super) refresh_in: Option<Duration>,
    pub(super) born: Age,
    /// When it was asked for, wall clock; for the record.
    pub(super) minted: Wall,
    /// Nobody can use it without a client certificate (RFC 8705 §3).
    pub(super) certificate_bound: bool,
}

/// How old something is: what was known when it was noted, and the boot clock since.
#[derive(Debug, Clone, Copy)]
pub(super) struct Age {
    at: Boot,
    before: Duration,
}

/// All cached tokens.
#[derive(Default)]
pub(super) struct Tokens(Vec<Cached>);

impl Age {
    pub(super) fn new(now: &Now) -> Self {
        Self { at: now.boot, before: Duration::ZERO }
    }

    /// Of something noted on the wall clock, maybe in another boot.
    pub(super) fn of(wall: Wall, now: &Now) -> Self {
        Self { at: now.boot, before: now.wall.since(wall) }
    }

    pub(super) fn age(&self, now: Boot) -> Duration {
        self.before.saturating_add(now.since(self.at))
    }
}

impl Cached {
    /// A token that was asked for at `sent`.
    pub(super) fn new(key: TokenKey, token: Secret, token_type: &str, sent: &Now, facts: Minted) -> Self {
        let expiry = facts.lifetime.map(|lifetime| sent.plus(lifetime));
        let token = Arc::new(token);
        Self {
            certificate_bound: key.kind == TokenKind::Access && is_certificate_bound(&token),
            key,
            served: served(&token, token_type, expiry.as_ref(), facts.scopes, facts.generation),
            expiry,
            lifetime: facts.lifetime,
            refresh_in: facts.refresh_in,
            born: Age::new(sent),
            minted: sent.wall,
        }
    }

    /// A token as it was stored.
    pub(super) fn stored(token: NewToken, now: &Now) -> Self {
        let lifetime = token.expiry.as_ref().map(|expiry| expiry.wall.since(token.minted));
        Self {
            served: served(
                &token.token,
                &token.token_type,
                token.expiry.as_ref(),
                token.scopes.into(),
                token.generation,
            ),
            certificate_bound: token.key.kind == TokenKind::Access && is_certificate_bound(&token.token),
            key: token.key,
            expiry: token.expiry,
            lifetime,
            refresh_in: None,
            born: Age::of(token.minted, now),
            minted: token.minted,
        }
    }

    /// As it is to be stored.
    pub(super) fn to_store(&self) -> NewToken {
        NewToken {
            key: self.key.clone(),
            token: self.served.token.clone(),
            token_type: self.served.token_type.as_ref().to_owned(),
            expiry: self.expiry,
            scopes: self.served.scopes.to_vec(),
            generation: self.served.generation,
            minted: self.minted,
        }
    }

    /// Until it expires; the longest time when that is unknown.
    pub(super) fn left(&self, now: &Now) -> Duration {
        self.expiry.as_ref().map_or(Duration::MAX, |expiry| now.until(expiry))
    }

    /// The same where something has to be decided: a token of unknown life is not counted on beyond an hour.
    pub(super) fn presumed_left(&self, now: &Now) -> Duration {
        let presumed = || schedule::PRESUMED_LIFE.saturating_sub(self.born.age(now.boot));
        self.expiry.as_ref().map_or_else(presumed, |expiry| now.until(expiry))
    }

    pub(super) fn is_valid(&self, now: &Now) -> bool {
        !self.left(now).is_zero()
    }

    /// Minted so recently that another would be no better.
    pub(super) fn is_fresh(&self, now: &Now) -> bool {
        let minute = Duration::from_secs(60);
        self.born.age(now.boot) < self.lifetime.map_or(minute, |lifetime| minute.min(lifetime / 2))
    }

    /// When its refresh is due; `None` = by no clock.
    pub(super) fn due_at(&self, now: &Now, definition: &Definition, hash: u64) -> Option<Boot> {
        let (expiry, lifetime) = (self.expiry.as_ref()?, self.lifetime?);
        let before = schedule::due_before_expiry(definition, lifetime, self.refresh_in, hash);
        Some(now.boot.after(now.until(expiry).saturating_sub(before)))
    }
}

/// What an answer says of a token.
pub(super) struct Minted {
    pub(super) lifetime: Option<Duration>,
    pub(super) refresh_in: Option<Duration>,
    pub(super) scopes: Arc<[String]>,
    pub(super) generation: u64,
}

fn served(
    token: &Arc<Secret>,
    token_type: &str,
    expiry: Option<&Moment>,
    scopes: Arc<[String]>,
    generation: u64,
) -> Served {
    Served {
        digest: Sha256::digest(token.reveal()).into(),
        token: token.clone(),
        token_type: token_type.into(),
        expires_at: expiry.map_or(0, |expiry| expiry.wall.unix()),
        scopes,
        generation,
    }
}

impl Tokens {
    pub(super) fn find(&self, key: &TokenKey) -> Option<&Cached> {
        self.0.iter().find(|cached| cached.key == *key)
    }

    pub(super) fn put(&mut self, fresh: Cached) {
        self.0.retain(|cached| cached.key != fresh.key);
        if self.0.len() == LIMIT {
            // The account's own two are worth a refresh; the others are got again.
            let is_own = |cached: &Cached| cached.key == TokenKey { kind: cached.key.kind, ..TokenKey::DEFAULT };
            let oldest = self.0.iter().position(|cached| !is_own(cached)).unwrap_or(0);
            self.0.remove(oldest);
        }
        self.0.push(fresh);
    }

    /// When a token ends whose expiry was unknown: `left` after it was asked for. Tells whether it is still here.
    pub(super) fn learn(&mut self, key: &TokenKey, generation: u64, asked: &Now, left: Duration) -> bool {
        let is_it = |cached: &&mut Cached| {
            cached.key == *key && cached.served.generation == generation && cached.expiry.is_none()
        };
        let Some(cached) = self.0.iter_mut().find(is_it) else { return false };
        let expiry = asked.plus(left);
        cached.served.expires_at = expiry.wall.unix();
        cached.lifetime = Some(expiry.wall.since(cached.minted));
        cached.expiry = Some(expiry);
        true
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Cached> {
        self.0.iter()
    }
}
