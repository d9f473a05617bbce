//! Every server: a whole life at servers that nobody here wrote, added by their address alone. What was seen stands in docs/interop.md, which fails here when it says anything else.
//! `TOKENKEEPER_BLESS=1` writes what was seen into the document.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use serde_json::Value;
use tokenkeeper::wire::ErrorName;
use tokenkeeper::{Account, LoginOptions, TokenKind, TokenOptions};
use tokenkeeper_tests::programs;
use tokenkeeper_tests::provider::{Make, Provider};
use tokenkeeper_tests::world::{World, claims};

/// What servers tell of a refresh.
const REFRESH: &str = "token.refresh_token";

/// A34: found, registered, signed in, from the address alone.
#[tokio::test]
async fn a_life_at_oidc_provider() {
    live(Make::OidcProvider, &[]).await;
}

/// It registers nobody by itself: the person is asked for the client that they made there.
#[tokio::test]
async fn a_life_at_django_oauth_toolkit() {
    live(Make::DjangoOauthToolkit, &[("Client ID", "desktop"), ("Client secret", "")]).await;
}

/// A34: the same at a server that compares redirect addresses to the port.
#[tokio::test]
async fn a_life_at_canaille() {
    live(Make::Canaille, &[]).await;
}

/// A34: the same at a server that has no public clients and does not say so.
#[tokio::test]
async fn a_life_at_oidc_provider_mock() {
    live(Make::OidcProviderMock, &[]).await;
}

/// Adds, uses, refreshes, kills, refreshes, leaves; then comes again and shows the server a spent token. `answers`: to
/// what the person is asked, who said no more than the address.
async fn live(make: Make, answers: &[(&str, &str)]) {
    if let Some(why) = make.missing() {
        return eprintln!("skipped: {why}");
    }
    let provider = Provider::start(make).await;
    let mut world = World::new().await;
    provider.add(&world, &[], answers, &pictures(make)).await;

    let first = world.token("work").await.expect("signed in");
    assert_eq!(provider.userinfo(first.as_str()).await, 200);
    let (second, refresh) = refreshed(&world, &provider).await;
    let first_dies = provider.userinfo(first.as_str()).await != 200;

    world.kill_and_restart().await;
    assert_eq!(world.token("work").await.expect("the login survived kill -9").as_str(), second);
    let (third, _) = refreshed(&world, &provider).await;

    let account = world.account("work").await;
    let id_token = account.token(TokenOptions::new().kind(TokenKind::Id)).await.expect("openid was asked for");
    let who = claims(id_token.as_str());
    assert_eq!(who["iss"].as_str().map(|iss| iss.trim_end_matches('/')), Some(provider.issuer()), "{who}");
    assert!(who["sub"].is_string(), "{who}");

    account.logout().await.expect("signed out");
    let denied = world.token("work").await.expect_err("nobody is signed in");
    assert_eq!(denied.name(), Some(ErrorName::LoginRequired), "{denied}");
    let revocation = revocation(&provider, &third).await;

    let replay = replay(&provider, &world, &account, make).await;
    let answer = &refresh["answer"];
    let sent = form(&refresh).into_iter().find(|(name, _)| name == "refresh_token").expect("it was a refresh").1;
    let rotates = answer["refresh_token"].as_str().is_some_and(|given| given != sent);
    let row = [
        format!("{} {}", make.name(), make.version()),
        if rotates { "yes" } else { "no" }.to_owned(),
        replay,
        if first_dies { "ends" } else { "lives on" }.to_owned(),
        if answer["id_token"].is_string() { "a new one" } else { "none" }.to_owned(),
        revocation,
        asked(answers),
    ];
    compare(make.name(), &format!("| {} |", row.join(" | ")));
}

/// Refreshes; gives the new token, which is good, and what the server told of it. Twice within a second canaille gives the
/// same access token, which is made of claims and the time; so it is asked until there is another one.
async fn refreshed(world: &World, provider: &Provider) -> (String, Value) {
    let before = world.token("work").await.expect("signed in");
    let (after, refreshes) = loop {
        let refreshes = provider.count(REFRESH);
        world.account("work").await.refresh().await.unwrap_or_else(|why| panic!("{why}\n{:?}", provider.events()));
        let after = world.token("work").await.expect("refreshed");
        assert!(after.generation() > before.generation());
        provider.heard(REFRESH, refreshes + 1).await;
        if after.as_str() != before.as_str() {
            break (after, refreshes + 1);
        }
    };
    assert_eq!(provider.userinfo(after.as_str()).await, 200);
    (after.as_str().to_owned(), provider.heard(REFRESH, refreshes).await)
}

/// What the server answered when it was told of the end, and what became of the access token.
async fn revocation(provider: &Provider, token: &str) -> String {
    if !provider.metadata().await.iter().any(|document| document["revocation_endpoint"].is_string()) {
        assert_eq!(provider.count("revocation"), 0, "{:?}", provider.events());
        return "it has no endpoint".to_owned();
    }
    let status = &provider.heard("revocation", 1).await["status"];
    let token = if provider.userinfo(token).await == 200 { "lives on" } else { "ends" };
    format!("{status}; the access token {token}")
}

/// A new login, and the token before the newest once more, from somebody who kept it.
async fn replay(provider: &Provider, world: &World, account: &Account, make: Make) -> String {
    let login = account.login(LoginOptions::new().flow("browser")).await.expect("it begins");
    provider.sign_in(&login.uri.expect("a browser login has an address"), &pictures(make)).await;
    login.request.wait().await.expect("signed in again");
    let (_, spent) = refreshed(world, provider).await;
    let answer = provider.send_again(&spent).await;
    let granted = answer["refresh_token"].as_str().or(answer["access_token"].as_str()).is_some();
    let same = answer["refresh_token"] == spent["answer"]["refresh_token"] && answer["refresh_token"].is_string();
    let outcome = match (granted, same) {
        (true, true) => "the same pair again".to_owned(),
        (true, false) => "works".to_owned(),
        (false, _) => format!("`{}`", answer["error"].as_str().unwrap_or("refused")),
    };
    let after = account.refresh().await;
    let login = if after.is_ok() { "the login lives" } else { "the login ends" };
    format!("{outcome}; {login}")
}

fn asked(answers: &[(&str, &str)]) -> String {
    let told = |(question, answer): &(&str, &str)| match *answer {
        "" => format!("{question}: none"),
        answer => format!("{question}: `{answer}`"),
    };
    if answers.is_empty() { "nothing".to_owned() } else { answers.iter().map(told).collect::<Vec<_>>().join("; ") }
}

/// The server's line in the document is what was seen.
fn compare(name: &str, seen: &str) {
    // The tests of this file share the document.
    static DOCUMENT: Mutex<()> = Mutex::new(());
    let _alone = DOCUMENT.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let path = programs::repository().join("docs/interop.md");
    let text = fs::read_to_string(&path).expect("the document");
    let start = format!("| {name} ");
    let line = text.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
    if std::env::var_os("TOKENKEEPER_BLESS").is_some() {
        return bless(&path, &text, line, seen);
    }
    assert_eq!(line, seen, "docs/interop.md says something else (TOKENKEEPER_BLESS=1 writes what was seen)");
}

#[allow(clippy::disallowed_methods, reason = "a document need not be durable")]
fn bless(path: &Path, text: &str, line: &str, seen: &str) {
    let new = if line.is_empty() { format!("{text}{seen}\n") } else { text.replace(line, seen) };
    fs::write(path, new).expect("the document can be written");
}

fn form(told: &Value) -> Vec<(String, String)> {
    let text = told["form"].as_str().expect("the form that came");
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn pictures(make: Make) -> PathBuf {
    programs::directory().join("pictures").join(format!("interop-{}", make.name()))
}
