//! The Secret Service slot against a real GNOME Keyring on a bus of its own. Skipped, with the reason printed, where
//! `dbus-daemon` or `gnome-keyring-daemon` is not installed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process};
use tokio::time::timeout;

use super::*;
use crate::vault::{SlotError, UnlockError};

/// No call to a provider may take longer, whatever the provider does; a little is for this machine.
const BOUND: Duration = Duration::from_secs(7);

/// A private bus, and a keyring on it. Both end with this value.
struct Desktop {
    home: tempfile::TempDir,
    bus: Child,
    address: String,
    keyring: Option<Child>,
}

impl Desktop {
    /// A bus without any service.
    fn bare() -> Option<Self> {
        let home = tempfile::tempdir().expect("a directory");
        let config = home.path().join("bus.conf");
        let text = format!(
            "<busconfig><type>session</type><listen>unix:dir={}</listen><auth>EXTERNAL</auth>\
             <policy context=\"default\"><allow send_destination=\"*\" eavesdrop=\"true\"/><allow eavesdrop=\"true\"/><allow own=\"*\"/></policy>\
             </busconfig>",
            home.path().display()
        );
        crate::vault::place::replace(&config, text.as_bytes()).expect("a file");
        let bus = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--print-address"])
            .stdout(Stdio::piped())
            .spawn();
        let mut bus = bus.ok().or_else(|| skip("dbus-daemon"))?;
        let mut address = String::new();
        BufReader::new(bus.stdout.take().expect("a pipe")).read_line(&mut address).expect("an address");
        Some(Self { home, bus, address: address.trim().to_owned(), keyring: None })
    }

    async fn with_keyring() -> Option<Self> {
        let mut desktop = Self::bare()?;
        desktop.start_keyring().await?;
        Some(desktop)
    }

    /// Starts the keyring and waits until its name is there.
    async fn start_keyring(&mut self) -> Option<()> {
        let bus = self.connect().await;
        let names = zbus::fdo::DBusProxy::new(&bus).await.expect("a bus");
        let mut owned =
            names.receive_name_owner_changed_with_args(&[(0, "org.freedesktop.secrets")]).await.expect("a signal");
        let mut keyring = Command::new("gnome-keyring-daemon")
            .args(["--foreground", "--unlock", "--components=secrets"])
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.home.path())
            .env("XDG_RUNTIME_DIR", self.home.path())
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .ok()
            .or_else(|| skip("gnome-keyring-daemon"))?;
        keyring.stdin.take().expect("a pipe").write_all(b"login password").expect("it reads its password");
        self.keyring = Some(keyring);
        timeout(Duration::from_secs(20), owned.next()).await.expect("the keyring takes its name").expect("a signal");
        Some(())
    }

    async fn connect(&self) -> zbus::Connection {
        let builder = zbus::connection::Builder::address(self.address.as_str());
        builder.build().await.expect("a connection")
    }

    async fn opener(&self) -> Opener {
        Opener { bus: Some(self.connect().await), ..Opener::default() }
    }

    fn signal(&self, signal: Signal) {
        let keyring = self.keyring.as_ref().expect("a keyring");
        kill_process(Pid::from_child(keyring), signal).expect("it is ours");
    }

    /// What a screen lock does.
    async fn lock_keyring(&self) {
        let bus = self.connect().await;
        let all: Vec<zbus::ObjectPath<'_>> =
            vec!["/org/freedesktop/secrets/collection/login".try_into().expect("a path")];
        let path = "/org/freedesktop/secrets";
        let interface = "org.freedesktop.Secret.Service";
        bus.call_method(Some("org.freedesktop.secrets"), path, Some(interface), "Lock", &(all,)).await.expect("locked");
    }
}

impl Drop for Desktop {
    fn drop(&mut self) {
        for child in self.keyring.iter_mut().chain([&mut self.bus]) {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[allow(clippy::print_stderr, reason = "a test that did not run says why")]
fn skip<T>(program: &str) -> Option<T> {
    eprintln!("skipped: {program} is not installed");
    None
}

#[tokio::test]
async fn a_keyring_keeps_the_key_and_opens_the_vault_again() {
    let Some(desktop) = Desktop::with_keyring().await else { return };
    let world = World::new();
    let vault = world.open();
    vault.create(SlotKind::SecretService, desktop.opener().await).await.expect("a vault");
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    vault.close().await;

    let vault = world.open();
    let unlocked = vault.unlock(desktop.opener().await).await.expect("the keyring opens it");
    assert_eq!((unlocked.by.as_str(), unlocked.kind.as_str()), ("secret-service", "secret-service"));
    assert_eq!(shown(&vault, &held(&vault).await.token).await, "rt-1");

    vault.add_slot(SlotKind::Keyfile, world.key()).await.expect("a slot");
    vault.remove_slot("secret-service", desktop.opener().await).await.expect("removed");
    vault.add_slot(SlotKind::SecretService, desktop.opener().await).await.expect("a slot");
    vault.remove_slot("keyfile", Opener::default()).await.expect("removed");
    vault.rekey(desktop.opener().await).await.expect("a new key");
    vault.lock().await;
    vault.unlock(desktop.opener().await).await.expect("the keyring opens it");
}

#[tokio::test]
async fn a_locked_keyring_asks_nobody_unless_a_person_asked() {
    let Some(desktop) = Desktop::with_keyring().await else { return };
    let world = World::new();
    let vault = world.open();
    vault.create(SlotKind::SecretService, desktop.opener().await).await.expect("a vault");
    vault.lock().await;
    desktop.lock_keyring().await;

    let opener = desktop.opener().await;
    let failed = timeout(BOUND, vault.unlock(opener)).await.expect("in time").expect_err("it is locked");
    let why = SlotError::NeedsPerson("the keyring is locked".into());
    assert_eq!(failed, UnlockError::Shut(vec![("secret-service".into(), why)]));
}

#[tokio::test]
async fn a_provider_that_hangs_is_given_up_after_five_seconds() {
    let Some(desktop) = Desktop::with_keyring().await else { return };
    let world = World::new();
    let vault = world.open();
    vault.create(SlotKind::SecretService, desktop.opener().await).await.expect("a vault");
    vault.lock().await;
    let opener = desktop.opener().await;
    desktop.signal(Signal::STOP);
    let failed = timeout(BOUND, vault.unlock(opener)).await.expect("in time").expect_err("nobody answers");
    desktop.signal(Signal::CONT);
    assert!(failed.is_temporary());
    assert!(failed.to_string().contains("did not answer within 5 s"), "{failed}");
}

#[tokio::test]
async fn a_killed_provider_is_temporary_and_its_successor_opens_the_vault() {
    let Some(mut desktop) = Desktop::with_keyring().await else { return };
    let world = World::new();
    let vault = world.open();
    vault.create(SlotKind::SecretService, desktop.opener().await).await.expect("a vault");
    vault.lock().await;
    let opener = desktop.opener().await;
    desktop.signal(Signal::KILL);
    desktop.keyring.take().expect("a keyring").wait().expect("it is dead");
    let failed = timeout(BOUND, vault.unlock(opener)).await.expect("in time").expect_err("nobody answers");
    assert!(failed.is_temporary(), "{failed}");

    desktop.start_keyring().await.expect("it was installed a moment ago");
    vault.unlock(desktop.opener().await).await.expect("the keyring opens it");
}

#[tokio::test]
async fn no_secret_service_is_said_so_and_makes_no_vault() {
    let Some(desktop) = Desktop::bare() else { return };
    let world = World::new();
    let vault = world.open();
    let failed = vault.create(SlotKind::SecretService, desktop.opener().await).await;
    assert_eq!(failed, Err(SlotError::Temporary("no Secret Service runs on this bus".into())));
    assert!(!world.db().exists());
}
