//! Another program of the machine at the redirect address, with more luck than it should have: it is first there, and it
//! even knows the state.

use tokenkeeper::LoginOptions;
use tokenkeeper::wire::ErrorName;
use tokenkeeper_tests::idp::{Event, Idp, Settings};
use tokenkeeper_tests::person;
use tokenkeeper_tests::world::{PATIENCE, World};
use url::Url;

/// A9: the code is of a login that Mallory began, so it was made for another verifier (RFC 7636 §1), and the server gives
/// nothing for it: nobody works in Mallory's account without knowing it.
#[tokio::test]
async fn a_code_of_somebody_elses_login_gets_no_token() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with_account(&idp).await;
    let account = world.account("work").await;
    let login = account.login(LoginOptions::new().flow("browser")).await.expect("it begins");
    let address = Url::parse(&login.uri.expect("a browser login has an address")).expect("an address");
    let state = of(&address, "state").expect("always");

    let stolen = Url::parse(&sent_back(&with(&address, "code_challenge", &"m".repeat(43))).await).expect("an address");
    assert!(of(&stolen, "code").is_some(), "{stolen}");
    let page = person::open(with(&stolen, "state", &state).as_str()).await.expect("the keeper answers");
    assert!(page.status >= 400, "{}", page.body);

    let outcome = tokio::time::timeout(PATIENCE, login.request.wait()).await.expect("the login ends");
    outcome.expect_err("that code was somebody else's");
    let events = |wanted: fn(&Event) -> bool| idp.ledger().count(wanted);
    assert_eq!(events(|event| matches!(event, Event::Refused { error } if error == "invalid_grant")), 1);
    assert_eq!(events(|event| matches!(event, Event::Committed { .. })), 0);
    let denied = world.token("work").await.expect_err("nobody is signed in");
    assert_eq!(denied.name(), Some(ErrorName::LoginRequired), "{denied}");
}

/// A9: Mallory took the code away, and the browser never came: it is worth nothing without the verifier, which never left the
/// keeper.
#[tokio::test]
async fn a_code_that_was_intercepted_is_worth_nothing() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with_account(&idp).await;
    let account = world.account("work").await;
    let login = account.login(LoginOptions::new().flow("browser")).await.expect("it begins");
    let address = Url::parse(&login.uri.expect("a browser login has an address")).expect("an address");
    let taken = Url::parse(&sent_back(&address).await).expect("an address");
    let redirect = of(&address, "redirect_uri").expect("always");
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", "desktop"),
        ("code", &of(&taken, "code").expect("it was given")),
        ("redirect_uri", &redirect),
        ("code_verifier", &of(&address, "code_challenge").expect("always")),
    ];
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let client = reqwest::Client::builder().no_proxy().build().expect("the client is made of constants");
    let request = client.post(format!("{}/oauth/token", idp.base())).body(body);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(request.send().await.expect("the server answers").status(), 400);
    login.request.cancel().await.expect("given up");
    let denied = world.token("work").await.expect_err("nobody is signed in");
    assert_eq!(denied.name(), Some(ErrorName::LoginRequired), "{denied}");
}

async fn sent_back(address: &Url) -> String {
    person::sent_to(address.as_str()).await.expect("the server answers").expect("it sends the browser back")
}

fn of(address: &Url, name: &str) -> Option<String> {
    address.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

/// The address with another value of one parameter.
fn with(address: &Url, name: &str, value: &str) -> Url {
    let others: Vec<_> = address.query_pairs().into_owned().filter(|(key, _)| key != name).collect();
    let mut changed = address.clone();
    changed.query_pairs_mut().clear().extend_pairs(others).append_pair(name, value);
    changed
}
