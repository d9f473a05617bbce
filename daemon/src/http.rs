//! The one sender: this request, once. It tells exactly how far the request got, because a refresh token that was sent is
//! another thing than one that was not.
//!
//! It never retries, never follows a redirect, keeps no connection, no cookie and no TLS session, reads no environment
//! variable, and is done by its deadline. A future that is dropped leaves nothing behind.

mod body;
mod fault;
mod roots;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use reqwest::{Client, NoProxy, Proxy};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};
use url::Url;

use crate::oauth::{Fault, Request, Response, Sent};

/// How much earlier than the attempt its connection must stand: a TLS handshake that hangs until the end would look like
/// a request that was sent (refresh.md P2).
const CONNECT_MARGIN: Duration = Duration::from_secs(5);

/// Sends requests. Cheap to make; the roots are read at the first https request.
pub struct Http {
    proxy: Option<Proxy>,
    roots: Arc<[PathBuf]>,
    tls: Mutex<Option<ClientConfig>>,
    heard_by: Box<Hearer>,
}

/// Told the address and the header of every answer.
type Hearer = dyn Fn(&Url, &HeaderMap) + Send + Sync;

/// The configured proxy is no address.
#[derive(Debug, thiserror::Error)]
#[error("the proxy `{0}` is no http or https address")]
pub struct BadProxy(String);

impl Http {
    /// A sender that trusts the system's roots. `proxy` is for everything but loopback addresses.
    ///
    /// # Errors
    /// When the proxy is no address.
    pub fn new(proxy: Option<&str>) -> Result<Self, BadProxy> {
        Self::trusting(proxy, roots::PLACES.iter().map(PathBuf::from).collect())
    }

    /// A sender that trusts the certificates of the first of these files that has any.
    ///
    /// # Errors
    /// When the proxy is no address.
    pub fn trusting(proxy: Option<&str>, roots: Arc<[PathBuf]>) -> Result<Self, BadProxy> {
        let proxy = match proxy {
            None => None,
            Some(address) => Some(parse_proxy(address).ok_or_else(|| BadProxy(address.to_owned()))?),
        };
        Ok(Self { proxy, roots, tls: Mutex::new(None), heard_by: Box::new(|_, _| {}) })
    }

    /// The same sender, which tells the header of every answer, good or bad, as soon as it is there.
    #[must_use]
    pub fn heard_by(self, hearer: impl Fn(&Url, &HeaderMap) + Send + Sync + 'static) -> Self {
        Self { heard_by: Box::new(hearer), ..self }
    }

    /// Sends one request once. Everything, from the name's resolution to the body's last byte, happens within `timeout`.
    pub async fn send(&self, request: Request, timeout: Duration) -> Sent {
        let deadline = Instant::now() + timeout;
        let host = request.uri().host().unwrap_or_default().to_owned();
        let client = self.client(&request, timeout, &host).await?;
        let request = reqwest::Request::try_from(request.map(body::wiped_request)).map_err(|error| {
            fault::not_sent(format!("{host}: the request could not be made: {}", fault::root(&error)))
        })?;

        let response = match timeout_at(deadline, client.execute(request)).await {
            Err(_) => return Err(fault::lost(format!("{host} did not answer within {} s", timeout.as_secs_f32()))),
            Ok(Err(error)) => return Err(self.judge(&host, &error)),
            Ok(Ok(response)) => response,
        };
        let (status, headers) = (response.status(), response.headers().clone());
        (self.heard_by)(response.url(), &headers);
        let body = body::read(response, deadline, &host).await.map_err(|(partial, why)| Fault::Broken {
            status,
            partial,
            why,
        })?;
        let mut response = Response::new(body);
        *response.status_mut() = status;
        *response.headers_mut() = headers;
        Ok(response)
    }

    /// A client of its own for each request: nothing is shared, so nothing can be confused, and the time to connect
    /// follows the attempt's. It costs microseconds beside the TLS configuration, which is shared.
    async fn client(&self, request: &Request, timeout: Duration, host: &str) -> Result<Client, Fault> {
        let tls = if request.uri().scheme_str() == Some("https") {
            self.tls().await.map_err(|why| fault::not_sent(format!("{host} was not asked: {why}")))?
        } else {
            roots::configuration(rustls::RootCertStore::empty())
        };
        let connect = timeout.checked_sub(CONNECT_MARGIN).unwrap_or_default().max(timeout / 2);
        let mut builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .user_agent(concat!("tokenkeeper/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .pool_max_idle_per_host(0)
            .no_proxy()
            .connect_timeout(connect);
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(proxy.clone());
        }
        builder.build().map_err(|error| fault::not_sent(format!("{host} was not asked: {}", fault::root(&error))))
    }

    /// The TLS configuration, made at first use and off the runtime's thread.
    async fn tls(&self) -> Result<ClientConfig, String> {
        if let Some(known) = self.known_tls().clone() {
            return Ok(known);
        }
        let places = self.roots.clone();
        let made = tokio::task::spawn_blocking(move || roots::read(&places).map(roots::configuration)).await;
        let made = made.map_err(|_| "reading the certificates was interrupted".to_owned())??;
        *self.known_tls() = Some(made.clone());
        Ok(made)
    }

    fn known_tls(&self) -> std::sync::MutexGuard<'_, Option<ClientConfig>> {
        self.tls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, host: &str, error: &reqwest::Error) -> Fault {
        let fault = fault::judge(host, error);
        if matches!(fault, Fault::NotSent { certificate: true, .. }) {
            // The system's roots may have been updated since: the next request reads them again.
            *self.known_tls() = None;
        }
        fault
    }
}

fn parse_proxy(address: &str) -> Option<Proxy> {
    let url = Url::parse(address).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    let here = NoProxy::from_string("localhost, 127.0.0.0/8, ::1");
    Some(Proxy::all(url).ok()?.no_proxy(here))
}

#[cfg(test)]
mod tests;
