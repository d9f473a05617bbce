//! A session bus of one's own: `dbus-daemon`, or `dbus-broker` without a systemd around it.

mod broker;
mod daemon;
mod name;

use std::path::Path;

use rustix::process::Pid;

pub(crate) use name::Owned;

/// Which implementation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the programs' names")]
pub enum Kind {
    DbusDaemon,
    DbusBroker,
}

impl Kind {
    /// What `TOKENKEEPER_TEST_BUS` says (`broker`), else `dbus-daemon`. The whole suite runs once under each.
    pub fn from_env() -> Self {
        match std::env::var("TOKENKEEPER_TEST_BUS").as_deref() {
            Ok("broker") => Self::DbusBroker,
            _ => Self::DbusDaemon,
        }
    }
}

/// A running bus; it ends when this is dropped.
pub struct Bus {
    address: String,
    running: Running,
}

enum Running {
    Daemon(tokio::process::Child),
    Broker(broker::Broker),
}

impl Bus {
    /// Starts one whose socket and service files lie in a directory.
    pub async fn start(kind: Kind, dir: &Path) -> Self {
        let socket = dir.join("bus");
        let address = format!("unix:path={}", socket.display());
        let running = match kind {
            Kind::DbusDaemon => Running::Daemon(daemon::start(&address, dir).await),
            Kind::DbusBroker => Running::Broker(broker::Broker::start(&socket).await),
        };
        Self { address, running }
    }

    /// Its process.
    ///
    /// # Panics
    /// When it has ended.
    pub fn pid(&self) -> Pid {
        let child = match &self.running {
            Running::Daemon(child) => child,
            Running::Broker(broker) => broker.child(),
        };
        Pid::from_raw(child.id().expect("the bus runs").cast_signed()).expect("a process id")
    }

    /// Its address, as in `DBUS_SESSION_BUS_ADDRESS`.
    pub fn address(&self) -> &str {
        &self.address
    }
}
