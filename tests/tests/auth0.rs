//! Auth0's page "Get Refresh Tokens", step by step, against a server with Auth0's manners.

use std::time::Duration;

use tokenkeeper::wire::ErrorName;
use tokenkeeper::{AccountState, TokenKind, TokenOptions};
use tokenkeeper_tests::clock;
use tokenkeeper_tests::idp::{Client, ClientAuth, Deed, Event, Fault, Idp, Offline, Rotation, Settings};
use tokenkeeper_tests::world::{World, account_as, claims, text};

const AUDIENCE: &str = "https://api.acme.example";

fn definition(idp: &Idp, more: &str) -> String {
    account_as("work", idp, &format!("{more}audience = \"{AUDIENCE}\"\n"))
}

async fn the_whole_page(idp: &Idp, world: &World) {
    // "Get refresh tokens": authorize with audience and offline_access, exchange the code.
    let page = world.sign_in("work").await;
    assert_eq!(page.status, 200);
    let account = world.account("work").await;
    let first = account.token(TokenOptions::new()).await.expect("signed in");
    assert_eq!(claims(first.as_str())["aud"][0], AUDIENCE);
    let first_id = account.token(TokenOptions::new().kind(TokenKind::Id)).await.expect("openid was asked");

    // "Use refresh tokens": a new access token and a renewed id token.
    account.refresh().await.expect("the server answers");
    let second = account.token(TokenOptions::new()).await.expect("refreshed");
    assert_ne!(first.as_str(), second.as_str());
    assert!(second.generation() > first.generation());
    assert_eq!(claims(second.as_str())["aud"][0], AUDIENCE);
    let second_id = account.token(TokenOptions::new().kind(TokenKind::Id)).await.expect("renewed");
    assert_ne!(first_id.as_str(), second_id.as_str(), "the id token is renewed too");
    assert_eq!(claims(first_id.as_str())["sub"], claims(second_id.as_str())["sub"]);

    // "Revoke refresh tokens": logout ends the login at the server.
    account.logout().await.expect("the server answers");
    let revoked = idp
        .ledger()
        .until(Duration::from_secs(10), |ledger| ledger.count(|event| matches!(event, Event::Revoked { .. })) == 1);
    assert!(revoked.await, "the server heard of it");
    world.until("work", |status| status.state == AccountState::LoggedOut).await;
}

#[tokio::test]
async fn a_public_client_needs_no_secret() {
    let idp = Idp::start(Settings::auth0()).await;
    let world = World::with(&definition(&idp, "client_id = \"desktop\"\n")).await;
    the_whole_page(&idp, &world).await;
}

#[tokio::test]
async fn a_confidential_client_posts_its_secret() {
    let secret = "s3cret&=? with \"odd\" bytes";
    let clients = vec![Client::confidential("site", ClientAuth::Post, secret)];
    let idp = Idp::start(Settings { clients, ..Settings::auth0() }).await;
    let file = tempfile::NamedTempFile::new().expect("room for a file");
    #[allow(clippy::disallowed_methods, reason = "a test's file need not be durable")]
    std::fs::write(file.path(), format!("{secret}\n")).expect("ours");
    let more =
        format!("client_id = \"site\"\nclient_auth = \"post\"\nclient_secret_file = \"{}\"\n", file.path().display());
    let world = World::with(&definition(&idp, &more)).await;
    the_whole_page(&idp, &world).await;
}

#[tokio::test]
async fn a_secret_in_the_vault_works_with_basic_authentication() {
    let idp = Idp::start(Settings { dialect: tokenkeeper_tests::idp::Dialect::Auth0, ..Settings::auth0() }).await;
    let world = World::with(&definition(&idp, "client_id = \"basic\"\nclient_auth = \"basic\"\n")).await;
    let request = world.account("work").await.set_secret().await.expect("it may be set");
    request.input(&[("client_secret", "a:b%+ü/c d".as_bytes())]).await.expect("the keeper takes it");
    request.wait().await.expect("it is stored");
    the_whole_page(&idp, &world).await;
}

#[tokio::test]
async fn a_server_that_does_not_rotate_keeps_its_refresh_token() {
    let idp = Idp::start(Settings { rotation: Rotation::None, ..Settings::auth0() }).await;
    let world = World::with(&definition(&idp, "client_id = \"desktop\"\n")).await;
    the_whole_page(&idp, &world).await;
}

#[tokio::test]
async fn without_offline_access_the_login_fails_with_the_checklist() {
    let idp = Idp::start(Settings { offline: Offline::Never, ..Settings::auth0() }).await;
    let world = World::with(&definition(&idp, "provider = \"auth0\"\nclient_id = \"desktop\"\n")).await;
    let (page, outcome) = world.try_sign_in("work").await;
    let why = outcome.expect_err("no refresh token came").to_string();
    for hint in ["offline_access", "Allow Offline Access", "audience", "Refresh Token", "OIDC"] {
        assert!(why.contains(hint), "{hint} is missing in: {why}");
    }
    assert!(page.body.contains("Allow Offline Access"), "the page says it too: {}", page.body);
}

#[tokio::test]
async fn the_shell_sees_the_same() {
    let idp = Idp::start(Settings::auth0()).await;
    let world = World::with(&definition(&idp, "client_id = \"desktop\"\n")).await;
    world.sign_in("work").await;
    let (out, err) = text(&world.run("tokenkeeper", &["token", "work"]).await);
    let token = world.token("work").await.expect("signed in");
    assert_eq!(out, format!("{}\n", token.as_str()), "{err}");
}

/// S6: "Rotation Overlap Period": the token of a lost answer is sent once more, and brings a new one.
#[tokio::test]
async fn with_an_overlap_a_lost_answer_costs_nothing() {
    let idp = Idp::start(Settings { rotation: Rotation::window(30.0), ..Settings::auth0() }).await;
    let world = World::with(&definition(&idp, "client_id = \"desktop\"\nreplay_window = \"30s\"\n")).await;
    world.sign_in("work").await;
    let first = world.token("work").await.expect("signed in");
    idp.plan(Fault::token(Deed::Reset).after_commit());
    // Whoever cannot use the old one waits for the repetition.
    let account = world.account("work").await;
    let cannot_use = TokenOptions::new().rejected(first.generation());
    let second = account.token(cannot_use).await.expect("the overlap is long enough");
    assert_ne!(first.as_str(), second.as_str());
    assert_eq!(idp.ledger().refreshes(), 2, "the lost one and its repetition");
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

/// S6: without one the good token is served on, the lost one is tried once when nothing else is left, and then a person is asked.
#[tokio::test]
async fn without_an_overlap_a_lost_answer_ends_the_login_once_and_says_why() {
    let idp = Idp::start(Settings::auth0()).await;
    let world = World::with(&definition(&idp, "client_id = \"desktop\"\nreplay_window = \"0s\"\n")).await;
    world.sign_in("work").await;
    idp.plan(Fault::token(Deed::Reset).after_commit());
    let account = world.account("work").await;
    account.refresh().await.expect_err("nobody knows what became of it");
    let token = world.token("work").await.expect("the good token is served on");
    assert_eq!(idp.ledger().refreshes(), 1, "the one repetition is kept for when it is needed");
    let cannot_use = TokenOptions::new().rejected(token.generation());
    let ended = account.token(cannot_use).await.expect_err("somebody cannot use the good one");
    assert_eq!(ended.name(), Some(ErrorName::LoginRequired), "{ended}");
    assert_eq!(idp.ledger().refreshes(), 2);
    let status = world.until("work", |status| status.state == AccountState::LoginRequired).await;
    let (_, why) = status.last_error.expect("it says why");
    assert!(why.contains("the server's answer was lost at "), "{why}");
    world.sign_in("work").await;
    world.token("work").await.expect("a new login mends it");
}

/// "Multi-resource refresh tokens": one login, a token for each API, each with its `aud`, and each exchange rotates.
#[tokio::test]
async fn one_login_serves_every_api_of_its_policies() {
    const OTHER: &str = "https://billing.acme.example";
    let audiences = vec![AUDIENCE.to_owned(), OTHER.to_owned()];
    let idp = Idp::start(Settings { audiences, ..Settings::auth0() }).await;
    let more = format!("client_id = \"desktop\"\naudiences = [\"{OTHER}\"]\n");
    let world = World::with(&definition(&idp, &more)).await;
    world.sign_in("work").await;
    let account = world.account("work").await;
    let billing = account.token(TokenOptions::new().audience(OTHER)).await.expect("the server has a policy for it");
    assert_eq!(claims(billing.as_str())["aud"][0], OTHER);
    let default = account.token(TokenOptions::new()).await.expect("the first one is still good");
    assert_eq!(claims(default.as_str())["aud"][0], AUDIENCE);
    account.refresh().await.expect("the token that rotated is the one sent");
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

/// Auth0 answers for the default API without a word when it has no policy for the one that was asked for.
#[tokio::test]
async fn a_token_for_another_api_than_asked_is_not_served_and_costs_no_login() {
    const UNKNOWN: &str = "https://forgotten.acme.example";
    let idp = Idp::start(Settings::auth0()).await;
    let more = format!("client_id = \"desktop\"\naudiences = [\"{UNKNOWN}\"]\n");
    let world = World::with(&definition(&idp, &more)).await;
    world.sign_in("work").await;
    let account = world.account("work").await;
    let refused = account.token(TokenOptions::new().audience(UNKNOWN)).await.expect_err("it is for somebody else");
    assert!(refused.to_string().contains(UNKNOWN), "{refused}");
    assert_eq!(idp.ledger().rotations(), 1, "the refresh token that came with it");
    account.refresh().await.expect("was stored");
    let token = account.token(TokenOptions::new()).await.expect("and the default API is served");
    assert_eq!(claims(token.as_str())["aud"][0], AUDIENCE);
}

#[tokio::test]
async fn a_login_that_the_tenant_ended_is_told_by_its_403() {
    let idp = Idp::start(Settings::auth0()).await;
    let world = World::with(&definition(&idp, "client_id = \"desktop\"\n")).await;
    world.sign_in("work").await;
    idp.revoke_all();
    let ended = world.account("work").await.refresh().await.expect_err("the login has ended");
    assert_eq!(ended.name(), Some(ErrorName::LoginRequired), "{ended}");
    assert!(ended.to_string().contains("Unknown or invalid refresh token."), "{ended}");
    world.sign_in("work").await;
    world.account("work").await.refresh().await.expect("a new login mends it");
}

#[tokio::test]
async fn a_blocked_user_is_told_so() {
    let idp = Idp::start(Settings::auth0()).await;
    let world = World::with(&definition(&idp, "client_id = \"desktop\"\n")).await;
    world.sign_in("work").await;
    idp.plan(Fault::token(Deed::json(403, r#"{"error":"invalid_grant","error_description":"user is blocked"}"#)));
    let ended = world.account("work").await.refresh().await.expect_err("the user is blocked");
    assert_eq!(ended.name(), Some(ErrorName::LoginRequired), "{ended}");
    assert!(ended.to_string().contains("user is blocked"), "{ended}");
}

/// `api.access.deny()` keeps the refresh token, `api.refreshToken.revoke()` ends it, and the answer is the same: the login is kept
/// until the server says otherwise.
#[tokio::test]
async fn an_action_that_denies_costs_no_login() {
    let idp = Idp::start(Settings::auth0()).await;
    let world = World::with(&definition(&idp, "client_id = \"desktop\"\n")).await;
    world.sign_in("work").await;
    let account = world.account("work").await;
    let denial = r#"{"error":"access_denied","error_description":"Not from this network"}"#;
    idp.plan(Fault::token(Deed::json(403, denial)));
    let denied = account.refresh().await.expect_err("the Action denies");
    assert_ne!(denied.name(), Some(ErrorName::LoginRequired), "{denied}");
    assert!(denied.to_string().contains("Not from this network"), "{denied}");
    world.token("work").await.expect("the good token is served on");
    account.refresh().await.expect("the same refresh token, from the office");
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

/// The limiter's answer is a line of text, and when to come back stands in a header as unix seconds.
#[tokio::test]
async fn the_limiters_reset_is_waited_for() {
    const QUIET: u64 = 3;
    let idp = Idp::start(Settings::auth0()).await;
    let world = World::with(&definition(&idp, "client_id = \"desktop\"\n")).await;
    world.sign_in("work").await;
    let reset = clock::wall().as_secs() + QUIET;
    let headers =
        [("content-type", "text/plain"), ("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", &reset.to_string())];
    idp.plan(Fault::token(Deed::Say {
        status: 429,
        headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        body: "Too many requests. Check the X-RateLimit-Limit header".to_owned(),
    }));
    let account = world.account("work").await;
    let told = account.refresh().await;
    assert!(told.is_err(), "the limiter answered");
    account.refresh().await.expect("it waits until the server may be asked");
    assert!(clock::wall().as_secs() >= reset, "it came back too early");
    assert_eq!(idp.ledger().refreshes(), 2);
}
