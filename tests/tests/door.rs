//! The keeper's own socket: one token for a program that asks once, with no bus between; and the bus for whoever is not
//! let in.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;

use rustix::process::{Signal, kill_process};
use tokenkeeper::wire::door;
use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::programs;
use tokenkeeper_tests::world::{World, account, text};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;

fn door_of(world: &World) -> PathBuf {
    let environment = |name: &str| match name {
        "XDG_RUNTIME_DIR" => Some(world.path("run").into_os_string()),
        "DBUS_SESSION_BUS_ADDRESS" => Some(world.bus_address().into()),
        _ => None,
    };
    door::path(environment, 0)
}

/// What the door answers to a question.
async fn ask(world: &World, question: &str) -> String {
    let mut stream = UnixStream::connect(door_of(world)).await.expect("the door is there");
    stream.write_all(question.as_bytes()).await.expect("it listens");
    stream.shutdown().await.expect("it listens");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("it answers");
    answer
}

#[tokio::test]
async fn a_program_that_asks_once_gets_its_token_while_the_bus_stands_still() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let token = world.token("work").await.expect("signed in");
    let bus = world.bus_pid();
    kill_process(bus, Signal::STOP).expect("it is ours to stop");
    let printed = world.run("tokenkeeper", &["token", "work"]).await;
    let header = world.run("tokenkeeper", &["header", "work"]).await;
    kill_process(bus, Signal::CONT).expect("it is ours to stop");
    assert_eq!(text(&printed), (format!("{}\n", token.as_str()), String::new()));
    assert_eq!(text(&header).0, format!("Authorization: Bearer {}\n", token.as_str()));
}

#[tokio::test]
async fn the_door_refuses_in_the_words_of_the_bus() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with(&account("work", &idp)).await;
    let name = |answer: &str| answer.lines().nth(1).unwrap_or_default().to_owned();
    let login = ask(&world, "tokenkeeper 1\naccount=work\n").await;
    assert!(login.starts_with("refused\n"), "{login}");
    assert_eq!(name(&login), "name=org.tokenkeeper.Keeper1.Error.LoginRequired");
    let unknown = ask(&world, "tokenkeeper 1\naccount=other\n").await;
    assert_eq!(name(&unknown), "name=org.freedesktop.DBus.Error.UnknownObject");
    for wrong in ["min_validty=5", "min_validity=soon", "timeout=0", "kind=both"] {
        let refused = ask(&world, &format!("tokenkeeper 1\naccount=work\n{wrong}\n")).await;
        assert_eq!(name(&refused), "name=org.freedesktop.DBus.Error.InvalidArgs", "{wrong}: {refused}");
    }
    for strange in ["", "tokenkeeper 2\naccount=work\n", "tokenkeeper 1\nkind=id\naccount=work\n", "hello\n"] {
        let refused = ask(&world, strange).await;
        assert_eq!(name(&refused), "name=org.freedesktop.DBus.Error.NotSupported", "{strange}: {refused}");
    }
    world.client().await.vault().lock().await.expect("locked");
    let locked = ask(&world, "tokenkeeper 1\naccount=work\n").await;
    assert_eq!(name(&locked), "name=org.tokenkeeper.Keeper1.Error.Locked");
    let printed = world.run("tokenkeeper", &["token", "work"]).await;
    assert_eq!(printed.status.code(), Some(5), "{:?}", text(&printed));
}

#[tokio::test]
async fn a_question_that_never_ends_is_cut_off_and_a_crowd_in_the_door_keeps_nobody_out() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let mut endless = UnixStream::connect(door_of(&world)).await.expect("the door is there");
    let line = [b'x'; 1 << 10];
    while endless.write_all(&line).await.is_ok() {}

    let mut crowd = Vec::new();
    for _ in 0..100 {
        crowd.push(UnixStream::connect(door_of(&world)).await.expect("the door is there"));
    }
    let printed = world.run("tokenkeeper", &["token", "work"]).await;
    assert!(printed.status.success(), "{:?}", text(&printed));
    drop(crowd);
}

#[tokio::test]
async fn a_program_with_other_mounts_finds_the_door_closed_and_is_answered_on_the_bus() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::signed_in(&idp).await;
    let apart = ["--user", "--map-current-user", "--mount"];
    let can = std::process::Command::new("unshare").args(apart).arg("true").output();
    if !can.is_ok_and(|done| done.status.success()) {
        return eprintln!("skipped: unshare cannot make a user namespace here");
    }
    world.take_keeper().kill().await;
    let mut daemon = world.daemon();
    daemon.env("TOKENKEEPER_LOG", "debug");
    world.start_keeper_as(daemon).await;
    let mut command = world.command("unshare");
    command.args(apart).arg(programs::ours("tokenkeeper")).args(["token", "work"]);
    let printed = command.output().await.expect("unshare runs");
    assert!(printed.status.success(), "{:?}", text(&printed));
    let log = world.keeper().log();
    assert!(log.contains("a program in an unknown sandbox asks on the bus"), "{log}");
}

#[tokio::test]
async fn the_door_is_the_users_own_and_is_not_opened_where_others_could_reach_it() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::signed_in(&idp).await;
    let directory = world.path("run/tokenkeeper");
    let mode = std::fs::metadata(&directory).expect("it is there").mode() & 0o777;
    assert_eq!(mode, 0o700);
    assert!(door_of(&world).exists());

    world.take_keeper().kill().await;
    std::fs::set_permissions(&directory, std::fs::Permissions::from_mode(0o777)).expect("it is ours");
    std::fs::remove_file(door_of(&world)).expect("left over");
    world.start_keeper().await;
    assert!(!door_of(&world).exists());
    let printed = world.run("tokenkeeper", &["token", "work"]).await;
    assert!(printed.status.success(), "the bus answers: {:?}", text(&printed));
}
