//! The blocking API and its cache, against a stand-in for the keeper on a private bus.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sha2::{Digest, Sha256};
use tokenkeeper::blocking::Keeper;
use tokenkeeper::wire::{ACCOUNT_INTERFACE, BUS_NAME, ErrorName, account_path};
use tokenkeeper::{Error, Event, TokenOptions};
use zbus::{Connection, Variant};

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
struct Bus {
    daemon: Child,
    address: String,
    _directory: tempfile::TempDir,
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
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.daemon.kill();
        let _ = self.daemon.wait();
    }
}

/// An account whose tokens count.
struct StandIn {
    generation: Arc<AtomicU64>,
    calls: Arc<AtomicU64>,
}

#[zbus::interface(name = "org.tokenkeeper.Keeper1.Account")]
impl StandIn {
    fn send_token(
        &self,
        sink: zbus::Fd<'_>,
        _options: HashMap<String, Variant<'_>>,
    ) -> HashMap<&'static str, Variant<'static>> {
        self.calls.fetch_add(1, Ordering::SeqCst);
        let generation = self.generation.load(Ordering::SeqCst);
        let token = format!("token-{generation}");
        let descriptor = OwnedFd::try_from(sink).expect("a descriptor");
        let mut stream = UnixStream::from(descriptor);
        stream.write_all(token.as_bytes()).expect("room for a token");
        stream.shutdown(std::net::Shutdown::Write).expect("a socket");
        HashMap::from([
            ("token_type", Variant::from("Bearer")),
            ("expires_at", Variant::from(u64::from(u32::MAX))),
            ("generation", Variant::from(generation)),
            ("digest", Variant::from(Sha256::digest(&token).to_vec())),
        ])
    }
}

/// The stand-in on a thread of its own; gives what may be changed from outside.
struct Serving {
    generation: Arc<AtomicU64>,
    calls: Arc<AtomicU64>,
    runtime: tokio::runtime::Runtime,
    connection: Connection,
}

impl Serving {
    fn on(bus: &Bus) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let (generation, calls) = (Arc::new(AtomicU64::new(1)), Arc::new(AtomicU64::new(0)));
        let account = StandIn { generation: generation.clone(), calls: calls.clone() };
        let connection = runtime.block_on(async {
            zbus::connection::Builder::address(bus.address.as_str())
                .serve_at(account_path("work").expect("a good name"), account)
                .name(BUS_NAME)
                .build()
                .await
                .expect("it serves")
        });
        Self { generation, calls, runtime, connection }
    }

    /// What the keeper does after a refresh.
    fn rotate(&self) {
        let generation = self.generation.fetch_add(1, Ordering::SeqCst) + 1;
        let body = (ACCOUNT_INTERFACE, HashMap::from([("Generation", Variant::from(generation))]), Vec::<&str>::new());
        let path = account_path("work").expect("a good name");
        let (interface, member) = ("org.freedesktop.DBus.Properties", "PropertiesChanged");
        let sent = self.connection.emit_signal(None::<&str>, path, interface, member, &body);
        self.runtime.block_on(sent).expect("sent");
    }
}

#[test]
fn a_token_is_fetched_once_and_again_after_a_rotation() {
    let bus = Bus::start();
    let serving = Serving::on(&bus);
    let keeper = Keeper::connect_at(&bus.address).expect("connected");
    let mut events = keeper.watch().expect("signals");
    let work = keeper.account("work").expect("a good name");
    for _ in 0..100 {
        assert_eq!(work.token(TokenOptions::new()).expect("a token").as_str(), "token-1");
    }
    assert_eq!(serving.calls.load(Ordering::SeqCst), 1);
    serving.rotate();
    assert!(matches!(events.next(), Some(Event::Changed { generation: Some(2), .. })));
    assert_eq!(work.token(TokenOptions::new()).expect("a token").as_str(), "token-2");
    let rejected = TokenOptions::new().rejected(2);
    assert_eq!(work.token(rejected).expect("a token").as_str(), "token-2", "asked, not taken from the cache");
    assert_eq!(serving.calls.load(Ordering::SeqCst), 3);
}

#[test]
fn without_a_keeper_the_error_says_so() {
    let bus = Bus::start();
    let keeper = Keeper::connect_at(&bus.address).expect("connected");
    let work = keeper.account("work").expect("a good name");
    let error = work.token(TokenOptions::new()).expect_err("nobody there");
    assert!(matches!(error, Error::NotRunning(_)), "{error:?}");
    assert!(error.remedy().is_some_and(|remedy| remedy.contains("setup")));
    assert_eq!(keeper.account("No Name").err().and_then(|error| error.name()), Some(ErrorName::UnknownObject));
    let nowhere = Keeper::connect_at("unix:path=/nonexistent").err().expect("no bus");
    assert!(matches!(nowhere, Error::NoBus(_)), "{nowhere:?}");
}
