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
use crate::account::{Change, Exchange, Input, Page, ProofKey, RequestId, Ticket, TokenKey};
use crate::http::Http;
use crate::oauth::answer::{self, AnswerContext, Kind};
use crate::oauth::device::{self, Polled};
use crate::oauth::introspect;
use crate::oauth::par;
use crate::oauth::token_request::{self, TokenAsk};
use crate::oauth::{Answer, Metadata, Outcome, Sent, SigningKey, Stamp};
use crate::secret::{Sealed, Secret};
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
            // In a box of its own, as below: while thousands wait for their turn, each is small.
            let found = Box::pin(crate::discover::discover(&errands.http, &definition)).await;
            heard(who.account, Input::Discovered { ticket, result: found.map(Arc::new) })
        });
    }

    pub(super) fn ask(&self, who: Errander, ticket: Ticket, request: Asked) {
        self.run(async move |errands| {
            let endpoint = request.metadata.token_endpoint.as_ref().map(Url::as_str);
            let _turn = errands.crowd.turn(&host_of(endpoint)).await;
            // Nothing is opened before it can be sent.
            let input = match Box::pin(errands.exchange(&who, ticket, request)).await {
                Ok(input) => input,
                Err(why) => Input::Unopenable { ticket, why },
            };
            heard(who.account, input)
        });
    }

    async fn exchange(&self, who: &Errander, ticket: Ticket, asked: Asked) -> Result<Input, String> {
        let Asked { definition, metadata, exchange, timeout } = asked;
        let cannot = |why| Input::Answered { ticket, answer: Answer::without_token(Outcome::Misconfigured { why }) };
        // A secret or key that cannot be had is no fault of the grant: it wants the configuration changed.
        let mut credentials = match self.credentials(&who.account, &definition, &metadata).await {
            Ok(credentials) => credentials,
            Err(why) => return Ok(cannot(why)),
        };
        let proof_key = match &exchange {
            Exchange::Code { proof_key, .. } | Exchange::DeviceCode { proof_key, .. } => {
                proof_key.as_ref().map(signing_key).transpose()?
            }
            Exchange::ClientCredentials { proof_key: Some(ProofKey::New(key)), .. } => Some(signing_key(key)?),
            Exchange::Refresh { proof_key: Some(thumbprint), .. }
            | Exchange::TokenExchange { proof_key: Some(thumbprint), .. }
            | Exchange::ClientCredentials { proof_key: Some(ProofKey::Stored(thumbprint)), .. } => {
                Some(self.proof_key(who, thumbprint).await?)
            }
            Exchange::Refresh { proof_key: None, .. }
            | Exchange::TokenExchange { proof_key: None, .. }
            | Exchange::ClientCredentials { proof_key: None, .. }
            | Exchange::DeviceAuthorization { .. }
            | Exchange::Push { .. } => None,
        };
        credentials.proof = proof_key.map(|key| {
            let nonce = metadata.token_endpoint.as_ref().and_then(|endpoint| self.servers.nonce_at(endpoint));
            (key, nonce)
        });
        let client = credentials.client(&definition, &metadata);
        let opened = match &exchange {
            Exchange::Refresh { token, .. } => Some(self.reveal(who, token).await?),
            Exchange::Code { .. }
            | Exchange::ClientCredentials { .. }
            | Exchange::TokenExchange { .. }
            | Exchange::Push { .. }
            | Exchange::DeviceAuthorization { .. }
            | Exchange::DeviceCode { .. } => None,
        };
        let request = match (&exchange, &opened) {
            (Exchange::Code { code, verifier, redirect_uri, .. }, _) => {
                token_request::code(&client, code, verifier, redirect_uri)
            }
            (Exchange::TokenExchange { subject, key, .. }, _) => {
                token_request::exchange(&client, subject, asked_for(key))
            }
            (Exchange::Refresh { key, .. }, Some(token)) => token_request::refresh(&client, token, asked_for(key)),
            (Exchange::Refresh { key, .. } | Exchange::ClientCredentials { key, .. }, _) => {
                token_request::client_credentials(&client, asked_for(key))
            }
            (Exchange::Push { parameters }, _) => par::request(&client, parameters),
            (Exchange::DeviceAuthorization { scopes }, _) => device::request(&client, scopes),
            (Exchange::DeviceCode { code, .. }, _) => device::poll(&client, code),
        };
        let request = match request {
            Ok(request) => request,
            Err(problem) => return Ok(cannot(problem.to_string())),
        };
        let host = request.uri().host().unwrap_or_default().to_owned();
        let sent = self.http.send(request, timeout).await;
        // With the line in `save` the log tells how long a new token was only in memory.
        tracing::debug!(account = %who.account, "the exchange came back");
        let secrets: Vec<&Secret> =
            secrets_of(&exchange).into_iter().chain(&opened).chain(&credentials.secret).collect();
        let context = AnswerContext {
            definition: &definition,
            host: &host,
            kind: kind_of(&exchange),
            wall: self.clock.now().wall,
            secrets: &secrets,
        };
        Ok(read(sent, ticket, &exchange, &context))
    }

    async fn reveal(&self, who: &Errander, token: &Sealed) -> Result<Secret, String> {
        self.vault.reveal(&who.account, who.binding, token).await.map_err(|e| e.to_string())
    }

    /// The key that an account's tokens are bound to, if it is still the one that is meant.
    pub(super) async fn proof_key(&self, who: &Errander, thumbprint: &str) -> Result<SigningKey, String> {
        let key = self.vault.proof_key(&who.account, who.binding).await.map_err(|e| e.to_string())?;
        let key = signing_key(&key)?;
        if key.thumbprint() != thumbprint {
            return Err("the key that the tokens are bound to is another one now: sign in again".to_owned());
        }
        Ok(key)
    }

    async fn credentials(
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

fn heard(account: AccountName, input: Input) -> Report {
    Report::Heard { account, input }
}

/// Who is asked, for the crowd.
fn host_of(address: Option<&str>) -> String {
    let url = address.and_then(|address| Url::parse(address).ok());
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default()
}

fn signing_key(proof_key: &Secret) -> Result<SigningKey, String> {
    SigningKey::from_pkcs8(proof_key).map_err(|why| format!("what is stored as the key that tokens are bound to {why}"))
}

fn asked_for(key: &TokenKey) -> TokenAsk<'_> {
    TokenAsk { audience: key.audience.as_deref(), resource: key.resource.as_deref(), scopes: &key.scopes }
}

/// What the account hears of what came of a request.
fn read(sent: Sent, ticket: Ticket, exchange: &Exchange, context: &AnswerContext<'_>) -> Input {
    match exchange {
        Exchange::Code { .. }
        | Exchange::Refresh { .. }
        | Exchange::ClientCredentials { .. }
        | Exchange::TokenExchange { .. } => Input::Answered { ticket, answer: answer::read(sent, context) },
        Exchange::Push { .. } => match par::read(sent, context) {
            Ok(pushed) => Input::Pushed { ticket, pushed },
            Err(outcome) => Input::Answered { ticket, answer: Answer::without_token(outcome) },
        },
        Exchange::DeviceAuthorization { .. } => match device::read(sent, context) {
            Ok(authorization) => Input::Authorized { ticket, authorization: Box::new(authorization) },
            Err(outcome) => Input::Answered { ticket, answer: Answer::without_token(outcome) },
        },
        Exchange::DeviceCode { interval, .. } => match device::polled(sent, *interval, context) {
            Polled::Pending { interval, quiet } => Input::Undecided { ticket, interval, quiet },
            Polled::Answered(answer) => Input::Answered { ticket, answer },
        },
    }
}

fn kind_of(exchange: &Exchange) -> Kind {
    match exchange {
        Exchange::Code { .. } => Kind::Code,
        Exchange::Refresh { .. } => Kind::Refresh,
        Exchange::ClientCredentials { .. } => Kind::ClientCredentials,
        Exchange::TokenExchange { .. } => Kind::TokenExchange,
        Exchange::Push { .. } => Kind::Push,
        Exchange::DeviceAuthorization { .. } => Kind::DeviceAuthorization,
        Exchange::DeviceCode { .. } => Kind::Device,
    }
}

fn secrets_of(exchange: &Exchange) -> Vec<&Secret> {
    match exchange {
        Exchange::Code { code, verifier, .. } => vec![code, verifier],
        Exchange::TokenExchange { subject, .. } => vec![subject],
        Exchange::DeviceCode { code, .. } => vec![code],
        Exchange::Refresh { .. }
        | Exchange::ClientCredentials { .. }
        | Exchange::Push { .. }
        | Exchange::DeviceAuthorization { .. } => Vec::new(),
    }
}

/// A token request as an account asks for it.
pub(super) struct Asked {
    pub(super) definition: Arc<Definition>,
    pub(super) metadata: Arc<Metadata>,
    pub(super) exchange: Exchange,
    pub(super) timeout: Duration,
}
