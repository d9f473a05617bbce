//! The whole way with nothing of our own at the other end: `oidc-provider`, strict about refresh tokens, and a person
//! who signs in with Chromium.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::process::Stdio;

use tokenkeeper_tests::bus::Kind;
use tokenkeeper_tests::programs;
use tokenkeeper_tests::provider::{self, Provider};
use tokenkeeper_tests::world::World;
use tokio::io::{AsyncBufReadExt as _, BufReader};

#[tokio::test]
async fn a_login_lives_under_dbus_daemon() {
    a_login_lives(Kind::DbusDaemon, "dbus-daemon").await;
}

#[tokio::test]
async fn a_login_lives_under_dbus_broker() {
    if !programs::has("dbus-broker") {
        return eprintln!("skipped: dbus-broker is not installed");
    }
    a_login_lives(Kind::DbusBroker, "dbus-broker").await;
}

async fn a_login_lives(kind: Kind, bus: &str) {
    if let Some(why) = provider::missing() {
        return eprintln!("skipped: {why}");
    }
    let provider = Provider::start().await;
    let mut world = World::on(kind).await;
    world.init_vault().await;
    world.start_keeper().await;

    // A person adds an account, and signs in on the pages of the server.
    add(&world, &provider, bus).await;
    let first = world.token("work").await.expect("signed in");
    assert_eq!(provider.userinfo(first.as_str()).await, 200);

    // Every refresh spends a refresh token; the next one is stored before anybody hears of it.
    let account = world.account("work").await;
    account.refresh().await.expect("the server grants");
    let second = world.token("work").await.expect("refreshed");
    assert_ne!(second.as_str(), first.as_str());
    assert_eq!(provider.userinfo(second.as_str()).await, 200);

    world.kill_and_restart().await;
    let account = world.account("work").await;
    for _ in 0..3 {
        account.refresh().await.expect("the login survived kill -9");
    }
    let last = world.token("work").await.expect("refreshed");
    assert_eq!(provider.userinfo(last.as_str()).await, 200);

    let events = provider.events();
    assert_eq!(provider.count("refresh_token.consumed"), 4, "{events:?}");
    assert!(!events.iter().any(|event| event.ends_with("error") || event == "grant.revoked"), "{events:?}");

    // Logging out ends the login at the server, and with it every token.
    account.logout().await.expect("revoked");
    assert_eq!(provider.userinfo(last.as_str()).await, 401, "{:?}", provider.events());
    let denied = world.token("work").await.expect_err("nobody is signed in");
    assert_eq!(denied.name(), Some(tokenkeeper::wire::ErrorName::LoginRequired));
}

/// `tokenkeeper add`, and the browser at the address it prints.
async fn add(world: &World, provider: &Provider, bus: &str) {
    let mut adding = world
        .command(programs::ours("tokenkeeper"))
        .args(["add", "work", "--issuer", provider.issuer(), "--client-id", "desktop", "--no-browser"])
        .stdin(Stdio::null())
        .spawn()
        .expect("it can be started");
    let mut said = BufReader::new(adding.stderr.take().expect("it was piped")).lines();
    let address = loop {
        let line = said.next_line().await.expect("text").expect("it prints an address");
        if line.starts_with(provider.issuer()) {
            break line;
        }
    };
    let pictures = programs::directory().join("pictures").join(format!("signed-in-{bus}"));
    let seen = provider::sign_in(&address, &pictures).await;
    assert_eq!(seen.heading, "You are signed in", "{}", seen.text);
    assert!(seen.text.contains("work"), "{}", seen.text);
    assert!(seen.outside.is_empty(), "the page asked other machines: {:?}", seen.outside);
    assert!(adding.wait().await.expect("it ends").success());
}
