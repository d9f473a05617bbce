//! The straight line of every call: read it, find out who calls, look the object up, hand it on, answer.

use std::sync::Arc;

use futures_util::StreamExt;
use tokenkeeper::wire::{ACCOUNT_INTERFACE, ErrorName, KEEPER_INTERFACE, REQUEST_INTERFACE, VAULT_INTERFACE};
use tokio::sync::Semaphore;
use zbus::message::{Body, Flags, Header, Type};
use zbus::{Connection, MatchRule, Message, MessageStream};

use super::caller::{Callers, Known};
use super::fault::Fault;
use super::object::Object;
use super::request::Requests;
use super::trace::LogLevel;
use super::{account, introspect, manager, properties, request, root, signals};
use crate::account::Denied;
use crate::keeper::Handle;

/// How many calls zbus may queue for us before it stops reading the bus.
const QUEUE: usize = 1024;
/// How many calls may be under way at all.
const MOST_CALLS: u32 = 1 << 16;

const PEER: &str = "org.freedesktop.DBus.Peer";
const INTROSPECTABLE: &str = "org.freedesktop.DBus.Introspectable";
const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";
const LOG_CONTROL: &str = "org.freedesktop.LogControl1";

/// A face that serves until its connection closes.
pub struct Serving(Arc<Face>);

/// What answering needs.
pub(super) struct Face {
    pub(super) connection: Connection,
    pub(super) keeper: Handle,
    pub(super) requests: Requests,
    pub(super) log: LogLevel,
    callers: Callers,
    calls: Arc<Semaphore>,
}

/// A call from a caller who may make it.
pub(super) struct Call<'m> {
    pub(super) header: &'m Header<'m>,
    pub(super) body: Body,
    pub(super) member: &'m str,
    /// `None` only on a connection without a bus.
    pub(super) sender: Option<&'m str>,
}

/// Serves the keeper on this connection; calls are answered from the moment this returns, so the name is asked for
/// after it.
///
/// # Errors
/// When the bus refuses the subscription to the ends of callers.
pub async fn serve(connection: &Connection, keeper: Handle, log: LogLevel) -> zbus::Result<Serving> {
    let rule = MatchRule::builder().msg_type(Type::MethodCall).build()?;
    let calls = MessageStream::for_match_rule(rule, connection, Some(QUEUE.try_into().expect("not zero"))).await?;
    let ends = ends_of_callers(connection).await?;
    let face = Arc::new(Face {
        connection: connection.clone(),
        keeper,
        requests: Requests::default(),
        log,
        callers: Callers::default(),
        calls: Arc::new(Semaphore::new(MOST_CALLS as usize)),
    });
    tokio::spawn(signals::announce(connection.clone(), face.keeper.changes()));
    tokio::spawn(face.clone().forget(ends));
    tokio::spawn(face.clone().take(calls));
    Ok(Serving(face))
}

impl Serving {
    /// Waits until every call that was begun is answered. Ends soon after the keeper has ended: then all of them fail.
    pub async fn drained(&self) {
        let all = self.0.calls.acquire_many(MOST_CALLS).await;
        drop(all);
    }

    pub(super) fn keeper(&self) -> Handle {
        self.0.keeper.clone()
    }

    /// A permit for each call under way.
    pub(super) fn calls(&self) -> Arc<Semaphore> {
        self.0.calls.clone()
    }

    /// The keeper's end, as others see it.
    #[cfg(test)]
    pub(super) async fn close(self) {
        let _ = self.0.connection.clone().close().await;
    }

    /// Makes the caller look sandboxed.
    #[cfg(test)]
    pub(super) fn confine(&self, sender: &str) {
        self.0.callers.confine(sender);
    }
}

impl Face {
    async fn take(self: Arc<Self>, mut calls: MessageStream) {
        while let Some(Ok(message)) = calls.next().await {
            let face = self.clone();
            // A task each: a call that waits for a server, a disk or a person holds nobody up.
            tokio::spawn(async move { face.answer(&message).await });
        }
    }

    /// Callers' connections end: their requests end with them.
    async fn forget(self: Arc<Self>, mut ends: Option<MessageStream>) {
        let Some(ends) = &mut ends else { return };
        while let Some(Ok(message)) = ends.next().await {
            let body = message.body();
            let Ok((name, _, new)) = body.deserialize::<(&str, &str, &str)>() else { continue };
            if name.starts_with(':') && new.is_empty() {
                self.callers.forget(name);
                self.requests.creator_left(&self.keeper, name);
            }
        }
    }

    async fn answer(self: Arc<Self>, message: &Message) {
        let header = message.header();
        let answer = match self.calls.try_acquire() {
            Ok(_under_way) => self.dispatch(message, &header).await,
            Err(_) => Err(Denied::Busy("the keeper has more calls than it can hold".into()).into()),
        };
        if header.primary().flags().contains(Flags::NO_REPLY_EXPECTED) {
            return;
        }
        let sent = match answer.or_else(|fault| fault.reply(&header)) {
            Ok(reply) => self.connection.send(&reply).await,
            Err(error) => Err(error),
        };
        if let Err(error) = sent {
            tracing::debug!("could not answer a call: {error}");
        }
    }

    async fn dispatch(self: &Arc<Self>, message: &Message, header: &Header<'_>) -> Result<Message, Fault> {
        let path = header.path().map_or("/", |path| path.as_str());
        let member = header.member().map_or("", |member| member.as_str());
        let object = Object::at(path);
        let interface = header.interface().map_or_else(|| implied(object.as_ref(), member), |name| name.as_str());
        let sender = header.sender().map(|name| name.as_str());
        let call = Call { header, body: message.body(), member, sender };
        if interface == PEER {
            return peer(&call);
        }
        let known = self.callers.identify(&self.connection, sender).await?;
        let _under_way = known.begin()?;
        if !known.caller.is_trusted() {
            return refused(&known, object, path, interface, &call);
        }
        let object = object.ok_or_else(|| nothing_at(path))?;
        self.must_exist(&object, path, sender)?;
        match (interface, object) {
            (INTROSPECTABLE, object) => self.introspect(&call, object).await,
            (PROPERTIES, object) => properties::call(self, &call, &object),
            (OBJECT_MANAGER, Object::Root) => manager::call(self, &call).await,
            (KEEPER_INTERFACE, Object::Root) => root::keeper(self, &call).await,
            (VAULT_INTERFACE, Object::Root) => root::vault(self, &call).await,
            (ACCOUNT_INTERFACE, Object::Account(name)) => account::call(self, &call, &name).await,
            (REQUEST_INTERFACE, Object::Request(id)) => request::call(self, &call, id).await,
            (LOG_CONTROL, Object::LogControl) => Err(Fault::no_method(interface, member)),
            (other, _) => Err(Fault::no_interface(other)),
        }
    }

    fn must_exist(&self, object: &Object, path: &str, sender: Option<&str>) -> Result<(), Fault> {
        match object {
            Object::Account(name) if !self.keeper.view().accounts.contains_key(name) => {
                Err(Fault::no_account(name.as_str()))
            }
            Object::Request(id) if self.requests.find(*id, sender).is_none() => Err(Fault::no_object(path)),
            _ => Ok(()),
        }
    }

    async fn introspect(&self, call: &Call<'_>, object: Object) -> Result<Message, Fault> {
        call.must_be("Introspect", INTROSPECTABLE)?;
        let xml = match &object {
            Object::Way(children) => introspect::describe(&object, children.iter()),
            Object::Root => introspect::describe(&object, ["account", "request"].iter()),
            Object::Accounts => {
                let view = self.keeper.view();
                let describe = move || {
                    let children = view.accounts.keys().map(tokenkeeper_config::AccountName::path_element);
                    introspect::describe(&Object::Accounts, children)
                };
                off_the_runtime(describe).await?
            }
            Object::Account(_) | Object::Request(_) | Object::LogControl => {
                introspect::describe(&object, std::iter::empty::<&str>())
            }
        };
        call.answer(&xml)
    }
}

impl Call<'_> {
    /// The arguments; `takes` is their signature as the contract has it.
    pub(super) fn arguments<'b, B>(&'b self, takes: &str) -> Result<B, Fault>
    where
        B: zbus::wire::DynamicDeserialize<'b>,
    {
        self.body.deserialize().map_err(|_| {
            let given = self.body.signature().to_string_no_parens();
            Fault::invalid_args(format!("{} takes ({takes}), not ({given})", self.member))
        })
    }

    /// An answer with this body.
    pub(super) fn answer<B>(&self, body: &B) -> Result<Message, Fault>
    where
        B: zbus::export::serde::Serialize + zbus::DynamicType,
    {
        Ok(Message::method_return(self.header).build(body)?)
    }

    /// Whether the caller is ready to wait while a person is asked.
    pub(super) fn is_interactive(&self) -> bool {
        self.header.primary().flags().contains(Flags::ALLOW_INTERACTIVE_AUTH)
    }

    pub(super) fn must_be(&self, member: &str, interface: &str) -> Result<(), Fault> {
        if self.member == member { Ok(()) } else { Err(Fault::no_method(interface, self.member)) }
    }
}

/// Builds what may be large where it delays nobody.
pub(super) async fn off_the_runtime<T: Send + 'static>(build: impl FnOnce() -> T + Send + 'static) -> Result<T, Fault> {
    tokio::task::spawn_blocking(build).await.map_err(|_| Denied::ShuttingDown.into())
}

async fn ends_of_callers(connection: &Connection) -> zbus::Result<Option<MessageStream>> {
    if !connection.is_bus() {
        return Ok(None);
    }
    // An empty third argument: connections that end, not those that begin.
    let rule = MatchRule::builder()
        .msg_type(Type::Signal)
        .sender("org.freedesktop.DBus")
        .interface("org.freedesktop.DBus")
        .member("NameOwnerChanged")
        .arg(2, "")
        .build()?;
    let queue = Some(QUEUE.try_into().expect("not zero"));
    MessageStream::for_match_rule(rule, connection, queue).await.map(Some)
}

/// A call without an interface means the one that has the member (D-Bus specification, "Method Calls").
fn implied(object: Option<&Object>, member: &str) -> &'static str {
    match (member, object) {
        ("Ping" | "GetMachineId", _) => PEER,
        ("Introspect", _) => INTROSPECTABLE,
        ("Get" | "Set" | "GetAll", _) => PROPERTIES,
        ("GetManagedObjects", _) => OBJECT_MANAGER,
        ("Unlock" | "Lock" | "AddSlot" | "Rekey" | "RemoveSlot", _) => VAULT_INTERFACE,
        (_, Some(Object::Account(_))) => ACCOUNT_INTERFACE,
        (_, Some(Object::Request(_))) => REQUEST_INTERFACE,
        _ => KEEPER_INTERFACE,
    }
}

fn peer(call: &Call<'_>) -> Result<Message, Fault> {
    match call.member {
        "Ping" => call.answer(&()),
        "GetMachineId" => {
            let id = std::fs::read_to_string("/etc/machine-id").unwrap_or_default();
            match id.trim() {
                "" => Err(Fault::new(ErrorName::Failed, "this machine has no id")),
                id => call.answer(&id),
            }
        }
        other => Err(Fault::no_method(PEER, other)),
    }
}

/// What callers get who may see nothing: no account, no request, an empty list of objects.
fn refused(
    known: &Known,
    object: Option<Object>,
    path: &str,
    interface: &str,
    call: &Call<'_>,
) -> Result<Message, Fault> {
    let nobody = std::iter::empty::<&str>();
    match object {
        None => Err(nothing_at(path)),
        Some(Object::Account(name)) => Err(Fault::no_account(name.as_str())),
        Some(Object::Request(_)) => Err(Fault::no_object(path)),
        Some(object) if interface == INTROSPECTABLE => call.answer(&introspect::describe(&object, nobody)),
        Some(Object::Root) if interface == OBJECT_MANAGER => call.answer(&manager::Objects::new()),
        Some(_) => {
            let message = format!("{} may not use the keeper", known.caller);
            Err(Fault::new(ErrorName::NotPermitted, message))
        }
    }
}

fn nothing_at(path: &str) -> Fault {
    let below = path.strip_prefix(tokenkeeper::wire::ACCOUNTS_PATH).and_then(|rest| rest.strip_prefix('/'));
    below.map_or_else(|| Fault::no_object(path), |element| Fault::no_account(&element.replace('_', "-")))
}
