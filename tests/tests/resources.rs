//! Resource indicators (RFC 8707) at a server that nobody here wrote: two resources from one refresh token.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use tokenkeeper::{LoginOptions, TokenOptions};
use tokenkeeper_tests::programs;
use tokenkeeper_tests::provider::{Make, Provider};
use tokenkeeper_tests::world::World;

const API: &str = "https://api.acme.example/";
const MAIL: &str = "https://mail.acme.example/";

fn audience(token: &tokenkeeper::Token) -> serde_json::Value {
    use base64::Engine as _;
    let payload = token.as_str().split('.').nth(1).expect("a JWT");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice::<serde_json::Value>(&bytes).expect("claims")["aud"].clone()
}

/// A19, S2: a grant with two resources refuses a refresh that names none, so one is always named; each is cached by itself.
#[tokio::test]
async fn two_resources_come_from_one_refresh_token() {
    let make = Make::OidcProvider;
    if let Some(why) = make.missing() {
        return eprintln!("skipped: {why}");
    }
    let provider = Provider::start(make).await;
    let definition = format!(
        "[account.work]\nissuer = \"{}\"\nclient_id = \"desktop\"\nresource = \"{API}\"\nresources = [\"{MAIL}\"]\n\
         scopes = [\"openid\", \"offline_access\", \"read\"]\n",
        provider.issuer()
    );
    let world = World::with(&definition).await;
    let account = world.account("work").await;
    let login = account.login(LoginOptions::new().flow("browser")).await.expect("it begins");
    let pictures = programs::directory().join("pictures").join("signed-in-resources");
    let seen = provider.sign_in(&login.uri.expect("a browser login has an address"), &pictures).await;
    assert_eq!(seen.heading, "You are signed in", "{}", seen.text);
    login.request.wait().await.expect("signed in");

    let api = account.token(TokenOptions::new()).await.expect("signed in");
    assert_eq!(audience(&api), API);
    let mail = account.token(TokenOptions::new().resource(MAIL)).await.expect("the other one");
    assert_eq!(audience(&mail), MAIL);
    assert_eq!(provider.count("refresh_token.consumed"), 1);
    let again = world.account("work").await.token(TokenOptions::new().resource(MAIL)).await.expect("cached");
    assert_eq!(again.as_str(), mail.as_str());

    // One lock for the lineage: all at once is one after the other, at a server that ends a login over a token used twice.
    let asks: Vec<_> = (0..6)
        .map(|turn| {
            let account = account.clone();
            tokio::spawn(async move {
                if turn % 2 == 0 {
                    return account.refresh().await.map(drop);
                }
                let rejected = TokenOptions::new().resource(MAIL).rejected(again_generation(&account).await);
                account.token(rejected).await.map(drop)
            })
        })
        .collect();
    for ask in asks {
        ask.await.expect("it does not panic").expect("the login lives");
    }
    let events = provider.events();
    assert!(!events.iter().any(|event| event.ends_with("error") || event == "grant.revoked"), "{events:?}");

    // What the definition does not declare is never tried: at this server it would burn the token.
    let undeclared = account.token(TokenOptions::new().resource("https://other.example/")).await;
    assert!(undeclared.expect_err("never probed").to_string().contains("declares no resource"));
    account.refresh().await.expect("and the login lives");
}

async fn again_generation(account: &tokenkeeper::Account) -> u64 {
    account.token(TokenOptions::new().resource(MAIL)).await.expect("cached").generation()
}
