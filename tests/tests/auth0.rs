//! Auth0's page "Get Refresh Tokens", step by step, against a server with Auth0's manners.

use std::time::Duration;

use tokenkeeper::{AccountState, TokenKind, TokenOptions};
use tokenkeeper_tests::idp::{Client, ClientAuth, Event, Idp, Offline, Rotation, Settings};
use tokenkeeper_tests::world::{World, account_as, text};

const AUDIENCE: &str = "https://api.acme.example";

fn definition(idp: &Idp, more: &str) -> String {
    account_as("work", idp, &format!("{more}audience = \"{AUDIENCE}\"\n"))
}

fn claims(jwt: &str) -> serde_json::Value {
    use base64::Engine as _;
    let payload = jwt.split('.').nth(1).expect("a JWT has three parts");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice(&bytes).expect("claims")
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
