//! Signing in, beside whatever grant there is: the old one stays until the new one is durable.

use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::{Definition, Flow, Switch};

use super::denied::Denied;
use super::device::Device;
use super::effect::{Effect, Progress};
use super::holding::Grant;
use super::input::{Entropy, LoginOptions, RequestId};
use super::machine::{Account, Server, Turn};
use super::redeem::Brought;
use super::schedule;
use crate::oauth::authorize::Parameters;
use crate::oauth::{Metadata, documents};
use crate::secret::Secret;
use crate::time::{Boot, Now};

/// The login in progress: one for each account, the latest wins.
pub(super) struct Login {
    pub(super) request: RequestId,
    pub(super) options: LoginOptions,
    pub(super) entropy: Entropy,
    /// Its tokens will be bound to the key of its entropy (RFC 9449).
    pub(super) proves: bool,
    /// When it fails by itself, unless it is past the person's part.
    pub(super) deadline: Boot,
    pub(super) awaits: Awaits,
    /// A listener was opened, so a browser may stand there and wait for its page.
    pub(super) listens: bool,
}

/// What a login waits for.
pub(super) enum Awaits {
    Metadata,
    Listener,
    /// The errand, to ask for a code.
    TurnToAsk {
        metadata: Arc<Metadata>,
    },
    /// A code to show.
    Code {
        metadata: Arc<Metadata>,
    },
    /// A person who types the code elsewhere; polls meanwhile.
    Decision(Box<Device>),
    /// The answer to a poll.
    Poll(Box<Device>),
    /// The errand, to push the request.
    TurnToPush {
        redirect_uri: String,
        parameters: Box<Parameters>,
        metadata: Arc<Metadata>,
    },
    /// A reference to the pushed request.
    Reference {
        redirect_uri: String,
        metadata: Arc<Metadata>,
    },
    /// The browser, once.
    Redirect {
        redirect_uri: String,
        opens_within: Option<Duration>,
    },
    /// The errand, to redeem its code.
    TurnToRedeem {
        redirect_uri: String,
        code: Secret,
    },
    Answer,
    /// The server's keys, read once more: they do not fit what the code brought.
    Keys(Box<Brought>),
    Commit,
    /// The refresh token to import.
    Token,
    /// The errand, to store the imported token.
    TurnToStore {
        token: Secret,
    },
    /// The outcome of one refresh.
    Proof,
    /// The errand, to take the vault over.
    TurnToAdopt,
}

impl Account {
    pub(super) fn login_wanted(
        &mut self,
        request: RequestId,
        options: LoginOptions,
        entropy: Entropy,
        turn: &mut Turn<'_>,
    ) {
        if let Some(older) = self.login.take_if(|login| !matches!(login.awaits, Awaits::Commit)) {
            turn.emit(Effect::Report { request: older.request, progress: Progress::Cancelled });
        }
        let awaits = match self.login_begins(&options, turn.now) {
            Ok(awaits) => awaits,
            Err(denied) => return turn.emit(Effect::Report { request, progress: Progress::Failed(denied) }),
        };
        let Some(awaits) = awaits else {
            let progress = Progress::Done { subject: self.subject() };
            return turn.emit(Effect::Report { request, progress });
        };
        let awaits_metadata = matches!(awaits, Awaits::Metadata);
        let deadline = turn.now.boot.after(schedule::LOGIN_LIMIT);
        let proves = self.defined.good.as_ref().is_some_and(|definition| definition.dpop == Switch::On);
        self.login = Some(Login { request, options, entropy, proves, deadline, awaits, listens: false });
        if awaits_metadata {
            self.prepare_server(turn);
        }
    }

    /// What the login waits for first; `None` = there is nothing to do.
    fn login_begins(&self, options: &LoginOptions, now: &Now) -> Result<Option<Awaits>, Denied> {
        let name = &self.name;
        let Some(definition) = &self.defined.good else {
            return Err(Denied::Misconfigured(
                self.defined.fault.clone().unwrap_or_else(|| format!("`{name}` is not defined")),
            ));
        };
        let holding = self.vault.open().ok_or(Denied::Locked)?;
        if self.login.is_some() {
            return Err(Denied::Busy(format!("a login of `{name}` is being stored at this moment")));
        }
        if let Some(why) = self.errand.unsaved() {
            return Err(Denied::Failed(format!("the vault cannot be written: {why}; free some space, then sign in")));
        }
        let is_foreign = matches!(holding.grant, Grant::Foreign(_));
        if options.adopt {
            return Ok(is_foreign.then_some(Awaits::TurnToAdopt));
        }
        if is_foreign {
            return Err(self.foreign());
        }
        // Nobody can sign in to an account whose client is itself trusted, whatever was asked.
        let by_itself = definition.flow == Flow::ClientCredentials;
        if options.retry || by_itself {
            let has_token = holding.grant.lineage().is_some_and(|lineage| lineage.token.is_some());
            if !has_token && !by_itself {
                return Err(Denied::LoginRequired(format!("`{name}` has no old login to try again")));
            }
            let may_be_now = self.person_may_try_at(now).is_some_and(|at| at <= now.boot);
            return if may_be_now { Ok(Some(Awaits::Proof)) } else { Err(self.troubled(holding, now)) };
        }
        if options.import {
            return match holding.grant {
                Grant::Live(_) => Err(Denied::Busy(format!(
                    "`{name}` is signed in, and an import would replace that; first: tokenkeeper logout {name}"
                ))),
                Grant::None { .. } | Grant::Unopenable { .. } | Grant::Foreign(_) | Grant::Ended(..) => {
                    Ok(Some(Awaits::Token))
                }
            };
        }
        let has_id_token = definition.scopes.iter().chain(&options.scopes).any(|scope| scope == "openid");
        if options.max_age.is_some() && !has_id_token {
            let why = format!("only an ID token tells when somebody signed in: add `openid` to the scopes of `{name}`");
            return Err(Denied::InvalidArgs(why));
        }
        Ok(Some(Awaits::Metadata))
    }

    /// A login goes by metadata and keys of today.
    fn prepare_server(&mut self, turn: &mut Turn<'_>) {
        match self.server {
            Server::Known { read_at, .. } if turn.now.boot.since(read_at) < schedule::METADATA_FRESH => {
                self.choose_flow(turn);
            }
            Server::Known { .. } | Server::Unread | Server::Reading { .. } => self.discover(false, turn),
        }
    }

    /// The server is known: by the browser, or by a code.
    pub(super) fn choose_flow(&mut self, turn: &mut Turn<'_>) {
        let (host, metadata) = (self.host(), self.metadata());
        let (Some(login), Some(definition), Some(metadata)) = (&mut self.login, &self.defined.good, metadata) else {
            return;
        };
        if !matches!(login.awaits, Awaits::Metadata) {
            return;
        }
        let gives_codes = metadata.device_authorization_endpoint.is_some();
        match login.options.flow.unwrap_or(definition.flow) {
            Flow::Device if !gives_codes => {
                let request = login.request;
                let why = format!(
                    "{host} has no device flow, and no `device_authorization_endpoint` is given; sign in with a browser"
                );
                self.login_failed(request, Denied::NotSupported(why), turn);
            }
            Flow::Auto if metadata.authorization_endpoint.is_none() && gives_codes => {
                login.awaits = Awaits::TurnToAsk { metadata };
            }
            // RFC 8628 has no words for it.
            Flow::Device if login.options.is_step_up() => {
                let request = login.request;
                let why = "with a code nobody can be asked how or when to sign in; sign in with a browser".to_owned();
                self.login_failed(request, Denied::NotSupported(why), turn);
            }
            Flow::Device => login.awaits = Awaits::TurnToAsk { metadata },
            Flow::Auto | Flow::Browser | Flow::ClientCredentials => self.open_listener(turn),
        }
    }
}

impl Login {
    pub(super) fn awaits_metadata(&self) -> bool {
        matches!(self.awaits, Awaits::Metadata | Awaits::TurnToRedeem { .. } | Awaits::Keys(_))
    }

    /// When it fails by itself; an answer or a commit that is under way has its own end.
    pub(super) fn limit(&self) -> Option<Boot> {
        let is_under_way = matches!(
            self.awaits,
            Awaits::Reference { .. } | Awaits::Code { .. } | Awaits::Poll(_) | Awaits::Answer | Awaits::Commit
        );
        (!is_under_way).then_some(self.deadline)
    }

    pub(super) fn browser_waits(&self) -> bool {
        let is_past = matches!(self.awaits, Awaits::Answer | Awaits::Keys(_) | Awaits::Commit);
        self.listens && (is_past || matches!(self.awaits, Awaits::TurnToRedeem { .. }))
    }
}

/// The definition's scopes as far as this server takes them and the login's own, none twice.
pub(super) fn login_scopes(definition: &Definition, metadata: &Metadata, more: &[String]) -> Vec<String> {
    let mut scopes: Vec<String> = documents::askable(definition, metadata).cloned().collect();
    for scope in more {
        if !scopes.contains(scope) {
            scopes.push(scope.clone());
        }
    }
    scopes
}
