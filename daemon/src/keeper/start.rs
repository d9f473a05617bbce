//! Building the keeper: local recovery first, then the task and its watchers.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use tokenkeeper_config::{Config, KeeperSettings, Places, Value};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::clock::{Alarm, Clock, ClockSteps};
use super::crowd::Crowd;
use super::definitions::Definitions;
use super::errands::Errands;
use super::handle::Handle;
use super::requests::Requests;
use super::servers::Servers;
use super::task::{Ears, Keeper};
use super::vaulting::{Gate, Position, Return};
use super::view::View;
use super::waiters::Waiters;
use super::{files, keyring, network, notify, random, screen, sleep};
use crate::account::Revocations;
use crate::http::Http;
use crate::oauth::Heard;
use crate::time::Boot;
use crate::vault::{OpenError, Opener, Vault, VaultState};

/// A keeper that runs.
pub struct Keeping {
    /// The door to it.
    pub handle: Handle,
    /// Comes when the first trial to open the vault has ended and the accounts are loaded.
    pub ready: oneshot::Receiver<()>,
    /// Send to make it drain.
    pub stop: oneshot::Sender<()>,
    /// Ends when everything in flight is saved.
    pub stopped: JoinHandle<std::io::Result<()>>,
}

/// Why the keeper cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The vault cannot be used at all.
    #[error(transparent)]
    Vault(#[from] OpenError),
    /// The system refused something basic.
    #[error("{0}")]
    System(#[from] std::io::Error),
    /// The HTTP client could not be made.
    #[error("{0}")]
    Http(String),
}

/// Starts the keeper task and its watchers on the present runtime.
///
/// # Errors
/// When the vault cannot be used, or the kernel refuses a timer.
pub fn start(places: Places, bus: zbus::Connection, hardening: BTreeMap<String, Value>) -> Result<Keeping, StartError> {
    let vault = Vault::open(&places.state_dir, places.runtime_dir.as_deref())?
        .with_credentials(places.specifiers.credentials.clone());
    let loaded = Config::load(&places);
    let proxy = loaded.keeper.as_ref().ok().and_then(|keeper| keeper.proxy.as_ref());
    let http = Http::new(proxy.map(url::Url::as_str)).map_err(|e| StartError::Http(e.to_string()))?;
    let (clock, servers) = (Clock::of_this_machine()?, Servers::default());
    let hearer = servers.clone();
    let http = http.heard_by(move |address, headers| hearer.hear(address, Heard::of(headers), clock.now().wall));
    let (reports, heard) = mpsc::unbounded_channel();
    let (notices, notes) = mpsc::unbounded_channel();
    let (in_flight, in_flight_watched) = watch::channel(false);
    let (stop, stopping) = oneshot::channel();
    let (ready_sender, ready) = oneshot::channel();
    let gate = Gate {
        position: Position::NoVault,
        slots: Vec::new(),
        opened_by: String::new(),
        returns: Return::WithKeyring,
        unlocks: Vec::new(),
    };
    let view = View { accounts: BTreeMap::new(), vault: gate.view(), hardening };
    let (view, viewed) = watch::channel(Arc::new(view));
    let (settings, settings_watched) = watch::channel(KeeperSettings::default());
    let (handle, calls) = Handle::new(viewed, settings_watched);

    let mut keeper = Keeper {
        errands: Errands {
            clock,
            vault,
            http: Arc::new(http),
            servers,
            crowd: Crowd::default(),
            reports: reports.clone(),
        },
        definitions: Definitions::of(places.clone()),
        settings,
        entries: BTreeMap::new(),
        deadlines: BTreeSet::new(),
        busy: BTreeSet::new(),
        waiters: Waiters::default(),
        requests: Requests::default(),
        revocations: Revocations::new(u64::from_ne_bytes(random::bytes())),
        registering: BTreeSet::new(),
        pages: HashMap::new(),
        gate,
        closing: false,
        view,
        stale: BTreeSet::new(),
        notices,
        in_flight,
        loads: 0,
        held_back: Vec::new(),
        draining: false,
        not_before: Boot(std::time::Duration::ZERO),
        slept: super::clock::slept(),
        ready: Some(ready_sender),
    };
    // Faults are logged one by one as they are found, and stand in the accounts they are about.
    let _ = keeper.redefine(loaded);

    let ears = Ears { calls, reports: heard, alarm: Alarm::new()?, clock_steps: ClockSteps::new()?, stop: stopping };
    tokio::spawn(files::watch(places, reports.clone()));
    tokio::spawn(network::watch(reports.clone()));
    tokio::spawn(sleep::watch(reports.clone(), in_flight_watched));
    tokio::spawn(screen::watch(bus.clone(), reports.clone()));
    tokio::spawn(keyring::watch(bus.clone(), reports));
    tokio::spawn(notify::show(bus, notes));
    let stopped = tokio::spawn(async move {
        if keeper.errands.vault.state().await != VaultState::NoVault {
            keeper.gate.position = Position::Locked;
            keeper.gate.slots = keeper.errands.vault.slots().await;
            keeper.try_to_open(None, Opener::default());
        } else {
            keeper.tell_ready();
        }
        keeper.publish();
        keeper.run(ears).await
    });
    Ok(Keeping { handle, ready, stop, stopped })
}
