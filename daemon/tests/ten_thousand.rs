//! A keeper of 10,000 accounts, as a process: how soon it serves, what it takes, what it does while nothing happens, and
//! what it does when all of them want a token of one server at once. The figures are printed; a debug build takes fewer
//! accounts and judges no times and no sizes, because it measures the compiler.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

use tokenkeeper_config::{Config, Specifiers, TokenKind};
use tokenkeeperd::account::{Change, Facts, NewGrant, NewToken, RefreshToken, TokenKey};
use tokenkeeperd::secret::Secret;
use tokenkeeperd::time::{Boot, BootId, Moment, Wall};
use tokenkeeperd::vault::{Opener, SlotKind, Vault, binding};
use tokio::time::Instant;

const ACCOUNTS: usize = if cfg!(debug_assertions) { 300 } else { 10_000 };
/// How long nothing happens.
const IDLE: Duration = Duration::from_secs(if cfg!(debug_assertions) { 1 } else { 60 });
/// How many exchanges one server has at once (refresh.md "When").
const AT_ONCE: usize = 8;
/// How long what happens soon may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// A server that there is not.
const NOWHERE: &str = "https://nowhere.invalid";

/// What a usual login leaves, in bytes: an opaque refresh token, two tokens of JWT size.
const TOKENS: [usize; 3] = [200, 1200, 1200];
const HOUR: i64 = 3_600_000;

#[test]
fn ten_thousand_accounts_cost_little_while_nothing_happens() {
    let (few, many) = (Home::with(1, NOWHERE, 24 * HOUR), Home::with(ACCOUNTS, NOWHERE, 24 * HOUR));
    let (one, _) = Keeper::start(&few);
    let alone = one.kilobytes("VmRSS");
    drop(one);
    let (keeper, took) = Keeper::start(&many);
    let each = keeper.kilobytes("VmRSS").saturating_sub(alone) as f64 / ACCOUNTS as f64;
    let tokens = TOKENS.iter().sum::<usize>() as f64 / 1000.0;
    let before = keeper.cpu();
    std::thread::sleep(IDLE);
    let busy = (keeper.cpu() - before).as_secs_f64() / IDLE.as_secs_f64() * 100.0;
    say(&format!(
        "{ACCOUNTS} accounts: serving and loaded after {took:?}, {each:.1} kB each, {tokens} of them tokens; {busy:.3} % of a \
         processor in {IDLE:?}"
    ));
    if !cfg!(debug_assertions) {
        assert!(took < Duration::from_millis(1500), "{took:?}");
        assert!(each - tokens <= 8.0, "{each} kB");
        assert!(busy < 0.1, "{busy} %");
    }
}

#[test]
fn when_all_of_them_ask_one_server_it_is_asked_eight_times_at_once() {
    let server = Server::start();
    let home = Home::with(ACCOUNTS, &server.issuer, -HOUR);
    let (keeper, _) = Keeper::start(&home);
    // Each wants the server's metadata before anything else, and does not get them.
    let most = server.until_answered(ACCOUNTS.min(1000));
    let (threads, peak) = (keeper.number("Threads"), keeper.kilobytes("VmHWM"));
    say(&format!(
        "{ACCOUNTS} accounts at one server: {most} requests at once, {threads} threads, {} MB at most",
        peak / 1024
    ));
    assert_eq!(most, AT_ONCE, "at once");
    assert!(threads < 40, "{threads} threads");
}

#[test]
fn when_their_server_does_not_exist_nothing_piles_up() {
    let home = Home::with(ACCOUNTS, NOWHERE, -HOUR);
    let (keeper, _) = Keeper::start(&home);
    let before = keeper.cpu();
    std::thread::sleep(IDLE);
    let (used, threads, peak) = (keeper.cpu() - before, keeper.number("Threads"), keeper.kilobytes("VmHWM"));
    say(&format!(
        "{ACCOUNTS} accounts at no server: {used:?} of a processor in {IDLE:?}, {threads} threads, {} MB at most",
        peak / 1024
    ));
    assert!(threads < 40, "{threads} threads");
    if !cfg!(debug_assertions) {
        assert!(peak < 160 * 1024, "{peak} kB");
    }
}

/// A home with a vault full of logins, whose access tokens end so many milliseconds from now.
struct Home(tempfile::TempDir);

impl Home {
    fn with(accounts: usize, issuer: &str, ends_in: i64) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        for name in ["config/tokenkeeper", "state", "run"] {
            let mut private = std::fs::DirBuilder::new();
            let private = std::os::unix::fs::DirBuilderExt::mode(private.recursive(true), 0o700);
            private.create(home.path().join(name)).expect("a directory");
        }
        let define = |n| {
            format!("[account.account-{n}]\nissuer = \"{issuer}\"\nclient_id = \"desktop\"\nscopes = [\"openid\"]\n")
        };
        let text: String = (0..accounts).map(define).collect();
        let file = home.path().join("config/tokenkeeper/config.toml");
        std::fs::File::create(&file).and_then(|mut file| file.write_all(text.as_bytes())).expect("a file");
        let config = Config::parse(&text, &file, &Specifiers::default());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let vault = Vault::open(&home.path().join("state/tokenkeeper"), None).expect("a state directory");
            vault.create(SlotKind::Insecure, Opener::default()).await.expect("a vault");
            let accounts: Vec<_> = config.accounts.into_iter().collect();
            for chunk in accounts.chunks(500) {
                let commits = chunk.iter().map(|(name, account)| {
                    let binding = binding(account.definition.as_ref().expect("a good definition"));
                    vault.commit(name, binding, login(ends_in))
                });
                futures_util::future::try_join_all(commits).await.expect("committed");
            }
            vault.close().await;
        });
        Self(home)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

fn login(ends_in: i64) -> Change {
    let now = now();
    let facts = Facts {
        scopes: vec!["openid".into()],
        signed_in_at: now,
        refreshed_at: now,
        asked_at: now,
        ..Facts::default()
    };
    let token = Some(RefreshToken::Fresh(Secret::from("r".repeat(TOKENS[0]))));
    let tokens = [TokenKind::Access, TokenKind::Id].map(|kind| NewToken {
        key: TokenKey { kind, ..TokenKey::DEFAULT },
        token: Secret::from("t".repeat(TOKENS[1])).into(),
        token_type: "Bearer".into(),
        // Of an earlier boot, so the wall clock counts.
        expiry: Some(Moment {
            boot: Boot(Duration::ZERO),
            wall: Wall(now + ends_in),
            boot_id: BootId([0; 16]),
            noted: Wall(now),
        }),
        scopes: Vec::new(),
        generation: 1,
        minted: Wall(now.min(now + ends_in)),
    });
    Change::Grant {
        replaces: 0,
        grant: NewGrant { token, keep_previous: true, facts, new_key: None },
        tokens: tokens.into(),
    }
}

#[allow(clippy::disallowed_methods, reason = "a token of today")]
fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("it is after 1970");
    i64::try_from(since.as_millis()).expect("and not by that much")
}

/// A keeper on a bus of its own; both are killed when this is dropped.
struct Keeper {
    bus: Child,
    keeper: Child,
}

impl Keeper {
    /// Starts it; gives the time until it serves, with its vault open and every account loaded.
    fn start(home: &Home) -> (Self, Duration) {
        let mut bus = Command::new("dbus-daemon")
            .args(["--session", "--nofork", "--nopidfile", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("dbus-daemon is installed");
        let mut address = String::new();
        BufReader::new(bus.stdout.take().expect("piped")).read_line(&mut address).expect("it prints its address");
        let began = Instant::now();
        let mut keeper = Command::new(env!("CARGO_BIN_EXE_tokenkeeperd"))
            .arg("--allow-root")
            .env_clear()
            .env("HOME", home.path())
            .env("XDG_CONFIG_HOME", home.path().join("config"))
            .env("XDG_STATE_HOME", home.path().join("state"))
            .env("XDG_RUNTIME_DIR", home.path().join("run"))
            .env("DBUS_SESSION_BUS_ADDRESS", address.trim())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the keeper can be started");
        let log = keeper.stderr.take().expect("piped");
        let (tell, told) = mpsc::channel();
        // Read to the end, so that it never waits for us.
        std::thread::spawn(move || {
            for line in BufReader::new(log).lines().map_while(Result::ok) {
                if line.contains("serving org.tokenkeeper") {
                    let _ = tell.send(());
                }
            }
        });
        told.recv_timeout(PATIENCE).expect("it serves");
        (Self { bus, keeper }, began.elapsed())
    }

    fn kilobytes(&self, field: &str) -> u64 {
        self.number(field)
    }

    /// A number of /proc/PID/status.
    fn number(&self, field: &str) -> u64 {
        let status = self.read("status");
        let line = status.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).expect("the kernel gives it")
    }

    /// What it used of a processor. See proc_pid_stat(5).
    fn cpu(&self) -> Duration {
        let stat = self.read("stat");
        let fields: Vec<_> = stat.rsplit_once(')').expect("a name in brackets").1.split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().expect("a number")).sum();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }

    fn read(&self, name: &str) -> String {
        let mut text = String::new();
        let file = std::fs::File::open(format!("/proc/{}/{name}", self.keeper.id()));
        file.and_then(|mut file| file.read_to_string(&mut text)).expect("it runs");
        text
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        for child in [&mut self.keeper, &mut self.bus] {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A server that says "not now" to everybody, but lets the first wait until as many ask at once as ever will.
struct Server {
    issuer: String,
    crowd: Arc<(Mutex<Crowd>, Condvar)>,
}

#[derive(Default)]
struct Crowd {
    now: usize,
    most: usize,
    answered: usize,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let issuer = format!("http://{}", listener.local_addr().expect("an address"));
        let crowd = Arc::default();
        let server = Self { issuer, crowd: Arc::clone(&crowd) };
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let crowd = Arc::clone(&crowd);
                std::thread::spawn(move || refuse(stream, &crowd));
            }
        });
        server
    }

    /// Waits for so many answers; gives how many asked at once.
    fn until_answered(&self, wanted: usize) -> usize {
        let (crowd, changed) = &*self.crowd;
        let waiting = changed.wait_timeout_while(crowd.lock().expect("numbers"), PATIENCE, |it| it.answered < wanted);
        let (crowd, late) = waiting.expect("numbers");
        assert!(!late.timed_out(), "{} answers", crowd.answered);
        crowd.most
    }
}

fn refuse(mut stream: TcpStream, crowd: &(Mutex<Crowd>, Condvar)) {
    let mut request = [0; 4096];
    let _ = stream.read(&mut request);
    let (crowd, changed) = crowd;
    let mut it = crowd.lock().expect("numbers");
    it.now += 1;
    it.most = it.most.max(it.now);
    changed.notify_all();
    let (it, _) = changed.wait_timeout_while(it, PATIENCE, |it| it.most < AT_ONCE).expect("numbers");
    drop(it);
    // Whoever is one too many comes now.
    std::thread::sleep(Duration::from_millis(20));
    let mut it = crowd.lock().expect("numbers");
    // It counts as gone before the keeper can know that it is.
    it.now -= 1;
    it.answered += 1;
    changed.notify_all();
    drop(it);
    let _ = stream.write_all(b"HTTP/1.1 503 Later\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

fn say(line: &str) {
    std::io::stdout().write_all(format!("{line}\n").as_bytes()).expect("standard output");
}
