//! Registering a client for an account that is to be (RFC 7591), and ending that again (RFC 7592).
//!
//! In this order, so that a crash leaves at worst a client at the server that nobody uses: the server registers; the vault
//! holds what it gave; the definition that names the client is written; only then the client that it replaces is ended.
//! Where the definition cannot be written, the client before is in force as it was, and its secret with it.

use std::collections::BTreeMap;
use std::time::Duration;

use tokenkeeper_config::{AccountName, Definition, Value};
use tokio::sync::watch;
use tokio::time::timeout;
use url::Url;

use super::draft::Draft;
use super::errands::Errands;
use super::message::Reply;
use super::random;
use super::requests::Kind;
use super::slots::vault_denied;
use super::task::{Keeper, Report};
use super::view::{Begun, Outcome, RequestState, RequestView};
use crate::account::{Denied, DiscoveryFailed, RequestId};
use crate::discover;
use crate::oauth::Metadata;
use crate::oauth::management::Management;
use crate::oauth::registration::{self, InitialToken, NotRegistered, Registered, Wish};
use crate::secret::Secret;
use crate::vault;

/// An account with a client that was registered for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Enrolled {
    /// The account.
    pub account: AccountName,
    /// The client.
    pub client_id: String,
    /// Who registered it.
    pub issuer: String,
    /// What a person should know of it: sentences.
    pub notes: Vec<String>,
    /// When the client's secret ends, unix seconds; `None` = never, or there is none.
    pub secret_expires_at: Option<u64>,
}

/// What came of registering, on its way back to the keeper.
pub(super) struct Registration {
    name: AccountName,
    result: Result<Done, Denied>,
    asker: Asker,
}

/// Who hears of it.
enum Asker {
    Call(Reply<Enrolled>),
    Request(RequestId, watch::Receiver<RequestView>),
}

impl Asker {
    /// Whether it was given up, or took too long.
    fn has_left(&self) -> bool {
        match self {
            Self::Call(reply) => reply.is_closed(),
            Self::Request(_, view) => !matches!(view.borrow().state, RequestState::Pending),
        }
    }
}

/// Registered and stored; what is left is the definition.
struct Done {
    definition: BTreeMap<String, Value>,
    enrolled: Enrolled,
    /// The client that was there before, and its secret.
    replaced: Option<(vault::Registration, Option<Secret>)>,
}

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(20);
/// For finding the server: some addresses may be tried in vain.
const SEARCH: Duration = Duration::from_secs(60);

impl Keeper {
    pub(super) fn begin_registration(&mut self, definition: BTreeMap<String, Value>, reply: Reply<Enrolled>) {
        match self.registrable(&definition) {
            Ok(name) => self.register(name, definition, None, Asker::Call(reply)),
            Err(denied) => drop(reply.send(Err(denied))),
        }
    }

    /// The same, at a server that wants to see an initial access token: a request waits for that first.
    pub(super) fn begin_registration_by_token(
        &mut self,
        definition: BTreeMap<String, Value>,
        reply: Reply<(AccountName, Begun)>,
    ) {
        let name = match self.registrable(&definition) {
            Ok(name) => name,
            Err(denied) => return drop(reply.send(Err(denied))),
        };
        let begun = self.open_request(Kind::Registration { definition }, vec!["initial_access_token"]);
        let _ = reply.send(Ok((name, begun)));
    }

    pub(super) fn register_by_token(
        &mut self,
        request: (RequestId, watch::Receiver<RequestView>),
        definition: BTreeMap<String, Value>,
        token: Secret,
    ) -> Result<(), Denied> {
        let none =
            || Denied::InvalidArgs("what was given is no initial access token: that is one word in ASCII".into());
        let token = InitialToken::new(token).ok_or_else(none)?;
        let name = self.registrable(&definition)?;
        self.register(name, definition, Some(token), Asker::Request(request.0, request.1));
        Ok(())
    }

    /// The name of an account for which a client may be registered now.
    fn registrable(&self, definition: &BTreeMap<String, Value>) -> Result<AccountName, Denied> {
        let name = self.gate.denial().map_or_else(|| self.writable(definition), Err)?;
        if self.registering.contains(&name) {
            return Err(Denied::Busy(format!("a client is being registered for `{name}` already")));
        }
        Ok(name)
    }

    fn register(
        &mut self,
        name: AccountName,
        definition: BTreeMap<String, Value>,
        token: Option<InitialToken>,
        asker: Asker,
    ) {
        self.registering.insert(name.clone());
        let draft = Draft::new(name.clone(), definition, self.definitions.places.clone());
        self.errands.run(async move |errands| {
            let result = errands.register(draft, token, &asker).await;
            Report::Registered(Box::new(Registration { name, result, asker }))
        });
    }

    pub(super) fn registered(&mut self, registration: Registration) {
        let Registration { name, result, asker } = registration;
        self.registering.remove(&name);
        let answer = result.and_then(|Done { definition, enrolled, replaced }| {
            let written = self.add_account(&definition);
            if let Some((before, secret)) = replaced {
                let is_in_force = |made: &Definition| made.client_id == before.client_id;
                let stays =
                    self.entries.get(&name).is_some_and(|entry| entry.definition.as_deref().is_ok_and(is_in_force));
                let errands = self.errands.clone();
                tokio::spawn(async move {
                    match stays {
                        true => errands.take_back(&name, before, secret).await,
                        false => errands.end(&name, before).await,
                    }
                });
            }
            written.map(|_| enrolled)
        });
        self.publish();
        match (asker, answer) {
            (Asker::Call(reply), answer) => drop(reply.send(answer)),
            (Asker::Request(id, _), Ok(enrolled)) => {
                let account = Some(enrolled.account.clone());
                let outcome = Outcome { account, subject: None, enrolled: Some(Box::new(enrolled)) };
                self.requests.end(id, RequestState::Done(outcome));
            }
            (Asker::Request(id, _), Err(denied)) => self.requests.end(id, RequestState::Failed(denied)),
        }
    }
}

impl Errands {
    async fn register(&self, mut draft: Draft, token: Option<InitialToken>, asker: &Asker) -> Result<Done, Denied> {
        let search = timeout(SEARCH, self.find(&mut draft)).await;
        let (definition, metadata) = search.unwrap_or_else(|_| {
            let why = format!("the server of `{}` was not found within {} s", draft.name, SEARCH.as_secs());
            Err(Denied::Unavailable { why, retry_at: 0 })
        })?;
        let issuer = metadata.issuer.clone().unwrap_or_default();
        let Some(endpoint) = metadata.registration_endpoint.clone() else {
            return Err(Denied::NotSupported(format!("`{issuer}` does not say that it registers clients")));
        };
        draft.choose_scopes(&metadata);
        draft.choose_ports(&definition, random::bytes());
        let definition = draft.definition()?;
        let wish = Wish { redirect: &definition.redirect, scopes: &definition.scopes, token: token.as_ref() };
        let client = self.enrol_client(&endpoint, &metadata, &wish).await?;
        let before = self.vault.registration(&draft.name).await;
        // A server may know us again, and give the client that it gave before, which is in use.
        let is_another = |before: &vault::Registration| before.client_id != client.client_id;
        let is_new = before.as_ref().is_ok_and(|before| before.as_ref().is_none_or(is_another));
        let replaced = match before.ok().flatten().filter(is_another) {
            Some(before) => {
                let secret = self.vault.client_secret(&draft.name).await.map_err(|refused| vault_denied(&refused))?;
                Some((before, secret))
            }
            None => None,
        };
        // The last moment: what is stored from here on is added.
        if asker.has_left() {
            if is_new {
                self.end(&draft.name, kept(issuer, client).0).await;
            }
            return Err(Denied::Cancelled);
        }
        draft.take_client(&client, &definition, endpoint.host_str().unwrap_or_default());
        let enrolled = Enrolled {
            account: draft.name.clone(),
            client_id: client.client_id.clone(),
            issuer: issuer.clone(),
            notes: std::mem::take(&mut draft.notes),
            secret_expires_at: client.secret_expires_at,
        };
        self.keep(&draft.name, issuer, client, is_new).await?;
        Ok(Done { definition: draft.whole(), enrolled, replaced })
    }

    /// The server: the one that is named, else the first that the resource names and that registers clients.
    async fn find(&self, draft: &mut Draft) -> Result<(Definition, Metadata), Denied> {
        if draft.names_a_server() {
            let definition = draft.definition()?;
            let metadata = discover::discover(&self.http, &definition).await.map_err(not_found)?;
            return Ok((definition, metadata));
        }
        let Some(resource) = draft.resource().map(str::to_owned) else {
            let why = "no server is named; add `issuer`, `provider` or `resource`";
            return Err(Denied::InvalidArgs(why.into()));
        };
        let described =
            discover::resource(&self.http, &resource).await.map_err(|failed| match failed.misconfigured {
                true => {
                    Denied::Misconfigured(format!("{}; name its server: tokenkeeper add NAME --issuer URL", failed.why))
                }
                false => not_found(failed),
            })?;
        let mut worst = None;
        for server in &described.servers {
            draft.name_server(server);
            let definition = draft.definition()?;
            match discover::discover(&self.http, &definition).await {
                Ok(metadata) if metadata.registration_endpoint.is_some() => {
                    draft.offer_scopes(described.scopes.clone());
                    draft.notes.push(format!("`{resource}` takes tokens of `{server}`."));
                    return Ok((definition, metadata));
                }
                Ok(_) => {
                    let why = format!(
                        "`{server}`, which gives tokens for `{resource}`, does not say that it registers clients"
                    );
                    worst = Some(Denied::NotSupported(why));
                }
                Err(failed) => worst = worst.or(Some(not_found(failed))),
            }
        }
        Err(worst.expect("a resource that is believed names a server"))
    }

    /// Asks for a client; once more for less where the whole is refused.
    async fn enrol_client(&self, endpoint: &Url, metadata: &Metadata, wish: &Wish<'_>) -> Result<Registered, Denied> {
        let host = endpoint.host_str().unwrap_or_default();
        let sent = self.http.send(registration::request(endpoint, metadata, wish), TIMEOUT).await;
        let result = match registration::read(&sent, host, wish) {
            Err(NotRegistered::TooMuch(why)) if metadata.authorization_endpoint.is_some() => {
                tracing::info!("{why}; asking for less");
                let sent = self.http.send(registration::least(endpoint, metadata, wish), TIMEOUT).await;
                registration::read(&sent, host, wish)
            }
            other => other,
        };
        result.map_err(|problem| {
            let why = problem.to_string();
            match problem {
                NotRegistered::NotNow(_) => Denied::Unavailable { why, retry_at: 0 },
                NotRegistered::NotOpen(_) => Denied::NotSupported(why),
                NotRegistered::WantsToken(_) => Denied::NotSupported(format!(
                    "{why}; if its operator gave you an initial access token, say: \
                     tokenkeeper add NAME --initial-access-token-file FILE"
                )),
                NotRegistered::TokenRefused(_) => Denied::Misconfigured(format!(
                    "{why}; it may be used up or too old: ask the server's operator for another, and say: \
                     tokenkeeper add NAME --initial-access-token-file FILE"
                )),
                NotRegistered::TooMuch(_) | NotRegistered::Wrong(_) => Denied::Misconfigured(why),
            }
        })
    }

    /// The definition still names the client before: the vault holds that one again, and the new one is ended.
    async fn take_back(&self, name: &AccountName, before: vault::Registration, secret: Option<Secret>) {
        let new = self.vault.registration(name).await;
        if let Err(why) = self.vault.set_registration(name, before, secret).await {
            return tracing::warn!(account = %name, "the client that was there before could not be put back: {why}");
        }
        if let Ok(Some(new)) = new {
            self.end(name, new).await;
        }
    }

    /// Puts a client into the vault; a new one that cannot be kept is ended at once.
    async fn keep(&self, name: &AccountName, issuer: String, client: Registered, is_new: bool) -> Result<(), Denied> {
        let (kept, secret) = kept(issuer, client);
        let spare = kept.management.as_ref().filter(|_| is_new).map(Management::duplicate);
        let Err(refused) = self.vault.set_registration(name, kept, secret).await else { return Ok(()) };
        if let Some(management) = spare {
            self.end_at_once(name, &management).await;
        }
        Err(vault_denied(&refused))
    }
}

/// What the vault keeps of a client.
fn kept(issuer: String, client: Registered) -> (vault::Registration, Option<Secret>) {
    let Registered { client_id, secret, secret_expires_at, management, .. } = client;
    (vault::Registration { client_id, issuer, secret_expires_at, management }, secret)
}

fn not_found(failed: DiscoveryFailed) -> Denied {
    match failed.misconfigured {
        true => Denied::Misconfigured(failed.why),
        false => Denied::Unavailable { why: failed.why, retry_at: 0 },
    }
}
