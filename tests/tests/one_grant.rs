//! One grant over time: what a refresh may leave out, what it must repeat, and what it does to the tokens before.

use serde_json::{Value, json};
use tokenkeeper::wire::ErrorName;
use tokenkeeper::{AccountState, TokenKind, TokenOptions};
use tokenkeeper_tests::idp::{Deed, Event, Fault, Idp, Rotation, Settings};
use tokenkeeper_tests::world::{World, account_as};

/// The refresh tokens that were sent, as the ledger names them.
fn sent(idp: &Idp) -> Vec<String> {
    let entries = idp.ledger().entries().into_iter();
    let refreshed = |event| match event {
        Event::Received { grant, token, .. } if grant == "refresh_token" => Some(token),
        _ => None,
    };
    entries.filter_map(|entry| refreshed(entry.event)).collect()
}

/// A1: answers without a refresh token leave the one that was sent in force (RFC 6749 §6).
#[tokio::test]
async fn a_refresh_token_that_is_not_replaced_goes_on_through_a_kill() {
    let idp = Idp::start(Settings { rotation: Rotation::None, ..Settings::default() }).await;
    let mut world = World::signed_in(&idp).await;
    for _ in 0..2 {
        world.account("work").await.refresh().await.expect("the server answers");
    }
    world.kill_and_restart().await;
    world.account("work").await.refresh().await.expect("the login survived");
    let sent = sent(&idp);
    assert_eq!((sent.len(), &sent[0], &sent[1]), (3, &sent[1], &sent[2]));
}

/// A30: the server's keys changed since they were read for the last login: they are read once more, and the login goes on.
#[tokio::test]
async fn a_login_by_a_new_key_reads_the_keys_once_more() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    idp.set(|settings| settings.key_names = "2026-12".into());
    world.sign_in("work").await;
    let id = world.account("work").await.token(TokenOptions::new().kind(TokenKind::Id)).await.expect("it was verified");
    assert_eq!(header(id.as_str())["kid"], "rsa-2026-12");
}

/// A30: an ID token that does not hold makes no login, and the one before stays.
#[tokio::test]
async fn a_login_whose_id_token_does_not_hold_leaves_the_one_before() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let before = world.token("work").await.expect("signed in");
    for (claim, value) in [
        ("iss", json!("https://evil.example")),
        ("aud", json!("another-client")),
        ("azp", json!("another-client")),
        ("exp", json!(1)),
        ("iat", json!(99_999_999_999_u64)),
        ("nonce", json!("another")),
        ("sub", Value::Null),
        ("at_hash", json!("bm90LXRoZS1oYXNo")),
    ] {
        idp.set(|settings| settings.id_patch = [(claim.to_owned(), value.clone())].into_iter().collect());
        let (page, outcome) = world.try_sign_in("work").await;
        let why = outcome.expect_err(claim).to_string();
        assert!(why.contains("ID token"), "{claim}: {why}");
        assert!(page.body.contains("ID token"), "{claim}: the page says it too");
        assert_eq!(world.token("work").await.expect("as before").as_str(), before.as_str(), "{claim}");
    }
}

/// A31: at a refresh, another `nonce` or `auth_time` costs the ID token, another `iss` or `aud` holds the account.
#[tokio::test]
async fn a_refresh_speaks_of_the_login_that_was_made() {
    for (claim, value, holds) in [
        ("nonce", json!("another"), false),
        ("auth_time", json!(1), false),
        ("aud", json!("another-client"), true),
        ("iss", json!("https://evil.example"), true),
    ] {
        let idp = Idp::start(Settings::default()).await;
        let world = World::signed_in(&idp).await;
        let account = world.account("work").await;
        idp.set(|settings| settings.id_patch = [(claim.to_owned(), value.clone())].into_iter().collect());
        let refreshed = account.refresh().await;
        if holds {
            assert_eq!(refreshed.expect_err(claim).name(), Some(ErrorName::Held), "{claim}");
            continue;
        }
        refreshed.unwrap_or_else(|why| panic!("{claim}: {why}"));
        world.token("work").await.expect("the access token is served");
        world.keeper().says("the new ID token is not served").await;
        idp.set(|settings| settings.id_patch.clear());
        account.refresh().await.expect("the login is as it was");
        account.token(TokenOptions::new().kind(TokenKind::Id)).await.expect("and its ID token comes again");
    }
}

/// S8: a server that answers 500 to two token answers within a second: nobody is signed out, and the token is good later.
#[tokio::test]
async fn a_server_error_is_never_a_logout() {
    let idp = Idp::start(Settings { rotation: Rotation::window(60.0), ..Settings::default() }).await;
    let world = World::with(&account_as("work", &idp, "client_id = \"desktop\"\nreplay_window = \"60s\"\n")).await;
    world.sign_in("work").await;
    idp.plan(Fault::token(Deed::error(500, "invalid_grant")).times(2));
    let account = world.account("work").await;
    let _ = account.refresh().await;
    world.token("work").await.expect("served on");
    // The same token is good again a little later.
    world.until("work", |status| status.generation == 2 && status.state == AccountState::Ready).await;
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

/// S4: the token before dies at the refresh, so every caller has the new one at once.
#[tokio::test]
async fn where_a_refresh_kills_the_token_nobody_is_given_the_dead_one() {
    let idp = Idp::start(Settings { refresh_kills_token: true, ..Settings::default() }).await;
    let more = "client_id = \"desktop\"\nrefresh_kills_token = true\n";
    let world = World::with(&account_as("work", &idp, more)).await;
    world.sign_in("work").await;
    let (one, other) = (world.account("work").await, world.account("work").await);
    let dead = other.token(TokenOptions::new()).await.expect("signed in");
    one.refresh().await.expect("the server answers");
    let served = world.token("work").await.expect("refreshed");
    assert_ne!(served.as_str(), dead.as_str());
    let api = |token: String| {
        let address = format!("{}/api", idp.base());
        async move { reqwest::Client::new().get(address).bearer_auth(token).send().await.expect("it answers").status() }
    };
    assert_eq!(api(dead.as_str().to_owned()).await, 401);
    assert_eq!(api(served.as_str().to_owned()).await, 200);
}

fn header(jwt: &str) -> Value {
    use base64::Engine as _;
    let part = jwt.split('.').next().expect("a JWT");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).expect("base64url");
    serde_json::from_slice(&bytes).expect("a header")
}
