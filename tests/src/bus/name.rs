//! Waiting for a program to take its name on a bus.

use futures_util::StreamExt as _;
use zbus::fdo::{DBusProxy, NameOwnerChangedStream};

/// A name that is soon owned.
pub(crate) struct Owned(NameOwnerChangedStream);

impl Owned {
    /// To be had before the program starts, so that nothing is missed.
    pub(crate) async fn of(connection: &zbus::Connection, name: &str) -> Self {
        let bus = DBusProxy::new(connection).await.expect("the bus answers");
        Self(bus.receive_name_owner_changed_with_args(&[(0, name)]).await.expect("the bus answers"))
    }

    pub(crate) async fn now(mut self) {
        while let Some(change) = self.0.next().await {
            if change.args().is_ok_and(|args| args.new_owner().is_some()) {
                return;
            }
        }
    }
}
