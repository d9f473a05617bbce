//! Signing in, with a browser and without.

use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};

use crate::stand_in::{AUTHORIZE, World};

/// What a browser on another machine ends on.
const ENDED: &str = "http://127.0.0.1:18423/callback?code=c&state=canary-state";

#[tokio::test]
async fn without_a_display_the_address_is_pasted_back() {
    let world = World::begin().await;
    let (mut child, mut said) = begin(&world, &["login", "work"], &[]);
    assert_eq!(next(&mut said).await, "Open this address in a browser:");
    assert_eq!([next(&mut said).await, next(&mut said).await, next(&mut said).await], ["", AUTHORIZE, ""]);
    assert_eq!(
        next(&mut said).await,
        "Your browser will end on a page that cannot be reached. That is expected. Copy its whole address and paste it here:"
    );
    let mut stdin = child.stdin.take().expect("piped");
    stdin.write_all(b"https://as.example/authorize?state=canary-state\n").await.expect("typed");
    assert!(next(&mut said).await.starts_with("That is not the address after signing in."));
    stdin.write_all(format!("{ENDED}\n").as_bytes()).await.expect("typed");
    assert_eq!(next(&mut said).await, "✓ Signed in to work as auth0|ada.");
    assert!(child.wait().await.expect("ended").success());
    assert_eq!(world.brought(), format!("redirect_uri={ENDED}\n"));
}

#[tokio::test]
async fn without_a_display_a_code_is_shown_where_the_server_gives_one() {
    let world = World::begin().await;
    let (mut child, mut said) = begin(&world, &["login", "coded"], &[]);
    assert_eq!(next(&mut said).await, "Open this page in a browser, on any device:");
    let shown = [next(&mut said).await, next(&mut said).await, next(&mut said).await];
    assert_eq!(shown, ["", "https://as.example/device", ""], "short, to be typed");
    assert_eq!(next(&mut said).await, "and enter, or compare, this code: WDJB-MJHT");
    world.browser_came_back();
    assert_eq!(next(&mut said).await, "✓ Signed in to coded as auth0|ada.");
    assert!(child.wait().await.expect("ended").success());
}

#[tokio::test]
async fn with_a_display_a_code_is_shown_only_when_it_was_asked_for() {
    let world = World::begin().await;
    let (mut child, mut said) = begin(&world, &["login", "coded", "--flow", "device"], &[("DISPLAY", ":9")]);
    while next(&mut said).await != "and enter, or compare, this code: WDJB-MJHT" {}
    world.browser_came_back();
    assert_eq!(next(&mut said).await, "✓ Signed in to coded as auth0|ada.");
    assert!(child.wait().await.expect("ended").success());

    let (mut child, mut said) = begin(&world, &["login", "work", "--flow", "device"], &[("DISPLAY", ":9")]);
    assert!(next(&mut said).await.contains("no codes here"), "what was asked for by name is not replaced");
    assert!(!child.wait().await.expect("ended").success());
}

#[tokio::test]
async fn with_no_browser_the_address_stands_alone_and_the_callback_still_counts() {
    let world = World::begin().await;
    let (mut child, mut said) = begin(&world, &["login", "work", "--no-browser"], &[("DISPLAY", ":9")]);
    while next(&mut said).await != AUTHORIZE {}
    world.browser_came_back();
    while next(&mut said).await != "✓ Signed in to work as auth0|ada." {}
    assert!(child.wait().await.expect("ended").success());
}

#[tokio::test]
async fn the_browser_is_started_with_an_address_that_says_nothing() {
    let world = World::begin().await;
    let seen = world.path("seen");
    std::os::unix::fs::symlink(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-in/browser"), world.path("browser"))
        .expect("linked");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &seen,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a pipe");
    let browser = world.path("browser");
    let (mut child, mut said) = begin(&world, &["login", "work"], &[("DISPLAY", ":9"), ("BROWSER", &browser)]);
    let address =
        tokio::task::spawn_blocking(move || std::fs::read_to_string(seen)).await.expect("read").expect("text");
    let address = address.trim();
    assert!(address.starts_with("http://127.0.0.1:") && !address.contains("canary"), "{address}");
    assert_eq!(where_it_leads(address).await.as_deref(), Some(AUTHORIZE));
    world.browser_came_back();
    assert_eq!(next(&mut said).await, "✓ Signed in to work as auth0|ada.");
    assert!(child.wait().await.expect("ended").success());
}

#[tokio::test]
async fn ctrl_c_ends_the_login_at_the_keeper_too() {
    let world = World::begin().await;
    let (mut child, mut said) = begin(&world, &["login", "work"], &[]);
    while next(&mut said).await != AUTHORIZE {}
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).expect("it runs");
    kill_process(pid, Signal::INT).expect("sent");
    assert_eq!(child.wait().await.expect("ended").code(), Some(1));
    assert!(world.was_given_up());
}

fn begin(world: &World, args: &[&str], env: &[(&str, &str)]) -> (Child, Lines<BufReader<ChildStderr>>) {
    let mut command = world.command(args);
    command.envs(env.iter().copied()).stdin(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Command::from(command).spawn().expect("started");
    let said = BufReader::new(child.stderr.take().expect("piped")).lines();
    (child, said)
}

async fn next(said: &mut Lines<BufReader<ChildStderr>>) -> String {
    said.next_line().await.expect("text").expect("another line")
}

/// The target of a redirect.
async fn where_it_leads(address: &str) -> Option<String> {
    let (host, path) = address.strip_prefix("http://")?.split_once('/')?;
    let mut stream = tokio::net::TcpStream::connect(host).await.ok()?;
    stream.write_all(format!("GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let target = answer.lines().find_map(|line| line.strip_prefix("Location: "))?;
    Some(target.to_owned())
}
