//! Sleep, as logind tells it: before the machine sleeps the keeper may finish what is in flight (a `delay` inhibitor),
//! and after it woke what is due is refreshed. Without logind the keeper sees the jump of the boot clock by itself.

use futures_util::StreamExt as _;
use tokio::sync::{mpsc, watch};
use zbus::OwnedFd;

use super::task::Report;

#[zbus::proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Logind {
    fn inhibit(&self, what: &str, who: &str, why: &str, mode: &str) -> zbus::Result<OwnedFd>;

    #[zbus(signal)]
    fn prepare_for_sleep(&self, start: bool) -> zbus::Result<()>;
}

/// Reports sleep and waking until the keeper has gone; holds the inhibitor while `in_flight` says so.
pub(super) async fn watch(reports: mpsc::UnboundedSender<Report>, in_flight: watch::Receiver<bool>) {
    if let Err(error) = watch_logind(&reports, in_flight).await {
        tracing::debug!("no logind to hear of sleep from: {error}");
    }
}

async fn watch_logind(
    reports: &mpsc::UnboundedSender<Report>,
    mut in_flight: watch::Receiver<bool>,
) -> zbus::Result<()> {
    let bus = zbus::Connection::system().await?;
    let logind = LogindProxy::new(&bus).await?;
    let mut sleeps = logind.receive_prepare_for_sleep().await?;
    let mut held = None;
    loop {
        tokio::select! {
            signal = sleeps.next() => {
                let Some(signal) = signal else { return Ok(()) };
                let report = if signal.args()?.start { Report::Sleeping } else { Report::Woke };
                if reports.send(report).is_err() {
                    return Ok(());
                }
            }
            changed = in_flight.changed() => {
                if changed.is_err() {
                    return Ok(());
                }
                // Dropping the descriptor is what ends an inhibitor.
                let busy = *in_flight.borrow_and_update();
                held = match held {
                    _ if !busy => None,
                    Some(inhibitor) => Some(inhibitor),
                    None => logind.inhibit("sleep", "tokenkeeper", "a refreshed login is being saved", "delay").await.ok(),
                };
            }
        }
    }
}
