//! From the code to the durable login: the one exchange of a login, what its answer must bring, and what it costs when
//! it does not.

use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::Definition;

use super::codec;
use super::denied::Denied;
use super::effect::Change;
use super::errand::{Attempt, Fresh, Source, Then, What};
use super::grant_end::note_end;
use super::granted::id_token_cached;
use super::input::{RequestId, TokenKey};
use super::login::{Awaits, Login, login_scopes};
use super::machine::{Account, Server, Turn};
use super::record::Facts;
use super::tokens::{Cached, Minted};
use crate::oauth::id_token::IdTokenProblem;
use crate::oauth::{Granted, IdClaims, Outcome};
use crate::secret::Secret;

/// What a login's code brought, while the keys to check its ID token are read again.
pub(super) struct Brought {
    attempt: Attempt,
    refresh_token: Option<Secret>,
    granted: Granted,
}

/// Why a login's answer is not good enough.
enum Unfit {
    /// Its ID token is signed by a key that was not published when the keys were read.
    UnknownKey,
    Denied(Denied),
}

impl Account {
    /// The errand is free: the login's part, if it waits for that. Tells whether something was started.
    pub(super) fn serve_login(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.vault.open().is_none() {
            return false;
        }
        let Some(login) = &mut self.login else { return false };
        match std::mem::replace(&mut login.awaits, Awaits::Commit) {
            Awaits::TurnToRedeem { redirect_uri, code } => self.redeem(redirect_uri, code, turn),
            Awaits::TurnToStore { token } => self.store_import(token, turn),
            Awaits::Keys(brought) if matches!(self.server, Server::Known { .. }) => {
                self.brought(*brought, true, turn);
            }
            Awaits::TurnToAdopt => {
                let request = login.request;
                self.save(Change::Adopt, Then::Adopted { request }, turn);
            }
            Awaits::TurnToAsk { metadata } => self.ask_for_code(metadata, turn),
            Awaits::TurnToPush { redirect_uri, parameters, metadata } => {
                self.push(redirect_uri, parameters, metadata, turn);
            }
            other @ (Awaits::Metadata
            | Awaits::Listener
            | Awaits::Reference { .. }
            | Awaits::Code { .. }
            | Awaits::Decision(_)
            | Awaits::Poll(_)
            | Awaits::Redirect { .. }
            | Awaits::Answer
            | Awaits::Keys(_)
            | Awaits::Commit
            | Awaits::Token
            | Awaits::Proof) => {
                login.awaits = other;
                return false;
            }
        }
        true
    }

    fn redeem(&mut self, redirect_uri: String, code: Secret, turn: &mut Turn<'_>) {
        let (Some(login), Some(definition)) = (&mut self.login, self.defined.good.clone()) else { return };
        let Server::Known { metadata, .. } = &self.server else {
            login.awaits = Awaits::TurnToRedeem { redirect_uri, code };
            return self.discover(false, turn);
        };
        login.awaits = Awaits::Answer;
        let what = What::Code {
            request: login.request,
            nonce: login.entropy.nonce.duplicate(),
            scopes: login_scopes(&definition, metadata, &login.options.scopes),
            code,
            redirect_uri,
        };
        let attempt = Attempt::first(what, definition, turn.now);
        self.send_code(attempt, metadata.clone(), turn);
    }

    fn store_import(&mut self, token: Secret, turn: &mut Turn<'_>) {
        let (Some(login), Some(holding)) = (&self.login, self.vault.open()) else { return };
        let new_key = login.new_key();
        let facts = Facts {
            signed_in_at: turn.now.wall.0,
            refreshed_at: turn.now.wall.0,
            proof_key: new_key.as_ref().and_then(codec::thumbprint),
            ..Facts::default()
        };
        let fresh = Fresh {
            generation: holding.generation + 1,
            kept: None,
            new_key,
            facts,
            ended: None,
            tokens: Vec::new(),
            replaces_all: true,
            sent: *turn.now,
            source: Source::Import { request: login.request },
        };
        self.commit(fresh, Some(token), turn);
    }

    /// The answer to a login's code, or to the poll that was the last. Of a login that was given up nothing is kept: the
    /// old grant stays.
    pub(super) fn login_answered(
        &mut self,
        attempt: Attempt,
        refresh_token: Option<Secret>,
        outcome: Outcome,
        turn: &mut Turn<'_>,
    ) {
        let Some((request, ..)) = of_login(&attempt.what) else { return };
        // The server's wish to be left alone holds for whatever comes next, whether or not the login was given up.
        if let Outcome::NotProcessed { why, retry_after } = &outcome {
            self.not_reached(why.clone(), Some(*retry_after), turn);
        }
        let is_awaited = self.login.as_ref().is_some_and(|login| login.request == request);
        if !is_awaited {
            return turn.log("the answer to a login that was given up is not kept".to_owned());
        }
        let granted = match outcome {
            Outcome::Granted(granted) => *granted,
            other if self.wants_proof(&attempt, &other) => return self.prove_code(attempt, turn),
            Outcome::AnotherProof { why } => {
                let is_bound = attempt.another_proof;
                let denied = Denied::Misconfigured(self.unproved(&attempt.definition, is_bound, &why));
                return self.login_failed(request, denied, turn);
            }
            other => return self.login_failed(request, self.refusal(other), turn),
        };
        self.brought(Brought { attempt, refresh_token, granted }, false, turn);
    }

    /// Judges what a login brought. The server may have changed its keys since they were read: they are read once more.
    fn brought(&mut self, brought: Brought, keys_are_new: bool, turn: &mut Turn<'_>) {
        let Some((request, nonce, scopes)) = of_login(&brought.attempt.what) else { return };
        match self.judge_login(&brought, nonce, scopes, turn) {
            Ok(claims) => {
                let Brought { attempt, refresh_token, granted } = brought;
                let fresh = self.first_grant(&attempt, request, granted, claims, turn);
                if let Some(login) = &mut self.login {
                    login.awaits = Awaits::Commit;
                }
                self.commit(fresh, refresh_token, turn);
            }
            Err(Unfit::UnknownKey) if !keys_are_new => {
                if let Some(login) = &mut self.login {
                    login.awaits = Awaits::Keys(Box::new(brought));
                }
                self.discover(false, turn);
            }
            Err(Unfit::UnknownKey) => {
                let why = IdTokenProblem::UnknownKey.to_string();
                self.login_failed(request, Denied::Failed(why), turn);
            }
            Err(Unfit::Denied(denied)) => self.login_failed(request, denied, turn),
        }
    }

    /// What a login's answer must bring.
    fn judge_login(
        &self,
        brought: &Brought,
        nonce: Option<&Secret>,
        asked: &[String],
        turn: &Turn<'_>,
    ) -> Result<Option<IdClaims>, Unfit> {
        let Brought { attempt, refresh_token, granted } = brought;
        let definition = &attempt.definition;
        // A token that never expires needs no other.
        let lives_without = granted.lifetime.is_none() && !wants_offline(definition, asked);
        if refresh_token.is_none() && !lives_without {
            return Err(Unfit::Denied(Denied::Misconfigured(no_refresh_token(definition, asked, &self.host()))));
        }
        if let Some(audience) = &definition.audience
            && !granted.audience.is_empty()
            && !granted.audience.contains(audience)
        {
            return Err(Unfit::Denied(Denied::Misconfigured(format!(
                "asked for the audience `{audience}`, {} gave a token for `{}`: it ignores audiences that it does not \
                 know or does not allow this client",
                self.host(),
                granted.audience.join(", ")
            ))));
        }
        let options = self.login.as_ref().map(|login| &login.options);
        let max_age = options.and_then(|options| options.max_age);
        let Some(token) = &granted.id_token else {
            return match max_age {
                Some(_) => {
                    let why = format!("{} gave no ID token, so nobody knows when the sign-in was", self.host());
                    Err(Unfit::Denied(Denied::Failed(why)))
                }
                None => Ok(None),
            };
        };
        let metadata = self.metadata().ok_or(Unfit::UnknownKey)?;
        let login = codec::AtLogin { nonce, max_age: max_age.map(|seconds| Duration::from_secs(seconds.into())) };
        let claims =
            codec::id_token_at_login(token, login, &granted.access_token, definition, &metadata, turn.now.wall)
                .map_err(|problem| match problem {
                    IdTokenProblem::UnknownKey => Unfit::UnknownKey,
                    problem => Unfit::Denied(Denied::Failed(problem.to_string())),
                })?;
        let stated = claims.as_ref().and_then(|claims| claims.acr.as_deref());
        match (options.and_then(|options| options.acr_values.as_deref()), stated) {
            (Some(asked), Some(stated)) if !asked.split_whitespace().any(|acr| acr == stated) => {
                Err(Unfit::Denied(Denied::Failed(format!(
                    "{} says that the sign-in was `{stated}`, asked for was `{asked}`; nothing was changed",
                    self.host()
                ))))
            }
            (Some(_) | None, _) => Ok(claims),
        }
    }

    fn first_grant(
        &self,
        attempt: &Attempt,
        request: RequestId,
        granted: Granted,
        claims: Option<IdClaims>,
        turn: &Turn<'_>,
    ) -> Fresh {
        let generation = self.vault.open().map_or(0, |holding| holding.generation) + 1;
        let sent = attempt.sent;
        let new_key = self.login.as_ref().and_then(Login::new_key);
        let asked = of_login(&attempt.what).map_or(&[][..], |(_, _, scopes)| scopes);
        let scopes = granted.scopes.clone().unwrap_or_else(|| asked.to_vec());
        let mut facts = Facts {
            claims: claims.clone().map(Box::new),
            scopes: scopes.clone(),
            signed_in_at: turn.now.wall.0,
            refreshed_at: sent.wall.0,
            asked_at: turn.now.wall.0,
            authorization_details: granted.authorization_details.clone(),
            proof_key: new_key.as_ref().and_then(codec::thumbprint),
            ..Facts::default()
        };
        note_end(&mut facts, &granted, &sent);
        let minted = Minted {
            lifetime: granted.lifetime,
            refresh_in: granted.refresh_in,
            scopes: Arc::from(scopes),
            generation,
        };
        let mut tokens = vec![Cached::new(TokenKey::DEFAULT, granted.access_token, &granted.token_type, &sent, minted)];
        if let (Some(token), Some(claims)) = (granted.id_token, claims) {
            tokens.push(id_token_cached(token, claims.expires_at, &sent, generation));
        }
        let source = Source::Login { request };
        Fresh { generation, kept: None, new_key, facts, ended: None, tokens, replaces_all: true, sent, source }
    }

    /// Why a code brought nothing. A code is good for one try, so all of these end the login.
    fn refusal(&self, outcome: Outcome) -> Denied {
        match outcome {
            Outcome::NotSent { why, .. } | Outcome::Portal { why } | Outcome::NotProcessed { why, .. } => {
                Denied::Unavailable { why, retry_at: 0 }
            }
            Outcome::Ambiguous { why } => {
                Denied::Unavailable { why: format!("the server's answer to the sign-in was lost: {why}"), retry_at: 0 }
            }
            Outcome::Misconfigured { why }
            | Outcome::BadRequest { why }
            | Outcome::BadTarget { why }
            | Outcome::Drift { why } => Denied::Misconfigured(why),
            Outcome::AccessDenied { why } => Denied::NotPermitted(why),
            Outcome::Ended { why } | Outcome::Attention { why } | Outcome::Unexplained { why } => Denied::Failed(why),
            Outcome::Granted(_) | Outcome::AnotherProof { .. } => Denied::Failed("the answer was not used".to_owned()),
        }
    }

    /// The vault is this machine's: our own `Adopt` is durable.
    pub(super) fn took_over(&mut self, request: RequestId, turn: &mut Turn<'_>) {
        self.adopted(turn);
        let subject = self.subject();
        self.login_done(request, subject, turn);
    }
}

/// Whose login an exchange belongs to, the nonce of its authorization request if it had one, and the scopes it asked for.
fn of_login(what: &What) -> Option<(RequestId, Option<&Secret>, &[String])> {
    match what {
        What::Code { request, nonce, scopes, .. } => Some((*request, Some(nonce), scopes)),
        What::DevicePoll { request, scopes } => Some((*request, None, scopes)),
        What::Push { request } | What::DeviceAuthorization { request } => Some((*request, None, &[])),
        What::Refresh { .. } | What::ClientCredentials { .. } | What::TokenExchange { .. } => None,
    }
}

fn wants_offline(definition: &Definition, asked: &[String]) -> bool {
    let by_scope = |scope: &String| matches!(scope.as_str(), "offline_access" | "offline.access" | "online_access");
    let by_parameter = |(name, value): (&String, &String)| {
        matches!(name.as_str(), "access_type" | "token_access_type") && value == "offline"
    };
    asked.iter().any(by_scope) || definition.authorize_params.iter().any(by_parameter)
}

/// The checklist for a login that brought no refresh token: no server says which point it was.
fn no_refresh_token(definition: &Definition, asked: &[String], host: &str) -> String {
    if definition.provider.as_deref() == Some("auth0") {
        return format!(
            "{host} gave no refresh token. All of this is needed: (1) `offline_access` is among the scopes; (2) the API \
             has \"Allow Offline Access\" switched on; (3) `audience` is the identifier of an API of this tenant; (4) the \
             application has the \"Refresh Token\" grant type; (5) the application is \"OIDC Conformant\""
        );
    }
    let scope = match wants_offline(definition, asked) {
        true => "allow offline access (or the grant type `refresh_token`) for this client at the server",
        false => "add `offline_access`, or what this server calls it, to `scopes`, and allow it for this client",
    };
    format!("{host} gave no refresh token, so the login would end with its first token: {scope}")
}
