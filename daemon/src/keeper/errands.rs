//! Errands: the I/O that accounts ask for. Each runs as its own task, so a slow server or disk delays nobody else, and
//! ends in one report to the keeper. None of them is cancelled by a caller or by a shutdown.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use tokenkeeper_config::{AccountName, Definition};
use tokio::sync::{mpsc, oneshot};
use url::Url;

use super::clock::Clock;
use super::credentials::{self, Credentials};
use super::crowd::Crowd;
use super::listener::Listener;
use super::random;
use super::servers::Servers;
use super::task::Report;
use crate::account::{Change, Input, Page, RequestId, Ticket};
use crate::http::Http;
use crate::oauth::introspect;
use crate::oauth::{Metadata, Stamp};
use crate::secret::Secret;
use crate::vault::{Binding, CommitFailed, Vault};

/// A server that takes longer to say when a token expires is not waited for.
const INTROSPECT_TIMEOUT: Duration = Duration::from_secs(20);

/// What errands need. Cheap to clone.
#[derive(Clone)]
pub(super) struct Errands {
    pub(super) clock: Clock,
    pub(super) vault: Vault,
    pub(super) http: Arc<Http>,
    pub(super) servers: Servers,
    pub(super) crowd: Crowd,
    pub(super) reports: mpsc::UnboundedSender<Report>,
}

/// For whom an errand runs.
#[derive(Clone)]
pub(super) struct Errander {
    pub(super) account: AccountName,
    pub(super) binding: Binding,
}

impl Errands {
    /// Sends somebody on an errand; what comes of it is reported.
    pub(super) fn run<F>(&self, errand: impl FnOnce(Self) -> F)
    where
        F: Future<Output = Report> + Send + 'static,
    {
        let reports = self.reports.clone();
        // The keeper outlives its errands, except when the process ends.
        tokio::spawn(errand(self.clone()).map(move |report| drop(reports.send(report))));
    }

    pub(super) fn hear(&self, account: AccountName, input: Input) {
        let _ = self.reports.send(heard(account, input));
    }

    pub(super) fn discover(&self, who: Errander, ticket: Ticket, definition: Arc<Definition>) {
        self.run(async move |errands| {
            let _turn = errands.crowd.turn(&host_of(definition.issuer.as_deref())).await;
            // In a box of its own, like an exchange: while thousands wait for their turn, each is small.
            let found = Box::pin(crate::discover::discover(&errands.http, &definition)).await;
            heard(who.account, Input::Discovered { ticket, result: found.map(Arc::new) })
        });
    }

    pub(super) async fn credentials(
        &self,
        account: &AccountName,
        definition: &Definition,
        metadata: &Metadata,
    ) -> Result<Credentials, String> {
        let secret = match &definition.client_secret_file {
            Some(_) => None,
            None => self.vault.client_secret(account).await.map_err(|e| e.to_string())?,
        };
        self.credentials_with(secret, definition, metadata).await
    }

    /// The same with a secret that is at hand, if none lies in a file.
    pub(super) async fn credentials_with(
        &self,
        secret: Option<Secret>,
        definition: &Definition,
        metadata: &Metadata,
    ) -> Result<Credentials, String> {
        let secret = match &definition.client_secret_file {
            Some(path) => credentials::read_secret(path).await.map(Some)?,
            None => secret,
        };
        let key = match &definition.private_key_file {
            Some(path) => Some(credentials::read_key(path).await?),
            None => None,
        };
        let (clock, servers) = (self.clock, self.servers.clone());
        let endpoint = metadata.token_endpoint.clone();
        let stamp = move || {
            let at = servers.time_at(endpoint.as_ref(), clock.now().wall);
            Stamp { at, id: random::id() }
        };
        Ok(Credentials { secret, key, proof: None, stamp: Box::new(stamp) })
    }

    pub(super) fn save(&self, who: Errander, ticket: Ticket, change: Change) {
        let errands = self.clone();
        tokio::spawn(async move {
            let adopts = matches!(change, Change::Adopt);
            let is_learned = matches!(change, Change::Tokens { .. });
            let generation = match &change {
                Change::Grant { replaces, .. } => Some(replaces + 1),
                Change::Intent { .. }
                | Change::Tokens { .. }
                | Change::Facts { .. }
                | Change::Forget { .. }
                | Change::Adopt => None,
            };
            let input = match errands.vault.commit(&who.account, who.binding, change).await {
                Ok(sealed) => {
                    if let Some(generation) = generation {
                        tracing::debug!(account = %who.account, generation, "the grant is durable");
                    }
                    if is_learned {
                        tracing::info!(account = %who.account, "what was learned of a token is durable");
                    }
                    Input::Saved { ticket, sealed }
                }
                Err(CommitFailed { change, why }) => {
                    return errands.hear(who.account, Input::SaveFailed { ticket, why, change });
                }
            };
            errands.hear(who.account.clone(), input);
            if adopts {
                let _ = errands.reports.send(Report::Adopted { by: who.account });
            }
        });
    }

    /// A courtesy of the server's: whatever goes wrong, the expiry is just not known.
    pub(super) fn introspect(
        &self,
        who: Errander,
        ticket: Ticket,
        definition: Arc<Definition>,
        metadata: Arc<Metadata>,
        token: Arc<Secret>,
    ) {
        self.run(async move |errands| {
            let left = async {
                let credentials = errands.credentials(&who.account, &definition, &metadata).await.ok()?;
                let request = introspect::request(&credentials.client(&definition, &metadata), &token).ok()?;
                let sent = errands.http.send(request, INTROSPECT_TIMEOUT).await;
                introspect::read(&sent, errands.clock.now().wall)
            };
            let left = left.await;
            heard(who.account, Input::Introspected { ticket, left })
        });
    }

    pub(super) fn listen(
        &self,
        account: AccountName,
        request: RequestId,
        redirect: tokenkeeper_config::Redirect,
        path: String,
    ) {
        let errands = self.clone();
        tokio::spawn(async move {
            let listener = match Listener::bind(&redirect, &path).await {
                Ok(listener) => listener,
                Err(why) => return errands.hear(account, Input::ListenFailed { request, why }),
            };
            let (page, shown) = oneshot::channel::<Page>();
            let (callback, called) = oneshot::channel();
            let redirect_uri = listener.redirect_uri().to_owned();
            let _ = errands.reports.send(Report::Listening { account: account.clone(), request, redirect_uri, page });
            let heard = async {
                if let Ok(query) = called.await {
                    errands.hear(account, Input::Redirected { request, query });
                }
            };
            tokio::join!(listener.serve(callback, shown), heard);
        });
    }
}

pub(super) fn heard(account: AccountName, input: Input) -> Report {
    Report::Heard { account, input }
}

/// Who is asked, for the crowd.
pub(super) fn host_of(address: Option<&str>) -> String {
    let url = address.and_then(|address| Url::parse(address).ok());
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}
