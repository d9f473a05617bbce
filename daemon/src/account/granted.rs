//! An answer with tokens: the refresh token is on its way to the disk before anything else in the answer counts.

use std::sync::Arc;

use tokenkeeper_config::TokenKind;

use super::bound::bind_client;
use super::codec;
use super::effect::{Change, Notice};
use super::errand::{Attempt, Fresh, Source};
use super::grant_end::note_end;
use super::holding::{Holding, Pause, Trouble, Waiting};
use super::input::TokenKey;
use super::machine::{Account, Server, Turn};
use super::record::{Ended, Facts, NewGrant, NewToken, RefreshToken};
use super::schedule;
use super::tokens::{Cached, Minted};
use crate::oauth::{Granted, Metadata};
use crate::secret::Secret;
use crate::time::{Boot, Now, Wall};

impl Account {
    pub(super) fn granted(
        &mut self,
        attempt: Attempt,
        refresh_token: Option<Secret>,
        granted: Granted,
        turn: &mut Turn<'_>,
    ) {
        let (metadata, unread) = (self.metadata(), Metadata::default());
        let (host, client_key) = (self.host(), self.client_key(&attempt));
        let Some(holding) = self.vault.held_mut() else { return };
        let key = attempt.key().clone();
        let definition = &attempt.definition;
        let generation = holding.generation + 1;

        let (kept, mut facts) = match holding.grant.lineage() {
            Some(lineage) => (lineage.token.clone(), lineage.facts.clone()),
            None => (None, first_facts(&attempt.sent)),
        };
        let bound_before = facts.proof_key.clone();
        let new_key = bind_client(&attempt, client_key, &mut facts);
        facts.refreshes += 1;
        facts.rotates |= refresh_token.is_some();
        update(&mut facts, &granted, &attempt.sent, holding, turn.now);
        let is_default = key == TokenKey::DEFAULT;
        if let (true, Some(scopes)) = (is_default, &granted.scopes) {
            facts.scopes.clone_from(scopes);
        }

        let asked_audience = key.audience.as_ref().or(definition.audience.as_ref());
        let served = match asked_audience {
            Some(asked) if !granted.audience.is_empty() && !granted.audience.contains(asked) => Err(format!(
                "asked for a token for `{asked}`, {host} gave one for `{}`: allow the client that audience at the server, \
                 or correct it in the definition",
                granted.audience.join(", ")
            )),
            Some(_) | None => Ok(()),
        };
        let id_token = granted.id_token.map(|token| {
            let (login, access) = (facts.claims.as_deref(), &granted.access_token);
            let metadata = metadata.as_deref().unwrap_or(&unread);
            let claims = codec::id_token_at_refresh(&token, login, access, definition, metadata, turn.now.wall);
            (token, claims)
        });
        let mut keys_are_old = false;
        let mut ended = None;
        let mut tokens = Vec::new();
        let scopes: Arc<[String]> = granted.scopes.map_or_else(
            || if key.scopes.is_empty() { holding.scopes(definition).into() } else { key.scopes.clone().into() },
            Into::into,
        );
        if let Some((token, claims)) = id_token {
            match claims {
                Ok(claims) => tokens.push(id_token_cached(token, claims.expires_at, &attempt.sent, generation)),
                Err(codec::IdProblem::Other(why)) => turn.warn(format!("the new ID token is not served: {why}")),
                Err(codec::IdProblem::UnknownKey) => keys_are_old = true,
                Err(codec::IdProblem::Mismatch(why)) => {
                    ended = Some(Ended { at: turn.now.wall.0, why, held: true });
                }
            }
        }
        if ended.is_some() {
            tokens.clear();
        } else if served.is_ok() {
            let minted = Minted { lifetime: granted.lifetime, refresh_in: granted.refresh_in, scopes, generation };
            tokens.push(Cached::new(key.clone(), granted.access_token, &granted.token_type, &attempt.sent, minted));
        }
        if keys_are_old {
            self.reread_old_keys(turn);
        }
        // A token is of no use without the key that it is bound to.
        let is_rebound = bound_before.is_some() && bound_before != facts.proof_key;
        let replaces_all = definition.refresh_kills_token || ended.is_some() || is_rebound;
        let source = Source::Refresh { key, served };
        let kept = if refresh_token.is_some() { None } else { kept };
        let sent = attempt.sent;
        let fresh = Fresh { generation, kept, new_key, facts, ended, tokens, replaces_all, sent, source };
        self.commit(fresh, refresh_token, turn);
    }

    /// An ID token is signed by a key we do not know: the server may have new ones, so they are read before the next
    /// refresh, at most once an hour.
    fn reread_old_keys(&mut self, turn: &mut Turn<'_>) {
        turn.warn("the new ID token is signed with a key that the server did not publish; it is not served".to_owned());
        if let Server::Known { read_at, .. } = self.server
            && turn.now.boot.since(read_at) >= schedule::KEYS_FRESH
        {
            self.server = Server::Unread;
        }
    }

    /// Whatever else the answer says: a refresh token in it is the one that counts from now on.
    pub(super) fn salvage(&mut self, attempt: &Attempt, token: Secret, turn: &mut Turn<'_>) {
        let why = format!("the answer of {} had a refresh token and nothing else of use", self.host());
        turn.warn(format!("{why}; the refresh token is stored"));
        let Some(holding) = self.vault.held_mut() else { return };
        let mut facts = holding.grant.lineage().map_or_else(|| first_facts(&attempt.sent), |l| l.facts.clone());
        facts.rotates = true;
        let fresh = Fresh {
            generation: holding.generation + 1,
            kept: None,
            new_key: None,
            facts,
            ended: None,
            tokens: Vec::new(),
            replaces_all: false,
            sent: attempt.sent,
            source: Source::Salvaged { why },
        };
        self.commit(fresh, Some(token), turn);
    }

    /// P4. `token` is a new refresh token; without it the kept one goes on.
    pub(super) fn commit(&mut self, mut fresh: Fresh, token: Option<Secret>, turn: &mut Turn<'_>) {
        let Some(holding) = self.vault.held_mut() else { return };
        let keep_previous = token.is_some() && matches!(fresh.source, Source::Refresh { .. } | Source::Salvaged { .. });
        let token = match (token, &fresh.kept) {
            (Some(token), _) => Some(RefreshToken::Fresh(token)),
            (None, Some(kept)) => Some(RefreshToken::Kept(kept.clone())),
            (None, None) => None,
        };
        let facts = Facts { ended: fresh.ended.clone(), ..fresh.facts.clone() };
        let tokens = default_tokens(&fresh, holding, turn.now);
        let grant = NewGrant { token, keep_previous, new_key: fresh.new_key.take(), facts };
        let change = Change::Grant { replaces: fresh.generation - 1, grant, tokens };
        self.save(change, super::errand::Then::Grant(Box::new(fresh)), turn);
    }

    /// The grant is back: whatever was said of it is taken back.
    pub(super) fn recovered(&mut self, turn: &mut Turn<'_>) {
        let was_told = self.told.login_needed || self.told.attention;
        self.told.login_needed = false;
        self.told.attention = false;
        if was_told {
            turn.notify(Notice::Recovered);
        }
    }
}

/// All default tokens that are valid after the commit.
fn default_tokens(fresh: &Fresh, holding: &Holding, now: &Now) -> Vec<NewToken> {
    let is_new = |key: &TokenKey| fresh.tokens.iter().any(|token| token.key == *key);
    let old =
        holding.tokens.iter().filter(|cached| !fresh.replaces_all && cached.is_valid(now) && !is_new(&cached.key));
    let all = old.chain(&fresh.tokens).map(Cached::to_store);
    all.filter(NewToken::is_default).collect()
}

fn update(facts: &mut Facts, granted: &Granted, sent: &Now, holding: &Holding, now: &Now) {
    note_end(facts, granted, sent);
    facts.refreshed_at = sent.wall.0;
    if let Some(asked_at) = holding.asked_at {
        facts.asked_at = now.wall.0 - i64::try_from(now.boot.since(asked_at).as_millis()).unwrap_or(i64::MAX);
    }
    if granted.authorization_details.is_some() {
        facts.authorization_details.clone_from(&granted.authorization_details);
    }
}

fn first_facts(sent: &Now) -> Facts {
    Facts { signed_in_at: sent.wall.0, ..Facts::default() }
}

/// An ID token lives by its own `exp`.
pub(super) fn id_token_cached(token: Secret, expires_at: u64, sent: &Now, generation: u64) -> Cached {
    let lifetime = Wall::from_unix(expires_at).since(sent.wall);
    let key = TokenKey { kind: TokenKind::Id, ..TokenKey::DEFAULT };
    let minted = Minted { lifetime: Some(lifetime), refresh_in: None, scopes: Arc::from([]), generation };
    Cached::new(key, token, "id_token", sent, minted)
}

impl Trouble {
    /// After an answer that had a refresh token and nothing else: soon again, with the new token; a server that goes on
    /// so is asked ever more rarely, since each of its answers is one more rotation.
    pub(super) fn salvaged(self, why: String, now: Boot, seed: u64) -> Self {
        let mut pause = match self {
            Self::Waiting(waiting) => waiting.pause,
            Self::None | Self::Lost(_) | Self::Refused(_) | Self::Stopped { .. } | Self::Sealed { .. } => {
                Pause::over(now)
            }
        };
        pause.lengthen(now, None, seed);
        Self::Waiting(Waiting { why, pause })
    }
}
