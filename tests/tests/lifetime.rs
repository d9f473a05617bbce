//! The life of a login: refreshed on schedule, one exchange for all who ask, there after kill -9.

use std::time::Duration;

use rustix::process::Signal;
use tokenkeeper::{AccountState, Event as BusEvent, TokenOptions};
use tokenkeeper_tests::idp::{Deed, Event, Fault, Idp, Rotation, Settings, digest};
use tokenkeeper_tests::world::{PATIENCE, World};

use futures_util::StreamExt as _;

fn short_lived(seconds: f64) -> Settings {
    Settings { access_lifetime: seconds, ..Settings::default() }
}

/// S7: a server may end the refresh token with its access token, so the refresh comes before.
#[tokio::test]
async fn a_token_is_refreshed_before_it_ends_and_a_signal_says_so() {
    let idp = Idp::start(short_lived(6.0)).await;
    let world = World::signed_in(&idp).await;
    let account = world.account("work").await;
    let before = account.status().await.expect("it exists").generation;
    let mut events = account.watch().await.expect("the bus answers");
    // Somebody uses the account, so it is kept fresh.
    account.token(TokenOptions::new().min_validity(Duration::ZERO)).await.expect("signed in");
    let newer = async {
        while let Some(event) = events.next().await {
            if let BusEvent::Changed { generation: Some(generation), .. } = event
                && generation > before
            {
                return;
            }
        }
        panic!("the watch ended");
    };
    tokio::time::timeout(Duration::from_secs(10), newer).await.expect("refreshed on schedule");
    let still_good = api_status(&idp, world.token("work").await.expect("fresh").as_str()).await;
    assert_eq!(still_good, 200);
}

#[tokio::test]
async fn kill_nine_loses_nothing_and_needs_no_network() {
    for rotation in [Rotation::None, Rotation::window(10.0), Rotation::STRICT] {
        let idp = Idp::start(Settings { rotation, ..Settings::default() }).await;
        let mut world = World::signed_in(&idp).await;
        let before = world.token("work").await.expect("signed in");
        world.kill_and_restart().await;
        let after = world.token("work").await.expect("the login is still there");
        assert_eq!(before.as_str(), after.as_str(), "the sealed token needs no network");
        assert_eq!(idp.ledger().refreshes(), 0);
        world.account("work").await.refresh().await.expect("the refresh token is still there");
        assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
    }
}

/// A2: the new refresh token takes the place of the old one.
#[tokio::test]
async fn a_refresh_token_that_has_a_successor_is_never_sent_again() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::signed_in(&idp).await;
    for round in 0..6 {
        world.account("work").await.refresh().await.expect("the server answers");
        if round % 2 == 0 {
            world.kill_and_restart().await;
        }
    }
    let mut sent: Vec<String> = Vec::new();
    for entry in idp.ledger().entries() {
        if let Event::Received { grant, token, .. } = entry.event
            && grant == "refresh_token"
        {
            assert!(!sent.contains(&token), "sent twice");
            sent.push(token);
        }
    }
    assert_eq!(sent.len(), 6);
    assert!(!sent.contains(&digest("")));
}

/// S5: two refreshes at once kill even the winner's token at some servers.
#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_callers_at_expiry_are_one_exchange() {
    let idp = Idp::start(short_lived(3600.0)).await;
    let world = World::signed_in(&idp).await;
    let generation = world.token("work").await.expect("signed in").generation();
    let clients = futures_util::future::join_all((0..4).map(|_| world.account("work"))).await;
    // Everybody was just answered 401 with the same token, and the server takes its time.
    idp.plan(Fault::hang(0.3));
    let calls = (0..200).map(|n| clients[n % 4].token(TokenOptions::new().rejected(generation)));
    let tokens = futures_util::future::join_all(calls).await;
    let newest = world.token("work").await.expect("fresh");
    for token in tokens {
        assert_eq!(token.expect("refreshed").as_str(), newest.as_str());
    }
    assert_eq!(idp.ledger().refreshes(), 1, "200 callers, one exchange");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_callers_at_the_moment_of_expiry_wait_for_one_exchange() {
    let idp = Idp::start(short_lived(3.0)).await;
    let world = World::signed_in(&idp).await;
    let first = world.token("work").await.expect("signed in");
    // The refresh on schedule is still under way when the token ends.
    idp.set(|settings| settings.access_lifetime = 3600.0);
    idp.plan(Fault::hang(4.0));
    assert!(ends(&idp, first.as_str()).await, "the token ends");
    let clients = futures_util::future::join_all((0..4).map(|_| world.account("work"))).await;
    let calls = (0..200).map(|n| clients[n % 4].token(TokenOptions::new().min_validity(Duration::ZERO)));
    let tokens = futures_util::future::join_all(calls).await;
    let newest = world.token("work").await.expect("fresh");
    for token in tokens {
        let token = token.expect("they wait instead of failing");
        assert_eq!(token.as_str(), newest.as_str(), "nobody gets the dead one");
    }
    assert_eq!(api_status(&idp, newest.as_str()).await, 200);
    assert_eq!(idp.ledger().refreshes(), 1, "200 callers, one exchange");
}

#[tokio::test]
async fn after_a_sleep_the_first_caller_waits_for_the_refresh_and_never_gets_the_dead_token() {
    let idp = Idp::start(short_lived(2.0)).await;
    let world = World::signed_in(&idp).await;
    let first = world.token("work").await.expect("signed in");
    world.keeper().signal(Signal::STOP);
    assert!(ends(&idp, first.as_str()).await, "the token ends while the keeper sleeps");
    let account = world.account("work").await;
    let call = tokio::spawn(async move { account.token(TokenOptions::new().min_validity(Duration::ZERO)).await });
    world.keeper().signal(Signal::CONT);
    let second = call.await.expect("no panic").expect("refreshed on demand");
    assert_eq!(api_status(&idp, second.as_str()).await, 200);
}

#[tokio::test]
async fn sigterm_in_the_middle_of_an_exchange_finishes_and_saves_it() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::signed_in(&idp).await;
    idp.plan(Fault::hang(1.0).after_commit());
    let account = world.account("work").await;
    let refresh = tokio::spawn(async move { account.refresh().await });
    assert!(idp.ledger().until(PATIENCE, |ledger| ledger.rotations() == 1).await, "the server has rotated");
    let ended = world.take_keeper().terminate(Duration::from_secs(20)).await;
    assert_eq!(ended, Some(0));
    drop(refresh.await);
    world.start_keeper().await;
    world.account("work").await.refresh().await.expect("the successor was saved");
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

/// A32: a refresh token that died is mended by one path, a new login.
#[tokio::test]
async fn a_login_that_the_server_ended_says_so_and_a_new_one_mends_it() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    idp.revoke_all();
    let refused = world.account("work").await.refresh().await.expect_err("the server ended it");
    assert_eq!(refused.name(), Some(tokenkeeper::wire::ErrorName::LoginRequired), "{refused}");
    world.until("work", |status| status.state == AccountState::LoginRequired).await;
    world.sign_in("work").await;
    world.token("work").await.expect("there is a token");
}

#[tokio::test]
async fn being_offline_is_not_being_logged_out() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    for deed in [
        Deed::Reset,
        Deed::portal(200),
        Deed::portal(511),
        Deed::redirect("http://127.0.0.1:9/login"),
        Deed::slow_down_seconds(1),
        Deed::error(503, "temporarily_unavailable"),
    ] {
        idp.plan(Fault::token(deed));
        let refused = world.account("work").await.refresh().await;
        let name = refused.as_ref().err().and_then(tokenkeeper::Error::name);
        assert!(
            matches!(name, None | Some(tokenkeeper::wire::ErrorName::Unavailable)),
            "a refresh that fails for now is no end: {refused:?}"
        );
        idp.clear_faults();
        assert!(world.token("work").await.is_ok(), "the old token is still served");
    }
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

#[tokio::test]
async fn after_lock_nobody_gets_a_token_and_unlock_brings_it_back_without_the_network() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let client = world.client().await;
    client.vault().lock().await.expect("it locks");
    let refused = world.token("work").await.expect_err("locked");
    assert_eq!(refused.name(), Some(tokenkeeper::wire::ErrorName::Locked), "{refused}");
    client.vault().unlock().await.expect("it begins").wait().await.expect("the key file opens it");
    world.token("work").await.expect("there is a token");
    assert_eq!(idp.ledger().refreshes(), 0);
}

async fn api_status(idp: &Idp, token: &str) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().expect("constants");
    let request = client.get(format!("{}/api", idp.base())).header("authorization", format!("Bearer {token}"));
    request.send().await.expect("the server answers").status().as_u16()
}

/// Waits until the server no longer takes a token.
async fn ends(idp: &Idp, token: &str) -> bool {
    let wait = async { while api_status(idp, token).await == 200 {} };
    tokio::time::timeout(PATIENCE, wait).await.is_ok()
}
