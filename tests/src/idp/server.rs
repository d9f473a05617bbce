//! The server's life: start, what its handlers share, what a test may say to it while it runs.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{delete, get, post};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::asked::{Asked, note};
use super::fault::{Endpoint, Fault};
use super::ledger::{Event, Ledger};
use super::proofs::Proofs;
use super::settings::{Dialect, Settings};
use super::store::{Login, Store};
use super::wire::{Door, Plug};
use super::{api, authorize, control, device, introspect, keys, metadata, push, register, revoke, token};
use crate::clock;

/// What the handlers share.
pub(super) struct Shared {
    /// Scheme, host and port.
    base: String,
    settings: Mutex<Settings>,
    faults: Mutex<Vec<Fault>>,
    store: Mutex<Store>,
    asked: Mutex<Vec<Asked>>,
    pub(super) devices: Mutex<device::Devices>,
    proofs: Mutex<Proofs>,
    pub(super) ledger: Ledger,
}

impl Shared {
    /// The true issuer: Auth0's ends in a slash.
    pub(super) fn issuer(&self) -> String {
        match self.settings().dialect {
            Dialect::Plain | Dialect::GitHub => self.base.clone(),
            Dialect::Auth0 => format!("{}/", self.base),
        }
    }

    pub(super) fn base(&self) -> &str {
        &self.base
    }

    pub(super) fn settings(&self) -> Settings {
        self.settings.lock().expect("no holder panics").clone()
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings.lock().expect("no holder panics"));
    }

    pub(super) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().expect("no holder panics")
    }

    pub(super) fn proofs(&self) -> MutexGuard<'_, Proofs> {
        self.proofs.lock().expect("no holder panics")
    }

    pub(super) fn note(&self, asked: Asked) {
        self.asked.lock().expect("no holder panics").push(asked);
    }

    pub(super) fn plan(&self, fault: Fault) {
        self.faults.lock().expect("no holder panics").push(fault);
    }

    pub(super) fn clear_faults(&self) {
        self.faults.lock().expect("no holder panics").clear();
    }

    /// The first fault planned for an endpoint; one that has struck often enough is struck out.
    pub(super) fn next_fault(&self, at: Endpoint) -> Option<Fault> {
        let mut faults = self.faults.lock().expect("no holder panics");
        let position = faults.iter().position(|fault| fault.at == at)?;
        let fault = faults[position].clone();
        match &mut faults[position].times {
            0 => {}
            1 => drop(faults.remove(position)),
            times => *times -= 1,
        }
        Some(fault)
    }
}

/// Where a server listens that is not told.
const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A running server. It stops when this is dropped.
pub struct Idp {
    shared: Arc<Shared>,
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Idp {
    /// Starts on a free port of 127.0.0.1, with a ledger in memory.
    pub async fn start(settings: Settings) -> Self {
        Self::start_on(settings, LOOPBACK).await
    }

    /// Starts on a free port of an address.
    pub async fn start_on(settings: Settings, address: IpAddr) -> Self {
        let free = SocketAddr::new(address, 0);
        Self::listen(settings, free, Ledger::in_memory(), None).await.expect("a loopback port is free")
    }

    /// Starts with TLS. The certificate must be good for `localhost`, which is then the issuer's host.
    pub async fn start_tls(settings: Settings, tls: TlsAcceptor) -> Self {
        let free = SocketAddr::new(LOOPBACK, 0);
        Self::listen(settings, free, Ledger::in_memory(), Some(tls)).await.expect("a loopback port is free")
    }

    /// Starts on a given port (0 = any), with a ledger that is synced to a file if one is named.
    pub async fn start_at(settings: Settings, port: u16, ledger: Option<&Path>) -> std::io::Result<Self> {
        let ledger = ledger.map_or_else(|| Ok(Ledger::in_memory()), Ledger::at)?;
        Self::listen(settings, SocketAddr::new(LOOPBACK, port), ledger, None).await
    }

    async fn listen(
        settings: Settings,
        address: SocketAddr,
        ledger: Ledger,
        tls: Option<TlsAcceptor>,
    ) -> std::io::Result<Self> {
        keys::keys();
        let tcp = TcpListener::bind(address).await?;
        let address = tcp.local_addr()?;
        let base =
            if tls.is_some() { format!("https://localhost:{}", address.port()) } else { format!("http://{address}") };
        let shared = Arc::new(Shared {
            base,
            settings: Mutex::new(settings),
            faults: Mutex::default(),
            store: Mutex::default(),
            asked: Mutex::default(),
            devices: Mutex::default(),
            proofs: Mutex::default(),
            ledger,
        });
        let service = routes(Arc::clone(&shared)).into_make_service_with_connect_info::<Plug>();
        let door = Door { tcp, tls };
        let serving = tokio::spawn(async move {
            axum::serve(door, service).await.expect("accepting goes on for ever");
        });
        Ok(Self { shared, address, serving })
    }

    /// The issuer identifier.
    pub fn issuer(&self) -> String {
        self.shared.issuer()
    }

    /// Scheme, host and port, for other paths of the server.
    pub fn base(&self) -> &str {
        self.shared.base()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes how it behaves from now on.
    pub fn set(&self, change: impl FnOnce(&mut Settings)) {
        self.shared.set(change);
    }

    /// Plans a fault; several for one endpoint strike in the order planned.
    pub fn plan(&self, fault: Fault) {
        self.shared.plan(fault);
    }

    /// Forgets all planned faults.
    pub fn clear_faults(&self) {
        self.shared.clear_faults();
    }

    /// Ends every login, as when an administrator blocks the user.
    pub fn revoke_all(&self) {
        let ended = self.shared.store().revoke_all();
        let exchange = self.shared.ledger.begin();
        ended.into_iter().for_each(|family| self.shared.ledger.write(exchange, Event::Revoked { family }));
    }

    /// From now on every login that there is belongs to some other key than the one it was made with.
    pub fn forget_keys(&self) {
        self.shared.proofs().forget_keys();
    }

    /// What it received, committed and sent.
    pub fn ledger(&self) -> &Ledger {
        &self.shared.ledger
    }

    /// Every request to a path, in the order they came.
    pub fn asked(&self, path: &str) -> Vec<Asked> {
        let asked = self.shared.asked.lock().expect("no holder panics");
        asked.iter().filter(|asked| asked.path == path).cloned().collect()
    }

    /// A refresh token as if somebody had signed in with this client.
    ///
    /// # Panics
    /// If the settings say that logins bring none; a client's own login would be refused too.
    pub fn refresh_token_for(&self, client: &str) -> String {
        let settings = self.shared.settings();
        let login = Login {
            client: client.into(),
            subject: settings.subject.clone(),
            scopes: vec!["openid".into(), "offline_access".into()],
            audience: None,
            nonce: None,
            redirect_uri: String::new(),
            challenge: String::new(),
            auth_time: clock::wall().as_secs(),
            details: None,
            acr: None,
            offline: true,
        };
        let now = clock::millis();
        self.shared.store().found(login, &settings, now).refresh_token.expect("the login is an offline one")
    }

    /// Every code and token it ever gave out: what must stand in no log, argument or core.
    pub fn given_out(&self) -> Vec<String> {
        self.shared.store().given_out.clone()
    }
}

impl Drop for Idp {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn routes(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(metadata::metadata))
        .route("/.well-known/oauth-authorization-server", get(metadata::metadata))
        .route("/.well-known/jwks.json", get(metadata::jwks))
        .route("/authorize", get(authorize::authorize))
        .route("/authorize/decide", post(authorize::decide))
        .route("/oauth/token", post(token::token))
        .route("/oauth/revoke", post(revoke::revoke))
        .route("/oauth/introspect", post(introspect::introspect))
        .route("/register", post(register::register))
        .route("/register/{id}", delete(register::unregister))
        .route("/.well-known/oauth-protected-resource/api", get(register::describe_api))
        .route("/oauth/par", post(push::push))
        .route("/oauth/device/code", post(device::begin))
        .route("/activate", get(device::activate))
        .route("/api", get(api::api))
        .layer(from_fn_with_state(Arc::clone(&shared), note))
        .route("/control/settings", get(control::settings).patch(control::change))
        .route("/control/faults", post(control::plan).delete(control::clear))
        .route("/control/ledger", get(control::ledger))
        .route("/control/revoke-all", post(control::revoke_all))
        .with_state(shared)
}
