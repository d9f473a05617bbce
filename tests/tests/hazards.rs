//! Other ways to lose a login, one by one: answers cut on their way, two keepers at once, a copied home, a clock that
//! jumps, many callers who want different things of one login.

use std::time::Duration;

use tokenkeeper::{AccountState, LoginOptions, TokenOptions};
use tokenkeeper_tests::clock;
use tokenkeeper_tests::idp::{Deed, Entry, Event, Fault, Idp, Settings};
use tokenkeeper_tests::keeper::Keeper;
use tokenkeeper_tests::programs;
use tokenkeeper_tests::sweep::{Class, Oracle, is_there, say, signed_in};
use tokenkeeper_tests::world::{PATIENCE, World, account_as};

const DAY: i64 = 24 * 3600;

/// S6: the server rotated and its answer was lost: what it allows is asked for, once more or again and again, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_cut_after_the_commit_costs_a_login_only_at_a_strict_server() {
    for class in Class::ALL {
        for deed in [Deed::Reset, Deed::ResetAfterHead, Deed::HalfBody, Deed::error(502, "server_error")] {
            let story = format!("{class:?}, {deed:?}");
            let idp = Idp::start(Settings { rotation: class.rotation(), ..Settings::default() }).await;
            let world = signed_in(&idp, class).await;
            let account = world.account("work").await;
            let mut oracle = Oracle::default();
            oracle.begin(&idp);
            idp.plan(Fault::token(deed).after_commit());
            let _ = account.refresh().await;
            assert!(world.token("work").await.is_ok(), "{story}: the good token is served on");
            let replays = idp.ledger().refreshes() - 1;
            assert!(class != Class::Strict || replays == 0, "{story}: the one replay is kept for when it is needed");
            if !is_there(&account, &story).await {
                oracle.lost(&idp, class, false, &story);
                let (_, why) = account.status().await.expect("it exists").last_error.expect("it says why");
                assert!(why.contains("the server's answer was lost at "), "{story}: {why}");
            }
            oracle.check(&idp, &story);
        }
    }
}

#[tokio::test]
async fn of_two_keepers_one_serves_and_the_other_says_so() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = signed_in(&idp, Class::Strict).await;
    world.take_keeper().kill().await;
    let (mut one, mut other) = (Keeper::spawn(world.daemon()), Keeper::spawn(world.daemon()));
    let (code, loser) = tokio::select! {
        code = one.ended() => (code, one),
        code = other.ended() => (code, other),
    };
    assert_eq!(code, Some(1));
    let said = loser.whole_log().await;
    assert!(said.contains("another keeper"), "{said}");
    let account = world.account("work").await;
    let served = async { while account.refresh().await.is_err() {} };
    tokio::time::timeout(PATIENCE, served).await.expect("the first one serves");
    assert_eq!(idp.ledger().refreshes(), 1);
}

#[tokio::test]
async fn a_copied_home_is_held_until_it_is_adopted() {
    let works = std::process::Command::new("unshare").args(["-m", "true"]).output();
    if !works.is_ok_and(|done| done.status.success()) {
        return say("skipped: a copied home: only root may give a process another machine id");
    }
    let idp = Idp::start(Settings::default()).await;
    let mut world = signed_in(&idp, Class::Strict).await;
    world.take_keeper().kill().await;

    world.write("home/machine-id", "0123456789abcdef0123456789abcdef\n");
    let mut elsewhere = world.command("unshare");
    elsewhere.args(["-m", "sh", "-c", "mount --bind \"$1\" /etc/machine-id && shift && exec \"$@\"", "sh"]);
    elsewhere.arg(world.path("home/machine-id")).arg(programs::ours("tokenkeeperd")).arg("--allow-root");
    world.start_keeper_as(elsewhere).await;
    let account = world.account("work").await;
    assert_eq!(account.status().await.expect("it exists").state, AccountState::Held);
    let refused = account.refresh().await.expect_err("the other machine may still use the login");
    assert_eq!(refused.name(), Some(tokenkeeper::wire::ErrorName::Held), "{refused}");
    assert_eq!(idp.ledger().refreshes(), 0);

    let login = account.login(LoginOptions::new().adopt()).await.expect("it begins");
    login.request.wait().await.expect("the vault is this machine's now");
    account.refresh().await.expect("and the login with it");
}

#[tokio::test]
async fn a_clock_that_jumps_a_day_serves_no_expired_token_and_loses_nothing() {
    let Some(library) = programs::faketime() else {
        return say("skipped: a clock that jumps: libfaketime is not installed");
    };
    for jump in [DAY, -DAY] {
        let idp = Idp::start(Settings { access_lifetime: 3600.0, ..Settings::default() }).await;
        let mut world = World::bare().await;
        world.write_config(&account_as("work", &idp, Class::Strict.definition()));
        world.init_vault().await;
        world.write("home/faketime", "+0");
        let mut command = world.daemon();
        // Only the wall clock jumps: the others do not, on any machine.
        command.env("LD_PRELOAD", &library).env("FAKETIME_DONT_FAKE_MONOTONIC", "1").env("FAKETIME_NO_CACHE", "1");
        command.env("FAKETIME_TIMESTAMP_FILE", world.path("home/faketime"));
        world.start_keeper_as(command).await;
        world.sign_in("work").await;
        world.write("home/faketime", &format!("{jump:+}"));

        let now = clock::wall().as_secs().saturating_add_signed(jump);
        let token = world.token("work").await.expect("there is a token, or there will be");
        let valid = api_status(&idp, token.as_str()).await;
        assert_eq!(valid, 200, "jump of {jump} s: the server takes what the keeper serves");
        assert!(token.expires_at() > now, "jump of {jump} s: by the clock as it is now, too");
        assert!(world.account("work").await.refresh().await.is_ok());
        assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
    }
}

/// S5: callers who want different tokens of one login take turns.
#[tokio::test(flavor = "multi_thread")]
async fn three_audiences_of_one_login_are_never_in_flight_at_once() {
    let audiences = ["https://a.example", "https://b.example", "https://c.example"];
    let settings = Settings { audiences: audiences.map(str::to_owned).into(), ..Settings::default() };
    let idp = Idp::start(settings).await;
    let definition = format!("client_id = \"desktop\"\naudiences = {audiences:?}\n");
    let world = World::with(&account_as("work", &idp, &definition)).await;
    world.sign_in("work").await;
    let account = world.account("work").await;
    idp.plan(Fault::hang(0.1).times(0));
    let calls = (0..50).map(|n| {
        let options = TokenOptions::new().audience(audiences[n % 3]).timeout(Duration::from_secs(60));
        account.token(options)
    });
    for token in futures_util::future::join_all(calls).await {
        token.unwrap_or_else(|why| panic!("{why}\n{}", world.keeper().log()));
    }
    let entries = idp.ledger().entries();
    assert_eq!(idp.ledger().refreshes(), 3, "one exchange for each audience");
    assert_eq!(most_in_flight(&entries), 1);
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

#[tokio::test]
async fn a_refresh_that_one_caller_waited_for_is_published_to_all() {
    let idp = Idp::start(Settings::default()).await;
    let world = signed_in(&idp, Class::Strict).await;
    let old = world.token("work").await.expect("signed in").generation();
    let new = world.account("work").await.token(TokenOptions::new().rejected(old)).await.expect("refreshed");
    assert!(new.generation() > old);
    world.until("work", |status| status.generation == new.generation()).await;
}

/// How many exchanges there were at once: received and not yet sent whole.
fn most_in_flight(entries: &[Entry]) -> usize {
    let (mut now, mut most) = (0, 0);
    for entry in entries {
        match entry.event {
            Event::Received { .. } => now += 1,
            Event::Sent { .. } | Event::Cut { .. } => now -= 1,
            Event::Committed { .. }
            | Event::Reused { .. }
            | Event::Revoked { .. }
            | Event::Introspected { .. }
            | Event::Refused { .. } => {}
            Event::Registered { .. } | Event::Unregistered { .. } => {}
        }
        most = most.max(now);
    }
    most
}

async fn api_status(idp: &Idp, token: &str) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().expect("constants");
    let request = client.get(format!("{}/api", idp.base())).header("authorization", format!("Bearer {token}"));
    request.send().await.expect("the server answers").status().as_u16()
}
