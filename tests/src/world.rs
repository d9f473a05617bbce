//! A world for one test: a home, a bus, a vault, a keeper. Nothing in it is shared and nothing of it remains.

use std::ffi::OsStr;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt as _;
use rustix::process::Pid;
use tempfile::TempDir;
use tokenkeeper::{Account, AccountStatus, LoginOptions, TokenOptions};
use tokio::process::Command;

use crate::bus::{Bus, Kind, Owned};
use crate::idp::Idp;
use crate::keeper::Keeper;
use crate::person::{self, Page};
use crate::programs;

/// How long anything that should happen soon may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A home directory, a bus and what runs on it.
pub struct World {
    keeper: Option<Keeper>,
    bus: Bus,
    connection: zbus::Connection,
    dir: TempDir,
}

impl World {
    /// A home and a bus: no vault, no keeper.
    pub async fn bare() -> Self {
        Self::on(Kind::from_env()).await
    }

    /// The same on a given kind of bus.
    pub async fn on(kind: Kind) -> Self {
        let dir = tempfile::Builder::new().prefix("tk-").tempdir().expect("there is room for a directory");
        for name in ["home", "config/tokenkeeper", "state", "data", "cache", "run"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(&path).expect("the directory is ours");
            std::fs::set_permissions(&path, Permissions::from_mode(0o700)).expect("the directory is ours");
        }
        let bus = Bus::start(kind, &dir.path().join("run")).await;
        let connection = connect(bus.address()).await;
        Self { keeper: None, bus, connection, dir }
    }

    /// A vault opened by a key file, and a running keeper without accounts.
    pub async fn new() -> Self {
        Self::with("").await
    }

    /// A vault, this configuration, and a running keeper.
    pub async fn with(config: &str) -> Self {
        let mut world = Self::bare().await;
        world.write_config(config);
        world.init_vault().await;
        world.start_keeper().await;
        world
    }

    /// The same with one account, `work`, at a server, as the server's public client.
    pub async fn with_account(idp: &Idp) -> Self {
        Self::with(&account("work", idp)).await
    }

    /// … signed in.
    pub async fn signed_in(idp: &Idp) -> Self {
        let world = Self::with_account(idp).await;
        world.sign_in("work").await;
        world
    }

    /// A place in the world.
    pub fn path(&self, relative: &str) -> PathBuf {
        self.dir.path().join(relative)
    }

    /// Where the vault lies.
    pub fn state_dir(&self) -> PathBuf {
        self.path("state/tokenkeeper")
    }

    /// Writes the configuration file.
    pub fn write_config(&self, text: &str) {
        self.write("config/tokenkeeper/config.toml", text);
    }

    /// Writes a file.
    #[allow(clippy::disallowed_methods, reason = "a test's file need not be durable")]
    pub fn write(&self, relative: &str, text: &str) {
        std::fs::write(self.path(relative), text).expect("the directory is ours");
    }

    /// A command in this world: its home, its bus, nothing of the machine's session.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        let beside = programs::directory();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(beside).chain(std::env::split_paths(&path));
        command
            .env_clear()
            .env("PATH", std::env::join_paths(path).expect("PATH was one before"))
            .env("HOME", self.path("home"))
            .env("XDG_CONFIG_HOME", self.path("config"))
            .env("XDG_STATE_HOME", self.path("state"))
            .env("XDG_DATA_HOME", self.path("data"))
            .env("XDG_CACHE_HOME", self.path("cache"))
            .env("XDG_RUNTIME_DIR", self.path("run"))
            .env("DBUS_SESSION_BUS_ADDRESS", self.bus.address())
            .env("LANG", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    /// Runs a program of ours to its end.
    pub async fn run(&self, program: &str, words: &[&str]) -> Output {
        self.command(programs::ours(program)).args(words).output().await.expect("the program can be started")
    }

    /// The key file that opens the vault.
    pub fn key_file(&self) -> PathBuf {
        self.path("home/vault.key")
    }

    /// Makes a vault that a key file opens.
    #[allow(clippy::disallowed_methods, reason = "a test's file need not be durable")]
    pub async fn init_vault(&self) {
        let key = self.key_file();
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the kernel has randomness");
        std::fs::write(&key, bytes).expect("the directory is ours");
        std::fs::set_permissions(&key, Permissions::from_mode(0o400)).expect("the file is ours");
        let slot = format!("keyfile={}", key.display());
        let made = self.daemon().args(["--init", "--slot", &slot]).output().await.expect("the keeper can be started");
        assert!(made.status.success(), "no vault: {}", String::from_utf8_lossy(&made.stderr));
    }

    /// Starts the keeper and waits until it has its name on the bus.
    pub async fn start_keeper(&mut self) {
        let daemon = self.daemon();
        self.start_keeper_as(daemon).await;
    }

    /// The same with a command of one's own.
    pub async fn start_keeper_as(&mut self, command: Command) {
        if let Err(log) = self.try_start_keeper_as(command).await {
            panic!("the keeper did not come up:\n{log}");
        }
    }

    /// The same where it may end instead of coming up: then what it logged is the error.
    pub async fn try_start_keeper_as(&mut self, command: Command) -> Result<(), String> {
        let owned = Owned::of(&self.connection, tokenkeeper::wire::BUS_NAME).await;
        let mut keeper = Keeper::spawn(command);
        tokio::select! {
            done = tokio::time::timeout(PATIENCE, owned.now()) => {
                self.keeper = Some(keeper);
                done.map_err(|_| self.keeper().log())
            }
            _ = keeper.ended() => Err(keeper.whole_log().await),
        }
    }

    /// The keeper's command: in a container the tests may be root.
    pub fn daemon(&self) -> Command {
        let mut command = self.command(programs::ours("tokenkeeperd"));
        if rustix::process::geteuid().is_root() {
            command.arg("--allow-root");
        }
        command
    }

    /// The running keeper.
    pub fn keeper(&self) -> &Keeper {
        self.keeper.as_ref().expect("the keeper runs")
    }

    /// Takes the running keeper out of the world, to end it.
    pub fn take_keeper(&mut self) -> Keeper {
        self.keeper.take().expect("the keeper runs")
    }

    /// kill -9 and a new start.
    pub async fn kill_and_restart(&mut self) {
        self.take_keeper().kill().await;
        self.start_keeper().await;
    }

    /// The bus's address.
    pub fn bus_address(&self) -> &str {
        self.bus.address()
    }

    /// The bus's process.
    pub fn bus_pid(&self) -> Pid {
        self.bus.pid()
    }

    /// The test's own connection to the bus.
    pub fn connection(&self) -> &zbus::Connection {
        &self.connection
    }

    /// A new connection to the bus.
    pub async fn connect(&self) -> zbus::Connection {
        connect(self.bus.address()).await
    }

    /// The keeper as programs see it, through a connection (and cache) of its own.
    pub async fn client(&self) -> tokenkeeper::Keeper {
        tokenkeeper::Keeper::connect_to(self.connect().await).await.expect("the bus answers")
    }

    /// An account as programs see it.
    pub async fn account(&self, name: &str) -> Account {
        self.client().await.account(name).expect("an account's name")
    }

    /// Begins a login and opens its address as a person would; gives the page they end on and how the login ended.
    pub async fn try_sign_in(&self, name: &str) -> (Page, Result<tokenkeeper::Outcome, tokenkeeper::Error>) {
        let account = self.account(name).await;
        let login = account.login(LoginOptions::new().flow("browser")).await.expect("the login begins");
        let address = login.uri.expect("a browser login has an address");
        let page = person::open(&address).await.expect("server and keeper answer");
        let outcome = tokio::time::timeout(PATIENCE, login.request.wait()).await.expect("the login ends");
        (page, outcome)
    }

    /// Signs in.
    pub async fn sign_in(&self, name: &str) -> Page {
        let (page, outcome) = self.try_sign_in(name).await;
        outcome.unwrap_or_else(|why| panic!("the login failed: {why}\n{}\n{}", page.body, self.keeper().log()));
        page
    }

    /// A token from the keeper, not from any cache.
    pub async fn token(&self, name: &str) -> Result<tokenkeeper::Token, tokenkeeper::Error> {
        self.account(name).await.token(TokenOptions::new().min_validity(Duration::ZERO)).await
    }

    /// Waits until an account stands as asked.
    pub async fn until(&self, name: &str, asked: impl Fn(&AccountStatus) -> bool) -> AccountStatus {
        let account = self.account(name).await;
        let mut events = account.watch().await.expect("the bus answers");
        let wait = async {
            loop {
                match account.status().await {
                    Ok(status) if asked(&status) => return status,
                    _ => drop(events.next().await),
                }
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(status) => status,
            Err(_) => panic!("never so: {:?}\n{}", account.status().await, self.keeper().log()),
        }
    }
}

/// The definition of an account as the server's public client.
pub fn account(name: &str, idp: &Idp) -> String {
    account_as(name, idp, "client_id = \"desktop\"\n")
}

/// The definition of an account with lines of one's own.
pub fn account_as(name: &str, idp: &Idp, more: &str) -> String {
    let scopes = "scopes = [\"openid\", \"profile\", \"offline_access\"]";
    let scopes = if more.contains("scopes") { "" } else { scopes };
    format!("[account.{name}]\nissuer = \"{}\"\n{more}{scopes}\n\n", idp.issuer())
}

/// The claims of a JWT, unverified.
///
/// # Panics
/// If it is none.
pub fn claims(jwt: &str) -> serde_json::Value {
    part_of(jwt, 1)
}

/// The header (0) or the claims (1) of a JWT, unverified.
///
/// # Panics
/// If it is none.
pub fn part_of(jwt: &str, at: usize) -> serde_json::Value {
    let part = jwt.split('.').nth(at).expect("a JWT has three parts");
    let bytes = URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("JSON")
}

/// What a program printed, as text, with both ends.
pub fn text(output: &Output) -> (String, String) {
    (String::from_utf8_lossy(&output.stdout).into_owned(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Every file below a directory, with its bytes.
pub fn files_below(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    let mut pending = vec![dir.to_path_buf()];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push(path),
                Ok(kind) if kind.is_file() => found.extend(std::fs::read(&path).map(|bytes| (path, bytes))),
                _ => {}
            }
        }
    }
    found
}

async fn connect(address: &str) -> zbus::Connection {
    zbus::connection::Builder::address(address).build().await.expect("the bus takes connections")
}
