//! Typed proxies for the interfaces of the contract. Build them with `CacheProperties::No`: a cache costs every
//! short-lived program two more round trips.

#![allow(missing_docs, reason = "documented in docs/dbus.md; the names are those of the contract")]

use std::collections::HashMap;

use zbus::{OwnedFd, OwnedObjectPath, OwnedVariant, Variant};

/// An `a{sv}` dictionary to send.
pub type Options<'a> = HashMap<&'a str, Variant<'a>>;

/// An `a{sv}` dictionary as received.
pub type Info = HashMap<String, OwnedVariant>;

/// What comes with a token (see [`key::info`](super::key::info)). Keys that this version does not know are ignored.
#[derive(Debug, Clone, Default, zbus::DeserializeDict, zbus::Type)]
#[zbus(signature = "a{sv}")]
pub struct TokenInfo {
    pub token_type: Option<String>,
    pub expires_at: Option<u64>,
    pub scopes: Option<Vec<String>>,
    pub generation: Option<u64>,
    pub digest: Option<Vec<u8>>,
}

/// The keeper.
#[zbus::proxy(
    interface = "org.tokenkeeper.Keeper1",
    default_service = "org.tokenkeeper.Keeper1",
    default_path = "/org/tokenkeeper/Keeper1"
)]
pub trait Keeper {
    fn add_account(&self, definition: &Options<'_>) -> zbus::Result<OwnedObjectPath>;
    fn register(&self, definition: &Options<'_>) -> zbus::Result<(OwnedObjectPath, Info)>;
    fn request_access(&self, options: &Options<'_>) -> zbus::Result<OwnedObjectPath>;
    fn reload(&self) -> zbus::Result<()>;
    #[zbus(property(emits_changed_signal = "const"))]
    fn version(&self) -> zbus::Result<String>;
}

/// The vault.
#[zbus::proxy(
    interface = "org.tokenkeeper.Keeper1.Vault",
    default_service = "org.tokenkeeper.Keeper1",
    default_path = "/org/tokenkeeper/Keeper1"
)]
pub trait Vault {
    #[zbus(allow_interactive_auth)]
    fn unlock(&self, options: &Options<'_>) -> zbus::Result<OwnedObjectPath>;
    fn lock(&self) -> zbus::Result<()>;
    #[zbus(allow_interactive_auth)]
    fn add_slot(&self, kind: &str, options: &Options<'_>) -> zbus::Result<OwnedObjectPath>;
    #[zbus(allow_interactive_auth)]
    fn rekey(&self, options: &Options<'_>) -> zbus::Result<OwnedObjectPath>;
    fn remove_slot(&self, id: &str) -> zbus::Result<()>;
    #[zbus(property)]
    fn state(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn slots(&self) -> zbus::Result<Vec<Info>>;
    #[zbus(property)]
    fn opened_by(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn hardening(&self) -> zbus::Result<Info>;
}

/// An account.
#[zbus::proxy(interface = "org.tokenkeeper.Keeper1.Account", default_service = "org.tokenkeeper.Keeper1")]
pub trait Account {
    fn get_token(&self, options: &Options<'_>) -> zbus::Result<(String, TokenInfo)>;
    fn send_token(&self, sink: zbus::Fd<'_>, options: &Options<'_>) -> zbus::Result<TokenInfo>;
    fn sign_proof(&self, http_method: &str, http_uri: &str, options: &Options<'_>) -> zbus::Result<String>;
    fn login(&self, options: &Options<'_>) -> zbus::Result<(OwnedObjectPath, Info)>;
    fn refresh(&self, options: &Options<'_>) -> zbus::Result<Info>;
    fn logout(&self, options: &Options<'_>) -> zbus::Result<()>;
    fn remove(&self, options: &Options<'_>) -> zbus::Result<()>;
    fn set_secret(&self, options: &Options<'_>) -> zbus::Result<OwnedObjectPath>;
    fn set_permission(&self, app_id: &str, decision: &str, options: &Options<'_>) -> zbus::Result<()>;
}

/// An interaction in progress.
#[zbus::proxy(interface = "org.tokenkeeper.Keeper1.Request", default_service = "org.tokenkeeper.Keeper1")]
pub trait Request {
    fn wait(&self) -> zbus::Result<Info>;
    fn input(&self) -> zbus::Result<OwnedFd>;
    fn cancel(&self) -> zbus::Result<()>;
    #[zbus(property)]
    fn state(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn wants(&self) -> zbus::Result<Vec<String>>;
    #[zbus(property)]
    fn uri(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn user_code(&self) -> zbus::Result<String>;
    #[zbus(property)]
    fn expires_at(&self) -> zbus::Result<u64>;
}
