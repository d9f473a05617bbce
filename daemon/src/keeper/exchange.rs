//! Exchanges with a token endpoint, and what leads up to them: the credentials and keys of one request are fetched, it is
//! sent once, and what came of it is read. Nothing is retried here.

use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::Definition;
use url::Url;

use super::errands::{Errander, Errands, heard, host_of};
use crate::account::{Exchange, Input, ProofKey, Ticket, TokenKey};
use crate::oauth::answer::{self, AnswerContext, Kind};
use crate::oauth::device::{self, Polled};
use crate::oauth::par;
use crate::oauth::token_request::{self, TokenAsk};
use crate::oauth::{Answer, Metadata, Outcome, Sent, SigningKey};
use crate::secret::{Sealed, Secret};

/// A token request as an account asks for it.
pub(super) struct Asked {
    pub(super) definition: Arc<Definition>,
    pub(super) metadata: Arc<Metadata>,
    pub(super) exchange: Exchange,
    pub(super) timeout: Duration,
}

impl Errands {
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
        credentials.proof = self.key_for(who, &exchange).await?.map(|key| {
            let nonce = metadata.token_endpoint.as_ref().and_then(|endpoint| self.servers.nonce_at(endpoint));
            (key, nonce)
        });
        let client = credentials.client(&definition, &metadata);
        let mut opened = None;
        let request = match &exchange {
            Exchange::Code { code, verifier, redirect_uri, .. } => {
                token_request::code(&client, code, verifier, redirect_uri)
            }
            Exchange::Refresh { token, key, .. } => {
                let token = opened.insert(self.reveal(who, token).await?);
                token_request::refresh(&client, token, asked_for(key))
            }
            Exchange::ClientCredentials { key, .. } => token_request::client_credentials(&client, asked_for(key)),
            Exchange::TokenExchange { subject, key, .. } => token_request::exchange(&client, subject, asked_for(key)),
            Exchange::Push { parameters } => par::request(&client, parameters),
            Exchange::DeviceAuthorization { scopes } => device::request(&client, scopes),
            Exchange::DeviceCode { code, .. } => device::poll(&client, code),
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

    /// The key that the tokens of this exchange are bound to, or will be.
    async fn key_for(&self, who: &Errander, exchange: &Exchange) -> Result<Option<SigningKey>, String> {
        match exchange {
            Exchange::Code { proof_key, .. } | Exchange::DeviceCode { proof_key, .. } => {
                proof_key.as_ref().map(signing_key).transpose()
            }
            Exchange::ClientCredentials { proof_key: Some(ProofKey::New(key)), .. } => signing_key(key).map(Some),
            Exchange::Refresh { proof_key: Some(thumbprint), .. }
            | Exchange::TokenExchange { proof_key: Some(thumbprint), .. }
            | Exchange::ClientCredentials { proof_key: Some(ProofKey::Stored(thumbprint)), .. } => {
                self.proof_key(who, thumbprint).await.map(Some)
            }
            Exchange::Refresh { proof_key: None, .. }
            | Exchange::TokenExchange { proof_key: None, .. }
            | Exchange::ClientCredentials { proof_key: None, .. }
            | Exchange::DeviceAuthorization { .. }
            | Exchange::Push { .. } => Ok(None),
        }
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
