//! Callers who want a token: answered from the cache where that is right, else they join the one refresh.

use tokenkeeper_config::{Definition, ScopeNarrowing, TokenKind};

use super::denied::Denied;
use super::holding::Holding;
use super::input::{DEFAULT_KEY, TokenAsk, TokenKey, WaiterId};
use super::machine::{Account, Turn};
use super::schedule;
use super::token_exchange::{check_names, is_exchanged};
use super::tokens::Cached;
use super::waiters::{LONGEST, Waiter, Want};
use crate::time::{Boot, Now};

/// What the cache has for a caller.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Good,
    /// Good, but it is time to fetch the next one.
    Due,
    /// Not good enough; a refresh may bring a better one.
    Short,
    /// A resource server refused it.
    Rejected,
    Nothing,
}

impl Account {
    pub(super) fn token_wanted(&mut self, waiter: WaiterId, ask: TokenAsk, turn: &mut Turn<'_>) {
        let Some(definition) = self.defined.good.clone() else {
            return turn.deny(waiter, self.undefined());
        };
        let Some(holding) = self.vault.open_mut() else {
            return turn.deny(waiter, Denied::Locked);
        };
        let key = match resolve(ask.key, holding, &definition) {
            Ok(key) => key,
            Err(denied) => return turn.deny(waiter, denied),
        };
        holding.asked_at = Some(turn.now.boot);

        let cached = holding.tokens.find(&key);
        let under_way = self.errand.is_exchange();
        let paused = holding.rejected_at.is_some_and(|at| turn.now.boot.since(at) < schedule::REJECTED_PAUSE);
        let is_rejected = cached.is_some_and(|cached| ask.rejected == Some(cached.served.generation));
        let verdict = match cached {
            Some(_) if is_rejected && (!paused || under_way) => Verdict::Rejected,
            Some(cached) => judge(cached, ask.min_validity, &definition, self.seed, turn.now),
            None => Verdict::Nothing,
        };
        match (verdict, cached) {
            (Verdict::Good, Some(cached)) => return turn.reply(waiter, cached.served.clone()),
            (Verdict::Due, Some(cached)) if !definition.refresh_kills_token => {
                turn.reply(waiter, cached.served.clone());
                let key = exchange_key(&key).clone();
                if !holding.wanted.contains(&key) && self.errand.exchange_key() != Some(&key) {
                    holding.wanted.push(key);
                }
                return;
            }
            (Verdict::Rejected, _) if !under_way => holding.rejected_at = Some(turn.now.boot),
            (Verdict::Good | Verdict::Due | Verdict::Short | Verdict::Rejected | Verdict::Nothing, _) => {}
        }
        let deadline = ask.deadline.min(turn.now.boot.after(LONGEST));
        let patient_until = Waiter::patience(turn.now.boot, deadline, self.waking_until);
        let want = Want::Token { key, rejected: ask.rejected };
        self.join(Waiter { id: waiter, want, deadline, patient_until }, turn);
    }

    pub(super) fn refresh_wanted(&mut self, waiter: WaiterId, deadline: Boot, turn: &mut Turn<'_>) {
        if self.defined.good.is_none() {
            return turn.deny(waiter, self.undefined());
        }
        let Some(holding) = self.vault.open_mut() else {
            return turn.deny(waiter, Denied::Locked);
        };
        holding.asked_at = Some(turn.now.boot);
        let deadline = deadline.min(turn.now.boot.after(LONGEST));
        self.join(Waiter { id: waiter, want: Want::Refresh, deadline, patient_until: deadline }, turn);
    }

    /// Whatever it started goes on.
    pub(super) fn waiter_left(&mut self, waiter: WaiterId) {
        self.waiters.leave(waiter);
        if let Some(leaving) = &mut self.leaving {
            leaving.retain(|leaver| *leaver != waiter);
        }
    }

    /// Waits, if there is something to wait for; else the best answer there is.
    fn join(&mut self, waiter: Waiter, turn: &mut Turn<'_>) {
        if self.is_worth_waiting(&waiter, turn.now) {
            self.waiters.join(waiter);
        } else {
            self.settle_for_now(waiter, turn);
        }
    }

    pub(super) fn is_worth_waiting(&self, waiter: &Waiter, now: &Now) -> bool {
        if self.leaving.is_some() {
            return false;
        }
        if self.errand.unsaved().is_some() {
            return false;
        }
        if self.errand.is_exchange() {
            return true;
        }
        if let (Want::Token { key, .. }, Some(holding)) = (&waiter.want, self.vault.open()) {
            let key = exchange_key(key);
            if holding.refusal(key).is_some() || holding.exchanges.is_refused(key, now.boot) {
                return false;
            }
        }
        match self.may_try_at(&waiter.want, now) {
            Some(at) => waiter.waits_for(at),
            None => false,
        }
    }

    /// The answer for a caller for whom nothing better will come: a token that is still valid, else the reason.
    pub(super) fn settle_for_now(&self, waiter: Waiter, turn: &mut Turn<'_>) {
        let Want::Token { key, rejected } = &waiter.want else {
            return turn.deny(waiter.id, self.denial(turn.now));
        };
        let refused = self.vault.open().and_then(|holding| holding.refusal(exchange_key(key)));
        match self.servable(key, *rejected, turn.now) {
            Some(cached) => turn.reply(waiter.id, cached.served.clone()),
            None => {
                let denied = refused.map(|why| Denied::Misconfigured(why.to_owned()));
                let denied = denied.or_else(|| self.exchange_denial(key, turn.now));
                turn.deny(waiter.id, denied.unwrap_or_else(|| self.denial(turn.now)));
            }
        }
    }

    /// Why there is no token by exchange, while there is one to exchange.
    fn exchange_denial(&self, key: &TokenKey, now: &Now) -> Option<Denied> {
        let definition = self.defined.good.as_ref().filter(|definition| is_exchanged(key, definition))?;
        let holding = self.vault.open().filter(|holding| holding.grant.may_ask(definition.flow))?;
        self.subject_token(now).and_then(|_| holding.exchanges.denial(key, now))
    }

    /// A valid token for this key that was not rejected. One whose refresh token is not durable comes last.
    pub(super) fn servable(&self, key: &TokenKey, rejected: Option<u64>, now: &Now) -> Option<&Cached> {
        let good = |cached: &&Cached| cached.is_valid(now) && rejected != Some(cached.served.generation);
        let durable = self.vault.open()?.tokens.find(key).filter(good);
        durable.or_else(|| {
            let fresh = self.errand.unsaved_grant().filter(|fresh| self.has_key_of(fresh))?;
            fresh.tokens.iter().find(|cached| cached.key == *key).filter(good)
        })
    }

    fn undefined(&self) -> Denied {
        let unread = || format!("the definition of `{}` has not been read yet", self.name);
        Denied::Misconfigured(self.defined.fault.clone().unwrap_or_else(unread))
    }
}

/// Which exchange brings this token: ID tokens come with the default access token.
pub(super) fn exchange_key(key: &TokenKey) -> &TokenKey {
    match key.kind {
        TokenKind::Access => key,
        TokenKind::Id => &DEFAULT_KEY,
    }
}

fn judge(cached: &Cached, min_validity: std::time::Duration, definition: &Definition, seed: u64, now: &Now) -> Verdict {
    if !cached.is_valid(now) {
        return Verdict::Nothing;
    }
    if cached.left(now) < min_validity && !cached.is_fresh(now) {
        return Verdict::Short;
    }
    let hash = schedule::mix(seed, cached.served.generation);
    if cached.due_at(now, definition, hash).is_some_and(|due| due <= now.boot) { Verdict::Due } else { Verdict::Good }
}

/// The key under which the token is cached: what the caller said, less what is the default anyway.
fn resolve(asked: TokenKey, holding: &Holding, definition: &Definition) -> Result<TokenKey, Denied> {
    if asked == TokenKey::DEFAULT {
        return Ok(asked);
    }
    let audience = match asked.audience {
        Some(audience) if definition.audience.as_ref() == Some(&audience) => None,
        Some(audience) if !definition.audiences.contains(&audience) && !definition.token_exchange => {
            return Err(undeclared(definition, "audience", &audience));
        }
        other => other,
    };
    let resource = match asked.resource {
        Some(resource) if definition.resources.first() == Some(&resource) => None,
        Some(resource) if !definition.resources.contains(&resource) && !definition.token_exchange => {
            return Err(undeclared(definition, "resource", &resource));
        }
        other => other,
    };
    if asked.kind == TokenKind::Id && (audience.is_some() || resource.is_some()) {
        return Err(Denied::InvalidArgs("an ID token has no audience or resource to choose".to_owned()));
    }
    let granted = holding.scopes(definition);
    let is_signed_in = holding.grant.lineage().is_some();
    if asked.kind == TokenKind::Id {
        let openid = "openid".to_owned();
        if is_signed_in && !granted.contains(&openid) && !definition.scopes.contains(&openid) {
            return Err(uncovered(definition, &openid));
        }
        return Ok(TokenKey { kind: TokenKind::Id, audience: None, resource: None, scopes: Vec::new() });
    }
    let is_default = audience.is_none() && resource.is_none();
    if let Some(missing) = asked.scopes.iter().find(|scope| is_signed_in && is_default && !granted.contains(scope)) {
        return Err(uncovered(definition, missing));
    }
    let narrower = granted.iter().any(|scope| !asked.scopes.contains(scope));
    let scopes = match definition.scope_narrowing {
        ScopeNarrowing::PerRequest if narrower && !holding.narrows_no_more => asked.scopes,
        ScopeNarrowing::Permanent if narrower && definition.token_exchange => asked.scopes,
        ScopeNarrowing::PerRequest | ScopeNarrowing::Permanent => Vec::new(),
    };
    let key = TokenKey { kind: TokenKind::Access, audience, resource, scopes };
    if is_exchanged(&key, definition) {
        check_names(&key)?;
    }
    Ok(key)
}

fn undeclared(definition: &Definition, what: &str, value: &str) -> Denied {
    Denied::InvalidArgs(format!(
        "`{}` declares no {what} `{value}`; add it to `{what}s` in its definition",
        definition.name
    ))
}

pub(super) fn uncovered(definition: &Definition, scope: &str) -> Denied {
    let name = &definition.name;
    Denied::InsufficientScope(format!(
        "the login of `{name}` does not cover `{scope}`; sign in for it with: tokenkeeper login {name} --scope {scope}"
    ))
}
