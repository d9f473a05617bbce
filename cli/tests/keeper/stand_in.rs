//! A keeper without logins: it answers as the contract says, from a list.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tokenkeeper::wire::{BUS_NAME, ROOT_PATH, account_path};
use zbus::{Connection, OwnedFd, OwnedObjectPath, OwnedVariant, Variant};

type Dict = HashMap<String, OwnedVariant>;

/// A bus, a keeper on it, and a place for files.
pub(crate) struct World {
    bus: Child,
    address: String,
    keeper: Connection,
    request: Request,
    dir: tempfile::TempDir,
}

/// What the keeper refuses with.
#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.tokenkeeper.Keeper1.Error")]
enum Refusal {
    #[zbus(error)]
    Bus(zbus::Error),
    LoginRequired(String),
    Held(String),
    Unavailable(String),
    Locked(String),
    NoVault(String),
    NotPermitted(String),
    Misconfigured(String),
    InsufficientScope(String),
    Busy(String),
    Cancelled(String),
}

struct Account {
    name: &'static str,
    generation: AtomicU64,
}

/// A login in progress: what it was brought, and whether it is over.
#[derive(Clone, Default)]
struct Request(Arc<Mutex<Progress>>, Arc<tokio::sync::Notify>);

#[derive(Default)]
struct Progress {
    brought: String,
    over: Option<Result<(), ()>>,
}

/// Where every login begins.
pub(crate) const AUTHORIZE: &str = "https://as.example/authorize?state=canary-state&code_challenge=canary-challenge";

/// Where a code of the account `coded` is typed, with the code.
const CODED: &str = "https://as.example/device?user_code=WDJB-MJHT";

const REQUEST: &str = "/org/tokenkeeper/Keeper1/request/1";

struct Vault;

struct Manager;

#[zbus::interface(name = "org.tokenkeeper.Keeper1.Account")]
impl Account {
    fn send_token(&self, sink: OwnedFd, options: Dict) -> Result<Dict, Refusal> {
        let why = "as the test wants it".to_owned();
        match self.name {
            "login-required" => return Err(Refusal::LoginRequired(why)),
            "held" => return Err(Refusal::Held(why)),
            "unavailable" => return Err(Refusal::Unavailable(why)),
            "locked" => return Err(Refusal::Locked(why)),
            "no-vault" => return Err(Refusal::NoVault(why)),
            "not-permitted" => return Err(Refusal::NotPermitted(why)),
            "misconfigured" => return Err(Refusal::Misconfigured(why)),
            "insufficient-scope" => return Err(Refusal::InsufficientScope(why)),
            "busy" => return Err(Refusal::Busy(why)),
            "failed" => return Err(Refusal::Bus(zbus::Error::Failure(why))),
            _ => {}
        }
        let current = self.generation.load(Ordering::SeqCst);
        let rejected: Option<u64> = options.get("rejected").and_then(|value| value.downcast_ref().ok());
        let generation = if rejected == Some(current) { current + 1 } else { current };
        let token = format!("token-{generation}");
        let mut sink = UnixStream::from(std::os::fd::OwnedFd::from(sink));
        sink.write_all(token.as_bytes()).expect("the reader waits");
        sink.shutdown(std::net::Shutdown::Write).expect("ended");
        Ok([
            ("token_type", Variant::from("bearer")),
            ("expires_at", Variant::from(4_000_000_000_u64)),
            ("generation", Variant::from(generation)),
            ("digest", Variant::from(Sha256::digest(token.as_bytes()).to_vec())),
        ]
        .map(owned)
        .into())
    }

    fn login(&self, options: Dict) -> zbus::fdo::Result<(OwnedObjectPath, Dict)> {
        let by_code = options.get("flow").is_some_and(|flow| flow.downcast_ref::<&str>() == Ok("device"));
        if by_code && self.name == "coded" {
            let request = OwnedObjectPath::try_from(REQUEST).expect("a path");
            let info = [("uri", CODED), ("user_code", "WDJB-MJHT"), ("verification_uri", "https://as.example/device")];
            return Ok((request, info.map(|(key, text)| owned((key, Variant::from(text)))).into()));
        }
        if by_code {
            return Err(zbus::fdo::Error::NotSupported("no codes here".to_owned()));
        }
        let request = OwnedObjectPath::try_from(REQUEST).expect("a path");
        Ok((request, [("uri", Variant::from(AUTHORIZE))].map(owned).into()))
    }

    #[zbus(property)]
    fn state(&self) -> &str {
        "ready"
    }

    #[zbus(property)]
    fn generation(&self) -> u64 {
        self.generation.load(Ordering::SeqCst)
    }
}

#[zbus::interface(name = "org.tokenkeeper.Keeper1.Request")]
impl Request {
    async fn wait(&self) -> Result<Dict, Refusal> {
        loop {
            let told = self.1.notified();
            match self.0.lock().expect("not poisoned").over {
                Some(Ok(())) => return Ok([("subject", Variant::from("auth0|ada"))].map(owned).into()),
                Some(Err(())) => return Err(Refusal::Cancelled("cancelled".to_owned())),
                None => {}
            }
            told.await;
        }
    }

    /// Whatever is brought ends the request.
    fn input(&self) -> OwnedFd {
        let (theirs, ours) = UnixStream::pair().expect("a pair");
        let request = self.clone();
        std::thread::spawn(move || {
            let mut brought = String::new();
            std::io::Read::read_to_string(&mut &ours, &mut brought).expect("text");
            request.end(Ok(()), &brought);
        });
        std::os::fd::OwnedFd::from(theirs).into()
    }

    fn cancel(&self) {
        self.end(Err(()), "");
    }
}

impl Request {
    fn end(&self, how: Result<(), ()>, brought: &str) {
        let mut progress = self.0.lock().expect("not poisoned");
        progress.over = Some(how);
        progress.brought = brought.to_owned();
        self.1.notify_waiters();
    }
}

#[zbus::interface(name = "org.tokenkeeper.Keeper1.Vault")]
impl Vault {
    #[zbus(property)]
    fn state(&self) -> &str {
        "ready"
    }

    #[zbus(property)]
    fn slots(&self) -> Vec<Dict> {
        let texts = [("id", "1"), ("kind", "passphrase"), ("error", "")].map(|(key, text)| (key, Variant::from(text)));
        vec![texts.into_iter().chain([("opened", Variant::from(true))]).map(owned).collect()]
    }

    #[zbus(property)]
    fn opened_by(&self) -> &str {
        "1"
    }

    #[zbus(property)]
    fn hardening(&self) -> Dict {
        Dict::new()
    }
}

#[zbus::interface(name = "org.freedesktop.DBus.ObjectManager")]
impl Manager {
    fn get_managed_objects(&self) -> HashMap<OwnedObjectPath, HashMap<String, Dict>> {
        let account = |name: &str| {
            let properties = [("Name", Variant::from(name.to_owned())), ("State", Variant::from("ready"))];
            let interfaces = [("org.tokenkeeper.Keeper1.Account".to_owned(), properties.map(owned).into())];
            (account_path(name).expect("a name").into(), interfaces.into())
        };
        ["work", "other"].map(account).into()
    }
}

fn owned((key, value): (&str, Variant<'_>)) -> (String, OwnedVariant) {
    (key.to_owned(), value.try_to_owned().expect("no descriptor in it"))
}

const ACCOUNTS: [&str; 13] = [
    "work",
    "other",
    "coded",
    "login-required",
    "held",
    "unavailable",
    "locked",
    "no-vault",
    "not-permitted",
    "misconfigured",
    "insufficient-scope",
    "busy",
    "failed",
];

impl World {
    /// Starts a bus and the keeper on it.
    pub(crate) async fn begin() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let listen = format!("--address=unix:path={}", dir.path().join("bus").display());
        let mut bus = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address", &listen])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().expect("piped")).read_line(&mut address).expect("an address");
        let address = address.trim().to_owned();

        let builder = zbus::connection::Builder::address(address.as_str())
            .serve_at(ROOT_PATH, Vault)
            .serve_at(ROOT_PATH, Manager);
        let request = Request::default();
        let builder = builder.serve_at(REQUEST, request.clone());
        let builder = ACCOUNTS.into_iter().fold(builder, |builder, name| {
            let path = account_path(name).expect("a name");
            builder.serve_at(path, Account { name, generation: AtomicU64::new(1) })
        });
        let keeper = builder.name(BUS_NAME).build().await.expect("on the bus");
        Self { bus, address, keeper, request, dir }
    }

    /// The account has a new token.
    pub(crate) async fn renew(&self, account: &str) {
        let path = account_path(account).expect("a name");
        let served = self.keeper.object_server().interface::<_, Account>(path).await.expect("served");
        let account = served.get().await;
        account.generation.fetch_add(1, Ordering::SeqCst);
        account.generation_changed(served.signal_emitter()).await.expect("told");
    }

    /// Nobody is the keeper any more.
    pub(crate) async fn keeper_leaves(&self) {
        self.keeper.release_name(BUS_NAME).await.expect("it had the name");
    }

    /// The keeper is there again.
    pub(crate) async fn keeper_returns(&self) {
        self.keeper.request_name(BUS_NAME).await.expect("nobody has the name");
    }

    /// The login in progress ends well, as if the browser had come back.
    pub(crate) fn browser_came_back(&self) {
        self.request.end(Ok(()), "");
    }

    /// What the login was brought by hand.
    pub(crate) fn brought(&self) -> String {
        self.request.0.lock().expect("not poisoned").brought.clone()
    }

    /// Whether the login was given up.
    pub(crate) fn was_given_up(&self) -> bool {
        self.request.0.lock().expect("not poisoned").over == Some(Err(()))
    }

    /// The command, in this world.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tokenkeeper"));
        command.args(args).stdin(Stdio::null());
        self.place(&mut command);
        command
    }

    /// Runs the command to its end.
    pub(crate) async fn tokenkeeper(&self, args: &[&str]) -> Output {
        tokio::process::Command::from(self.command(args)).output().await.expect("started")
    }

    /// Runs a line of shell; `$TOKENKEEPER` is the command.
    pub(crate) async fn sh(&self, line: &str) -> Output {
        self.sh_with(line, &[], |_| ()).await
    }

    /// Runs a line of shell with arguments, in a place that the caller changes.
    pub(crate) async fn sh_with(&self, line: &str, args: &[&str], change: impl FnOnce(&mut Command)) -> Output {
        let mut command = Command::new("sh");
        command.args(["-c", line, "sh"]).args(args).stdin(Stdio::null());
        command.env("TOKENKEEPER", env!("CARGO_BIN_EXE_tokenkeeper"));
        self.place(&mut command);
        change(&mut command);
        tokio::process::Command::from(command).output().await.expect("started")
    }

    /// A path in the world's directory.
    pub(crate) fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    fn place(&self, command: &mut Command) {
        command
            .env("DBUS_SESSION_BUS_ADDRESS", &self.address)
            .env("HOME", self.dir.path())
            .env_remove("DISPLAY")
            .env_remove("WAYLAND_DISPLAY");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.bus.kill();
        let _ = self.bus.wait();
    }
}
