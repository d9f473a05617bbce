//! The whole way with nothing of our own at the other end, and a person who signs in: at `oidc-provider`, strict about
//! refresh tokens, with Chromium; at `django-oauth-toolkit`, which takes the one before the newest again for a while.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::PathBuf;

use tokenkeeper::LoginOptions;
use tokenkeeper_tests::bus::Kind;
use tokenkeeper_tests::programs;
use tokenkeeper_tests::provider::{Make, Provider};
use tokenkeeper_tests::sweep::{Dice, is_there, newest_durable, say, start, times};
use tokenkeeper_tests::world::{PATIENCE, World};

#[tokio::test]
async fn a_login_lives_under_dbus_daemon() {
    a_login_lives(Make::OidcProvider, Kind::DbusDaemon, "dbus-daemon").await;
}

#[tokio::test]
async fn a_login_lives_under_dbus_broker() {
    if !programs::has("dbus-broker") {
        return eprintln!("skipped: dbus-broker is not installed");
    }
    a_login_lives(Make::OidcProvider, Kind::DbusBroker, "dbus-broker").await;
}

#[tokio::test]
async fn a_login_lives_at_a_server_with_a_grace_period() {
    a_login_lives(Make::DjangoOauthToolkit, Kind::from_env(), "toolkit").await;
}

async fn a_login_lives(make: Make, kind: Kind, name: &str) {
    if let Some(why) = make.missing() {
        return eprintln!("skipped: {why}");
    }
    let provider = Provider::start(make).await;
    let mut world = World::on(kind).await;
    world.init_vault().await;
    world.start_keeper().await;

    // A person adds an account, and signs in on the pages of the server.
    add(&world, make, &provider, name).await;
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
    let is_bad = |event: &String| event.ends_with("error") || event == REFUSED || event == "grant.revoked";
    assert!(!events.iter().any(is_bad), "{events:?}");

    // Logging out ends the login at the server, and with it every token.
    account.logout().await.expect("revoked");
    let ended = async { while provider.userinfo(last.as_str()).await != 401 {} };
    tokio::time::timeout(PATIENCE, ended).await.unwrap_or_else(|_| panic!("never revoked: {:?}", provider.events()));
    let denied = world.token("work").await.expect_err("nobody is signed in");
    assert_eq!(denied.name(), Some(tokenkeeper::wire::ErrorName::LoginRequired));
}

/// S6: the server ends the family of a token that comes twice: that may only ever be one whose answer had not reached the
/// disk. A sixth of `TOKENKEEPER_KILLS` (5 unless told); `TOKENKEEPER_SEED` replays one run's moments.
#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_never_makes_it_end_a_login_whose_successor_was_durable() {
    let Some(Sweep { provider, kills, lost, seed }) = sweep(Make::OidcProvider).await else { return };
    assert_eq!(provider.count("grant.revoked"), lost, "{:?}", provider.events());
    say(&format!(
        "oidc-provider: {kills} kills (TOKENKEEPER_SEED={seed}), {lost} logins lost, each with its answer not yet durable"
    ));
}

/// S6: whatever the moment, nobody has to sign in again: an answer that was lost is asked for once more in the grace period.
#[tokio::test(flavor = "multi_thread")]
async fn kill_nine_costs_no_login_at_a_server_with_a_grace_period() {
    let Some(Sweep { provider, kills, lost, seed }) = sweep(Make::DjangoOauthToolkit).await else { return };
    assert_eq!((lost, provider.count(REFUSED)), (0, 0), "TOKENKEEPER_SEED={seed}: {:?}", provider.events());
    let replays = provider.count("refresh_token.replayed");
    say(&format!(
        "django-oauth-toolkit: {kills} kills (TOKENKEEPER_SEED={seed}), {replays} answers asked for once more, 0 new logins"
    ));
}

/// What django-oauth-toolkit's server tells of a refresh token that it did not take.
const REFUSED: &str = "refresh_token.refused";

struct Sweep {
    provider: Provider,
    kills: u64,
    lost: usize,
    seed: u64,
}

/// kill -9 at random moments around a refresh; `None` = not here, and why was said.
async fn sweep(make: Make) -> Option<Sweep> {
    if let Some(why) = make.missing() {
        eprintln!("skipped: {why}");
        return None;
    }
    let (mut dice, seed) = Dice::new();
    let kills = times("TOKENKEEPER_KILLS", 30) / 6;
    let provider = Provider::start(make).await;
    let mut world = World::bare().await;
    world.init_vault().await;
    start(&mut world).await;
    let name = format!("kills-{}", make.name());
    add(&world, make, &provider, &name).await;
    let account = world.account("work").await;
    let mut lost = 0;
    for kill in 0..kills {
        let story = format!("{make:?}, TOKENKEEPER_SEED={seed}, kill {kill}");
        let before = account.status().await.expect("it exists").generation;
        let caller = account.clone();
        let refresh = tokio::spawn(async move { caller.refresh().await });
        // Real time passes: the moment is what varies.
        tokio::time::sleep(dice.micros(60_000)).await;
        let log = world.take_keeper().kill().await;
        drop(refresh.await);
        start(&mut world).await;
        if is_there(&account, &story).await {
            continue;
        }
        assert!(newest_durable(&log) <= before, "{story}: the successor was durable:\n{log}");
        lost += 1;
        let login = account.login(LoginOptions::new().flow("browser")).await.expect("it begins");
        let address = login.uri.expect("a browser login has an address");
        provider.sign_in(&address, &pictures(&name)).await;
        login.request.wait().await.expect("signed in again");
    }
    Some(Sweep { provider, kills, lost, seed })
}

/// A login as a person makes it.
async fn add(world: &World, make: Make, provider: &Provider, name: &str) {
    let mut words = vec!["--client-id", "desktop"];
    if make == Make::DjangoOauthToolkit {
        words.extend(["--set", "replay_window=\"30s\""]);
    }
    provider.add(world, &words, &[], &pictures(name)).await;
}

fn pictures(name: &str) -> PathBuf {
    programs::directory().join("pictures").join(format!("signed-in-{name}"))
}
