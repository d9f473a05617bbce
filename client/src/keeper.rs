//! The way in: a connection to the keeper.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::sync::OnceCell;
use zbus::names::InterfaceName;
use zbus::proxy::CacheProperties;
use zbus::{Connection, ObjectPath, Variant};

use crate::account::Account;
use crate::cache::Cache;
use crate::error::Error;
use crate::request::Request;
use crate::status::{AccountStatus, take};
use crate::vault::Vault;
use crate::watch::{Pump, Watch};
use crate::wire::key::want;
use crate::wire::proxy::{AccountProxy, Info, KeeperProxy, Options};
use crate::wire::{ACCOUNT_INTERFACE, BUS_NAME, ROOT_PATH, account_name, account_path};

/// The keys of an account's definition, as in the configuration file, and `name`.
pub type Definition = BTreeMap<String, Variant<'static>>;

/// The keeper. Cheap to clone; clones share connection and cache. It is started by the bus if it does not run.
#[derive(Clone)]
pub struct Keeper {
    link: Arc<Link>,
    proxy: KeeperProxy<'static>,
}

/// A client that a server registered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Registered {
    /// The client.
    pub client_id: String,
    /// Who registered it.
    pub issuer: String,
    /// What a person should know of it: sentences.
    pub notes: Vec<String>,
    /// When the client's secret ends, unix seconds; `None` = never, or there is none.
    pub client_secret_expires_at: Option<u64>,
}

impl Registered {
    /// `None` = these are not the results of a registration.
    pub(crate) fn from_wire(info: &Info) -> Option<Self> {
        use crate::wire::key::registered::{CLIENT_ID, CLIENT_SECRET_EXPIRES_AT, ISSUER, NOTES};
        Some(Self {
            client_id: take(info, CLIENT_ID)?,
            issuer: take(info, ISSUER).unwrap_or_default(),
            notes: take(info, NOTES).unwrap_or_default(),
            client_secret_expires_at: take(info, CLIENT_SECRET_EXPIRES_AT).filter(|at| *at > 0),
        })
    }
}

/// What all handles share.
pub(crate) struct Link {
    connection: Connection,
    pub(crate) cache: Arc<Cache>,
    pump: OnceCell<Pump>,
}

impl Keeper {
    /// Connects to the session bus.
    ///
    /// # Errors
    /// [`Error::NoBus`].
    pub async fn connect() -> Result<Self, Error> {
        let connection = Connection::session().await.map_err(|e| Error::NoBus(e.to_string()))?;
        Self::connect_to(connection).await
    }

    /// Connects to the bus at this D-Bus address.
    ///
    /// # Errors
    /// [`Error::NoBus`].
    pub async fn connect_at(address: &str) -> Result<Self, Error> {
        let connection = zbus::connection::Builder::address(address).build().await;
        Self::connect_to(connection.map_err(|e| Error::NoBus(e.to_string()))?).await
    }

    /// Uses a connection that the program has already.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn connect_to(connection: Connection) -> Result<Self, Error> {
        let proxy = KeeperProxy::builder(&connection).cache_properties(CacheProperties::No).build().await?;
        let link = Link { connection, cache: Arc::default(), pump: OnceCell::new() };
        Ok(Self { link: Arc::new(link), proxy })
    }

    /// The account with this name. Asks nobody: whether it exists shows with the first call.
    ///
    /// # Errors
    /// `UnknownObject` when no account can have this name.
    pub fn account(&self, name: &str) -> Result<Account, Error> {
        let proxy = AccountProxy::builder(self.connection())
            .path(account_path(name)?)
            .cache_properties(CacheProperties::No)
            .build()
            .now_or_never()
            .expect("without a property cache nothing is awaited")?;
        Ok(Account::new(name, self.link.clone(), proxy))
    }

    /// All accounts as they stand, by name.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub async fn accounts(&self) -> Result<Vec<AccountStatus>, Error> {
        let manager = zbus::fdo::ObjectManagerProxy::builder(self.connection())
            .destination(BUS_NAME)
            .path(ROOT_PATH)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        let objects = manager.get_managed_objects().await.map_err(zbus::Error::from)?;
        let accounts = objects.iter().filter_map(|(path, interfaces)| {
            account_name(path.as_str())?;
            Some(AccountStatus::from_wire(path.as_str(), interfaces.get(ACCOUNT_INTERFACE)?))
        });
        let mut accounts: Vec<_> = accounts.collect();
        accounts.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(accounts)
    }

    /// Writes an account's definition: `name`, and the keys of the configuration file. Gives the account.
    ///
    /// # Errors
    /// `InvalidArgs` names the key that is wrong.
    pub async fn add(&self, definition: &Definition) -> Result<Account, Error> {
        let path = self.proxy.add_account(&borrowed(definition)?).await?;
        self.made("AddAccount", &path)
    }

    /// Has the server register a client (RFC 7591), then as [`add`](Self::add). The definition names a server or a
    /// `resource`, and no client. Waits for the server: a minute or two where it is slow.
    ///
    /// # Errors
    /// `NotSupported` where the server registers no clients by itself; `InvalidArgs` names the key that is wrong.
    pub async fn register(&self, definition: &Definition) -> Result<(Account, Registered), Error> {
        let (path, info) = self.proxy.register(&borrowed(definition)?).await?;
        let registered = Registered::from_wire(&info).ok_or_else(no_client)?;
        Ok((self.made("Register", &path)?, registered))
    }

    /// As [`register`](Self::register), at a server that registers clients for those only who show it an initial access
    /// token (RFC 7591 §3). It stands in no message, is shown to the server, and is not kept.
    ///
    /// # Errors
    /// As of [`register`](Self::register); `Misconfigured` where the server does not take the token.
    pub async fn register_with_token(
        &self,
        definition: &Definition,
        initial_access_token: &[u8],
    ) -> Result<(Account, Registered), Error> {
        use crate::wire::key::register::{INITIAL_ACCESS_TOKEN, REQUEST};
        let mut options = borrowed(definition)?;
        options.insert(INITIAL_ACCESS_TOKEN, Variant::from(true));
        let (path, info) = self.proxy.register(&options).await?;
        let no_request = || {
            let why = "there is no request to bring the token to".to_owned();
            Error::BadAnswer { call: "Register", why }
        };
        let request = take(&info, REQUEST).ok_or_else(no_request)?;
        let request = Request::new(self.connection(), request).await?;
        request.input(&[(want::INITIAL_ACCESS_TOKEN, initial_access_token)]).await?;
        let registered = request.wait().await?.registered.ok_or_else(no_client)?;
        Ok((self.made("Register", &path)?, registered))
    }

    fn made(&self, call: &'static str, path: &ObjectPath<'_>) -> Result<Account, Error> {
        match account_name(path.as_str()) {
            Some(name) => self.account(&name),
            None => Err(Error::BadAnswer { call, why: format!("{path} is no account") }),
        }
    }

    /// Makes the keeper read its configuration again.
    ///
    /// # Errors
    /// `Misconfigured` with the first fault.
    pub async fn reload(&self) -> Result<(), Error> {
        Ok(self.proxy.reload().await?)
    }

    /// The vault.
    pub fn vault(&self) -> Vault {
        Vault::new(self.link.clone())
    }

    /// The keeper's version.
    ///
    /// # Errors
    /// [`Error::NotRunning`].
    pub async fn version(&self) -> Result<String, Error> {
        Ok(self.proxy.version().await?)
    }

    /// What happens from now on: to accounts, the vault and the keeper itself.
    ///
    /// # Errors
    /// When the signals cannot be subscribed to.
    pub async fn watch(&self) -> Result<Watch, Error> {
        self.link.clone().watch().await
    }

    /// The bus connection.
    pub fn connection(&self) -> &Connection {
        &self.link.connection
    }
}

fn no_client() -> Error {
    Error::BadAnswer { call: "Register", why: "there is no client".to_owned() }
}

fn borrowed(definition: &Definition) -> zbus::Result<Options<'_>> {
    definition.iter().map(|(key, value)| Ok((key.as_str(), value.try_clone()?))).collect()
}

impl Link {
    pub(crate) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// All properties of one interface, in one call.
    pub(crate) async fn properties(
        &self,
        path: ObjectPath<'static>,
        interface: InterfaceName<'static>,
    ) -> Result<Info, Error> {
        let properties = zbus::fdo::PropertiesProxy::builder(&self.connection)
            .destination(BUS_NAME)
            .path(path)
            .cache_properties(CacheProperties::No)
            .build()
            .await?;
        Ok(properties.get_all(interface).await.map_err(zbus::Error::from)?)
    }

    /// Begins to watch in the background, for the cache.
    pub(crate) fn start_watching(self: Arc<Self>) {
        if self.pump.initialized() {
            return;
        }
        // A failure is no loss: nothing is cached, and the next call tries again.
        tokio::spawn(async move { drop(self.pump().await) });
    }

    pub(crate) async fn watch(self: Arc<Self>) -> Result<Watch, Error> {
        Ok(self.pump().await?.watch(self.clone()))
    }

    async fn pump(&self) -> Result<&Pump, Error> {
        self.pump.get_or_try_init(|| Pump::start(&self.connection, self.cache.clone())).await
    }
}
