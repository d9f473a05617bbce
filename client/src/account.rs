//! One account.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use zbus::names::InterfaceName;
use zeroize::Zeroizing;

use crate::cache::Shelf;
use crate::clock::Now;
use crate::error::Error;
use crate::keeper::Link;
use crate::options::{LoginOptions, ProofOptions, TokenOptions};
use crate::request::{Login, Request};
use crate::sink;
use crate::status::{AccountStatus, take};
use crate::token::Token;
use crate::watch::Event;
use crate::wire::proxy::{AccountProxy, Options, TokenInfo};
use crate::wire::{ACCOUNT_INTERFACE, MAX_TIMEOUT, key};

/// An account of the keeper. Cheap to clone; clones share their cache.
#[derive(Clone)]
pub struct Account {
    name: Arc<str>,
    link: Arc<Link>,
    proxy: AccountProxy<'static>,
    shelf: Arc<Shelf>,
}

/// How much longer than the keeper's own deadline a call may take: the time to start the keeper.
pub(crate) const GRACE: Duration = Duration::from_secs(30);

impl Account {
    pub(crate) fn new(name: &str, link: Arc<Link>, proxy: AccountProxy<'static>) -> Self {
        let shelf = link.cache.shelf(name);
        Self { name: Arc::from(name), link, proxy, shelf }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A current token: out of this process's cache, or from the keeper, which waits for a refresh if it has to (but
    /// never for a person). The token does not stand in a D-Bus message.
    ///
    /// # Errors
    /// [`Error::Refused`] with `LoginRequired`, `Unavailable`, `Locked`, `Held` and others, see [`Error::remedy`].
    pub async fn token(&self, options: TokenOptions) -> Result<Token, Error> {
        if options.rejected.is_none()
            && let Some(token) = self.shelf.find(&options.which, options.min_validity, Now::read())
        {
            return Ok(token);
        }
        self.fetch(options).await
    }

    async fn fetch(&self, options: TokenOptions) -> Result<Token, Error> {
        let epoch = self.shelf.epoch();
        let limit = Duration::from_secs(options.timeout.into()) + GRACE;
        let token = within(limit, self.send_token(&options)).await?;
        match epoch {
            Some(epoch) => self.shelf.keep(options.which, &token, epoch, Now::read()),
            // Only a program that asks at all pays for the subscription, and after its answer.
            None => self.link.clone().start_watching(),
        }
        Ok(token)
    }

    async fn send_token(&self, options: &TokenOptions) -> Result<Token, Error> {
        let (source, theirs) = sink::pair()?;
        let info = self.proxy.send_token(theirs.into(), &options.to_wire()).await?;
        let text = source.read(info.digest.as_deref().unwrap_or_default()).await?;
        Ok(token_of(text, info))
    }

    /// A token by GetToken: it stands in a D-Bus message, where a bus monitor or a trace in a bug report may keep it.
    /// For tests and for comparison; programs use [`token`](Self::token). The configuration can turn it off.
    ///
    /// # Errors
    /// As [`token`](Self::token); `NotPermitted` when it is turned off.
    pub async fn token_in_message(&self, options: TokenOptions) -> Result<Token, Error> {
        let limit = Duration::from_secs(options.timeout.into()) + GRACE;
        let (text, info) = within(limit, async { Ok(self.proxy.get_token(&options.to_wire()).await?) }).await?;
        Ok(token_of(Zeroizing::new(text.into_boxed_str()), info))
    }

    /// Signs the proof (RFC 9449) for one request: to be sent as `DPoP`, beside `Authorization: DPoP TOKEN`, when the
    /// token's [`token_type`](Token::token_type) is `DPoP`. The key stays with the keeper. A proof is for this method and
    /// address, and for one time. When the server answers 401 with a `DPoP-Nonce`, pass that and try once more.
    ///
    /// # Errors
    /// `NotSupported` when the account's tokens are not bound to a key; `InvalidArgs` when the address is neither https
    /// nor on this machine; else as [`token`](Self::token).
    pub async fn sign_proof(&self, method: &str, address: &str, options: ProofOptions) -> Result<String, Error> {
        let limit = Duration::from_secs(MAX_TIMEOUT.into()) + GRACE;
        within(limit, async { Ok(self.proxy.sign_proof(method, address, &options.to_wire()).await?) }).await
    }

    /// Begins to sign in. The caller opens [`Login::uri`] in a browser and then awaits [`Request::wait`].
    ///
    /// # Errors
    /// `Unavailable` when the server cannot be reached, `Misconfigured`, `Locked`, `NoVault`.
    pub async fn login(&self, options: LoginOptions) -> Result<Login, Error> {
        let (path, info) = self.proxy.login(&options.to_wire()).await?;
        let filled = |name| take::<String>(&info, name).filter(|text| !text.is_empty());
        Ok(Login {
            uri: filled(key::login::URI),
            user_code: filled(key::login::USER_CODE),
            verification_uri: filled(key::login::VERIFICATION_URI),
            request: Request::new(self.link.connection(), path).await?,
        })
    }

    /// Refreshes now, whatever the clock says; gives the new token's end in unix seconds.
    ///
    /// # Errors
    /// As [`token`](Self::token).
    pub async fn refresh(&self) -> Result<u64, Error> {
        let limit = Duration::from_secs(MAX_TIMEOUT.into()) + GRACE;
        let info = within(limit, async { Ok(self.proxy.refresh(&Options::new()).await?) }).await?;
        Ok(take(&info, key::info::EXPIRES_AT).unwrap_or_default())
    }

    /// Revokes the login at the server (later, if it cannot be reached now) and forgets it.
    ///
    /// # Errors
    /// `Locked`, `UnknownObject`.
    pub async fn logout(&self) -> Result<(), Error> {
        Ok(self.proxy.logout(&Options::new()).await?)
    }

    /// Logs out and deletes the definition.
    ///
    /// # Errors
    /// `Locked`, `UnknownObject`, `Misconfigured` when the definition is not the keeper's to delete.
    pub async fn remove(&self) -> Result<(), Error> {
        Ok(self.proxy.remove(&Options::new()).await?)
    }

    /// Begins to put the client secret into the vault: it goes through [`Request::input`] as `client_secret`.
    ///
    /// # Errors
    /// `Locked`, `UnknownObject`.
    pub async fn set_secret(&self) -> Result<Request, Error> {
        let path = self.proxy.set_secret(&Options::new()).await?;
        Request::new(self.link.connection(), path).await
    }

    /// How the account stands.
    ///
    /// # Errors
    /// `UnknownObject`.
    pub async fn status(&self) -> Result<AccountStatus, Error> {
        let path = self.proxy.inner().path();
        let interface = InterfaceName::from_static_str_unchecked(ACCOUNT_INTERFACE);
        let properties: HashMap<_, _> = self.link.properties(path.to_owned(), interface).await?;
        Ok(AccountStatus::from_wire(path, &properties))
    }

    /// What happens to this account, and to the keeper as a whole.
    ///
    /// # Errors
    /// When the signals cannot be subscribed to.
    pub async fn watch(&self) -> Result<impl Stream<Item = Event> + Send + Unpin + use<>, Error> {
        let name = self.name.clone();
        let events = self.link.clone().watch().await?;
        Ok(events.filter(move |event| std::future::ready(event.account().is_none_or(|account| account == &*name))))
    }
}

fn token_of(text: Zeroizing<Box<str>>, info: TokenInfo) -> Token {
    let token_type = info.token_type.unwrap_or_default();
    let scopes = info.scopes.unwrap_or_default();
    Token::new(text, token_type, info.expires_at.unwrap_or(0), scopes, info.generation.unwrap_or(0))
}

async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(limit, call).await.unwrap_or(Err(Error::TimedOut(limit)))
}
