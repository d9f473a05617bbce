//! Telling servers of logouts (RFC 7009) and of clients that are not needed any more (RFC 7592): which and when is the
//! queue's decision, the token is the vault's. Nobody waits for it, and it waits for nobody's account: that may be signed
//! in again by now, or gone.

use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::AccountName;
use url::Url;

use super::errands::Errands;
use super::task::{Keeper, Report};
use crate::account::{Deed, Revocation, RevocationId, Unrevoked};
use crate::oauth::Metadata;
use crate::oauth::management::{self, Management};
use crate::oauth::revoke::{self, Told};
use crate::secret::Secret;
use crate::vault;

/// A server that takes longer is asked again.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How one try ended.
pub(super) enum Revoked {
    /// There is no more to do about it; a sentence for people.
    Settled(String),
    /// It is tried again, not before the time that the server asked for.
    Later { why: String, wait: Option<Duration> },
}

impl Keeper {
    /// The vault is open: whatever was left when it was last shut.
    pub(super) fn read_revocations(&self) {
        self.errands.run(async |errands| {
            let left = errands.vault.unrevoked().await;
            Report::Unrevoked(left.unwrap_or_else(|error| {
                tracing::warn!("could not read which logins are still to be revoked: {error}");
                Vec::new()
            }))
        });
    }

    /// Puts them into the queue.
    pub(super) fn add_revocations(&mut self, ids: Vec<RevocationId>) {
        if self.gate.denial().is_some() {
            // They are read again when it is opened.
            return;
        }
        let now = self.now();
        for id in ids {
            self.revocations.add(id, &now);
        }
        self.revoke_due();
    }

    pub(super) fn revoke_due(&mut self) {
        if self.draining {
            return;
        }
        let now = self.now();
        for deed in self.revocations.due(&now) {
            match deed {
                Deed::Tell(id) => self.errands.run(async move |errands| {
                    let result = errands.revoke(&id).await;
                    Report::Revoked { id, result }
                }),
                Deed::GiveUp(id) => {
                    let why = "it could not be told for a week what is to end there; here it has ended";
                    self.revoked(id, Revoked::Settled(format!("the server is asked no more: {why}")));
                }
            }
        }
    }

    /// A try ended.
    pub(super) fn revoked(&mut self, id: RevocationId, result: Revoked) {
        match result {
            Revoked::Settled(what) => {
                self.revocations.settled(&id);
                let errands = self.errands.clone();
                tokio::spawn(async move {
                    // What stays there is asked once more after the next start, and answered as an unknown token.
                    if let Err(error) = errands.vault.revoked(&id).await {
                        tracing::info!(account = %id.account, "what was revoked is still in the vault: {error}");
                    }
                    tracing::info!(account = %id.account, "{what}");
                });
            }
            Revoked::Later { why, wait } => {
                tracing::info!(account = %id.account, "the server has not been told yet: {why}");
                let now = self.now();
                self.revocations.put_off(&id, wait, &now);
            }
        }
    }
}

impl Errands {
    /// One try.
    async fn revoke(&self, id: &RevocationId) -> Revoked {
        match self.vault.unrevoked_one(id).await {
            Ok(Some(unrevoked)) => self.tell(id, unrevoked).await,
            Ok(None) => Revoked::Settled("it was told before".to_owned()),
            Err(error) => Revoked::Later { why: error.to_string(), wait: None },
        }
    }

    async fn tell(&self, id: &RevocationId, unrevoked: Unrevoked) -> Revoked {
        if let Some(uri) = &unrevoked.revocation.registration {
            return self.end_registration(uri, unrevoked.token).await;
        }
        let definition = unrevoked.revocation.client(&id.account);
        let metadata = match unrevoked.revocation.metadata(&definition) {
            Some(metadata) => metadata,
            None => match crate::discover::discover(&self.http, &definition).await {
                Ok(metadata) => metadata,
                Err(failed) => return Revoked::Later { why: failed.why, wait: None },
            },
        };
        let host = host(&metadata);
        let cannot = |why: String| Revoked::Settled(format!("{host} is not told of the logout: {why}"));
        let credentials = match self.credentials_with(unrevoked.client_secret, &definition, &metadata).await {
            Ok(credentials) => credentials,
            Err(why) => return cannot(why),
        };
        let request = match revoke::request(&credentials.client(&definition, &metadata), &unrevoked.token) {
            Ok(request) => request,
            Err(problem) => return cannot(problem.to_string()),
        };
        let sent = self.http.send(request, TIMEOUT).await;
        match revoke::read(&sent, self.clock.now().wall) {
            Told::Revoked => Revoked::Settled(format!("{host} has revoked the login")),
            Told::Refused(status) => {
                Revoked::Settled(format!("{host} answered {status} and revoked nothing; the login is forgotten here"))
            }
            Told::Later(wait) => Revoked::Later { why: format!("{host} cannot be told now"), wait },
        }
    }
}

impl Errands {
    /// Ends the registration of an account that goes.
    pub(super) async fn unregister(&self, name: &AccountName) {
        match self.vault.registration(name).await {
            Ok(Some(registration)) => self.end(name, registration).await,
            Ok(None) => {}
            Err(why) => tracing::warn!(account = %name, "a client that was registered for it may stay: {why}"),
        }
    }

    /// As a logout: what it takes is durable, and the server is told as soon as it can be. It is a courtesy: what is left
    /// there is of no use to anybody.
    pub(super) async fn end(&self, name: &AccountName, registration: vault::Registration) {
        let vault::Registration { client_id, issuer, management, .. } = registration;
        let Some(Management { uri, token }) = management else {
            let why = "which gave nothing to end it with";
            return tracing::warn!(account = %name, "the client {client_id} stays at {issuer}, {why}");
        };
        let revocation = Revocation::of_registration(client_id, &uri, self.clock.now().wall.0);
        let spare = Management { uri, token: token.duplicate() };
        match self.vault.add_unrevoked(name, Unrevoked { revocation, token, client_secret: None }).await {
            Ok(id) => drop(self.reports.send(Report::Unrevoked(vec![id]))),
            Err(why) => {
                tracing::warn!(account = %name, "a client at {issuer} that is to be deleted cannot be noted down: {why}");
                self.end_at_once(name, &spare).await;
            }
        }
    }

    /// The only try to have a client deleted that the vault cannot keep.
    pub(super) async fn end_at_once(&self, name: &AccountName, management: &Management) {
        let host = management.uri.host_str().unwrap_or_default();
        match self.delete(management).await {
            Told::Revoked => tracing::info!(account = %name, "{host} has deleted the client that it had registered"),
            Told::Refused(_) | Told::Later(_) => {
                tracing::warn!(account = %name, "the client that {host} registered stays there, unused");
            }
        }
    }

    /// One try.
    async fn delete(&self, management: &Management) -> Told {
        let sent = self.http.send(management::deletion(management), TIMEOUT).await;
        management::read_deletion(&sent, self.clock.now().wall)
    }

    /// One try to have a client deleted that was registered for an account that is gone.
    async fn end_registration(&self, uri: &str, token: Secret) -> Revoked {
        let Ok(uri) = uri.parse::<Url>() else { return Revoked::Settled(format!("`{uri}` is no address")) };
        let management = Management { uri, token };
        let host = management.uri.host_str().unwrap_or_default();
        match self.delete(&management).await {
            Told::Revoked => Revoked::Settled(format!("{host} has deleted the client that it had registered")),
            Told::Refused(status) => {
                Revoked::Settled(format!("{host} answered {status}: the client that it registered stays there, unused"))
            }
            Told::Later(wait) => Revoked::Later { why: format!("{host} cannot delete a client now"), wait },
        }
    }
}

fn host(metadata: &Metadata) -> Arc<str> {
    let url = metadata.revocation_endpoint.as_ref().or(metadata.token_endpoint.as_ref());
    url.and_then(|url| url.host_str()).unwrap_or("the server").into()
}
