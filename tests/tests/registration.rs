//! No client ID is needed: the server registers a client (RFC 7591), a resource names its server (RFC 9728), and what was
//! registered ends with the account (RFC 7592).
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

#[path = "registration/ending.rs"]
mod ending;

use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokenkeeper_tests::idp::{Deed, Endpoint, Event, Fault, Idp, Settings};
use tokenkeeper_tests::person;
use tokenkeeper_tests::programs;
use tokenkeeper_tests::provider::{Make, Provider};
use tokenkeeper_tests::world::{PATIENCE, World, files_below, text};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};

fn registered(idp: &Idp) -> usize {
    idp.ledger().count(|event| matches!(event, Event::Registered { .. }))
}

fn unregistered(idp: &Idp) -> usize {
    idp.ledger().count(|event| matches!(event, Event::Unregistered { .. }))
}

async fn world() -> World {
    let mut world = World::bare().await;
    world.init_vault().await;
    world.start_keeper().await;
    world
}

/// `tokenkeeper add` with these words, and a person who opens the address that it prints; gives what was said.
async fn add(world: &World, issuer: &str, words: &[&str]) -> String {
    let mut add = world.command(programs::ours("tokenkeeper"));
    let mut adding = add.arg("add").args(words).arg("--no-browser").stdin(Stdio::null()).spawn().expect("it starts");
    let mut lines = BufReader::new(adding.stderr.take().expect("it was piped")).lines();
    let mut said = String::new();
    let ending = async {
        while let Some(line) = lines.next_line().await.expect("text") {
            if line.starts_with(issuer) && line.contains("/authorize?") {
                let page = person::open(&line).await.expect("server and keeper answer");
                assert_eq!(page.status, 200, "{}", page.body);
            }
            said.push_str(&line);
            said.push('\n');
        }
        adding.wait().await.expect("it ends")
    };
    let ended = tokio::time::timeout(PATIENCE, ending).await.expect("it comes to an end");
    assert!(ended.success(), "{said}\n{}", world.keeper().log());
    said
}

fn definition(world: &World, name: &str) -> PathBuf {
    world.path("config/tokenkeeper/config.d").join(format!("{name}.toml"))
}

fn written(world: &World, name: &str) -> String {
    std::fs::read_to_string(definition(world, name)).expect("the definition")
}

/// A26: register, sign in, refresh, survive kill -9, and end it all.
#[tokio::test]
async fn an_issuer_alone_signs_a_person_in() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = world().await;
    let said = add(&world, &idp.issuer(), &["work", "--issuer", &idp.issuer()]).await;
    assert!(said.contains("Registered a client at "), "{said}");
    assert_eq!(registered(&idp), 1);
    assert!(written(&world, "work").contains("redirect_ports"), "servers compare the whole address");

    let first = world.token("work").await.expect("signed in");
    world.kill_and_restart().await;
    world.account("work").await.refresh().await.expect("the login and its client survived");
    assert_ne!(world.token("work").await.expect("refreshed").as_str(), first.as_str());

    // The key that ends the client is where the refresh token is, and nowhere else.
    let secrets = idp.given_out();
    for (path, bytes) in files_below(&world.path("")) {
        let holds = |secret: &String| bytes.windows(secret.len()).any(|window| window == secret.as_bytes());
        assert!(!secrets.iter().any(holds), "{}", path.display());
    }

    let removed = world.run("tokenkeeper", &["remove", "work"]).await;
    assert!(removed.status.success(), "{:?}", text(&removed));
    assert!(idp.ledger().until(PATIENCE, |_| unregistered(&idp) == 1).await, "{}", world.keeper().log());
    assert_eq!(registered(&idp), 1);
    assert!(!definition(&world, "work").exists());
}

/// A26: the server registered a confidential client, and refuses whoever does not show the secret.
#[tokio::test]
async fn what_the_server_made_of_it_is_obeyed() {
    let idp = Idp::start(Settings::default()).await;
    idp.set(|settings| {
        let patch = json!({ "token_endpoint_auth_method": "client_secret_basic", "client_secret_expires_at": 4_000_000_000_u64 });
        settings.registration_patch = patch.as_object().expect("an object").clone();
    });
    let mut world = world().await;
    let said = add(&world, &idp.issuer(), &["work", "--issuer", &idp.issuer()]).await;
    assert!(said.contains("Its secret ends in"), "{said}");
    let definition = written(&world, "work");
    assert!(definition.contains("client_auth = \"basic\"") && !definition.contains("secret_"), "{definition}");
    world.kill_and_restart().await;
    world.account("work").await.refresh().await.expect("the secret is in the vault");
}

/// What the server's operator gave to who may register clients.
const TOKEN: &str = "canary-initial-access-token-0123456789";

/// A26: with the loudest log, the token stands in the one request that wants it, and nowhere else.
#[tokio::test]
async fn an_initial_access_token_is_shown_once_and_kept_nowhere() {
    let idp = Idp::start(Settings { initial_access_token: Some(TOKEN.into()), ..Settings::default() }).await;
    let mut world = World::bare().await;
    world.init_vault().await;
    let mut daemon = world.daemon();
    daemon.env("TOKENKEEPER_LOG", "trace");
    world.start_keeper_as(daemon).await;

    let stranger = world.run("tokenkeeper", &["add", "work", "--issuer", &idp.issuer(), "--no-login"]).await;
    let (_, said) = text(&stranger);
    assert_eq!((stranger.status.code(), registered(&idp)), (Some(2), 0), "{said}");
    assert!(
        said.contains("registers no clients for strangers") && said.contains("--initial-access-token-file"),
        "{said}"
    );

    let words = ["add", "work", "--issuer", &idp.issuer(), "--initial-access-token-file", "-", "--no-login"];
    let said = with_input(&world, &words, "canary-of-somebody-else\n").await.expect_err("not this one");
    assert!(said.contains("does not take this initial access token") && said.contains("for another"), "{said}");
    assert!(!definition(&world, "work").exists() && !said.contains("canary"), "{said}");
    let said = with_input(&world, &words, "two words\n").await.expect_err("that is no token");
    assert!(said.contains("no initial access token"), "{said}");

    let said = with_input(&world, &words, &format!("{TOKEN}\n")).await.expect("registered");
    assert!(said.contains("Registered a client at ") && !said.contains(TOKEN), "{said}");
    assert_eq!(registered(&idp), 1);
    world.sign_in("work").await;

    let holds = |bytes: &[u8]| bytes.windows(TOKEN.len()).any(|window| window == TOKEN.as_bytes());
    assert!(!holds(world.keeper().log().as_bytes()), "the token stands in the log");
    for name in ["cmdline", "environ"] {
        let bytes = std::fs::read(format!("/proc/{}/{name}", world.keeper().pid())).expect("it runs");
        assert!(!holds(&bytes), "the token stands in {name}");
    }
    for (path, bytes) in files_below(&world.path("")) {
        assert!(!holds(&bytes), "the token stands in {}", path.display());
    }
}

/// A26: who gives up while the server registers the client gets no account, and the server does not keep the client.
#[tokio::test]
async fn a_registration_that_was_given_up_leaves_no_client() {
    let idp = Idp::start(Settings { initial_access_token: Some(TOKEN.into()), ..Settings::default() }).await;
    let world = world().await;
    world.write("home/token", TOKEN);
    idp.plan(Fault { at: Endpoint::Register, commit: true, delay: 5.0, deed: Deed::Answer, times: 1 });
    let file = world.path("home/token").display().to_string();
    let words = ["add", "work", "--issuer", &idp.issuer(), "--initial-access-token-file", &file, "--no-login"];
    let mut child = world.command(programs::ours("tokenkeeper")).args(words).spawn().expect("it starts");
    assert!(idp.ledger().until(PATIENCE, |_| registered(&idp) == 1).await, "{}", world.keeper().log());
    // It is registered, and the answer is on its way.
    child.kill().await.expect("it runs");
    assert!(idp.ledger().until(PATIENCE, |_| unregistered(&idp) == 1).await, "{}", world.keeper().log());
    assert!(!definition(&world, "work").exists());
}

/// What the companion said, given something on its standard input: it ended well, or not.
async fn with_input(world: &World, words: &[&str], input: &str) -> Result<String, String> {
    let mut command = world.command(programs::ours("tokenkeeper"));
    let mut child = command.args(words).stdin(Stdio::piped()).spawn().expect("it starts");
    let mut stdin = child.stdin.take().expect("it was piped");
    stdin.write_all(input.as_bytes()).await.expect("it reads");
    drop(stdin);
    let output = child.wait_with_output().await.expect("it ends");
    let (_, said) = text(&output);
    if output.status.success() { Ok(said) } else { Err(said) }
}

/// A26: the same at a server that nobody here wrote, with Chromium.
#[tokio::test]
async fn a_server_of_others_registers_who_shows_its_token() {
    if let Some(why) = Make::OidcProvider.missing() {
        return eprintln!("skipped: {why}");
    }
    let provider = Provider::start_with(Make::OidcProvider, &[&format!("initial-access-token={TOKEN}")]).await;
    let world = world().await;
    let stranger = world.run("tokenkeeper", &["add", "work", "--issuer", provider.issuer(), "--no-login"]).await;
    let (_, said) = text(&stranger);
    assert!(!stranger.status.success() && said.contains("--initial-access-token-file"), "{said}");

    world.write("home/token", &format!("{TOKEN}\n"));
    let file = world.path("home/token").display().to_string();
    let pictures = programs::directory().join("pictures").join("signed-in-initial-access-token");
    provider.add(&world, &["--initial-access-token-file", &file], &[], &pictures).await;
    world.account("work").await.refresh().await.expect("signed in by the client that was registered");
    assert_eq!(provider.count("registration_create.success"), 1, "{:?}", provider.events());
    let removed = world.run("tokenkeeper", &["remove", "work"]).await;
    assert!(removed.status.success(), "{:?}", text(&removed));
    provider.heard("registration_delete.success", 1).await;
}

#[tokio::test]
async fn a_client_without_refresh_tokens_is_told_of() {
    let idp = Idp::start(Settings::default()).await;
    idp.set(|settings| {
        settings.registration_patch.insert("grant_types".into(), json!(["authorization_code"]));
    });
    let world = world().await;
    let added = world.run("tokenkeeper", &["add", "work", "--issuer", &idp.issuer(), "--no-login"]).await;
    let (_, said) = text(&added);
    assert!(added.status.success() && said.contains("no refresh tokens"), "{said}");
}

#[tokio::test]
async fn a_server_that_registers_nobody_costs_a_client_id_and_nothing_else() {
    let idp = Idp::start(Settings::default()).await;
    idp.set(|settings| {
        settings.metadata_patch.insert("registration_endpoint".into(), Value::Null);
    });
    let world = world().await;
    let refused = world.run("tokenkeeper", &["add", "work", "--issuer", &idp.issuer()]).await;
    let (_, said) = text(&refused);
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("does not say that it registers clients") && said.contains("--client-id"), "{said}");
    assert!(!definition(&world, "work").exists());
}

/// The scopes are too much for the server: less is asked for, once.
#[tokio::test]
async fn less_is_asked_for_where_the_whole_is_refused() {
    let idp = Idp::start(Settings::default()).await;
    let body = r#"{"error":"invalid_client_metadata","error_description":"scope"}"#.to_owned();
    let deed = Deed::Say { status: 400, headers: Vec::new(), body };
    idp.plan(Fault { at: Endpoint::Register, commit: false, delay: 0.0, deed, times: 1 });
    let world = world().await;
    add(&world, &idp.issuer(), &["work", "--issuer", &idp.issuer()]).await;
    assert_eq!(registered(&idp), 1);
}

/// kill -9 while the server's answer is on its way: a client is left there that nobody uses, and that is all.
#[tokio::test]
async fn a_crash_before_it_is_stored_leaves_a_client_behind_and_no_account() {
    let idp = Idp::start(Settings::default()).await;
    idp.plan(Fault { at: Endpoint::Register, commit: true, delay: 30.0, deed: Deed::Answer, times: 1 });
    let mut world = world().await;
    let issuer = idp.issuer();
    let mut add_it = world.command(programs::ours("tokenkeeper"));
    let adding = add_it.args(["add", "work", "--issuer", &issuer, "--no-login"]).spawn().expect("it starts");
    assert!(idp.ledger().until(PATIENCE, |_| registered(&idp) == 1).await, "{}", world.keeper().log());
    world.kill_and_restart().await;
    assert!(!adding.wait_with_output().await.expect("it ends").status.success());
    assert!(!definition(&world, "work").exists());
    add(&world, &issuer, &["work", "--issuer", &issuer]).await;
    assert_eq!((registered(&idp), unregistered(&idp)), (2, 0));
}

/// The resource's address is all that is known: it names its server, which registers a client.
#[tokio::test]
async fn a_resource_alone_signs_a_person_in() {
    let idp = Idp::start(Settings::default()).await;
    let world = world().await;
    let resource = format!("{}/api", idp.base());
    let said = add(&world, &idp.issuer(), &["tools", "--resource", &resource]).await;
    assert!(said.contains(&format!("`{resource}` takes tokens of `{}`", idp.issuer())), "{said}");
    let definition = written(&world, "tools");
    assert!(definition.contains("profile") && definition.contains("offline_access"), "{definition}");
    world.token("tools").await.expect("signed in");
}

#[tokio::test]
async fn a_description_of_another_resource_is_refused() {
    let idp = Idp::start(Settings::default()).await;
    idp.set(|settings| {
        settings.resource_patch.insert("resource".into(), "https://bank.example/api".into());
    });
    let world = world().await;
    let refused = world.run("tokenkeeper", &["add", "tools", "--resource", &format!("{}/api", idp.base())]).await;
    let (_, said) = text(&refused);
    assert_eq!(refused.status.code(), Some(7), "{said}");
    assert!(said.contains("https://bank.example/api") && registered(&idp) == 0, "{said}");
}
