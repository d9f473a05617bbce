//! Servers that are not who they should be, or want less than they must: no code, no verifier and no secret goes to them.

use serde_json::{Map, Value, json};
use tokenkeeper::wire::ErrorName;
use tokenkeeper::{Login, LoginOptions};
use tokenkeeper_tests::idp::{Event, Idp, Settings};
use tokenkeeper_tests::person;
use tokenkeeper_tests::world::{PATIENCE, World, account};
use url::Url;

fn patched(patch: Value) -> Map<String, Value> {
    patch.as_object().cloned().expect("an object")
}

fn received(idp: &Idp) -> usize {
    idp.ledger().count(|event| matches!(event, Event::Received { .. }))
}

async fn refused(world: &World) -> tokenkeeper::Error {
    world.account("work").await.login(LoginOptions::new().flow("browser")).await.err().expect("the login is refused")
}

async fn begin(world: &World, name: &str) -> (Login, Url) {
    let login = world.account(name).await.login(LoginOptions::new().flow("browser")).await.expect("it begins");
    let address = login.uri.clone().expect("an address");
    let back = person::sent_to(&address).await.expect("the server answers").expect("a redirect");
    (login, back.parse().expect("an address"))
}

fn parameter(url: &Url, name: &str) -> String {
    url.query_pairs().find(|(known, _)| known == name).expect("it is there").1.into_owned()
}

/// A13, A29: a code of server B, with B's `iss`, comes back to a login that was made for server A: nobody is given it.
#[tokio::test]
async fn a_code_of_another_server_goes_nowhere() {
    let (honest, other) = (Idp::start(Settings::default()).await, Idp::start(Settings::default()).await);
    let world = World::with(&format!("{}{}", account("work", &honest), account("else", &other))).await;
    let (login, back) = begin(&world, "work").await;
    let (_also, elsewhere) = begin(&world, "else").await;
    let mut mixed = back.clone();
    mixed.query_pairs_mut().clear().extend_pairs([
        ("code", parameter(&elsewhere, "code")),
        ("state", parameter(&back, "state")),
        ("iss", parameter(&elsewhere, "iss")),
    ]);
    person::open(mixed.as_str()).await.expect("the listener answers");
    let ended = tokio::time::timeout(PATIENCE, login.request.wait()).await.expect("the login ends");
    let why = ended.expect_err("the code is another server's").to_string();
    assert!(why.contains("another server"), "{why}");
    assert_eq!((received(&honest), received(&other)), (0, 0), "no token call was made");
}

/// A13: a server that promises `iss` (RFC 9207 §3) and leaves it out.
#[tokio::test]
async fn an_issuer_that_is_promised_and_missing_is_no_answer() {
    let promise = patched(json!({ "authorization_response_iss_parameter_supported": true }));
    let idp = Idp::start(Settings { iss_parameter: false, metadata_patch: promise, ..Settings::default() }).await;
    let world = World::with_account(&idp).await;
    let (_, outcome) = world.try_sign_in("work").await;
    outcome.expect_err("it may be anybody's");
    assert_eq!(received(&idp), 0, "no token call was made");
}

/// A6: a server whose metadata do not mention PKCE gets S256 all the same.
#[tokio::test]
async fn s256_is_sent_to_servers_that_do_not_mention_it() {
    let silent = patched(json!({ "code_challenge_methods_supported": null }));
    let idp = Idp::start(Settings { metadata_patch: silent, ..Settings::default() }).await;
    let world = World::with_account(&idp).await;
    world.sign_in("work").await;
    let asked = idp.asked("/authorize");
    let has = |name: &str, value: &str| asked[0].query.contains(&(name.to_owned(), value.to_owned()));
    assert!(has("code_challenge_method", "S256"), "{asked:?}");
}

/// A6: a server that knows only `plain` would be given the verifier in the address: it is refused.
#[tokio::test]
async fn a_server_that_knows_only_plain_is_refused() {
    let plain = patched(json!({ "code_challenge_methods_supported": ["plain"] }));
    let idp = Idp::start(Settings { metadata_patch: plain, ..Settings::default() }).await;
    let world = World::with_account(&idp).await;
    let refused = refused(&world).await;
    assert_eq!(refused.name(), Some(ErrorName::Misconfigured));
    assert!(refused.to_string().contains("S256"), "{refused}");
    assert_eq!((idp.asked("/authorize").len(), received(&idp)), (0, 0));
}

/// A12: an endpoint that is http on another machine.
#[tokio::test]
async fn an_endpoint_without_tls_on_another_machine_is_refused() {
    for endpoint in ["token_endpoint", "authorization_endpoint", "device_authorization_endpoint"] {
        let patch = patched(json!({ endpoint: "http://as.example/x" }));
        let idp = Idp::start(Settings { metadata_patch: patch, ..Settings::default() }).await;
        let world = World::with_account(&idp).await;
        let refused = refused(&world).await;
        assert_eq!(refused.name(), Some(ErrorName::Misconfigured), "{endpoint}");
        assert!(refused.to_string().contains(endpoint), "{refused}");
    }
}
