//! Commits: what follows when one is durable (P5), and what when it is not (`Unsaved`).

use super::asks::exchange_key;
use super::denied::Denied;
use super::effect::{Change, Effect, Notice};
use super::errand::{Again, Errand, Fresh, Source, Then};
use super::holding::{Grant, Lineage, Trouble};
use super::input::{DEFAULT_KEY, Ticket, TokenKey};
use super::machine::{Account, Server, Turn};
use super::published::bound_to_certificate;
use super::schedule;
use super::tokens::Age;
use super::waiters::{Waiter, Want};
use crate::secret::Sealed;

impl Account {
    pub(super) fn save(&mut self, change: Change, then: Then, turn: &mut Turn<'_>) {
        let ticket = self.ticket();
        self.errand = Errand::Saving { ticket, then, again: None };
        turn.emit(Effect::Save { ticket, change });
    }

    pub(super) fn saved(&mut self, ticket: Ticket, sealed: Option<Sealed>, turn: &mut Turn<'_>) {
        match std::mem::replace(&mut self.errand, Errand::None) {
            Errand::Intending { ticket: awaited, attempt } if awaited == ticket => self.intent_saved(attempt, turn),
            Errand::Saving { ticket: awaited, then, again } if awaited == ticket => {
                if again.is_some() {
                    turn.log("the vault can be written again: everything is durable".to_owned());
                    turn.notify(Notice::Recovered);
                }
                self.durable(then, sealed, turn);
            }
            other => self.errand = other,
        }
    }

    pub(super) fn save_failed(&mut self, ticket: Ticket, why: String, change: Box<Change>, turn: &mut Turn<'_>) {
        match std::mem::replace(&mut self.errand, Errand::None) {
            Errand::Intending { ticket: awaited, .. } if awaited == ticket => self.intent_failed(&why, turn),
            Errand::Saving { ticket: awaited, then, again } if awaited == ticket => match then {
                Then::Grant(_) | Then::Forgotten { .. } => self.unsaved(change, then, again, why, turn),
                Then::Adopted { request } => {
                    let why = format!("could not take the vault over: {why}");
                    self.login_failed(request, Denied::Failed(why), turn);
                }
                // The next start finds out again.
                Then::Nothing => turn.warn(format!("could not write to the vault: {why}")),
            },
            other => self.errand = other,
        }
    }

    /// P5: only now is anybody answered.
    fn durable(&mut self, then: Then, sealed: Option<Sealed>, turn: &mut Turn<'_>) {
        match then {
            Then::Grant(fresh) => self.installed(*fresh, sealed, turn),
            Then::Forgotten { revoked_at } => self.forgotten(revoked_at, turn),
            Then::Adopted { request } => self.took_over(request, turn),
            Then::Nothing => {}
        }
    }

    fn installed(&mut self, fresh: Fresh, sealed: Option<Sealed>, turn: &mut Turn<'_>) {
        let Fresh { generation, kept, new_key: _, facts, ended, tokens, replaces_all, sent, source } = fresh;
        let host = self.host();
        let Some(holding) = self.vault.open_mut() else {
            if let Source::Login { request } = source {
                let subject = facts.claims.as_ref().map(|claims| claims.subject.clone());
                self.login_done(request, subject, turn);
            }
            return;
        };
        let lineage = Lineage { token: sealed.or(kept), facts, worked: Age::new(&sent) };
        let subject = lineage.facts.claims.as_ref().map(|claims| claims.subject.clone());
        holding.generation = generation;
        let trouble = std::mem::replace(&mut holding.trouble, Trouble::None);
        if replaces_all {
            holding.tokens.clear();
        }
        let bound = tokens.iter().any(|token| token.certificate_bound);
        for token in tokens {
            holding.tokens.put(token);
        }
        holding.grant = match &ended {
            Some(ended) => Grant::Ended(lineage, ended.clone()),
            None => Grant::Live(lineage),
        };
        if bound && !std::mem::replace(&mut self.told.certificate, true) {
            turn.warn(bound_to_certificate(&host));
        }
        match source {
            Source::Refresh { key, served } => {
                holding.wanted.retain(|wanted| *wanted != key);
                if let Server::Known { again, .. } = &mut self.server {
                    *again = false;
                }
                match &ended {
                    Some(ended) => {
                        self.tell_ended(ended, turn);
                        self.answer_after_failure(turn);
                    }
                    None => self.refreshed(&key, served, turn),
                }
            }
            Source::Salvaged { why } => {
                holding.trouble = trouble.salvaged(why, turn.now.boot, self.seed);
                self.answer_after_failure(turn);
            }
            Source::Login { request } => {
                holding.asked_at = Some(turn.now.boot);
                holding.refused.clear();
                holding.wanted.clear();
                self.recovered(turn);
                self.login_done(request, subject, turn);
                self.answer_with(&DEFAULT_KEY, turn);
                self.learn_expiry(&DEFAULT_KEY, turn);
            }
            Source::Import { request } => self.imported(request),
            Source::Expired => {}
        }
    }

    /// A refresh is durable.
    fn refreshed(&mut self, key: &TokenKey, served: Result<(), String>, turn: &mut Turn<'_>) {
        self.recovered(turn);
        self.proof_succeeded(turn);
        if let Err(why) = served {
            turn.warn(why.clone());
            if let Some(holding) = self.vault.open_mut() {
                match *key == TokenKey::DEFAULT {
                    true => holding.trouble = Trouble::Stopped { why, retry_at: None },
                    false => holding.refused.push((key.clone(), why)),
                }
            }
            return self.answer_after_failure(turn);
        }
        self.answer_with(key, turn);
        self.learn_expiry(key, turn);
    }

    /// Everybody who waited for this exchange gets what it brought.
    pub(super) fn answer_with(&mut self, key: &TokenKey, turn: &mut Turn<'_>) {
        let is_for = |waiter: &Waiter| match &waiter.want {
            Want::Token { key: wanted, .. } => exchange_key(wanted) == key,
            Want::Refresh => *key == TokenKey::DEFAULT,
        };
        for waiter in self.waiters.take(is_for) {
            let Some(holding) = self.vault.open() else { return };
            let wanted = match &waiter.want {
                Want::Token { key, .. } => key,
                Want::Refresh => &DEFAULT_KEY,
            };
            match holding.tokens.find(wanted) {
                Some(cached) if waiter.want.is_refresh() => {
                    let expires_at = cached.served.expires_at;
                    turn.emit(Effect::ReplyDone { waiter: waiter.id, expires_at });
                }
                Some(cached) => turn.reply(waiter.id, cached.served.clone()),
                None => {
                    let host = self.host();
                    let why = format!("{host} gives no ID token at a refresh; sign in again to get a new one");
                    turn.deny(waiter.id, Denied::NotSupported(why));
                }
            }
        }
    }

    /// The commit failed everywhere: the change stays in memory, nothing further is exchanged, and it is tried again.
    fn unsaved(&mut self, change: Box<Change>, then: Then, again: Option<Again>, why: String, turn: &mut Turn<'_>) {
        let is_first = again.is_none();
        let failures = again.map_or(0, |again| again.failures) + 1;
        let retry_at = turn.now.boot.after(schedule::save_again(failures));
        if is_first {
            turn.warn(format!("the vault cannot be written, so the new refresh token is only in memory: {why}"));
            turn.notify(Notice::Unsaved { why: why.clone() });
        }
        let login = match &then {
            Then::Grant(fresh) => match fresh.source {
                Source::Login { request } | Source::Import { request } => Some(request),
                Source::Refresh { .. } | Source::Salvaged { .. } | Source::Expired => None,
            },
            Then::Forgotten { .. } | Then::Adopted { .. } | Then::Nothing => None,
        };
        self.errand = Errand::Unsaved { change, then, again: Again { why: why.clone(), failures }, retry_at };
        for waiter in self.leaving.as_mut().map(std::mem::take).unwrap_or_default() {
            let why = format!("the login is forgotten as soon as the vault can be written: {why}");
            turn.deny(waiter, Denied::Failed(why));
        }
        for waiter in self.waiters.take(|_| true) {
            self.settle_for_now(waiter, turn);
        }
        if let Some(request) = login {
            let why = format!(
                "signed in, but the login could not be stored: {why}; free some space: the keeper goes on trying while \
                 it runs"
            );
            self.login_failed(request, Denied::Failed(why), turn);
        }
    }

    pub(super) fn retry_unsaved(&mut self, turn: &mut Turn<'_>) {
        match std::mem::replace(&mut self.errand, Errand::None) {
            Errand::Unsaved { change, then, again, retry_at } if retry_at <= turn.now.boot => {
                let ticket = self.ticket();
                self.errand = Errand::Saving { ticket, then, again: Some(again) };
                turn.emit(Effect::Save { ticket, change: *change });
            }
            other => self.errand = other,
        }
    }
}
