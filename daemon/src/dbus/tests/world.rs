//! A bus of our own, the face on it, and callers.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use tokenkeeper::Keeper;
use tokenkeeper::wire::{BUS_NAME, ROOT_PATH};
use zbus::{Connection, Message};

use crate::dbus::{LogLevel, Serving, serve};
use crate::keeper::fake::Fake;

const CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>unix:dir=DIRECTORY</listen>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"#;

/// A dbus-daemon that ends with the test.
pub(super) struct Bus {
    daemon: Child,
    address: String,
    _directory: tempfile::TempDir,
}

/// A bus with a keeper on it.
pub(super) struct World {
    pub(super) keeper: Fake,
    pub(super) serving: Serving,
    pub(super) bus: Bus,
}

impl Bus {
    fn start() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("bus.conf");
        let config = CONFIG.replace("DIRECTORY", &directory.path().display().to_string());
        std::fs::File::create(&path).and_then(|mut file| file.write_all(config.as_bytes())).expect("written");
        let mut daemon = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", path.display()))
            .args(["--nofork", "--nopidfile", "--print-address"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed (Debian: dbus-daemon)");
        let mut address = String::new();
        let output = daemon.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut address).expect("it prints its address");
        Self { daemon, address: address.trim().to_owned(), _directory: directory }
    }

    /// Another program.
    pub(super) async fn connect(&self) -> Connection {
        zbus::connection::Builder::address(self.address.as_str()).build().await.expect("the bus takes us")
    }

    /// The socket, for programs that do not behave.
    pub(super) fn path(&self) -> &str {
        let path = self.address.strip_prefix("unix:path=").expect("a unix socket");
        path.split(',').next().unwrap_or(path)
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

impl World {
    /// A keeper with these accounts, on a bus of its own.
    pub(super) async fn with(accounts: &[&str]) -> Self {
        let bus = Bus::start();
        let keeper = Fake::start(accounts);
        let connection = bus.connect().await;
        let (log, _) = LogLevel::detached();
        let serving = serve(&connection, keeper.handle.clone(), log).await.expect("it serves");
        connection.request_name(BUS_NAME).await.expect("the name is free");
        Self { keeper, serving, bus }
    }

    /// The client crate, on a connection of its own.
    pub(super) async fn client(&self) -> Keeper {
        Keeper::connect_to(self.bus.connect().await).await.expect("connected")
    }
}

/// Calls as busctl would.
pub(super) async fn call<B>(
    caller: &Connection,
    path: &str,
    interface: &str,
    member: &str,
    body: &B,
) -> Result<Message, String>
where
    B: zbus::export::serde::Serialize + zbus::DynamicType,
{
    caller.call_method(Some(BUS_NAME), path, Some(interface), member, body).await.map_err(name_of)
}

/// `NAME: message`.
fn name_of(error: zbus::Error) -> String {
    match error {
        zbus::Error::MethodError(name, message, _) => format!("{name}: {}", message.unwrap_or_default()),
        zbus::Error::FDO(error) => error.to_string(),
        other => other.to_string(),
    }
}

/// The introspection data of an object.
pub(super) async fn introspect(caller: &Connection, path: &str) -> String {
    let answer = call(caller, path, "org.freedesktop.DBus.Introspectable", "Introspect", &()).await;
    answer.expect("everybody answers that").body().deserialize().expect("a string")
}

/// The object of an account.
pub(super) fn account(name: &str) -> String {
    format!("{ROOT_PATH}/account/{name}")
}
