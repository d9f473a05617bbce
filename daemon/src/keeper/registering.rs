//! Registering a client for an account that is to be (RFC 7591), and ending that again (RFC 7592).
//!
//! In this order, so that a crash leaves at worst a client at the server that nobody uses: the server registers; the vault
//! holds what it gave; the definition that names the client is written; only then the client that it replaces is ended.

use std::collections::BTreeMap;
use std::time::Duration;

use tokenkeeper_config::{AccountName, Definition, Value};
use tokio::time::timeout;
use url::Url;

use super::draft::Draft;
use super::errands::Errands;
use super::handle::Reply;
use super::random;
use super::task::{Keeper, Report};
use crate::account::{Denied, DiscoveryFailed};
use crate::discover;
use crate::oauth::Metadata;
use crate::oauth::registration::{self, Management, NotRegistered, Registered, Wish};
use crate::vault::{self, Refused};

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
    reply: Reply<Enrolled>,
}

/// Registered and stored; what is left is the definition.
struct Done {
    definition: BTreeMap<String, Value>,
    enrolled: Enrolled,
    /// The client that was there before.
    replaced: Option<Management>,
}

/// For one request.
const TIMEOUT: Duration = Duration::from_secs(20);
/// For finding the server: some addresses may be tried in vain.
const SEARCH: Duration = Duration::from_secs(60);

impl Keeper {
    pub(super) fn begin_registration(&mut self, definition: BTreeMap<String, Value>, reply: Reply<Enrolled>) {
        let name = match self.gate.denial().map_or_else(|| self.writable(&definition), Err) {
            Ok(name) => name,
            Err(denied) => return drop(reply.send(Err(denied))),
        };
        if !self.registering.insert(name.clone()) {
            let busy = format!("a client is being registered for `{name}` already");
            return drop(reply.send(Err(Denied::Busy(busy))));
        }
        let errands = self.errands.clone();
        let draft = Draft::new(name.clone(), definition, self.definitions.places.clone());
        tokio::spawn(async move {
            let result = errands.register(draft).await;
            let _ = errands.reports.send(Report::Registered(Box::new(Registration { name, result, reply })));
        });
    }

    pub(super) fn registered(&mut self, registration: Registration) {
        let Registration { name, result, reply } = registration;
        self.registering.remove(&name);
        let written = result.and_then(|done| self.add_account(&done.definition).map(|_| done));
        let answer = written.map(|done| {
            if let Some(replaced) = done.replaced {
                let errands = self.errands.clone();
                tokio::spawn(async move { errands.end(&name, &replaced).await });
            }
            done.enrolled
        });
        self.publish();
        let _ = reply.send(answer);
    }
}

impl Errands {
    async fn register(&self, mut draft: Draft) -> Result<Done, Denied> {
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
        let wish = Wish { redirect: &definition.redirect, scopes: &definition.scopes };
        let client = self.enrol_client(&endpoint, &metadata, &wish).await?;
        let replaced = self.vault.registration(&draft.name).await.ok().flatten().and_then(|before| before.management);
        draft.take_client(&client, &definition, endpoint.host_str().unwrap_or_default());
        let enrolled = Enrolled {
            account: draft.name.clone(),
            client_id: client.client_id.clone(),
            issuer: issuer.clone(),
            notes: std::mem::take(&mut draft.notes),
            secret_expires_at: client.secret_expires_at,
        };
        self.keep(&draft.name, issuer, client).await?;
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
                NotRegistered::TooMuch(_) | NotRegistered::Wrong(_) => Denied::Misconfigured(why),
            }
        })
    }

    /// Puts a client into the vault; one that cannot be kept is ended at once.
    async fn keep(&self, name: &AccountName, issuer: String, client: Registered) -> Result<(), Denied> {
        let Registered { client_id, secret, secret_expires_at, management, .. } = client;
        let spare = management.as_ref().map(Management::duplicate);
        let kept = vault::Registration { client_id, issuer, secret_expires_at, management };
        let Err(refused) = self.vault.set_registration(name, kept, secret).await else { return Ok(()) };
        if let Some(management) = spare {
            self.end(name, &management).await;
        }
        Err(match refused {
            Refused::Locked => Denied::Locked,
            Refused::NoVault => Denied::NoVault,
            other => Denied::Failed(other.to_string()),
        })
    }

    /// Ends the registration of an account that goes. It is a courtesy: what is left at the server is of no use to anybody.
    pub(super) async fn unregister(&self, name: &AccountName) {
        match self.vault.registration(name).await {
            Ok(Some(vault::Registration { management: Some(management), .. })) => self.end(name, &management).await,
            Ok(Some(kept)) => {
                let (client, issuer) = (kept.client_id, kept.issuer);
                tracing::warn!(account = %name, "the client {client} stays at {issuer}, which gave nothing to end it with");
            }
            Ok(None) => {}
            Err(why) => tracing::warn!(account = %name, "a client that was registered for it may stay: {why}"),
        }
    }

    async fn end(&self, name: &AccountName, management: &Management) {
        let host = management.uri.host_str().unwrap_or_default();
        let sent = self.http.send(registration::deletion(management), TIMEOUT).await;
        match registration::read_deletion(&sent, host) {
            Ok(()) => tracing::info!(account = %name, "{host} has deleted the client that it had registered"),
            Err(why) => tracing::warn!(account = %name, "the client that {host} registered stays there, unused: {why}"),
        }
    }
}

fn not_found(failed: DiscoveryFailed) -> Denied {
    match failed.misconfigured {
        true => Denied::Misconfigured(failed.why),
        false => Denied::Unavailable { why: failed.why, retry_at: 0 },
    }
}
