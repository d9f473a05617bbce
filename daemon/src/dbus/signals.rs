//! Change signals: what differs between two published views. Personal values are announced as changed, never told.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::sync::Arc;

use tokenkeeper::wire::{ACCOUNT_INTERFACE, REQUEST_INTERFACE, ROOT_PATH, VAULT_INTERFACE};
use tokenkeeper_config::AccountName;
use tokio::sync::watch;
use zbus::{Connection, ObjectPath, Variant};

use super::object::{account_path, request_path};
use super::properties::{Property, Told, of_account, of_request, of_vault};
use crate::account::{RequestId, Status};
use crate::keeper::{RequestView, View};

const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
const OBJECT_MANAGER: &str = "org.freedesktop.DBus.ObjectManager";

/// Tells of every change until the keeper ends.
pub(super) async fn announce(connection: Connection, mut views: watch::Receiver<Arc<View>>) {
    let mut told = views.borrow_and_update().clone();
    while views.changed().await.is_ok() {
        let now = views.borrow_and_update().clone();
        if let Err(error) = differences(&connection, &told, &now).await {
            tracing::debug!("could not send a signal: {error}");
        }
        told = now;
    }
}

async fn differences(connection: &Connection, old: &View, new: &View) -> zbus::Result<()> {
    for (name, before, now) in in_step(old, new) {
        match (before, now) {
            (None, None) => {}
            (None, Some(_)) => added(connection, name).await?,
            (Some(_), None) => removed(connection, name).await?,
            (Some(before), Some(now)) if Arc::ptr_eq(before, now) => {}
            (Some(before), Some(now)) => account_changed(connection, name, before, now).await?,
        }
    }
    if old.vault != new.vault || old.hardening != new.hardening {
        let (before, now) = (of_vault(&old.vault, &old.hardening), of_vault(&new.vault, &new.hardening));
        properties_changed(connection, NOBODY, ROOT_PATH, VAULT_INTERFACE, before, now).await?;
    }
    Ok(())
}

/// Every account of either view, with its status in both. In step, so that one change among ten thousand accounts costs no
/// ten thousand look-ups.
fn in_step<'v>(old: &'v View, new: &'v View) -> impl Iterator<Item = Compared<'v>> {
    let (mut old, mut new) = (old.accounts.iter().peekable(), new.accounts.iter().peekable());
    std::iter::from_fn(move || {
        let order = match (old.peek(), new.peek()) {
            (Some((before, _)), Some((now, _))) => before.cmp(now),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return None,
        };
        match order {
            Ordering::Less => old.next().map(|(name, before)| (name, Some(before), None)),
            Ordering::Greater => new.next().map(|(name, now)| (name, None, Some(now))),
            Ordering::Equal => {
                old.next().zip(new.next()).map(|((name, before), (_, now))| (name, Some(before), Some(now)))
            }
        }
    })
}

/// An account, as it was and as it is.
type Compared<'v> = (&'v AccountName, Option<&'v Arc<Status>>, Option<&'v Arc<Status>>);

/// For every connection that listens.
const NOBODY: Option<&str> = None;

async fn added(connection: &Connection, name: &AccountName) -> zbus::Result<()> {
    let nothing: HashMap<&str, Variant<'_>> = HashMap::new();
    let body = (ObjectPath::try_from(account_path(name))?, HashMap::from([(ACCOUNT_INTERFACE, nothing)]));
    connection.emit_signal(NOBODY, ROOT_PATH, OBJECT_MANAGER, "InterfacesAdded", &body).await
}

async fn removed(connection: &Connection, name: &AccountName) -> zbus::Result<()> {
    let body = (ObjectPath::try_from(account_path(name))?, &[ACCOUNT_INTERFACE][..]);
    connection.emit_signal(NOBODY, ROOT_PATH, OBJECT_MANAGER, "InterfacesRemoved", &body).await
}

async fn account_changed(connection: &Connection, name: &AccountName, old: &Status, new: &Status) -> zbus::Result<()> {
    let path = account_path(name);
    properties_changed(connection, NOBODY, &path, ACCOUNT_INTERFACE, of_account(old), of_account(new)).await
}

/// Tells the creator of a request, and nobody else, that it moved on.
pub(super) async fn request_changed(
    connection: &Connection,
    id: RequestId,
    creator: Option<&str>,
    old: &RequestView,
    new: &RequestView,
) {
    let path = request_path(id);
    let sent =
        properties_changed(connection, creator, &path, REQUEST_INTERFACE, of_request(old), of_request(new)).await;
    if let Err(error) = sent {
        tracing::debug!("could not send a signal: {error}");
    }
}

async fn properties_changed(
    connection: &Connection,
    listener: Option<&str>,
    path: &str,
    interface: &str,
    old: Vec<Property<'_>>,
    new: Vec<Property<'_>>,
) -> zbus::Result<()> {
    let mut changed = HashMap::new();
    let mut invalidated = Vec::new();
    for (before, now) in old.into_iter().zip(new) {
        if before.value == now.value {
            continue;
        }
        match now.told {
            Told::Value => drop(changed.insert(now.name, now.value)),
            Told::Change => invalidated.push(now.name),
            Told::Nothing => {}
        }
    }
    if changed.is_empty() && invalidated.is_empty() {
        return Ok(());
    }
    let body = (interface, changed, invalidated);
    connection.emit_signal(listener, path, PROPERTIES, "PropertiesChanged", &body).await
}
