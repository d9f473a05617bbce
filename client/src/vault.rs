//! The vault, as callers see it.

use std::fmt;
use std::sync::Arc;

use futures_util::FutureExt;
use zbus::Variant;
use zbus::names::InterfaceName;
use zbus::proxy::CacheProperties;

use crate::error::Error;
use crate::keeper::Link;
use crate::request::Request;
use crate::status::take;
use crate::wire::proxy::{Info, Options, VaultProxy};
use crate::wire::{ROOT_PATH, VAULT_INTERFACE, word};

/// The encrypted store of the keeper. Cheap to clone.
#[derive(Clone)]
pub struct Vault {
    link: Arc<Link>,
    proxy: VaultProxy<'static>,
}

/// Where the vault stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum VaultState {
    /// Open.
    Ready,
    /// Waits to be opened.
    Locked,
    /// Not made yet.
    NoVault,
    /// A word that this version does not know: take it as not ready.
    Other(String),
}

/// One way to open the vault.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Slot {
    /// Its name.
    pub id: String,
    /// `secret-service`, `passphrase`, `keyfile` …
    pub kind: String,
    /// When it was made, unix seconds.
    pub created: u64,
    /// Whether it opened the vault.
    pub opened: bool,
    /// Why it did not; empty = it was not tried, or it did.
    pub error: String,
}

impl Vault {
    pub(crate) fn new(link: Arc<Link>) -> Self {
        let proxy = VaultProxy::builder(link.connection())
            .cache_properties(CacheProperties::No)
            .build()
            .now_or_never()
            .expect("without a property cache nothing is awaited")
            .expect("the contract's own names are well formed");
        Self { link, proxy }
    }

    /// Where it stands.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub async fn state(&self) -> Result<VaultState, Error> {
        Ok(VaultState::from(self.proxy.state().await?.as_str()))
    }

    /// The ways to open it.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub async fn slots(&self) -> Result<Vec<Slot>, Error> {
        Ok(self.proxy.slots().await?.iter().map(Slot::from_wire).collect())
    }

    /// The slot that opened it; empty = none.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub async fn opened_by(&self) -> Result<String, Error> {
        Ok(self.proxy.opened_by().await?)
    }

    /// Which protections of the process took effect, as `name → word`.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub async fn hardening(&self) -> Result<Vec<(String, String)>, Error> {
        let path = zbus::ObjectPath::from_static_str_unchecked(ROOT_PATH);
        let interface = InterfaceName::from_static_str_unchecked(VAULT_INTERFACE);
        let properties = self.link.properties(path, interface).await?;
        let hardening: Info = take(&properties, "Hardening").unwrap_or_default();
        let mut pairs: Vec<_> = hardening.iter().map(|(name, value)| (name.clone(), in_words(value))).collect();
        pairs.sort();
        Ok(pairs)
    }

    /// Closes it; returns when the keeper holds nothing secret any more.
    ///
    /// # Errors
    /// `NoVault`.
    pub async fn lock(&self) -> Result<(), Error> {
        Ok(self.proxy.lock().await?)
    }

    /// Begins to open it. A request that wants a `passphrase` gets it by [`Request::input`].
    ///
    /// # Errors
    /// `NoVault`.
    pub async fn unlock(&self) -> Result<Request, Error> {
        Request::new(self.link.connection(), self.proxy.unlock(&Options::new()).await?).await
    }

    /// Begins to enrol another way to open it; `path` is for keyfiles.
    ///
    /// # Errors
    /// `Locked`, `NoVault`, `InvalidArgs` for a kind that is not known.
    pub async fn add_slot(&self, kind: &str, path: Option<&str>) -> Result<Request, Error> {
        let options = path.map(|path| ("path", Variant::from(path))).into_iter().collect();
        Request::new(self.link.connection(), self.proxy.add_slot(kind, &options).await?).await
    }

    /// Forgets a way to open it; the last one stays.
    ///
    /// # Errors
    /// `InvalidArgs` for an id that is not known.
    pub async fn remove_slot(&self, id: &str) -> Result<(), Error> {
        Ok(self.proxy.remove_slot(id).await?)
    }

    /// Begins to give it a new key.
    ///
    /// # Errors
    /// `Locked`, `NoVault`.
    pub async fn rekey(&self) -> Result<Request, Error> {
        Request::new(self.link.connection(), self.proxy.rekey(&Options::new()).await?).await
    }
}

impl From<&str> for VaultState {
    fn from(text: &str) -> Self {
        match text {
            word::VAULT_READY => Self::Ready,
            word::VAULT_LOCKED => Self::Locked,
            word::NO_VAULT => Self::NoVault,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl VaultState {
    /// The word on the bus.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ready => word::VAULT_READY,
            Self::Locked => word::VAULT_LOCKED,
            Self::NoVault => word::NO_VAULT,
            Self::Other(text) => text,
        }
    }
}

impl fmt::Display for VaultState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Slot {
    fn from_wire(slot: &Info) -> Self {
        let text = |name| take::<String>(slot, name).unwrap_or_default();
        Self {
            id: text("id"),
            kind: text("kind"),
            created: take(slot, "created").unwrap_or_default(),
            opened: take(slot, "opened").unwrap_or_default(),
            error: text("error"),
        }
    }
}

fn in_words(value: &Variant<'_>) -> String {
    match value {
        Variant::Str(text) => text.to_string(),
        Variant::Bool(true) => "yes".to_owned(),
        Variant::Bool(false) => "no".to_owned(),
        Variant::U64(number) => number.to_string(),
        Variant::U32(number) => number.to_string(),
        other => other.to_string(),
    }
}
