//! Change signals: what differs between two published views. Personal values are announced as changed, never told.

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
    for name in old.accounts.keys().filter(|name| !new.accounts.contains_key(*name)) {
        let body = (ObjectPath::try_from(account_path(name))?, &[ACCOUNT_INTERFACE][..]);
        connection.emit_signal(NOBODY, ROOT_PATH, OBJECT_MANAGER, "InterfacesRemoved", &body).await?;
    }
    for (name, status) in &new.accounts {
        match old.accounts.get(name) {
            None => added(connection, name).await?,
            Some(before) if !Arc::ptr_eq(before, status) => account_changed(connection, name, before, status).await?,
            Some(_) => {}
        }
    }
    if old.vault != new.vault || old.hardening != new.hardening {
        let (before, now) = (of_vault(&old.vault, &old.hardening), of_vault(&new.vault, &new.hardening));
        properties_changed(connection, NOBODY, ROOT_PATH, VAULT_INTERFACE, before, now).await?;
    }
    Ok(())
}

/// For every connection that listens.
const NOBODY: Option<&str> = None;

async fn added(connection: &Connection, name: &AccountName) -> zbus::Result<()> {
    let nothing: HashMap<&str, Variant<'_>> = HashMap::new();
    let body = (ObjectPath::try_from(account_path(name))?, HashMap::from([(ACCOUNT_INTERFACE, nothing)]));
    connection.emit_signal(NOBODY, ROOT_PATH, OBJECT_MANAGER, "InterfacesAdded", &body).await
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
