//! What the world hears of an account: its state, and words that say what happened and what to do.

use super::denied::Denied;
use super::holding::{Grant, Holding, Trouble};
use super::input::DEFAULT_KEY;
use super::machine::Account;
use super::status::{State, Status};
use crate::time::{Now, Wall};

impl Account {
    /// The account as published.
    pub fn status(&self, now: &Now) -> Status {
        let definition = self.defined.good.as_deref();
        let holding = self.vault.open();
        let lineage = holding.and_then(|holding| holding.grant.lineage());
        let facts = lineage.map(|lineage| &lineage.facts);
        let claims = facts.and_then(|facts| facts.claims.as_ref());
        let shown = || claims.and_then(|claims| claims.display_name.clone());
        let token = self.servable(&DEFAULT_KEY, None, now);
        let planned = self.plan(now).map(|planned| now.wall.after(planned.at.since(now.boot)));
        Status {
            name: self.name.clone(),
            provider: definition.and_then(|definition| definition.provider.clone()).unwrap_or_default(),
            issuer: definition.and_then(|definition| definition.issuer.clone()).unwrap_or_default(),
            scopes: match (holding, definition) {
                (Some(holding), Some(definition)) => holding.scopes(definition).to_vec(),
                (None, Some(definition)) => definition.scopes.clone(),
                (_, None) => Vec::new(),
            },
            label: definition.and_then(|definition| definition.label.clone()).or_else(shown).unwrap_or_default(),
            subject: claims.map(|claims| claims.subject.clone()).unwrap_or_default(),
            last_error: self.last_error(now),
            state: self.state(now),
            generation: holding.map_or(0, |holding| holding.generation),
            expires_at: token.map_or(0, |cached| cached.served.expires_at),
            refresh_at: planned.map_or(0, Wall::unix),
            login_ends_at: facts.and_then(|facts| facts.login_ends_at).map_or(0, |at| Wall(at).unix()),
            authorization_details: facts.and_then(|facts| facts.authorization_details.clone()).unwrap_or_default(),
        }
    }

    fn state(&self, now: &Now) -> State {
        let Some(holding) = self.vault.open() else { return State::Locked };
        if self.defined.good.is_none() {
            return State::Misconfigured;
        }
        let has_token = self.has_valid_token(now);
        match (&holding.grant, &holding.trouble) {
            (Grant::None { logged_out: true }, _) => State::LoggedOut,
            (Grant::None { logged_out: false }, _) if !self.asks_by_itself(holding) => State::LoginRequired,
            (Grant::Unopenable { .. } | Grant::Foreign(_), _) => State::Held,
            (Grant::Ended(_, ended), _) if !ended.held => State::LoginRequired,
            (Grant::Ended(..), _) if !has_token => State::Held,
            (Grant::Ended(..), _) => State::Ready,
            (Grant::None { .. } | Grant::Live(_), Trouble::Stopped { .. }) => State::Misconfigured,
            (Grant::None { .. } | Grant::Live(_), Trouble::Sealed { .. }) => State::Held,
            (Grant::None { .. } | Grant::Live(_), Trouble::Waiting(_) | Trouble::Refused(_) | Trouble::Lost(_)) => {
                State::Unavailable
            }
            (Grant::None { .. } | Grant::Live(_), Trouble::None) if self.ends_soon(holding, now) => State::LoginSoon,
            (Grant::None { .. } | Grant::Live(_), Trouble::None) => State::Ready,
        }
    }

    fn last_error(&self, now: &Now) -> (String, String) {
        if let Some(why) = self.errand.unsaved() {
            let what = format!(
                "the newest refresh token is only in memory: {why}; free some space, and do not end the keeper"
            );
            return ("Unsaved".to_owned(), what);
        }
        if let Some(fault) = &self.defined.fault {
            return ("Misconfigured".to_owned(), fault.clone());
        }
        let Some(holding) = self.vault.open() else { return Default::default() };
        let is_well = match (&holding.grant, &holding.trouble) {
            (Grant::Live(_), Trouble::None) => true,
            (Grant::None { logged_out }, Trouble::None) => *logged_out || self.asks_by_itself(holding),
            (Grant::None { .. } | Grant::Live(_), _) => false,
            (Grant::Unopenable { .. } | Grant::Foreign(_) | Grant::Ended(..), _) => false,
        };
        if is_well {
            let bound = self.has_certificate_bound_token(now).then(|| bound_to_certificate(&self.host()));
            return bound.map_or_else(Default::default, |what| ("Misconfigured".to_owned(), what));
        }
        let denied = self.denial(now);
        (denied.name().to_owned(), denied.to_string())
    }

    /// Why there is no token, with what to do about it.
    pub(super) fn denial(&self, now: &Now) -> Denied {
        let name = &self.name;
        let Some(holding) = self.vault.open() else { return Denied::Locked };
        let host = self.host();
        if self.leaving.is_some() {
            return Denied::LoginRequired(format!("`{name}` is being logged out"));
        }
        if let Some(why) = self.errand.unsaved() {
            let why = format!("the vault cannot be written ({why}), so no refresh is started");
            return Denied::Unavailable { why, retry_at: 0 };
        }
        match &holding.grant {
            Grant::None { .. } if !self.asks_by_itself(holding) => {
                return Denied::LoginRequired(format!(
                    "`{name}` is not signed in; sign in with: tokenkeeper login {name}"
                ));
            }
            Grant::Unopenable { why } => {
                return Denied::Held(format!("{why}; sign in anew with: tokenkeeper login {name}"));
            }
            Grant::Foreign(_) => return self.foreign(),
            Grant::Ended(_, ended) if ended.held => {
                return Denied::Held(format!("{}; decide with: tokenkeeper login {name}", ended.why));
            }
            Grant::Ended(_, ended) => {
                return Denied::LoginRequired(format!("{}; sign in with: tokenkeeper login {name}", ended.why));
            }
            Grant::Live(lineage) if lineage.token.is_none() && !self.asks_by_itself(holding) => {
                return Denied::LoginRequired(format!(
                    "{host} gave no refresh token at the login; sign in with: tokenkeeper login {name}"
                ));
            }
            Grant::None { .. } | Grant::Live(_) => {}
        }
        self.troubled(holding, now)
    }

    /// What stands in the way of the next try.
    pub(super) fn troubled(&self, holding: &Holding, now: &Now) -> Denied {
        let (name, host) = (&self.name, self.host());
        let retry_at = || self.gate(now).map_or(0, |at| now.wall.after(at.since(now.boot)).unix());
        match &holding.trouble {
            Trouble::None => Denied::Unavailable { why: format!("{host} has not answered yet"), retry_at: retry_at() },
            Trouble::Waiting(waiting) => Denied::Unavailable { why: waiting.why.clone(), retry_at: retry_at() },
            Trouble::Lost(lost) => {
                let at = clock(lost.at());
                let again = match self.gate(now) {
                    Some(at) if at > now.boot => format!(" at {}", clock(now.wall.after(at.since(now.boot)))),
                    Some(_) | None => String::new(),
                };
                let why = format!(
                    "the server's answer was lost at {at} ({}); trying the old token once more{again}",
                    lost.why
                );
                Denied::Unavailable { why, retry_at: retry_at() }
            }
            Trouble::Refused(refused) => {
                let why = format!("{}; it is tried again before it is believed", refused.why);
                Denied::Unavailable { why, retry_at: retry_at() }
            }
            Trouble::Stopped { why, .. } => {
                Denied::Misconfigured(format!("{why}; correct it, then: tokenkeeper refresh {name}"))
            }
            Trouble::Sealed { why } => Denied::Held(format!("{why}; undo the change, or: tokenkeeper login {name}")),
        }
    }

    pub(super) fn foreign(&self) -> Denied {
        let name = &self.name;
        Denied::Held(format!(
            "this vault was copied from another machine, where `{name}` may still be in use; if it moved here for good: \
             tokenkeeper login {name} --adopt"
        ))
    }

    /// What to do about a login that failed, for the page.
    pub(super) fn remedy(&self, denied: &Denied) -> String {
        let name = &self.name;
        match denied {
            Denied::Misconfigured(_) => format!("Correct it, then run: tokenkeeper login {name}"),
            Denied::Unavailable { .. } => format!("When the server can be reached, run: tokenkeeper login {name}"),
            Denied::Locked | Denied::NotOpened(_) | Denied::NoVault => {
                format!("Run: tokenkeeper unlock, then: tokenkeeper login {name}")
            }
            Denied::NotPermitted(_) => format!("If that was a mistake, run: tokenkeeper login {name}"),
            Denied::LoginRequired(_)
            | Denied::InsufficientScope(_)
            | Denied::UnknownAccount(_)
            | Denied::Held(_)
            | Denied::Cancelled
            | Denied::Busy(_)
            | Denied::ShuttingDown
            | Denied::InvalidArgs(_)
            | Denied::NotSupported(_)
            | Denied::LimitsExceeded(_)
            | Denied::InteractiveAuthorizationRequired(_)
            | Denied::Failed(_) => format!("Try again with: tokenkeeper login {name}"),
        }
    }

    pub(super) fn subject(&self) -> Option<String> {
        let facts = &self.vault.open()?.grant.lineage()?.facts;
        facts.claims.as_ref().map(|claims| claims.subject.clone())
    }

    /// Whom people recognise.
    pub(super) fn shown_subject(&self) -> Option<String> {
        let facts = &self.vault.open()?.grant.lineage()?.facts;
        let claims = facts.claims.as_ref()?;
        Some(claims.display_name.clone().unwrap_or_else(|| claims.subject.clone()))
    }

    fn has_certificate_bound_token(&self, now: &Now) -> bool {
        self.servable(&DEFAULT_KEY, None, now).is_some_and(|cached| cached.certificate_bound)
    }

    fn asks_by_itself(&self, holding: &Holding) -> bool {
        self.defined.good.as_ref().is_some_and(|definition| match &holding.grant {
            Grant::None { .. } => holding.grant.may_ask(definition.flow),
            Grant::Live(_) => holding.grant.may_ask(definition.flow),
            Grant::Unopenable { .. } | Grant::Foreign(_) | Grant::Ended(..) => false,
        })
    }
}

/// What is told of tokens that are bound to something that this keeper has not.
pub(super) fn bound_to_certificate(host: &str) -> String {
    format!(
        "{host} binds its tokens to a client certificate (mTLS, RFC 8705), which tokenkeeper does not support, so APIs \
         will refuse them: have that switched off for this client at the server"
    )
}

/// The time of day, for sentences.
pub(super) fn clock(at: Wall) -> String {
    let minutes = at.unix() / 60 % (24 * 60);
    format!("{:02}:{:02} UTC", minutes / 60, minutes % 60)
}
