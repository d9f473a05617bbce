//! The daemon's life: build, serve, drain, exit.

use std::time::Duration;

use sd_notify::NotifyState;
use tokenkeeper::wire::door;
use tokenkeeper_config::Places;
use tokio::signal::unix::{SignalKind, signal};
use zbus::fdo::{RequestNameFlags, RequestNameReply};

use crate::harden;
use crate::keeper::{self, Keeping};

/// How much longer the service manager is asked to wait, each time, while something is unsaved.
const EXTENSION: Duration = Duration::from_secs(30);

/// How long a bus that takes nothing any more is waited for at the end.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Why the daemon ends badly: a sentence, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum Ended {
    /// The bus is not there.
    #[error("could not connect to the session bus: {0}")]
    NoBus(#[source] zbus::Error),
    /// Somebody else has the name.
    #[error("another keeper already owns {} on this bus", tokenkeeper::wire::BUS_NAME)]
    NotAlone,
    /// The keeper could not start.
    #[error(transparent)]
    Start(#[from] keeper::StartError),
    /// The bus face failed.
    #[error("could not serve on the bus: {0}")]
    Bus(#[from] zbus::Error),
    /// The system refused something basic.
    #[error("{0}")]
    System(#[from] std::io::Error),
}

/// Serves until it is told to stop, then until everything is saved.
///
/// # Errors
/// When it cannot start, or the bus fails before it serves.
pub async fn serve(places: Places, report: harden::Report, log_level: crate::dbus::LogLevel) -> Result<(), Ended> {
    let bus = zbus::connection::Builder::session().build().await.map_err(Ended::NoBus)?;
    let Keeping { handle, ready, stop, stopped } = keeper::start(places, bus.clone(), report)?;
    // Local recovery and the first trial to open the vault come before the name: whoever activated us by a call for a
    // token is answered by a keeper that has its accounts.
    let _ = ready.await;
    let serving = crate::dbus::serve(&bus, handle.clone(), log_level).await?;
    let door = door::path(|name| std::env::var_os(name), rustix::process::geteuid().as_raw());
    if let Err(error) = serving.open_door(&door) {
        tracing::warn!(
            "programs that ask once take the longer way over the bus: could not listen at {}: {error}",
            door.display()
        );
    }
    own_the_name(&bus).await?;
    notify(&[NotifyState::Ready]);
    tracing::info!("serving {}", tokenkeeper::wire::BUS_NAME);

    until_told_to_stop(&bus, &handle).await?;

    notify(&[NotifyState::Stopping]);
    let _ = stop.send(());
    drain(stopped).await;
    // The last answers go out before the connection does.
    let _ = tokio::time::timeout(LAST_WORDS, serving.drained()).await;
    Ok(())
}

async fn own_the_name(bus: &zbus::Connection) -> Result<(), Ended> {
    match bus.request_name_with_flags(tokenkeeper::wire::BUS_NAME, RequestNameFlags::DO_NOT_QUEUE).await {
        Ok(RequestNameReply::PrimaryOwner) => Ok(()),
        Ok(_) | Err(zbus::Error::NameTaken) => Err(Ended::NotAlone),
        Err(error) => Err(error.into()),
    }
}

/// Returns at SIGTERM or SIGINT, or when the bus has gone; reloads at SIGHUP.
async fn until_told_to_stop(bus: &zbus::Connection, keeper: &keeper::Handle) -> Result<(), Ended> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut watchdog = sd_notify::watchdog_enabled().map(|limit| tokio::time::interval(limit / 2));
    let gone = bus.closed();
    tokio::pin!(gone);
    loop {
        let beat = async {
            match &mut watchdog {
                Some(interval) => drop(interval.tick().await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = interrupt.recv() => return Ok(()),
            _ = hang_up.recv() => {
                if let Err(fault) = keeper.reload().await {
                    tracing::warn!("{fault}");
                }
            }
            () = beat => {
                // Only a keeper that still answers keeps the watchdog quiet.
                if keeper.is_alive().await {
                    notify(&[NotifyState::Watchdog]);
                }
            }
            () = &mut gone => {
                tracing::info!("the session bus has gone");
                return Ok(());
            }
        }
    }
}

/// Waits for the keeper, asking the service manager for more time as long as it is needed.
async fn drain(mut stopped: tokio::task::JoinHandle<std::io::Result<()>>) {
    loop {
        match tokio::time::timeout(EXTENSION / 2, &mut stopped).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => return tracing::error!("the keeper ended: {error}"),
            Ok(Err(error)) => return tracing::error!("the keeper ended: {error}"),
            Err(_still_saving) => {
                tracing::warn!("still saving a login before the end");
                notify(&[NotifyState::ExtendTimeoutUsec(u32::try_from(EXTENSION.as_micros()).unwrap_or(u32::MAX))]);
            }
        }
    }
}

fn notify(state: &[NotifyState<'_>]) {
    // Without a service manager there is nobody to tell.
    let _ = sd_notify::notify(state);
}
