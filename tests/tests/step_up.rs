//! What a login asks beside scopes, and what it may not send through the browser: pushed requests (RFC 9126), details of
//! an authorization (RFC 9396), and more of the sign-in than there was (RFC 9470).
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::time::Duration;

use serde_json::json;
use tokenkeeper::wire::ErrorName;
use tokenkeeper::{Login, LoginOptions};
use tokenkeeper_tests::idp::{Client, ClientAuth, Deed, Endpoint, Event, Fault, Idp, Settings};
use tokenkeeper_tests::person;
use tokenkeeper_tests::programs;
use tokenkeeper_tests::provider::{Make, Provider};
use tokenkeeper_tests::world::{PATIENCE, World, account_as, text};

const DETAILS: &str = r#"[{ type = "payment_initiation", amount = 7, to = ["ada"] }]"#;

fn granted() -> serde_json::Value {
    json!([{ "type": "payment_initiation", "amount": 7, "to": ["ada"] }])
}

async fn begin(world: &World, options: LoginOptions) -> Login {
    world.account("work").await.login(options).await.expect("the login begins")
}

/// The person opens the address; how the login ended.
async fn finish(login: &Login) -> Result<tokenkeeper::Outcome, tokenkeeper::Error> {
    person::open(login.uri.as_deref().expect("an address")).await.expect("server and keeper answer");
    tokio::time::timeout(PATIENCE, login.request.wait()).await.expect("the login ends")
}

fn query(uri: &str) -> Vec<(String, String)> {
    url_query(uri).split('&').filter_map(|pair| pair.split_once('=')).map(|(k, v)| (k.into(), v.into())).collect()
}

fn url_query(uri: &str) -> &str {
    uri.split_once('?').expect("an address with a query").1
}

/// A21: where the server takes nothing else, the request is pushed with the client's authentication, and the browser
/// carries client and reference only.
#[tokio::test]
async fn a_server_that_takes_only_pushed_requests_gets_one() {
    let clients = vec![Client::confidential("site", ClientAuth::Post, "s3cret")];
    let idp = Idp::start(Settings { require_par: true, clients, ..Settings::default() }).await;
    let world = World::with(&account_as("work", &idp, "client_id = \"site\"\nclient_auth = \"post\"\n")).await;
    let secret = world.account("work").await.set_secret().await.expect("it may be set");
    secret.input(&[("client_secret", b"s3cret")]).await.expect("it is taken");
    secret.wait().await.expect("it is stored");

    let login = begin(&world, LoginOptions::new().flow("browser")).await;
    let uri = login.uri.clone().expect("an address");
    let names: Vec<String> = query(&uri).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["client_id", "request_uri"], "{uri}");
    finish(&login).await.expect("the person allowed");
    world.token("work").await.expect("signed in");
    let pushed = idp.asked("/oauth/par");
    assert_eq!(pushed.len(), 1);
    for (name, value) in [("client_id", "site"), ("client_secret", "s3cret"), ("code_challenge_method", "S256")] {
        assert_eq!(pushed[0].field(name), Some(value), "{name}");
    }
    // The reference works once.
    let again = person::open(&uri).await.expect("the server answers");
    assert!(again.body.contains("was used"), "{}", again.body);
}

#[tokio::test]
async fn a_push_that_brings_nothing_fails_at_once_and_is_not_sent_again() {
    let idp = Idp::start(Settings { require_par: true, ..Settings::default() }).await;
    let world = World::with_account(&idp).await;
    for (deed, name) in [
        (Deed::Reset, ErrorName::Unavailable),
        (Deed::error(401, "invalid_client"), ErrorName::Misconfigured),
        (Deed::portal(200), ErrorName::Unavailable),
    ] {
        let before = idp.asked("/oauth/par").len();
        idp.plan(Fault::token(deed).at(Endpoint::Push));
        let refused = world.account("work").await.login(LoginOptions::new()).await.err().expect("no address");
        assert_eq!(refused.name(), Some(name), "{refused}");
        assert_eq!(idp.asked("/oauth/par").len(), before + 1);
    }
    finish(&begin(&world, LoginOptions::new()).await).await.expect("another login works");
}

#[tokio::test]
async fn pushing_is_on_when_the_account_says_so_and_off_when_it_is_merely_offered() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with(&account_as("work", &idp, "client_id = \"desktop\"\npar = \"on\"\n")).await;
    finish(&begin(&world, LoginOptions::new()).await).await.expect("signed in");
    assert_eq!(idp.asked("/oauth/par").len(), 1);

    let world = World::with_account(&idp).await;
    finish(&begin(&world, LoginOptions::new()).await).await.expect("signed in");
    assert_eq!(idp.asked("/oauth/par").len(), 1);
}

/// A27: what was asked for in detail goes along, by the browser and by a code; what was granted is stored, survives a
/// restart, and can be read.
#[tokio::test]
async fn authorization_details_make_the_round_trip() {
    let idp = Idp::start(Settings::default()).await;
    let more = format!("client_id = \"desktop\"\nauthorization_details = {DETAILS}\n");
    for flow in ["browser", "device"] {
        let mut world = World::with(&account_as("work", &idp, &more)).await;
        finish(&begin(&world, LoginOptions::new().flow(flow)).await).await.expect("signed in");
        world.kill_and_restart().await;
        world.account("work").await.refresh().await.expect("the server answers");
        let status = world.account("work").await.status().await.expect("it exists");
        let read: serde_json::Value = serde_json::from_str(&status.authorization_details).expect("JSON");
        assert_eq!(read, granted(), "{flow}");
        let (out, err) = text(&world.run("tokenkeeper", &["status", "work", "--json"]).await);
        let shown: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {out} {err}"));
        assert_eq!(shown["accounts"][0]["authorization_details"], granted(), "{flow}");
    }
}

/// A27: the same by `tokenkeeper add`, in either of two ways to write it; what is no list of tables is refused with what to
/// write.
#[tokio::test]
async fn authorization_details_may_be_said_when_an_account_is_added() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::new().await;
    let issuer = idp.issuer();
    let add = async |name: &str, details: &str| {
        let setting = format!("authorization_details={details}");
        let words = ["--issuer", &issuer, "--client-id", "desktop", "--no-login", "--set", &setting];
        world.run("tokenkeeper", &[&["add", name], &words[..]].concat()).await
    };
    for (name, details) in [("toml", DETAILS.to_owned()), ("json", granted().to_string())] {
        let added = add(name, &details).await;
        assert!(added.status.success(), "{:?}", text(&added));
        world.sign_in(name).await;
        let status = world.account(name).await.status().await.expect("it exists");
        let read: serde_json::Value = serde_json::from_str(&status.authorization_details).expect("JSON");
        assert_eq!(read, granted(), "{name}");
    }
    for (details, what) in [
        ("[{type=", "`authorization_details` is text"),
        (r#"[{"type":"payment_initiation","to":null}]"#, "`authorization_details` is text"),
        ("[{amount=7}]", "has no type"),
        ("[\"payment_initiation\"]", "is no table"),
    ] {
        let refused = add("bad", details).await;
        let (_, said) = text(&refused);
        assert_eq!(refused.status.code(), Some(2), "{details}: {said}");
        assert!(said.contains(what) && said.contains("type ="), "{details}: {said}");
    }
}

/// A28: an API wants more of the sign-in than there was. The old token is served until the new login is durable, and what
/// came back is checked against what was asked.
#[tokio::test]
async fn a_step_up_is_a_login_beside_the_old_one() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let before = world.token("work").await.expect("signed in");
    let options = || LoginOptions::new().acr("phrh").acr("phr").max_age(Duration::from_secs(300));
    let login = begin(&world, options()).await;
    let sent = query(login.uri.as_deref().expect("an address"));
    assert!(sent.contains(&("acr_values".into(), "phrh+phr".into())), "{sent:?}");
    assert!(sent.contains(&("max_age".into(), "300".into())), "{sent:?}");
    assert_eq!(world.token("work").await.expect("meanwhile").as_str(), before.as_str());
    finish(&login).await.expect("the server did as asked");
    let after = world.token("work").await.expect("signed in");
    assert_ne!(after.as_str(), before.as_str());

    // Less than was asked changes nothing.
    idp.set(|settings| settings.acr = Some("pwd".into()));
    let refused = finish(&begin(&world, options()).await).await.expect_err("only a password");
    assert!(refused.to_string().contains("`pwd`"), "{refused}");
    idp.set(|settings| (settings.acr, settings.signed_in_ago) = (None, 3_600));
    let refused = finish(&begin(&world, options()).await).await.expect_err("an hour ago");
    assert!(refused.to_string().contains("longer ago than was asked for"), "{refused}");
    assert_eq!(world.token("work").await.expect("as it was").as_str(), after.as_str());
    world.account("work").await.refresh().await.expect("the login lives");
}

#[tokio::test]
async fn the_shell_asks_for_a_step_up() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let mut command = world.command(programs::ours("tokenkeeper"));
    command.args(["login", "work", "--acr", "phr", "--max-age", "5m", "--no-browser"]);
    let mut signing_in = command.spawn().expect("it can be started");
    let mut said = tokio::io::BufReader::new(signing_in.stderr.take().expect("it was piped"));
    let mut line = String::new();
    while !line.starts_with(idp.base()) {
        line.clear();
        let read = tokio::io::AsyncBufReadExt::read_line(&mut said, &mut line).await.expect("text");
        assert!(read > 0, "it prints an address");
    }
    assert!(line.contains("acr_values=phr&max_age=300"), "{line}");
    person::open(line.trim()).await.expect("server and keeper answer");
    assert!(signing_in.wait().await.expect("it ends").success());
    assert_eq!(
        idp.ledger().count(|event| matches!(event, Event::Received { grant, .. } if grant == "authorization_code")),
        2
    );
}

/// A21: at a server that nobody here wrote and that takes only pushed requests, without a word in the definition.
#[tokio::test]
async fn a_server_of_others_that_takes_only_pushed_requests_gets_one_unasked() {
    if let Some(why) = Make::OidcProvider.missing() {
        return eprintln!("skipped: {why}");
    }
    let provider = Provider::start_with(Make::OidcProvider, &["par"]).await;
    let described = &provider.metadata().await[0];
    assert_eq!(described["require_pushed_authorization_requests"], true, "{described}");
    let world = World::new().await;
    let words = ["add", "work", "--issuer", provider.issuer(), "--client-id", "desktop", "--no-login"];
    let added = world.run("tokenkeeper", &words).await;
    assert!(added.status.success(), "{:?}", text(&added));
    let account = world.account("work").await;
    let login = account.login(LoginOptions::new().flow("browser")).await.expect("the login begins");
    let uri = login.uri.expect("an address");
    let mut names: Vec<_> = query(&uri).into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["client_id", "request_uri"], "{uri}");
    let pictures = programs::directory().join("pictures").join("signed-in-pushed");
    provider.sign_in(&uri, &pictures).await;
    let ended = tokio::time::timeout(PATIENCE, login.request.wait()).await.expect("the login ends");
    ended.unwrap_or_else(|why| panic!("{why}\n{:?}\n{}", provider.events(), world.keeper().log()));
    account.refresh().await.expect("the login lives");
    assert_eq!(provider.count("pushed_authorization_request.success"), 1, "{:?}", provider.events());
}

/// A21, A27 and the device flow, at a server that nobody here wrote, with Chromium.
#[tokio::test]
async fn a_server_of_others_takes_codes_pushed_requests_and_details() {
    if let Some(why) = Make::OidcProvider.missing() {
        return eprintln!("skipped: {why}");
    }
    let provider = Provider::start(Make::OidcProvider).await;
    let issuer = provider.issuer();
    let pictures = programs::directory().join("pictures").join("signed-in-step-up");
    let scopes = "scopes = [\"openid\", \"offline_access\"]\n";
    let config = format!(
        "[account.phone]\nissuer = \"{issuer}\"\nclient_id = \"phone\"\nflow = \"device\"\n{scopes}\n\
         [account.work]\nissuer = \"{issuer}\"\nclient_id = \"careful\"\npar = \"on\"\n{scopes}\
         resource = \"https://api.acme.example/\"\nauthorization_details = {DETAILS}\n"
    );
    let world = World::with(&config).await;
    for name in ["phone", "work"] {
        let account = world.account(name).await;
        let login = account.login(LoginOptions::new()).await.expect("the login begins");
        let uri = login.uri.clone().expect("an address");
        provider.sign_in(&uri, &pictures).await;
        let ended = tokio::time::timeout(PATIENCE, login.request.wait()).await.expect("the login ends");
        ended.unwrap_or_else(|why| panic!("{name}: {why}\n{:?}\n{}", provider.events(), world.keeper().log()));
        account.refresh().await.expect("the login lives");
    }
    let status = world.account("work").await.status().await.expect("it exists");
    let read: serde_json::Value = serde_json::from_str(&status.authorization_details).expect("JSON");
    assert_eq!(read, granted());
    let events = provider.events();
    assert_eq!(provider.count("pushed_authorization_request.success"), 1, "{events:?}");
    let polls = provider.told("grant.success");
    assert!(polls.iter().any(|told| told["grant"].as_str().is_some_and(|grant| grant.ends_with(":device_code"))));
}
