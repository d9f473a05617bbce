//! Tokens that are bound to a key (RFC 9449), at a server of somebody else: `oidc-provider`, which checks every proof, takes
//! none twice, and may want its own nonce in each.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokenkeeper::wire::ErrorName;
use tokenkeeper::{Account, LoginOptions, ProofOptions, Token, TokenOptions};
use tokenkeeper_tests::programs;
use tokenkeeper_tests::provider::{Make, Provider};
use tokenkeeper_tests::world::{World, claims, part_of, text};

/// A22: every proof needs a nonce of the server's. Code and refresh get theirs by one more request, so does a program at
/// the resource; after kill -9 the key is still the one that the tokens are bound to.
#[tokio::test]
async fn a_bound_login_lives_at_a_server_that_wants_nonces() {
    let Some(provider) = provider(&["dpop"]).await else { return };
    let mut world = world(&provider, "desktop", "dpop = \"on\"").await;
    let account = sign_in(&world, &provider, "dpop-nonces").await;
    let token = account.token(TokenOptions::new()).await.expect("signed in");
    assert_eq!(token.token_type(), "DPoP");
    assert_eq!(used(&provider, &account, &token).await, 200);
    assert_eq!(provider.userinfo(token.as_str()).await, 401, "without a proof it is worth nothing");

    account.refresh().await.expect("the server grants");
    world.kill_and_restart().await;
    let account = world.account("work").await;
    for _ in 0..2 {
        account.refresh().await.expect("the key survived kill -9");
    }
    let token = account.token(TokenOptions::new()).await.expect("refreshed");
    assert_eq!((token.token_type(), used(&provider, &account, &token).await), ("DPoP", 200));
    let events = provider.events();
    assert_eq!(provider.count("refresh_token.consumed"), 3, "{events:?}");
    assert_eq!(provider.count("grant.revoked"), 0, "{events:?}");
}

/// S19: `dpop = "auto"`: no proof where none is wanted, so that programs which know only `Bearer` go on working; a bound token
/// where the client is registered so, although this server says nothing but `invalid_grant` of a missing proof.
#[tokio::test]
async fn auto_binds_only_where_the_server_wants_it() {
    let Some(provider) = provider(&[]).await else { return };
    for (client, token_type) in [("desktop", "Bearer"), ("bound", "DPoP")] {
        let world = world(&provider, client, "").await;
        let account = sign_in(&world, &provider, &format!("dpop-auto-{client}")).await;
        for _ in 0..2 {
            account.refresh().await.unwrap_or_else(|why| panic!("{client}: {why}"));
        }
        let token = account.token(TokenOptions::new()).await.expect("refreshed");
        assert_eq!(token.token_type(), token_type, "{client}");
        let bare = provider.userinfo(token.as_str()).await;
        assert_eq!(bare, if token_type == "Bearer" { 200 } else { 401 }, "{client}");
        if token_type == "DPoP" {
            assert_eq!(used(&provider, &account, &token).await, 200);
        } else {
            let refused = account.sign_proof("GET", "https://api.example/", ProofOptions::new()).await;
            let refused = refused.expect_err("there is no key");
            assert_eq!(refused.name(), Some(ErrorName::NotSupported), "{refused}");
            assert!(refused.to_string().contains("dpop = \"on\""), "{refused}");
        }
    }
}

/// A22: nobody signs in. The first token brings the key, refreshes and kill -9 leave it, and `"auto"` binds a client that is
/// registered so, although this server says nothing but `invalid_grant` of a missing proof.
#[tokio::test]
async fn a_client_that_nobody_signs_in_to_has_bound_tokens() {
    for (arguments, client, more) in
        [(&["dpop"][..], "robot-basic", "dpop = \"on\""), (&[], "robot-bound", ""), (&["dpop"], "robot-bound", "")]
    {
        let Some(provider) = provider(arguments).await else { return };
        let mut world = World::bare().await;
        world.write("home/secret", "a:b %+/c\n");
        let secret = world.path("home/secret");
        let robot = format!("flow = \"client-credentials\"\nclient_secret_file = \"{}\"\n{more}", secret.display());
        let resource = "resource = \"https://api.acme.example/\"\nscopes = [\"read\"]";
        world.write_config(&account_of(&provider, client, &format!("{robot}\n{resource}")));
        world.init_vault().await;
        world.start_keeper().await;
        let mut keys = Vec::new();
        for kill in [false, false, true] {
            if kill {
                world.kill_and_restart().await;
            }
            let account = world.account("work").await;
            account.refresh().await.unwrap_or_else(|why| panic!("{client}: {why}\n{:?}", provider.events()));
            let token = account.token(TokenOptions::new()).await.expect("refreshed");
            assert_eq!(token.token_type(), "DPoP", "{client}");
            keys.push(claims(token.as_str())["cnf"]["jkt"].clone());
            let proof = account.sign_proof("GET", "https://api.acme.example/", ProofOptions::new().token(&token)).await;
            let jwk = part_of(&proof.expect("there is a key"), 0)["jwk"].clone();
            assert_eq!(keys.last(), Some(&thumbprint(&jwk).into()), "the proof is by the key that the token names");
        }
        assert!(keys.iter().all(|key| *key == keys[0]), "{keys:?}");
    }
}

/// RFC 7638 §3.2.
fn thumbprint(jwk: &Value) -> String {
    let (crv, kty, x, y) = (&jwk["crv"], &jwk["kty"], &jwk["x"], &jwk["y"]);
    let canonical = format!(r#"{{"crv":{crv},"kty":{kty},"x":{x},"y":{y}}}"#);
    URL_SAFE_NO_PAD.encode(Sha256::digest(canonical))
}

/// The command for the shell: two header lines for curl, or a word about what is missing.
#[tokio::test]
async fn the_companion_prints_the_proof_beside_the_token() {
    let Some(provider) = provider(&["dpop"]).await else { return };
    let world = world(&provider, "desktop", "dpop = \"on\"").await;
    sign_in(&world, &provider, "dpop-header").await;
    let address = provider.userinfo_address();

    let bare = world.run("tokenkeeper", &["header", "work"]).await;
    let (out, err) = text(&bare);
    assert_eq!((bare.status.code(), out.as_str()), (Some(2), ""));
    assert!(err.contains("each request needs a proof") && err.contains("--dpop METHOD URL"), "{err}");

    let first = ["header", "work", "--dpop", "GET", &address, "--nonce", "an-old-one"];
    let lines = text(&world.run("tokenkeeper", &first).await).0;
    let (token, proof) = headers(&lines);
    let (status, nonce) = provider.userinfo_proved(token, proof).await;
    let nonce = nonce.expect("it wants a nonce of its own");
    assert_eq!(status, 401);
    let again = ["header", "work", "--dpop", "GET", &address, "--nonce", &nonce];
    let lines = text(&world.run("tokenkeeper", &again).await).0;
    let (token, proof) = headers(&lines);
    assert_eq!(provider.userinfo_proved(token, proof).await.0, 200);
    let refused = world.run("tokenkeeper", &["header", "work", "--dpop", "GET", "http://api.example/"]).await;
    assert!(text(&refused).1.contains("https is required"), "{}", text(&refused).1);
}

/// Nothing signs behind a lock; and for an account that is logged out there is no key.
#[tokio::test]
async fn no_proof_is_signed_behind_a_lock_or_after_a_logout() {
    let Some(provider) = provider(&[]).await else { return };
    let world = world(&provider, "desktop", "dpop = \"on\"").await;
    let account = sign_in(&world, &provider, "dpop-lock").await;
    let token = account.token(TokenOptions::new()).await.expect("signed in");
    let proof = || account.sign_proof("GET", "https://api.example/", ProofOptions::new().token(&token));
    proof().await.expect("there is a key");
    world.run("tokenkeeper", &["lock"]).await;
    assert_eq!(proof().await.expect_err("locked").name(), Some(ErrorName::Locked));
    world.run("tokenkeeper", &["unlock"]).await;
    proof().await.expect("there is a key again");
    account.logout().await.expect("forgotten");
    let refused = proof().await.expect_err("there is no key");
    assert_eq!(refused.name(), Some(ErrorName::NotSupported), "{refused}");
}

/// A24: a clock that is ten minutes fast. Proofs and assertions carry the server's time, which every answer tells.
#[tokio::test]
async fn a_clock_that_is_wrong_makes_no_wrong_proof() {
    let Some(provider) = provider(&[]).await else { return };
    let Some(library) = programs::faketime() else { return eprintln!("skipped: libfaketime is not installed") };
    let mut world = World::bare().await;
    world.write_config(&account_of(&provider, "desktop", "dpop = \"on\""));
    world.init_vault().await;
    let mut daemon = world.daemon();
    daemon.env("LD_PRELOAD", library).env("FAKETIME", "+600s").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    world.start_keeper_as(daemon).await;
    let account = sign_in(&world, &provider, "dpop-clock").await;
    account.refresh().await.expect("the server grants");
    let token = account.token(TokenOptions::new()).await.expect("refreshed");
    assert_eq!((token.token_type(), used(&provider, &account, &token).await), ("DPoP", 200));
    assert_eq!(provider.count("grant.error"), 0, "{:?}", provider.events());
}

/// Uses a token as a program does: a proof, and another one if the server wants a nonce.
async fn used(provider: &Provider, account: &Account, token: &Token) -> u16 {
    let address = provider.userinfo_address();
    let options = || ProofOptions::new().token(token);
    let proof = account.sign_proof("GET", &address, options()).await.expect("a proof");
    let (status, nonce) = provider.userinfo_proved(token.as_str(), &proof).await;
    let (401, Some(nonce)) = (status, nonce) else { return status };
    let proof = account.sign_proof("GET", &address, options().nonce(nonce)).await.expect("a proof");
    provider.userinfo_proved(token.as_str(), &proof).await.0
}

fn headers(lines: &str) -> (&str, &str) {
    let (first, second) = lines.split_once('\n').expect("two lines");
    let token = first.strip_prefix("Authorization: DPoP ").unwrap_or_else(|| panic!("{first}"));
    (token, second.strip_prefix("DPoP: ").unwrap_or_else(|| panic!("{second}")).trim_end())
}

async fn provider(arguments: &[&str]) -> Option<Provider> {
    if let Some(why) = Make::OidcProvider.missing() {
        eprintln!("skipped: {why}");
        return None;
    }
    Some(Provider::start_with(Make::OidcProvider, arguments).await)
}

fn account_of(provider: &Provider, client: &str, more: &str) -> String {
    let issuer = provider.issuer();
    format!("[account.work]\nissuer = \"{issuer}\"\nclient_id = \"{client}\"\nredirect_path = \"/callback\"\n{more}\n")
}

async fn world(provider: &Provider, client: &str, more: &str) -> World {
    World::with(&account_of(provider, client, more)).await
}

async fn sign_in(world: &World, provider: &Provider, name: &str) -> Account {
    let account = world.account("work").await;
    let login = account.login(LoginOptions::new().flow("browser")).await.expect("it begins");
    let address = login.uri.clone().expect("a browser login has an address");
    let seen = provider.sign_in(&address, &programs::directory().join("pictures").join(name)).await;
    assert_eq!(seen.heading, "You are signed in", "{}", seen.text);
    login.request.wait().await.expect("signed in");
    account
}
