//! Signing in by a code that is typed elsewhere (RFC 8628), at a server with the manners of several: what the person is
//! shown, how often the server is asked, and that it is asked no more once it has answered. The ledger tells.

use std::process::Stdio;

use tokenkeeper::wire::ErrorName;
use tokenkeeper::{AccountState, Login, LoginOptions, RequestState};
use tokenkeeper_tests::clock;
use tokenkeeper_tests::idp::{Deed, Dialect, Endpoint, Event, Fault, Idp, Ledger, Settings};
use tokenkeeper_tests::person;
use tokenkeeper_tests::programs;
use tokenkeeper_tests::world::{PATIENCE, World, account_as, text};
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// A server that waits for the person; its access tokens live so long that they are refreshed after three seconds.
fn patient() -> Settings {
    Settings { device_consent: None, access_lifetime: 6.0, ..Settings::default() }
}

async fn begin(world: &World) -> Login {
    world.account("work").await.login(LoginOptions::new().flow("device")).await.expect("a code comes")
}

/// Opens the address that has the code in it, and allows.
async fn allow(login: &Login) {
    let page = person::open(login.uri.as_deref().expect("an address")).await.expect("the server answers");
    assert!(page.body.contains("The device is connected"), "{}", page.body);
}

async fn end(login: &Login) -> Result<tokenkeeper::Outcome, tokenkeeper::Error> {
    tokio::time::timeout(PATIENCE, login.request.wait()).await.expect("the login ends")
}

fn is_poll(event: &Event) -> bool {
    matches!(event, Event::Received { grant, .. } if grant.ends_with(":device_code"))
}

async fn polled(ledger: &Ledger, times: usize) {
    assert!(ledger.until(PATIENCE, |ledger| ledger.count(is_poll) >= times).await, "{:?}", ledger.entries());
}

/// Milliseconds from the end of each answer to a poll to the arrival of the next poll.
fn pauses(ledger: &Ledger) -> Vec<u64> {
    let entries = ledger.entries();
    let polls: Vec<_> = entries.iter().filter(|entry| is_poll(&entry.event)).collect();
    let answered_at = |exchange| {
        let is_end = |event: &Event| matches!(event, Event::Sent { .. } | Event::Cut { .. });
        entries.iter().find(|entry| entry.exchange == exchange && is_end(&entry.event)).expect("it was answered").at_ms
    };
    // Both are rounded down.
    polls.windows(2).map(|pair| pair[1].at_ms + 1 - answered_at(pair[0].exchange)).collect()
}

/// S17: a second pair would have been given.
#[tokio::test]
async fn a_code_typed_elsewhere_signs_in_and_nobody_polls_after_that() {
    let idp = Idp::start(Settings { device_second_pair: true, ..patient() }).await;
    let world = World::with_account(&idp).await;
    let login = begin(&world).await;
    let (uri, code) = (login.uri.clone().expect("an address"), login.user_code.clone().expect("a code"));
    assert_eq!(uri, format!("{}/activate?user_code={code}", idp.base()));
    assert_eq!(login.verification_uri, Some(format!("{}/activate", idp.base())));
    let request = &login.request;
    assert_eq!((request.uri().await.expect("pending"), request.user_code().await.expect("pending")), (uri, code));
    let ends_in = request.expires_at().await.expect("pending") - clock::wall().as_secs();
    assert!((890..=900).contains(&ends_in), "{ends_in} s");
    assert!(request.wants().await.expect("pending").is_empty(), "nothing comes back from that page");

    polled(idp.ledger(), 2).await;
    let denied = world.token("work").await.expect_err("nobody waits for a person");
    assert_eq!(denied.name(), Some(ErrorName::LoginRequired));
    allow(&login).await;
    let outcome = end(&login).await.expect("the person allowed");
    assert_eq!(outcome.subject.as_deref(), Some("auth0|ada"));
    world.token("work").await.expect("signed in");
    assert!(pauses(idp.ledger()).iter().all(|pause| *pause >= 1_000), "{:?}", pauses(idp.ledger()));

    // The scheduled refresh comes three intervals later: had anybody polled again, a second pair would have been given.
    let polls = idp.ledger().count(is_poll);
    assert!(idp.ledger().until(PATIENCE, |ledger| ledger.refreshes() == 1).await, "{}", world.keeper().log());
    assert_eq!(idp.ledger().count(is_poll), polls);
}

/// A14: "not yet" at 403 and `slow_down` at 429, as Auth0 answers: five seconds more, for good.
#[tokio::test]
async fn auth0s_statuses_mean_go_on() {
    let idp = Idp::start(Settings { device_consent: None, ..Settings::auth0() }).await;
    let world = World::with_account(&idp).await;
    let login = begin(&world).await;
    polled(idp.ledger(), 1).await;
    idp.plan(Fault::token(Deed::error(429, "slow_down")));
    polled(idp.ledger(), 3).await;
    allow(&login).await;
    end(&login).await.expect("the person allowed");
    let refused = |error: &str| idp.ledger().count(|event| *event == Event::Refused { error: error.into() });
    assert!(refused("authorization_pending") >= 2, "{:?}", idp.ledger().entries());
    let pauses = pauses(idp.ledger());
    assert!(pauses[0] >= 1_000 && pauses[1..].iter().all(|pause| *pause >= 6_000), "{pauses:?}");
}

/// A14: every answer at 200, and `slow_down` with the new interval, as GitHub answers.
#[tokio::test]
async fn githubs_200s_mean_go_on() {
    let idp = Idp::start(Settings { dialect: Dialect::GitHub, ..patient() }).await;
    let world = World::with_account(&idp).await;
    let login = begin(&world).await;
    polled(idp.ledger(), 1).await;
    idp.plan(Fault::token(Deed::json(200, r#"{"error":"slow_down","interval":7}"#)));
    polled(idp.ledger(), 3).await;
    allow(&login).await;
    end(&login).await.expect("the person allowed");
    let pauses = pauses(idp.ledger());
    assert!(pauses[0] >= 1_000 && pauses[1..].iter().all(|pause| *pause >= 7_000), "{pauses:?}");
}

/// A14: 400, and no interval named: five seconds.
#[tokio::test]
async fn without_an_interval_five_seconds_lie_between_polls() {
    let patch = serde_json::json!({ "interval": null, "verification_uri_complete": null });
    let idp = Idp::start(Settings { device_patch: patch.as_object().cloned().expect("an object"), ..patient() }).await;
    let world = World::with_account(&idp).await;
    let login = begin(&world).await;
    assert_eq!(login.uri, login.verification_uri, "there is no address with the code in it");
    polled(idp.ledger(), 2).await;
    let code = login.user_code.clone().expect("a code");
    person::open(&format!("{}?user_code={code}", login.uri.as_deref().expect("an address"))).await.expect("answers");
    end(&login).await.expect("the person allowed");
    assert!(pauses(idp.ledger()).iter().all(|pause| *pause >= 5_000), "{:?}", pauses(idp.ledger()));
}

/// A15: Auth0 says `expired_token` exactly once, then `invalid_grant`. Whichever is heard, the person hears one sentence.
#[tokio::test]
async fn a_code_that_expired_is_told_once_and_not_polled_again() {
    for answer_is_lost in [false, true] {
        let idp = Idp::start(Settings { device_lifetime: 0.0, device_consent: None, ..Settings::auth0() }).await;
        if answer_is_lost {
            idp.plan(Fault::token(Deed::Reset).after_commit());
        }
        let world = World::with_account(&idp).await;
        let login = begin(&world).await;
        let told = end(&login).await.expect_err("it expired").to_string();
        assert!(told.contains("the code is no longer good"), "{told}");
        assert_eq!(end(&login).await.expect_err("it has ended").to_string(), told, "the same, however often one asks");
        let polls = idp.ledger().count(is_poll);
        assert_eq!(polls, if answer_is_lost { 2 } else { 1 });
        // A new code's first poll comes an interval later, and none for the old one with it.
        idp.set(|settings| settings.device_lifetime = 900.0);
        let again = begin(&world).await;
        allow(&again).await;
        end(&again).await.expect("the person allowed");
        assert_eq!(idp.ledger().count(is_poll), polls + 1);
    }
}

#[tokio::test]
async fn a_code_nobody_types_ends_by_its_own_lifetime() {
    let patch = serde_json::json!({ "expires_in": 2 });
    let idp = Idp::start(Settings { device_patch: patch.as_object().cloned().expect("an object"), ..patient() }).await;
    let world = World::with_account(&idp).await;
    let told = end(&begin(&world).await).await.expect_err("nobody typed it").to_string();
    assert!(told.contains("nobody entered the code within 2 seconds"), "{told}");
    world.until("work", |status| status.state == AccountState::LoginRequired).await;
}

#[tokio::test]
async fn a_person_who_says_no_ends_it() {
    let idp = Idp::start(Settings { device_consent: Some(false), ..patient() }).await;
    let world = World::with_account(&idp).await;
    let denied = end(&begin(&world).await).await.expect_err("the person said no");
    assert_eq!(denied.name(), Some(ErrorName::NotPermitted), "{denied}");
    assert_eq!(idp.ledger().count(is_poll), 1);
}

#[tokio::test]
async fn a_login_given_up_is_polled_for_no_more() {
    let idp = Idp::start(patient()).await;
    let world = World::with_account(&idp).await;
    let login = begin(&world).await;
    polled(idp.ledger(), 1).await;
    login.request.cancel().await.expect("it may be given up");
    assert_eq!(login.request.state().await.expect("it is remembered"), RequestState::Cancelled);
    let polls = idp.ledger().count(is_poll);
    // Somebody allows the old code all the same; a login by another takes at least an interval.
    allow(&login).await;
    let again = begin(&world).await;
    allow(&again).await;
    end(&again).await.expect("the person allowed");
    assert_eq!(idp.ledger().count(is_poll), polls + 1, "only the new code was polled");
}

#[tokio::test]
async fn answers_that_are_lost_end_nothing() {
    let idp = Idp::start(patient()).await;
    let world = World::with_account(&idp).await;
    let login = begin(&world).await;
    idp.plan(Fault::token(Deed::Reset));
    idp.plan(Fault::token(Deed::portal(200)));
    idp.plan(Fault::token(Deed::error(500, "server_error")));
    polled(idp.ledger(), 3).await;
    allow(&login).await;
    end(&login).await.expect("the person allowed");
    let pauses = pauses(idp.ledger());
    assert!(pauses[0] >= 2_000 && pauses[1] >= 4_000 && pauses[2] >= 8_000, "ever more rarely: {pauses:?}");
}

#[tokio::test]
async fn quiet_that_is_wanted_at_a_poll_is_kept_by_refreshes_too() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    idp.set(|settings| settings.device_consent = None);
    let login = begin(&world).await;
    let asked = clock::wall().as_millis();
    idp.plan(Fault::token(Deed::slow_down_seconds(4)));
    polled(idp.ledger(), 1).await;
    let sent = idp.ledger().until(PATIENCE, |ledger| ledger.count(|event| *event == Event::Sent { status: 429 }) == 1);
    assert!(sent.await, "{:?}", idp.ledger().entries());
    world.until("work", |status| status.state == AccountState::Unavailable).await;
    world.account("work").await.refresh().await.expect("it waits until the server may be asked");
    polled(idp.ledger(), 2).await;
    let is_request = |event: &Event| matches!(event, Event::Received { .. });
    let entries = idp.ledger().entries();
    let quiet_from = entries.iter().position(|entry| entry.event == Event::Sent { status: 429 }).expect("it was sent");
    let first = entries[quiet_from..].iter().find(|entry| is_request(&entry.event)).expect("it was asked again");
    assert!(first.at_ms + 1 >= entries[quiet_from].at_ms + 4_000, "{asked}: {entries:?}");
    allow(&login).await;
    end(&login).await.expect("the person allowed");
}

#[tokio::test]
async fn the_old_login_lives_until_the_new_one_is_durable() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    idp.set(|settings| settings.device_consent = None);
    let login = begin(&world).await;
    polled(idp.ledger(), 1).await;
    world.account("work").await.refresh().await.expect("between polls");
    let before = world.token("work").await.expect("the old login serves");
    allow(&login).await;
    end(&login).await.expect("the person allowed");
    let after = world.token("work").await.expect("the new login serves");
    assert!(after.generation() > before.generation() && after.as_str() != before.as_str());
}

#[tokio::test]
async fn a_server_without_codes_says_so_and_one_that_fails_too() {
    let patch = serde_json::json!({ "device_authorization_endpoint": null });
    let idp =
        Idp::start(Settings { metadata_patch: patch.as_object().cloned().expect("an object"), ..patient() }).await;
    let world = World::with_account(&idp).await;
    let account = world.account("work").await;
    let refused = account.login(LoginOptions::new().flow("device")).await.err().expect("there is none");
    assert_eq!(refused.name(), Some(ErrorName::NotSupported), "{refused}");

    let idp = Idp::start(patient()).await;
    let world = World::with_account(&idp).await;
    idp.plan(Fault::token(Deed::error(403, "unauthorized_client")).at(Endpoint::Device));
    let account = world.account("work").await;
    let refused = account.login(LoginOptions::new().flow("device")).await.err().expect("not for this client");
    assert_eq!(refused.name(), Some(ErrorName::Misconfigured), "{refused}");
}

#[tokio::test]
async fn the_shell_shows_address_and_code_where_there_is_no_display() {
    let idp = Idp::start(Settings { dialect: Dialect::Auth0, ..patient() }).await;
    let world = World::with(&account_as("work", &idp, "client_id = \"desktop\"\nflow = \"auto\"\n")).await;
    let mut command = world.command(programs::ours("tokenkeeper"));
    let mut signing_in = command.args(["login", "work"]).stdin(Stdio::null()).spawn().expect("it can be started");
    let mut said = BufReader::new(signing_in.stderr.take().expect("it was piped")).lines();
    let mut lines = Vec::new();
    let code = loop {
        let line = said.next_line().await.expect("text").expect("it prints a code");
        if let Some((_, code)) = line.split_once("this code: ") {
            break code.to_owned();
        }
        lines.push(line);
    };
    let place = format!("{}/activate", idp.base());
    assert!(lines.contains(&place), "the short address stands alone on its line: {lines:?}");
    person::open(&format!("{place}?user_code={code}")).await.expect("the server answers");
    let output = signing_in.wait_with_output().await.expect("it ends");
    assert!(output.status.success(), "{}", world.keeper().log());
    let (token, fault) = text(&world.run("tokenkeeper", &["token", "work"]).await);
    assert!(!token.is_empty(), "{fault}");
}
