//! What the keeper's signals say: for the program that watches, and for the cache.
//!
//! One task reads the signals and never waits for a reader: zbus stops the whole connection when one stream of it is
//! not read. A reader who lags is told that it [`Missed`](Event::Missed) something.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::{self, BoxStream};
use futures_util::{Stream, StreamExt};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::task::AbortHandle;
use zbus::message::Type;
use zbus::names::OwnedUniqueName;
use zbus::{Connection, MatchRule, Message, MessageStream, ObjectPath, Variant};

use crate::cache::Cache;
use crate::error::Error;
use crate::keeper::Link;
use crate::status::AccountState;
use crate::vault::VaultState;
use crate::wire::{ACCOUNT_INTERFACE, BUS_NAME, ROOT_PATH, VAULT_INTERFACE, account_name};

/// Something happened. Ask for the status to see how things stand now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// There is a new account.
    Added {
        /// Its name.
        account: String,
    },
    /// An account is gone.
    Removed {
        /// Its name.
        account: String,
    },
    /// Properties of an account changed.
    Changed {
        /// Its name.
        account: String,
        /// Its state, if that changed.
        state: Option<AccountState>,
        /// Its generation, if that changed: a token fetched before is no longer the newest.
        generation: Option<u64>,
    },
    /// Properties of the vault changed.
    Vault {
        /// Its state, if that changed.
        state: Option<VaultState>,
    },
    /// The keeper runs: everything may be different.
    Started,
    /// The keeper ended.
    Stopped,
    /// More happened than was read in time: everything may be different.
    Missed,
}

/// The events of one watcher. Ends with the connection.
pub struct Watch(BoxStream<'static, Event>);

/// The task that reads the signals.
pub(crate) struct Pump {
    // The task has the only strong one, so that watchers see its end.
    events: broadcast::WeakSender<Event>,
    task: AbortHandle,
}

/// How many events a watcher may lag behind.
const LAG: usize = 1024;

impl Event {
    /// The account it is about; `None` = all of them.
    pub fn account(&self) -> Option<&str> {
        match self {
            Self::Added { account } | Self::Removed { account } | Self::Changed { account, .. } => Some(account),
            Self::Vault { .. } | Self::Started | Self::Stopped | Self::Missed => None,
        }
    }
}

impl Stream for Watch {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event>> {
        self.0.poll_next_unpin(cx)
    }
}

impl Pump {
    pub(crate) async fn start(connection: &Connection, cache: Arc<Cache>) -> Result<Self, Error> {
        let reader = Reader::subscribe(connection, cache).await?;
        let (events, _) = broadcast::channel(LAG);
        // From here on nothing is missed: what comes before the task runs waits in its queue.
        reader.cache.set_live(true);
        let weak = events.downgrade();
        let task = tokio::spawn(reader.run(events)).abort_handle();
        Ok(Self { events: weak, task })
    }

    /// `link` keeps the pump itself alive while somebody watches.
    pub(crate) fn watch(&self, link: Arc<Link>) -> Watch {
        let Some(events) = self.events.upgrade() else { return Watch(Box::pin(stream::empty())) };
        let state = (events.subscribe(), link);
        Watch(Box::pin(stream::unfold(state, |(mut events, link)| async move {
            match events.recv().await {
                Ok(event) => Some((event, (events, link))),
                Err(RecvError::Lagged(_)) => Some((Event::Missed, (events, link))),
                Err(RecvError::Closed) => None,
            }
        })))
    }
}

impl Drop for Pump {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the task holds.
struct Reader {
    cache: Arc<Cache>,
    owners: MessageStream,
    signals: MessageStream,
    /// Who owns the keeper's name; signals of others are not the keeper's. `None` on a connection without a bus.
    owner: Option<OwnedUniqueName>,
    bus: bool,
}

impl Reader {
    async fn subscribe(connection: &Connection, cache: Arc<Cache>) -> Result<Self, Error> {
        let owners = MatchRule::builder()
            .msg_type(Type::Signal)
            .sender("org.freedesktop.DBus")
            .interface("org.freedesktop.DBus")
            .member("NameOwnerChanged")
            .arg(0, BUS_NAME)
            .build()?;
        let signals = MatchRule::builder().msg_type(Type::Signal).sender(BUS_NAME).path_namespace(ROOT_PATH).build()?;
        let owners = MessageStream::for_match_rule(owners, connection, None).await?;
        let signals = MessageStream::for_match_rule(signals, connection, None).await?;
        let bus = connection.is_bus();
        // Asked last: a change after the subscription is told, so what is known now stays true until then.
        let owner = if bus { name_owner(connection).await? } else { None };
        Ok(Self { cache, owners, signals, owner, bus })
    }

    async fn run(mut self, events: broadcast::Sender<Event>) {
        loop {
            let event = tokio::select! {
                biased;
                message = self.owners.next() => match message {
                    Some(Ok(message)) => self.owner_changed(&message),
                    _ => break,
                },
                message = self.signals.next() => match message {
                    Some(Ok(message)) => self.heard(&message),
                    _ => break,
                },
            };
            if let Some(event) = event {
                self.note(&event);
                // Nobody listening is fine: the cache does.
                let _ = events.send(event);
            }
        }
    }

    fn owner_changed(&mut self, message: &Message) -> Option<Event> {
        let body = message.body();
        let (_, _, new): (&str, &str, &str) = body.deserialize().ok()?;
        self.owner = OwnedUniqueName::try_from(new).ok();
        Some(if self.owner.is_some() { Event::Started } else { Event::Stopped })
    }

    fn heard(&self, message: &Message) -> Option<Event> {
        let header = message.header();
        let sender = header.sender().map(|name| name.as_str());
        if self.bus && sender != self.owner.as_ref().map(|name| name.as_str()) {
            return None;
        }
        let path = header.path()?;
        match header.member()?.as_str() {
            "PropertiesChanged" => properties_changed(path, message),
            "InterfacesAdded" => account_of(message, |account| Event::Added { account }),
            "InterfacesRemoved" => account_of(message, |account| Event::Removed { account }),
            _ => None,
        }
    }

    /// Drops from the cache what the event made old.
    fn note(&self, event: &Event) {
        match event {
            Event::Changed { account, state, generation } => {
                if state.as_ref().is_some_and(|state| !serves(state)) {
                    self.cache.clear_account(account);
                }
                if let Some(generation) = generation {
                    self.cache.keep_generation(account, *generation);
                }
            }
            Event::Added { account } | Event::Removed { account } => self.cache.clear_account(account),
            Event::Vault { state: Some(VaultState::Ready) | None } => {}
            Event::Vault { .. } | Event::Started | Event::Stopped | Event::Missed => self.cache.clear(),
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.cache.set_live(false);
    }
}

/// Whether tokens are served in this state, so that those at hand are as good as a fresh call's.
fn serves(state: &AccountState) -> bool {
    matches!(state, AccountState::Ready | AccountState::LoginSoon | AccountState::Unavailable)
}

fn properties_changed(path: &ObjectPath<'_>, message: &Message) -> Option<Event> {
    let body = message.body();
    let (interface, changed, _): (&str, HashMap<&str, Variant<'_>>, Vec<&str>) = body.deserialize().ok()?;
    let word = |name| changed.get(name).and_then(|value| <&str>::try_from(value).ok());
    match interface {
        VAULT_INTERFACE => Some(Event::Vault { state: word("State").map(VaultState::from) }),
        ACCOUNT_INTERFACE => Some(Event::Changed {
            account: account_name(path)?,
            state: word("State").map(AccountState::from),
            generation: changed.get("Generation").and_then(|value| u64::try_from(value).ok()),
        }),
        _ => None,
    }
}

fn account_of(message: &Message, event: impl FnOnce(String) -> Event) -> Option<Event> {
    let body = message.body();
    // The path is the first argument of both signals.
    let (path,): (ObjectPath<'_>,) = body.deserialize_ignore_signature().ok()?;
    account_name(&path).map(event)
}

async fn name_owner(connection: &Connection) -> Result<Option<OwnedUniqueName>, Error> {
    use zbus::fdo;
    let bus = fdo::DBusProxy::builder(connection).cache_properties(zbus::proxy::CacheProperties::No).build().await?;
    let name = zbus::names::BusName::from_static_str(BUS_NAME)?;
    match bus.get_name_owner(name).await {
        Ok(owner) => Ok(Some(owner)),
        Err(fdo::Error::NameHasNoOwner(_)) => Ok(None),
        Err(other) => Err(zbus::Error::from(other).into()),
    }
}
