//! The same API for programs without a runtime.
//!
//! ```no_run
//! # fn main() -> Result<(), tokenkeeper::Error> {
//! use tokenkeeper::TokenOptions;
//! use tokenkeeper::blocking::Keeper;
//!
//! let keeper = Keeper::connect()?;
//! let token = keeper.account("work")?.token(TokenOptions::new())?;
//! # drop(token);
//! # Ok(())
//! # }
//! ```
//!
//! One thread of this module runs the connection, so the cache hears of changes while the program does other things.
//! It ends with the last handle. Not to be called from inside an asynchronous runtime.

use std::sync::Arc;

use futures_util::StreamExt;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

use crate::{AccountStatus, Definition, Error, Event, LoginOptions, Outcome, ProofOptions, RequestState, Slot, Token};
use crate::{Registered, TokenOptions, VaultState, Watch};

/// The thread that runs the connection.
struct Driver {
    handle: Handle,
    // Dropped with the last handle, which ends the thread.
    _stop: oneshot::Sender<()>,
}

impl Driver {
    fn start() -> Result<Arc<Self>, Error> {
        let failed =
            |e: std::io::Error| Error::BadInput(format!("cannot start the thread for the bus connection: {e}"));
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().map_err(failed)?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        let run = move || {
            let _ = runtime.block_on(stopped);
        };
        std::thread::Builder::new().name("tokenkeeper".into()).spawn(run).map_err(failed)?;
        Ok(Arc::new(Self { handle, _stop: stop }))
    }

    fn run<T>(&self, call: impl Future<Output = T>) -> T {
        self.handle.block_on(call)
    }
}

/// Like [`crate::Keeper`].
#[derive(Clone)]
pub struct Keeper {
    inner: crate::Keeper,
    driver: Arc<Driver>,
}

/// Like [`crate::Account`].
#[derive(Clone)]
pub struct Account {
    inner: crate::Account,
    driver: Arc<Driver>,
}

/// Like [`crate::Vault`].
#[derive(Clone)]
pub struct Vault {
    inner: crate::Vault,
    driver: Arc<Driver>,
}

/// Like [`crate::Request`].
#[derive(Clone)]
pub struct Request {
    inner: crate::Request,
    driver: Arc<Driver>,
}

/// Like [`crate::Login`].
pub struct Login {
    /// To be waited for.
    pub request: Request,
    /// The address to open in a browser.
    pub uri: Option<String>,
    /// The code to type there (device flow).
    pub user_code: Option<String>,
    /// Where to type the code, as short as the server makes it (device flow).
    pub verification_uri: Option<String>,
}

/// Like [`crate::Watch`].
pub struct Events {
    inner: Watch,
    driver: Arc<Driver>,
}

#[allow(clippy::missing_errors_doc, reason = "the asynchronous twin of each method says it")]
impl Keeper {
    /// See [`crate::Keeper::connect`].
    pub fn connect() -> Result<Self, Error> {
        let driver = Driver::start()?;
        Ok(Self { inner: driver.run(crate::Keeper::connect())?, driver })
    }

    /// See [`crate::Keeper::connect_at`].
    pub fn connect_at(address: &str) -> Result<Self, Error> {
        let driver = Driver::start()?;
        Ok(Self { inner: driver.run(crate::Keeper::connect_at(address))?, driver })
    }

    /// See [`crate::Keeper::account`].
    pub fn account(&self, name: &str) -> Result<Account, Error> {
        let _inside = self.driver.handle.enter();
        Ok(Account { inner: self.inner.account(name)?, driver: self.driver.clone() })
    }

    /// See [`crate::Keeper::accounts`].
    pub fn accounts(&self) -> Result<Vec<AccountStatus>, Error> {
        self.driver.run(self.inner.accounts())
    }

    /// See [`crate::Keeper::add`].
    pub fn add(&self, definition: &Definition) -> Result<Account, Error> {
        Ok(Account { inner: self.driver.run(self.inner.add(definition))?, driver: self.driver.clone() })
    }

    /// See [`crate::Keeper::register_with_token`].
    pub fn register_with_token(
        &self,
        definition: &Definition,
        initial_access_token: &[u8],
    ) -> Result<(Account, Registered), Error> {
        let call = self.inner.register_with_token(definition, initial_access_token);
        let (inner, registered) = self.driver.run(call)?;
        Ok((Account { inner, driver: self.driver.clone() }, registered))
    }

    /// See [`crate::Keeper::register`].
    pub fn register(&self, definition: &Definition) -> Result<(Account, Registered), Error> {
        let (inner, registered) = self.driver.run(self.inner.register(definition))?;
        Ok((Account { inner, driver: self.driver.clone() }, registered))
    }

    /// See [`crate::Keeper::reload`].
    pub fn reload(&self) -> Result<(), Error> {
        self.driver.run(self.inner.reload())
    }

    /// See [`crate::Keeper::vault`].
    pub fn vault(&self) -> Vault {
        Vault { inner: self.inner.vault(), driver: self.driver.clone() }
    }

    /// See [`crate::Keeper::version`].
    pub fn version(&self) -> Result<String, Error> {
        self.driver.run(self.inner.version())
    }

    /// See [`crate::Keeper::watch`].
    pub fn watch(&self) -> Result<Events, Error> {
        Ok(Events { inner: self.driver.run(self.inner.watch())?, driver: self.driver.clone() })
    }
}

#[allow(clippy::missing_errors_doc, reason = "the asynchronous twin of each method says it")]
impl Account {
    /// See [`crate::Account::name`].
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// See [`crate::Account::token`].
    pub fn token(&self, options: TokenOptions) -> Result<Token, Error> {
        self.driver.run(self.inner.token(options))
    }

    /// See [`crate::Account::token_in_message`].
    pub fn token_in_message(&self, options: TokenOptions) -> Result<Token, Error> {
        self.driver.run(self.inner.token_in_message(options))
    }

    /// See [`crate::Account::sign_proof`].
    pub fn sign_proof(&self, method: &str, address: &str, options: ProofOptions) -> Result<String, Error> {
        self.driver.run(self.inner.sign_proof(method, address, options))
    }

    /// See [`crate::Account::login`].
    pub fn login(&self, options: LoginOptions) -> Result<Login, Error> {
        let crate::Login { request, uri, user_code, verification_uri } = self.driver.run(self.inner.login(options))?;
        Ok(Login { request: self.request(request), uri, user_code, verification_uri })
    }

    /// See [`crate::Account::refresh`].
    pub fn refresh(&self) -> Result<u64, Error> {
        self.driver.run(self.inner.refresh())
    }

    /// See [`crate::Account::logout`].
    pub fn logout(&self) -> Result<(), Error> {
        self.driver.run(self.inner.logout())
    }

    /// See [`crate::Account::remove`].
    pub fn remove(&self) -> Result<(), Error> {
        self.driver.run(self.inner.remove())
    }

    /// See [`crate::Account::set_secret`].
    pub fn set_secret(&self) -> Result<Request, Error> {
        Ok(self.request(self.driver.run(self.inner.set_secret())?))
    }

    /// See [`crate::Account::status`].
    pub fn status(&self) -> Result<AccountStatus, Error> {
        self.driver.run(self.inner.status())
    }

    fn request(&self, inner: crate::Request) -> Request {
        Request { inner, driver: self.driver.clone() }
    }
}

#[allow(clippy::missing_errors_doc, reason = "the asynchronous twin of each method says it")]
impl Vault {
    /// See [`crate::Vault::state`].
    pub fn state(&self) -> Result<VaultState, Error> {
        self.driver.run(self.inner.state())
    }

    /// See [`crate::Vault::slots`].
    pub fn slots(&self) -> Result<Vec<Slot>, Error> {
        self.driver.run(self.inner.slots())
    }

    /// See [`crate::Vault::opened_by`].
    pub fn opened_by(&self) -> Result<String, Error> {
        self.driver.run(self.inner.opened_by())
    }

    /// See [`crate::Vault::hardening`].
    pub fn hardening(&self) -> Result<Vec<(String, String)>, Error> {
        self.driver.run(self.inner.hardening())
    }

    /// See [`crate::Vault::lock`].
    pub fn lock(&self) -> Result<(), Error> {
        self.driver.run(self.inner.lock())
    }

    /// See [`crate::Vault::unlock`].
    pub fn unlock(&self) -> Result<Request, Error> {
        Ok(self.request(self.driver.run(self.inner.unlock())?))
    }

    /// See [`crate::Vault::add_slot`].
    pub fn add_slot(&self, kind: &str, path: Option<&str>) -> Result<Request, Error> {
        Ok(self.request(self.driver.run(self.inner.add_slot(kind, path))?))
    }

    /// See [`crate::Vault::remove_slot`].
    pub fn remove_slot(&self, id: &str) -> Result<(), Error> {
        self.driver.run(self.inner.remove_slot(id))
    }

    /// See [`crate::Vault::rekey`].
    pub fn rekey(&self) -> Result<Request, Error> {
        Ok(self.request(self.driver.run(self.inner.rekey())?))
    }

    fn request(&self, inner: crate::Request) -> Request {
        Request { inner, driver: self.driver.clone() }
    }
}

#[allow(clippy::missing_errors_doc, reason = "the asynchronous twin of each method says it")]
impl Request {
    /// See [`crate::Request::wait`].
    pub fn wait(&self) -> Result<Outcome, Error> {
        self.driver.run(self.inner.wait())
    }

    /// See [`crate::Request::state`].
    pub fn state(&self) -> Result<RequestState, Error> {
        self.driver.run(self.inner.state())
    }

    /// See [`crate::Request::wants`].
    pub fn wants(&self) -> Result<Vec<String>, Error> {
        self.driver.run(self.inner.wants())
    }

    /// See [`crate::Request::input`].
    pub fn input(&self, values: &[(&str, &[u8])]) -> Result<(), Error> {
        self.driver.run(self.inner.input(values))
    }

    /// See [`crate::Request::cancel`].
    pub fn cancel(&self) -> Result<(), Error> {
        self.driver.run(self.inner.cancel())
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.driver.run(self.inner.next())
    }
}
