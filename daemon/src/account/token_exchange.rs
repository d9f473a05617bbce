//! Tokens that the login itself does not give, for another audience or resource or with fewer scopes: got by exchanging
//! the account's access token (RFC 8693), where the definition says so.
//!
//! The refresh token takes no part: nothing is rotated, nothing is written, and whatever comes of it, the account's own
//! token and its state stay as they were. What is got lives in memory only.

use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::{Definition, ScopeNarrowing};

use super::asks::exchange_key;
use super::denied::Denied;
use super::errand::{Attempt, What};
use super::holding::Pause;
use super::input::{DEFAULT_KEY, TokenKey};
use super::machine::{Account, Turn};
use super::tokens::{Cached, Minted};
use super::waiters::{Waiter, Want};
use crate::oauth::token_request::TOKEN_EXCHANGE;
use crate::oauth::{Granted, Outcome};
use crate::secret::Secret;
use crate::time::{Boot, Now};

/// A key that was refused is not tried again before this: a caller that asks in a loop does not become one at the server.
const REFUSED_PAUSE: Duration = Duration::from_secs(60);
/// More refusals than this are not remembered.
const REMEMBERED: usize = 64;
/// The longest audience or resource that a caller may name, in bytes.
const LONGEST_NAME: usize = 2048;

/// What exchanges came to that brought nothing.
#[derive(Default)]
pub(super) struct Setbacks {
    refused: Vec<(TokenKey, Denied, Boot)>,
    put_off: Option<(Pause, String)>,
}

/// Whether this key's token is got by exchange: the lineage gives what the definition declares, and fewer scopes only where
/// that does not last.
pub(super) fn is_exchanged(key: &TokenKey, definition: &Definition) -> bool {
    let is_foreign = |name: &Option<String>, known: &[String]| name.as_ref().is_some_and(|name| !known.contains(name));
    let is_narrower = !key.scopes.is_empty() && definition.scope_narrowing != ScopeNarrowing::PerRequest;
    definition.token_exchange
        && (is_foreign(&key.audience, &definition.audiences)
            || is_foreign(&key.resource, &definition.resources)
            || is_narrower)
}

/// Whether a caller may name this audience or resource (RFC 8707 §2: a resource is absolute and has no fragment).
pub(super) fn check_names(key: &TokenKey) -> Result<(), Denied> {
    let names = [&key.audience, &key.resource].into_iter().flatten();
    if names.clone().any(|name| name.is_empty() || name.len() > LONGEST_NAME) {
        return Err(Denied::InvalidArgs(format!("an audience or resource has 1 to {LONGEST_NAME} bytes")));
    }
    let is_resource = |text: &String| url::Url::parse(text).is_ok_and(|url| url.fragment().is_none());
    if key.resource.as_ref().is_some_and(|text| !is_resource(text)) {
        return Err(Denied::InvalidArgs("a resource is an absolute address without `#` (RFC 8707)".to_owned()));
    }
    Ok(())
}

impl Account {
    /// What is exchanged; `None` = the account has no token now, and gets one first.
    pub(super) fn subject_token(&self, now: &Now) -> Option<Arc<Secret>> {
        self.servable(&DEFAULT_KEY, None, now).map(|cached| cached.served.token.clone())
    }

    pub(super) fn exchange_token(&mut self, subject: Arc<Secret>, key: TokenKey, turn: &mut Turn<'_>) {
        let (Some(metadata), Some(definition)) = (self.metadata(), self.defined.good.clone()) else { return };
        let listed = metadata.grant_types_supported.as_ref();
        if listed.is_some_and(|listed| !listed.is_empty() && !listed.iter().any(|grant| grant == TOKEN_EXCHANGE)) {
            let why = format!("{} does not offer token exchange (RFC 8693): take `token_exchange` away", self.host());
            return self.exchange_refused(&key, Denied::Misconfigured(why), turn);
        }
        let what = What::TokenExchange { subject, key };
        let attempt = Attempt::first(what, definition, turn.now);
        self.ask(attempt, turn);
    }

    /// Who joined while something else was under way, for a key that is refused.
    pub(super) fn answer_refused(&mut self, turn: &mut Turn<'_>) {
        let (Some(holding), Some(definition)) = (self.vault.open(), &self.defined.good) else { return };
        let is_refused = |waiter: &Waiter| match &waiter.want {
            Want::Token { key, .. } => {
                let key = exchange_key(key);
                is_exchanged(key, definition) && holding.exchanges.is_refused(key, turn.now.boot)
            }
            Want::Refresh => false,
        };
        for waiter in self.waiters.take(is_refused) {
            self.settle_for_now(waiter, turn);
        }
    }

    pub(super) fn token_exchanged(&mut self, attempt: Attempt, outcome: Outcome, turn: &mut Turn<'_>) {
        let key = attempt.key().clone();
        match outcome {
            Outcome::Granted(granted) => self.exchange_granted(&attempt, key, *granted, turn),
            Outcome::NotProcessed { why, retry_after } => self.exchange_put_off(&key, why, Some(retry_after), turn),
            Outcome::NotSent { why, .. }
            | Outcome::Portal { why }
            | Outcome::Ambiguous { why }
            | Outcome::Drift { why } => self.exchange_put_off(&key, why, None, turn),
            Outcome::AnotherProof { .. } if !attempt.another_proof && self.proof_key().is_some() => {
                self.ask(Attempt { another_proof: true, ..attempt }, turn);
            }
            Outcome::AnotherProof { why } => {
                let why = self.unproved(&attempt.definition, self.proof_key().is_some(), &why);
                self.exchange_refused(&key, Denied::Misconfigured(why), turn);
            }
            Outcome::AccessDenied { why } => self.exchange_refused(&key, Denied::NotPermitted(why), turn),
            Outcome::Ended { why }
            | Outcome::Attention { why }
            | Outcome::Misconfigured { why }
            | Outcome::BadRequest { why }
            | Outcome::BadTarget { why }
            | Outcome::Unexplained { why } => self.exchange_refused(&key, Denied::Misconfigured(why), turn),
        }
    }

    fn exchange_granted(&mut self, attempt: &Attempt, key: TokenKey, granted: Granted, turn: &mut Turn<'_>) {
        if let Err(why) = self.judge_exchanged(&key, &granted) {
            return self.exchange_refused(&key, Denied::Misconfigured(why), turn);
        }
        let Some(holding) = self.vault.open_mut() else { return };
        let all = || holding.scopes(&attempt.definition).to_vec();
        let asked = || if key.scopes.is_empty() { all() } else { key.scopes.clone() };
        let minted = Minted {
            lifetime: granted.lifetime,
            refresh_in: None,
            scopes: granted.scopes.unwrap_or_else(asked).into(),
            generation: holding.generation,
        };
        let token = Cached::new(key.clone(), granted.access_token, &granted.token_type, &attempt.sent, minted);
        holding.exchanges.put_off = None;
        holding.wanted.retain(|wanted| *wanted != key);
        holding.tokens.put(token);
        self.answer_with(&key, turn);
        self.learn_expiry(&key, turn);
    }

    /// What was got must be what was asked for.
    fn judge_exchanged(&self, key: &TokenKey, granted: &Granted) -> Result<(), String> {
        let host = self.host();
        // RFC 8693 §3; a JWT may be called one.
        let is_usable = |kind: &str| kind.ends_with(":token-type:access_token") || kind.ends_with(":token-type:jwt");
        if let Some(kind) = granted.issued_token_type.as_deref().filter(|kind| !is_usable(kind)) {
            return Err(format!("{host} gave a token of the type `{kind}` for an access token"));
        }
        match &key.audience {
            Some(asked) if !granted.audience.is_empty() && !granted.audience.contains(asked) => {
                Err(format!("asked for a token for `{asked}`, {host} gave one for `{}`", granted.audience.join(", ")))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn exchange_refused(&mut self, key: &TokenKey, denied: Denied, turn: &mut Turn<'_>) {
        turn.warn(format!("no token by exchange: {denied}"));
        if let Some(holding) = self.vault.open_mut() {
            let until = turn.now.boot.after(REFUSED_PAUSE);
            holding.wanted.retain(|wanted| wanted != key);
            holding.exchanges.refuse(key.clone(), denied, until);
        }
        self.answer_after_exchange(key, turn);
    }

    fn exchange_put_off(&mut self, key: &TokenKey, why: String, wait: Option<Duration>, turn: &mut Turn<'_>) {
        let seed = self.seed;
        if let Some(holding) = self.vault.open_mut() {
            holding.wanted.retain(|wanted| wanted != key);
            let before = holding.exchanges.put_off.take().map(|(pause, _)| pause);
            let mut pause = before.unwrap_or_else(|| Pause::over(turn.now.boot));
            pause.lengthen(turn.now.boot, wait, seed);
            holding.exchanges.put_off = Some((pause, why));
        }
        self.answer_after_exchange(key, turn);
    }

    /// Whoever need not, or cannot, wait for the next try is answered. Nobody else is concerned.
    fn answer_after_exchange(&mut self, key: &TokenKey, turn: &mut Turn<'_>) {
        let is_for = |waiter: &Waiter| match &waiter.want {
            Want::Token { key: wanted, .. } => exchange_key(wanted) == key,
            Want::Refresh => false,
        };
        for waiter in self.waiters.take(is_for) {
            if self.is_worth_waiting(&waiter, turn.now) {
                self.waiters.join(waiter);
            } else {
                self.settle_for_now(waiter, turn);
            }
        }
    }
}

impl Setbacks {
    /// When an exchange for this key may be tried again that was refused, or did not reach the server.
    pub(super) fn until(&self, key: &TokenKey, now: Boot) -> Boot {
        let put_off = self.put_off.as_ref().map(|(pause, _)| pause.until);
        let refused = self.refused.iter().find(|(refused, _, _)| refused == key).map(|(_, _, until)| *until);
        [put_off, refused].into_iter().flatten().fold(now, Boot::max)
    }

    /// Why there is no token for this key, for now.
    pub(super) fn denial(&self, key: &TokenKey, now: &Now) -> Option<Denied> {
        let refused = self.refused.iter().find(|(refused, _, until)| refused == key && *until > now.boot);
        refused.map(|(_, denied, _)| denied.clone()).or_else(|| {
            let (pause, why) = self.put_off.as_ref()?;
            let retry_at = now.wall.after(pause.until.since(now.boot)).unix();
            Some(Denied::Unavailable { why: why.clone(), retry_at })
        })
    }

    /// Whether it was refused a short while ago.
    pub(super) fn is_refused(&self, key: &TokenKey, now: Boot) -> bool {
        self.refused.iter().any(|(refused, _, until)| refused == key && *until > now)
    }

    fn refuse(&mut self, key: TokenKey, denied: Denied, until: Boot) {
        self.refused.retain(|(refused, _, _)| *refused != key);
        if self.refused.len() == REMEMBERED {
            self.refused.remove(0);
        }
        self.refused.push((key, denied, until));
    }
}
