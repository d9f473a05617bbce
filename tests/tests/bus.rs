//! The private buses themselves.

use tokenkeeper_tests::bus::{Bus, Kind};
use tokenkeeper_tests::programs;

async fn knows_names_and_peers(kind: Kind) {
    let dir = tempfile::tempdir().expect("room for a directory");
    let bus = Bus::start(kind, dir.path()).await;
    let connect = || zbus::connection::Builder::address(bus.address());
    let service = connect().name("org.example.Test").build().await.expect("a name can be owned");
    let client = connect().build().await.expect("the bus takes connections");
    let bus = zbus::fdo::DBusProxy::new(&client).await.expect("the bus answers");
    let owner = bus.get_name_owner("org.example.Test".try_into().expect("a name")).await.expect("it has an owner");
    assert_eq!(service.unique_name().map(|name| name.as_str()), Some(owner.as_str()));
    let credentials = bus.get_connection_credentials(owner.into()).await.expect("the bus knows its peers");
    assert_eq!(credentials.process_id(), Some(std::process::id()));
}

#[tokio::test]
async fn dbus_daemon_knows_names_and_peers() {
    knows_names_and_peers(Kind::DbusDaemon).await;
}

#[tokio::test]
#[allow(clippy::print_stderr, reason = "a skipped test says so")]
async fn dbus_broker_knows_names_and_peers() {
    if !programs::has("dbus-broker") {
        eprintln!("skipped: dbus-broker is not installed");
        return;
    }
    knows_names_and_peers(Kind::DbusBroker).await;
}
