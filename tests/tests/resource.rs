//! A34: a protected resource, such as an MCP server, and nothing else is known. The whole chain at the certified provider,
//! with a person at a real browser: the resource names its server (RFC 9728), the server describes itself (RFC 8414) and
//! registers a client (RFC 7591), the login asks for the resource (RFC 8707) with PKCE and checks `iss` (RFC 9207).
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::process::Stdio;

use tokenkeeper_tests::programs;
use tokenkeeper_tests::provider::{Make, Provider};
use tokenkeeper_tests::world::World;
use tokio::io::{AsyncBufReadExt as _, BufReader};

/// A34, and A26 at a server that nobody here wrote.
#[tokio::test]
async fn an_address_is_all_that_is_needed() {
    if let Some(why) = Make::OidcProvider.missing() {
        return eprintln!("skipped: {why}");
    }
    let provider = Provider::start(Make::OidcProvider).await;
    let resource = provider.resource().expect("it has one").to_owned();
    assert_eq!(call(&resource, "").await.0, 401);
    let mut world = World::bare().await;
    world.init_vault().await;
    world.start_keeper().await;

    let mut add = world.command(programs::ours("tokenkeeper"));
    add.args(["add", "tools", "--resource", &resource, "--no-browser"]).stdin(Stdio::null());
    let mut adding = add.spawn().expect("it can be started");
    let mut said = BufReader::new(adding.stderr.take().expect("it was piped")).lines();
    let mut before = String::new();
    let address = loop {
        let line = said.next_line().await.expect("text").unwrap_or_else(|| panic!("no address:\n{before}"));
        if line.starts_with(provider.issuer()) && line.contains("code_challenge") {
            break line;
        }
        before.push_str(&line);
        before.push('\n');
    };
    let pictures = programs::directory().join("pictures").join("signed-in-resource");
    let seen = provider.sign_in(&address, &pictures).await;
    assert_eq!(seen.heading, "You are signed in", "{}", seen.text);
    assert!(adding.wait().await.expect("it ends").success());

    let token = world.token("tools").await.expect("signed in");
    let (status, hello) = call(&resource, token.as_str()).await;
    assert!(status == 200 && hello.contains("\"scope\":\"read write\""), "{status} {hello}");

    world.kill_and_restart().await;
    world.account("tools").await.refresh().await.expect("the client and the login survived");
    let next = world.token("tools").await.expect("refreshed");
    assert_ne!(next.as_str(), token.as_str());
    assert_eq!(call(&resource, next.as_str()).await.0, 200, "the refresh asked for the resource, too");

    let removed = world.run("tokenkeeper", &["remove", "tools"]).await;
    assert!(removed.status.success());
    provider.heard("registration_delete.success", 1).await;
    assert_eq!(provider.count("registration_create.success"), 1, "{:?}", provider.events());
}

/// What the resource answers to a token.
async fn call(resource: &str, token: &str) -> (u16, String) {
    let client = reqwest::Client::builder().no_proxy().build().expect("the client is made of constants");
    let answer = client.get(resource).bearer_auth(token).send().await.expect("it answers");
    (answer.status().as_u16(), answer.text().await.expect("text"))
}
