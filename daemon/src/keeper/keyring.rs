//! Hears that a Secret Service came, or that one of its keyrings was opened: a keeper that was started before the person's
//! keyring was there, or open, tries once more then instead of waiting for `tokenkeeper unlock`.

use futures_util::StreamExt as _;
use tokio::sync::mpsc;
use zbus::message::Type;
use zbus::{Connection, MatchRule, MessageStream};

use super::task::Report;

const NAME: &str = "org.freedesktop.secrets";
const SERVICE: &str = "org.freedesktop.Secret.Service";

/// Reports until the keeper or the bus has gone.
pub(super) async fn watch(bus: Connection, reports: mpsc::UnboundedSender<Report>) {
    if let Err(error) = watch_service(&bus, &reports).await {
        tracing::debug!("cannot hear of keyrings: {error}");
    }
}

async fn watch_service(bus: &Connection, reports: &mpsc::UnboundedSender<Report>) -> zbus::Result<()> {
    let signals = MatchRule::builder().msg_type(Type::Signal);
    let came = signals.sender("org.freedesktop.DBus").member("NameOwnerChanged").arg(0, NAME).build()?;
    let changed = MatchRule::builder().msg_type(Type::Signal).interface(SERVICE).member("CollectionChanged").build()?;
    let came = MessageStream::for_match_rule(came, bus, None).await?;
    let changed = MessageStream::for_match_rule(changed, bus, None).await?;
    let mut both = futures_util::stream::select(came, changed);
    while let Some(signal) = both.next().await {
        let signal = signal?;
        let left = signal.body().deserialize::<(String, String, String)>().is_ok_and(|(_, _, owner)| owner.is_empty());
        if !left && reports.send(Report::KeyringChanged).is_err() {
            break;
        }
    }
    Ok(())
}
