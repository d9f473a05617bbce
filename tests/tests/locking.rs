//! Locking and unlocking, end to end: by a person, with the screen, over SSH, in the middle of a refresh.

use std::collections::HashMap;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokenkeeper::wire::ErrorName;
use tokenkeeper::{AccountState, VaultState};
use tokenkeeper_tests::idp::{Event, Fault, Idp, Rotation, Settings};
use tokenkeeper_tests::programs;
use tokenkeeper_tests::world::{PATIENCE, World, account, text};
use tokio::io::AsyncWriteExt as _;
use zbus::{Connection, OwnedObjectPath};

const SCREEN: &str = "[keeper]\non_screen_lock = \"lock\"\n\n";

async fn screen(world: &World, interface: &str, locked: bool) {
    let path = format!("/{}", interface.replace('.', "/"));
    let says = (locked,);
    let sent = world.connection().emit_signal(None::<&str>, path.as_str(), interface, "ActiveChanged", &says);
    sent.await.expect("the bus takes it");
}

async fn is_locked(world: &World) {
    world.until("work", |status| status.state == AccountState::Locked).await;
}

async fn is_open(world: &World) {
    world.until("work", |status| status.state == AccountState::Ready).await;
}

/// A vault with a passphrase alone, and a signed-in account.
async fn with_passphrase(idp: &Idp, config: &str) -> World {
    let mut world = World::bare().await;
    world.write_config(&format!("{config}{}", account("work", idp)));
    world.write("home/passphrase", "correct horse\n");
    let mut init = world.daemon();
    init.args(["--init", "--slot", "passphrase", "--passphrase-file"]).arg(world.path("home/passphrase"));
    let made = init.output().await.expect("it can be started");
    assert!(made.status.success(), "{}", text(&made).1);
    world.start_keeper().await;
    assert!(typed(&world, &["unlock"], "correct horse\n").await.status.success());
    world.sign_in("work").await;
    world
}

/// Runs the companion with something on its standard input, as over SSH: no terminal, no display.
async fn typed(world: &World, words: &[&str], input: &str) -> Output {
    let mut command = world.command(programs::ours("tokenkeeper"));
    let mut child = command.args(words).stdin(Stdio::piped()).spawn().expect("it can be started");
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(input.as_bytes()).await.expect("it reads");
    drop(stdin);
    tokio::time::timeout(PATIENCE, child.wait_with_output()).await.expect("it ends").expect("it was started")
}

#[tokio::test]
async fn the_vault_is_locked_and_opened_with_the_screen() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with(&format!("{SCREEN}{}", account("work", &idp))).await;
    world.sign_in("work").await;
    let asked = idp.ledger().entries().len();
    for saver in ["org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver"] {
        screen(&world, saver, true).await;
        is_locked(&world).await;
        let refused = world.token("work").await.expect_err("the screen is locked");
        assert_eq!(refused.name(), Some(ErrorName::Locked), "{refused}");
        screen(&world, saver, false).await;
        is_open(&world).await;
        world.token("work").await.expect("the key file asks nobody");
    }
    assert_eq!(idp.ledger().entries().len(), asked, "none of it needs the network");
}

#[tokio::test]
async fn what_a_person_locked_a_person_opens() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with(&format!("{SCREEN}{}", account("work", &idp))).await;
    world.sign_in("work").await;
    world.client().await.vault().lock().await.expect("locked");
    screen(&world, "org.gnome.ScreenSaver", true).await;
    screen(&world, "org.gnome.ScreenSaver", false).await;
    // The keeper hears signals of one sender in order: when it has locked with this one, it has heard the others.
    assert!(world.run("tokenkeeper", &["unlock"]).await.status.success());
    screen(&world, "org.gnome.ScreenSaver", true).await;
    is_locked(&world).await;
    let log = world.keeper().log();
    assert_eq!(log.matches("the vault is open").count(), 2, "at the start, and by the person: {log}");
}

#[tokio::test]
async fn a_locked_vault_takes_no_secret_and_removes_no_account() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with(&account("work", &idp)).await;
    world.sign_in("work").await;
    let work = world.account("work").await;
    let request = work.set_secret().await.expect("it may be set");
    world.client().await.vault().lock().await.expect("locked");
    is_locked(&world).await;
    request.input(&[("client_secret", b"secret")]).await.expect("it is asked for");
    let refused = request.wait().await.expect_err("there is nowhere to keep it");
    assert_eq!(refused.name(), Some(ErrorName::Locked), "{refused}");
    let refused = work.set_secret().await.map(drop).expect_err("nor is another asked for");
    assert_eq!(refused.name(), Some(ErrorName::Locked), "{refused}");
    let refused = work.remove().await.expect_err("the login cannot be forgotten");
    assert_eq!(refused.name(), Some(ErrorName::Locked), "{refused}");
    assert!(world.run("tokenkeeper", &["unlock"]).await.status.success());
    is_open(&world).await;
}

#[tokio::test]
async fn without_the_setting_the_screen_is_nobodys_business() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    screen(&world, "org.gnome.ScreenSaver", true).await;
    world.write_config(&format!("{SCREEN}{}", account("work", &idp)));
    world.client().await.reload().await.expect("a good configuration");
    world.token("work").await.expect("it was not locked");
    screen(&world, "org.gnome.ScreenSaver", true).await;
    is_locked(&world).await;
}

#[tokio::test]
async fn a_passphrase_is_asked_for_after_the_screen() {
    let idp = Idp::start(Settings::default()).await;
    let world = with_passphrase(&idp, SCREEN).await;
    screen(&world, "org.freedesktop.ScreenSaver", true).await;
    is_locked(&world).await;
    screen(&world, "org.freedesktop.ScreenSaver", false).await;
    let told = world.run("tokenkeeper", &["token", "work"]).await;
    assert_eq!(told.status.code(), Some(5));
    assert!(text(&told).1.contains("tokenkeeper unlock"), "{}", text(&told).1);
    // The account is locked at once; the vault may still be busy with a copy, and then opens a little later.
    let opened = typed(&world, &["unlock"], "correct horse\n").await;
    assert!(opened.status.success(), "{}", text(&opened).1);
    world.token("work").await.expect("open again");
}

/// As much of logind as is asked for: whose a session is.
struct Session(u32);

#[zbus::interface(name = "org.freedesktop.login1.Session")]
impl Session {
    #[zbus(property)]
    fn user(&self) -> (u32, OwnedObjectPath) {
        (self.0, OwnedObjectPath::try_from("/org/freedesktop/login1/user/self").expect("a path"))
    }
}

async fn logind_says(logind: &Connection, session: &str, what: &str) {
    let sent = logind.emit_signal(None::<&str>, session, "org.freedesktop.login1.Session", what, &());
    sent.await.expect("the bus takes it");
}

#[tokio::test]
async fn a_session_that_logind_locks_locks_the_vault() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::bare().await;
    world.write_config(&format!("{SCREEN}{}", account("work", &idp)));
    world.init_vault().await;
    let (ours, theirs) = ("/org/freedesktop/login1/session/_31", "/org/freedesktop/login1/session/_32");
    let logind = world.connect().await;
    let uid = rustix::process::getuid().as_raw();
    for (path, uid) in [(ours, uid), (theirs, uid + 1)] {
        logind.object_server().at(path, Session(uid)).await.expect("a free path");
    }
    logind.request_name("org.freedesktop.login1").await.expect("a free name");
    let mut daemon = world.daemon();
    daemon.env("DBUS_SYSTEM_BUS_ADDRESS", world.bus_address()).env("TOKENKEEPER_LOG", "debug");
    world.start_keeper_as(daemon).await;
    world.sign_in("work").await;

    logind_says(&logind, theirs, "Lock").await;
    logind_says(&logind, ours, "Unlock").await;
    logind_says(&logind, ours, "Lock").await;
    is_locked(&world).await;
    logind_says(&logind, ours, "Unlock").await;
    is_open(&world).await;
    let log = world.keeper().log();
    assert_eq!(log.matches("the vault is locked with the screen").count(), 1, "somebody else's session: {log}");
}

#[tokio::test]
async fn a_lock_in_the_middle_of_a_refresh_saves_what_the_server_gave() {
    let idp = Idp::start(Settings { rotation: Rotation::STRICT, ..Settings::default() }).await;
    let world = World::signed_in(&idp).await;
    let before = world.account("work").await.status().await.expect("it exists").generation;
    idp.plan(Fault::hang(1.0).after_commit());
    let account = world.account("work").await;
    let refresh = tokio::spawn(async move { account.refresh().await });
    assert!(idp.ledger().until(PATIENCE, |ledger| ledger.rotations() == 1).await, "the old token is spent");

    let vault = world.client().await.vault();
    tokio::time::timeout(PATIENCE, vault.lock()).await.expect("in time").expect("locked");
    assert_eq!(vault.state().await.expect("the keeper answers"), VaultState::Locked);
    let refused = refresh.await.expect("no panic").expect_err("the vault was locked");
    assert_eq!(refused.name(), Some(ErrorName::Locked), "{refused}");

    assert!(world.run("tokenkeeper", &["unlock"]).await.status.success());
    let after = world.account("work").await.status().await.expect("it exists").generation;
    assert_eq!(after, before + 1, "the answer came after the lock and was saved");
    world.account("work").await.refresh().await.expect("the new token is the one");
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

#[tokio::test]
async fn over_ssh_the_passphrase_comes_by_standard_input() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = with_passphrase(&idp, "").await;
    world.kill_and_restart().await;
    let token = world.run("tokenkeeper", &["token", "work"]).await;
    assert_eq!(token.status.code(), Some(5), "{}", text(&token).1);

    let wrong = typed(&world, &["unlock"], "battery staple\n").await;
    assert_eq!(wrong.status.code(), Some(5));
    assert!(text(&wrong).1.contains("wrong passphrase"), "{}", text(&wrong).1);

    // What sshd and systemd give a session without a desktop: the runtime directory, in which the bus lies.
    let mut command = world.command(programs::ours("tokenkeeper"));
    command.env_remove("DBUS_SESSION_BUS_ADDRESS").env("SSH_CONNECTION", "192.0.2.1 5022 192.0.2.2 22");
    let mut child = command.arg("unlock").stdin(Stdio::piped()).spawn().expect("it can be started");
    child.stdin.take().expect("it was piped").write_all(b"correct horse\n").await.expect("it reads");
    let opened = child.wait_with_output().await.expect("it ends");
    assert!(opened.status.success(), "{}", text(&opened).1);
    world.token("work").await.expect("open");
}

#[tokio::test]
async fn the_passphrase_is_changed_and_the_key_is_made_anew() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = with_passphrase(&idp, "").await;
    let last = world.run("tokenkeeper", &["slot", "remove", "passphrase"]).await;
    assert_eq!(last.status.code(), Some(2), "{}", text(&last).1);
    assert!(text(&last).1.contains("the only slot: add another one first"), "{}", text(&last).1);

    let changed = typed(&world, &["slot", "passphrase"], "new staple\n").await;
    assert!(changed.status.success(), "{}", text(&changed).1);
    let rekeyed = typed(&world, &["slot", "rekey"], "new staple\n").await;
    assert!(rekeyed.status.success(), "{}", text(&rekeyed).1);
    let slots = text(&world.run("tokenkeeper", &["slot", "list", "--json"]).await).0;
    assert_eq!(slots.matches("\"kind\": \"passphrase\"").count(), 1, "{slots}");
    world.kill_and_restart().await;
    assert_eq!(typed(&world, &["unlock"], "correct horse\n").await.status.code(), Some(5), "the old one opens nothing");
    assert!(typed(&world, &["unlock"], "new staple\n").await.status.success());
    world.account("work").await.refresh().await.expect("the login is still there");
}

#[tokio::test]
async fn status_and_doctor_say_which_slot_opened_it_and_why_another_did_not() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::signed_in(&idp).await;
    let gone = world.path("home/second.key");
    let spec = format!("keyfile={}", gone.display());
    let added = world.run("tokenkeeper", &["slot", "add", &spec]).await;
    assert!(added.status.success(), "{}", text(&added).1);
    std::fs::remove_file(world.key_file()).expect("ours");
    world.kill_and_restart().await;

    let status = text(&world.run("tokenkeeper", &["status", "--json"]).await).0;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    let vault = &status["vault"];
    assert_eq!((vault["state"].as_str(), vault["opened_by"].as_str()), (Some("ready"), Some("keyfile-2")));
    let by_id: HashMap<&str, &serde_json::Value> = vault["slots"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|slot| (slot["id"].as_str().expect("an id"), &slot["error"]))
        .collect();
    assert_eq!(by_id["keyfile-2"], "");
    assert!(by_id["keyfile"].as_str().is_some_and(|why| why.contains("vault.key")), "{status}");
    let doctor = text(&world.run("tokenkeeper", &["doctor"]).await).0;
    for words in ["open, by keyfile", "keyfile did not open the vault", "tokenkeeper slot remove keyfile"] {
        assert!(doctor.contains(words), "{doctor}");
    }
}

#[tokio::test]
async fn an_enrolment_that_does_not_work_enrols_nothing() {
    let world = World::new().await;
    world.write("home/short.key", "too short");
    let short = format!("keyfile={}", world.path("home/short.key").display());
    for spec in ["secret-service", short.as_str(), "keyfile=/proc/nowhere/key"] {
        let words = ["slot", "add", spec];
        let refused = tokio::time::timeout(Duration::from_secs(20), world.run("tokenkeeper", &words));
        let refused = refused.await.expect("in time");
        assert!(!refused.status.success(), "{spec}");
    }
    let slots = world.client().await.vault().slots().await.expect("the keeper answers");
    assert_eq!(slots.iter().map(|slot| slot.kind.as_str()).collect::<Vec<_>>(), ["keyfile"], "no other took its place");
}
