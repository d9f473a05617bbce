//! The guide's programs do what the guide says: they are taken out of docs/guide/apps.md as they stand there, and run.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::process::Output;

use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::programs;
use tokenkeeper_tests::world::{World, text};

/// The first block of this language.
fn program(language: &str) -> String {
    let guide = fs::read_to_string(programs::repository().join("docs/guide/apps.md")).expect("the guide");
    let block = guide.split(&format!("```{language}\n")).nth(1).and_then(|rest| rest.split("```").next());
    block.expect("the guide shows this language").to_owned()
}

/// Signs in, runs it, and expects the header; then without a login, and expects to be told how to get one.
async fn does_what_the_guide_says(command: &[&str], name: &str, source: &str) {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let token = world.token("work").await.expect("signed in").as_str().to_owned();

    let (out, err) = text(&run(&world, command, name, source).await);
    assert_eq!(out, format!("Authorization: Bearer {token}\n"), "{err}");

    world.account("work").await.logout().await.expect("it is signed in");
    let refused = run(&world, command, name, source).await;
    let (out, err) = text(&refused);
    assert!(!refused.status.success() && out.is_empty(), "{out}");
    assert!(err.contains("log in") || err.contains("login"), "{err}");
}

async fn run(world: &World, command: &[&str], name: &str, source: &str) -> Output {
    world.write(name, source);
    world.command(command[0]).args(&command[1..]).arg(world.path(name)).output().await.expect("it can be started")
}

#[tokio::test]
async fn python() {
    if !programs::python_has("gi.repository.Gio") {
        return eprintln!("skipped: Python has no gi (package python3-gi)");
    }
    does_what_the_guide_says(&[programs::python()], "show.py", &program("python")).await;
}

#[tokio::test]
async fn javascript() {
    if !programs::has("gjs") {
        return eprintln!("skipped: gjs is not installed (package gjs)");
    }
    does_what_the_guide_says(&["gjs", "-m"], "show.js", &program("javascript")).await;
}

#[tokio::test]
async fn c() {
    let compile =
        r#"cc -Wall -Wextra -Werror "$0" -o "$0.out" $(pkg-config --cflags --libs libsystemd) && exec "$0.out""#;
    let there = std::process::Command::new("pkg-config").args(["--exists", "libsystemd"]).status();
    if !there.is_ok_and(|status| status.success()) {
        return eprintln!("skipped: no headers of libsystemd (package libsystemd-dev)");
    }
    does_what_the_guide_says(&["sh", "-c", compile], "show.c", &program("c")).await;
}
