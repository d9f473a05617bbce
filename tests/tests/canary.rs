//! Canaries: every code and token that the server ever gave out is looked for where no secret may be.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::process::Stdio;
use std::time::Duration;

use tokenkeeper::{LoginOptions, ProofOptions, TokenOptions};
use tokenkeeper_tests::idp::{Deed, Fault, Idp, Settings};
use tokenkeeper_tests::world::{PATIENCE, World, account, files_below};
use tokenkeeper_tests::{person, programs};
use tokio::io::AsyncReadExt as _;
use zbus::Variant;

/// Which of the secrets stand in some bytes; a secret is recognised by any 24 of its characters.
fn found(bytes: &[u8], secrets: &[String]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let part = |secret: &String| secret[secret.len() - 24..].to_owned();
    secrets.iter().filter(|secret| text.contains(&part(secret))).cloned().collect()
}

fn assert_clean(place: &str, bytes: &[u8], secrets: &[String]) {
    assert_eq!(found(bytes, secrets), Vec::<String>::new(), "a secret stands in {place}");
}

/// How a private key on P-256 begins in PKCS#8, raw and as text: whatever key it is, it is found.
fn key_marks() -> [Vec<u8>; 4] {
    let raw: Vec<u8> = [
        [0x30, 0x81, 0x87, 0x02, 0x01, 0x00, 0x30, 0x13, 0x06].as_slice(),
        &[0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06],
    ]
    .concat();
    let hex: String = raw.iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = "MIGHAgEAMBMGByqGSM49AgEG";
    [raw, hex.clone().into_bytes(), hex.to_uppercase().into_bytes(), base64.as_bytes().to_vec()]
}

fn assert_no_key(place: &str, bytes: &[u8]) {
    let found = key_marks().iter().any(|mark| bytes.windows(mark.len()).any(|window| window == mark));
    assert!(!found, "a private key stands in {place}");
}

/// Drives a login, refreshes, faults and a restart, with the loudest log.
async fn a_day(idp: &Idp) -> World {
    let mut world = World::bare().await;
    // With a key that is no token, and is as secret.
    world.write_config(&format!("{}dpop = \"on\"\n", account("work", idp)));
    world.init_vault().await;
    let mut daemon = world.daemon();
    daemon.env("TOKENKEEPER_LOG", "trace");
    world.start_keeper_as(daemon).await;
    world.sign_in("work").await;
    let account = world.account("work").await;
    account.refresh().await.expect("the server answers");
    for deed in [Deed::HalfBody, Deed::portal(200), Deed::error(400, "invalid_request")] {
        idp.plan(Fault::token(deed));
        drop(account.refresh().await);
        idp.clear_faults();
    }
    account.token(TokenOptions::new()).await.expect("still served");
    world
}

/// A5: with the loudest log, over a login, refreshes, faults and a restart.
#[tokio::test]
async fn no_secret_is_in_log_arguments_environment_or_files() {
    let idp = Idp::start(Settings::default()).await;
    let world = a_day(&idp).await;
    let secrets = idp.given_out();
    assert!(secrets.len() >= 4);
    let work = world.account("work").await;
    work.sign_proof("GET", "https://api.example/", ProofOptions::new()).await.expect("there is a key");
    let pid = world.keeper().pid();
    assert_clean("the log", world.keeper().log().as_bytes(), &secrets);
    assert_no_key("the log", world.keeper().log().as_bytes());
    for name in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default();
        assert_clean(name, &bytes, &secrets);
        assert_no_key(name, &bytes);
    }
    let files = files_below(&world.path(""));
    assert!(files.iter().any(|(path, _)| path.ends_with("vault.db")), "the vault is among the files");
    for (path, bytes) in files {
        assert_clean(&path.display().to_string(), &bytes, &secrets);
        assert_no_key(&path.display().to_string(), &bytes);
    }
}

/// A5: nor can anybody make the keeper write its memory down.
#[tokio::test]
async fn a_core_dump_is_refused() {
    if rustix::process::geteuid().is_root() {
        // Root may read any process, so the question is asked by somebody who may not.
        return as_nobody("a_core_dump_is_refused").await;
    }
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", world.keeper().pid())).expect("it runs");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("a line of every process");
    assert!(core.split_whitespace().nth(4) == Some("0"), "{core}");
    if !programs::has("gcore") {
        return eprintln!("skipped: gcore is not installed (package gdb)");
    }
    let out = world.path("core");
    let pid = world.keeper().pid().to_string();
    let mut gcore = world.command("gcore");
    let tried = gcore.arg("-o").arg(&out).arg(&pid).output().await.expect("it can be started");
    assert!(!tried.status.success(), "a process of the same user could dump the keeper");
}

/// Runs one test of this file once more, as a user without rights.
async fn as_nobody(test: &str) {
    let own = std::env::current_exe().expect("a program knows where it lies");
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"];
    let mut again = tokio::process::Command::new("setpriv");
    let reachable = again.args(nobody).arg("test").arg("-x").arg(&own).status().await;
    if !reachable.is_ok_and(|reachable| reachable.success()) {
        return eprintln!("skipped: root may read any process, and no other user can run this test from here");
    }
    let mut again = tokio::process::Command::new("setpriv");
    let ran = again.args(nobody).arg(&own).args(["--exact", test, "--nocapture"]).env("TMPDIR", "/tmp").output().await;
    let ran = ran.expect("setpriv is there: it ran before");
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
}

/// A5: who records the bus sees that a token was given, and to whom, and not the token.
#[tokio::test]
async fn a_bus_monitor_sees_no_sent_token() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with_account(&idp).await;
    let monitor = if programs::has("dbus-monitor") { "dbus-monitor" } else { "busctl" };
    if !programs::has(monitor) {
        return eprintln!("skipped: neither dbus-monitor nor busctl is installed");
    }
    let mut command = world.command(monitor);
    let words = if monitor == "busctl" { vec!["--user", "monitor"] } else { vec!["--session"] };
    let mut watching = command.args(words).stderr(Stdio::null()).spawn().expect("it can be started");
    let mut stdout = watching.stdout.take().expect("it was piped");
    let mut seen = Vec::new();
    let mut chunk = [0; 65536];
    // It prints when it has become a monitor.
    let count = tokio::time::timeout(PATIENCE, stdout.read(&mut chunk)).await.expect("it starts").expect("a pipe");
    seen.extend_from_slice(&chunk[..count]);

    let token = "canary-initial-access-token-0123456789";
    idp.set(|settings| settings.initial_access_token = Some(token.into()));
    let definition = [("name", "registered".to_owned()), ("issuer", idp.issuer())];
    let definition = definition.map(|(key, value)| (key.to_owned(), Variant::from(value))).into();
    world.client().await.register_with_token(&definition, token.as_bytes()).await.expect("registered");

    let account = world.account("work").await;
    let login = account.login(LoginOptions::new().flow("browser")).await.expect("the login begins");
    person::open(login.uri.as_deref().expect("an address")).await.expect("server and keeper answer");
    login.request.wait().await.expect("signed in");
    account.refresh().await.expect("the server answers");
    let cached = account.token(TokenOptions::new()).await.expect("by SendToken");
    let uncached = world.token("work").await.expect("by SendToken");
    assert_eq!(cached.as_str(), uncached.as_str());

    // A last call that is easy to recognise, so that everything before it has been seen.
    let end = world.connection().request_name("org.example.End").await;
    end.expect("a name can be owned");
    let drained = async {
        while !String::from_utf8_lossy(&seen).contains("org.example.End") {
            let count = stdout.read(&mut chunk).await.expect("a pipe can be read");
            seen.extend_from_slice(&chunk[..count]);
        }
    };
    tokio::time::timeout(Duration::from_secs(20), drained).await.expect("the monitor sees the end");
    assert!(String::from_utf8_lossy(&seen).contains("SendToken"), "the monitor saw the calls");
    let secrets = [idp.given_out(), vec![token.to_owned()]].concat();
    assert_clean("the bus monitor", &seen, &secrets);
}
