//! Everything that people, servers and disks get wrong: each has its own clear error and its remedy.

use std::net::TcpListener;
use std::time::Duration;

use tokenkeeper::wire::ErrorName;
use tokenkeeper::wire::proxy::{AccountProxy, Options};
use tokenkeeper::{AccountState, Error, LoginOptions, TokenOptions};
use tokenkeeper_tests::idp::{Consent, Event, Idp, Settings};
use tokenkeeper_tests::world::{World, account, account_as, text};
use tokenkeeper_tests::{clock, person};
use url::Url;
use zbus::Variant;

fn name(result: &Error) -> Option<ErrorName> {
    result.name()
}

/// Nothing at all was exchanged for tokens.
fn no_exchange(idp: &Idp) {
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Received { .. })), 0, "no token call was made");
}

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.to_lowercase().contains(&word.to_lowercase()), "`{word}` is missing in: {text}");
    }
}

// --- configuration

#[tokio::test]
async fn an_unknown_key_is_named_with_its_place_and_spoils_its_account_only() {
    let idp = Idp::start(Settings::default()).await;
    let good = account("work", &idp);
    let bad = account_as("typo", &idp, "client_id = \"desktop\"\nscops = [\"openid\"]\n");
    let world = World::with(&format!("{good}{bad}")).await;
    let status = world.until("typo", |status| status.state == AccountState::Misconfigured).await;
    says(&status.last_error.expect("it says why").1, &["scops"]);
    world.sign_in("work").await;
    let check = world.run("tokenkeeper", &["config", "check"]).await;
    assert!(!check.status.success());
    let line = good.lines().count() + 4;
    let (found, summary) = text(&check);
    says(&format!("{found}{summary}"), &["config.toml", &format!(":{line}:"), "scops", "scopes"]);
}

#[tokio::test]
async fn an_http_issuer_that_is_no_loopback_is_refused() {
    let world = World::with("[account.work]\nissuer = \"http://sso.acme.example\"\nclient_id = \"x\"\n").await;
    let status = world.until("work", |status| status.state == AccountState::Misconfigured).await;
    says(&status.last_error.expect("it says why").1, &["https"]);
    let refused = world.token("work").await.expect_err("misconfigured");
    assert_eq!(name(&refused), Some(ErrorName::Misconfigured));
}

#[tokio::test]
async fn a_client_secret_file_that_is_not_there_is_a_fault_of_the_configuration() {
    let idp = Idp::start(Settings::default()).await;
    let missing = "client_id = \"basic\"\nclient_secret_file = \"/nonexistent/secret\"\n";
    let world = World::with(&account_as("work", &idp, missing)).await;
    let (page, outcome) = world.try_sign_in("work").await;
    let refused = outcome.expect_err("there is no secret to show");
    assert_eq!(name(&refused), Some(ErrorName::Misconfigured));
    says(&refused.to_string(), &["/nonexistent/secret"]);
    says(&page.body, &["/nonexistent/secret"]);
}

// --- servers

/// A11: the metadata are of the issuer that was asked for, or they are of nobody.
#[tokio::test]
async fn a_wrong_issuer_in_the_metadata_is_refused() {
    let idp = Idp::start(Settings::default()).await;
    idp.set(|settings| settings.claimed_issuer = Some("https://evil.example".into()));
    let world = World::with_account(&idp).await;
    let account = world.account("work").await;
    let refused = match account.login(LoginOptions::new().flow("browser")).await {
        Err(refused) => refused,
        Ok(login) => login.request.wait().await.expect_err("the metadata is somebody else's"),
    };
    says(&refused.to_string(), &["issuer", "https://evil.example"]);
    no_exchange(&idp);
}

#[tokio::test]
async fn denied_consent_is_told_on_the_page_and_to_the_caller() {
    let idp = Idp::start(Settings { consent: Consent::Deny, ..Settings::default() }).await;
    let world = World::with_account(&idp).await;
    let (page, outcome) = world.try_sign_in("work").await;
    says(&outcome.expect_err("denied").to_string(), &["denied"]);
    says(&page.body, &["work"]);
    no_exchange(&idp);
}

/// A13: `iss` is another server's, although its metadata are right.
#[tokio::test]
async fn an_answer_of_another_issuer_is_refused() {
    let idp = Idp::start(Settings { claimed_iss: Some("https://evil.example".into()), ..Settings::default() }).await;
    let world = World::with_account(&idp).await;
    let (_, outcome) = world.try_sign_in("work").await;
    says(&outcome.expect_err("a mix-up (RFC 9207)").to_string(), &["another server", "https://evil.example"]);
    no_exchange(&idp);
}

// --- the callback

/// A login that waits, and the address its browser would be sent back to, unvisited.
async fn waiting_login(world: &World) -> (tokenkeeper::Login, Url) {
    let login = world.account("work").await.login(LoginOptions::new().flow("browser")).await.expect("it begins");
    let address = login.uri.clone().expect("an address");
    let back = person::sent_to(&address).await.expect("the server answers").expect("a redirect");
    (login, Url::parse(&back).expect("an address"))
}

fn with_state(back: &Url, state: Option<&str>) -> String {
    let pairs: Vec<_> = back.query_pairs().into_owned().filter(|(name, _)| name != "state").collect();
    let mut back = back.clone();
    back.query_pairs_mut().clear().extend_pairs(pairs).extend_pairs(state.map(|state| ("state", state)));
    back.to_string()
}

/// A4: and a login that begins afterwards is none the worse.
#[tokio::test]
async fn a_wrong_or_missing_state_ends_the_login_before_anything_is_exchanged() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with_account(&idp).await;
    for state in [Some("forged"), None] {
        let (login, back) = waiting_login(&world).await;
        let page = person::open(&with_state(&back, state)).await.expect("the listener answers");
        assert!(page.status >= 400, "{} for {state:?}", page.status);
        says(&login.request.wait().await.expect_err("it is not our browser").to_string(), &["state"]);
        no_exchange(&idp);
    }
    world.sign_in("work").await;
}

/// A8: what the browser brings counts once, for the keeper too.
#[tokio::test]
async fn a_second_hit_on_the_callback_gets_nothing() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with_account(&idp).await;
    let (login, back) = waiting_login(&world).await;
    person::open(back.as_str()).await.expect("the listener answers");
    login.request.wait().await.expect("signed in");
    match person::open(back.as_str()).await {
        Ok(page) => assert!(page.status >= 400, "{}", page.body),
        // One shot: the listener is gone, or goes.
        Err(gone) => assert!(gone.is_connect() || gone.is_request(), "{gone}"),
    }
    let codes =
        idp.ledger().count(|event| matches!(event, Event::Received { grant, .. } if grant == "authorization_code"));
    assert_eq!(codes, 1);
}

/// A4: the state of one login is worth nothing in the next.
#[tokio::test]
async fn a_replayed_state_of_an_earlier_login_is_refused() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with_account(&idp).await;
    let (first, old) = waiting_login(&world).await;
    person::open(old.as_str()).await.expect("the listener answers");
    first.request.wait().await.expect("signed in");
    let exchanges = idp.ledger().count(|event| matches!(event, Event::Received { .. }));
    let (second, new) = waiting_login(&world).await;
    let state = old.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned();
    let page = person::open(&with_state(&new, Some(&state))).await.expect("the listener answers");
    assert!(page.status >= 400);
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Received { .. })), exchanges);
    second.request.cancel().await.expect("it can be cancelled");
}

/// S16: a server that does not know the redirect address says nothing to us.
#[tokio::test]
async fn a_callback_that_never_comes_ends_after_ten_minutes() {
    let idp = Idp::start(Settings { consent: Consent::Silence, ..Settings::default() }).await;
    let world = World::with_account(&idp).await;
    let login = world.account("work").await.login(LoginOptions::new().flow("browser")).await.expect("it begins");
    let ends = login.request.expires_at().await.expect("it says when");
    let left = ends.saturating_sub(clock::wall().as_secs());
    assert!((590..=601).contains(&left), "{left} s");
    // The virtual clock of the core's own tests goes the ten minutes; here only a patient run does.
    if std::env::var_os("TOKENKEEPER_LONG").is_some() {
        let ended = tokio::time::timeout(Duration::from_secs(620), login.request.wait()).await.expect("it ends");
        says(&ended.expect_err("nobody came back").to_string(), &["10 min"]);
    }
}

/// A7, S16: fixed ports are for servers that compare them.
#[tokio::test]
async fn a_busy_redirect_port_is_named_with_what_to_do() {
    let idp = Idp::start(Settings::default()).await;
    let busy = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let port = busy.local_addr().expect("bound").port();
    let more = format!("client_id = \"desktop\"\nredirect_ports = [{port}]\n");
    let world = World::with(&account_as("work", &idp, &more)).await;
    let account = world.account("work").await;
    let refused = match account.login(LoginOptions::new().flow("browser")).await {
        Err(refused) => refused,
        Ok(login) => login.request.wait().await.expect_err("the port is taken"),
    };
    says(&refused.to_string(), &[&port.to_string()]);
}

// --- the bus

#[tokio::test]
async fn an_unknown_option_is_refused() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let connection = world.connect().await;
    let proxy = AccountProxy::builder(&connection).path("/org/tokenkeeper/Keeper1/account/work");
    let proxy = proxy.build().await.expect("the bus answers");
    let options = Options::from([("min_vailidity", Variant::from(60_u32))]);
    let refused = Error::from(proxy.get_token(&options).await.expect_err("a typo"));
    assert_eq!(name(&refused), Some(ErrorName::InvalidArgs));
    says(&refused.to_string(), &["min_vailidity"]);
}

#[tokio::test]
async fn an_unknown_account_is_unknown_everywhere() {
    let world = World::new().await;
    let refused = world.token("nobody").await.expect_err("there is none");
    assert_eq!(name(&refused), Some(ErrorName::UnknownObject));
    let cli = world.run("tokenkeeper", &["token", "nobody"]).await;
    assert_eq!(cli.status.code(), Some(9));
    says(&text(&cli).1, &["nobody", "tokenkeeper"]);
    assert_eq!(text(&cli).0, "");
}

#[tokio::test]
async fn an_account_without_a_login_says_how_to_get_one() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with_account(&idp).await;
    let cli = world.run("tokenkeeper", &["token", "work"]).await;
    assert_eq!(cli.status.code(), Some(3));
    says(&text(&cli).1, &["tokenkeeper login work"]);
}

/// S1: a refused audience burns the refresh token at three of eight servers.
#[tokio::test]
async fn an_audience_that_the_definition_does_not_declare_is_never_probed() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let asked = TokenOptions::new().audience("https://elsewhere.example");
    let refused = world.account("work").await.token(asked).await.expect_err("not declared");
    assert_eq!(name(&refused), Some(ErrorName::InvalidArgs), "{refused}");
    assert_eq!(idp.ledger().refreshes(), 0);
}
