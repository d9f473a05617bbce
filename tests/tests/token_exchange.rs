//! Tokens that the login does not give, by exchange of its access token (RFC 8693).

use tokenkeeper::TokenOptions;
use tokenkeeper::wire::ErrorName;
use tokenkeeper_tests::idp::{Deed, Event, Fault, Idp, Settings};
use tokenkeeper_tests::world::{World, account_as};

const BACKEND: &str = "https://backend.example";
const MAIL: &str = "https://mail.example";

async fn signed_in(idp: &Idp, more: &str) -> World {
    let world = World::with(&account_as("work", idp, &format!("client_id = \"desktop\"\n{more}"))).await;
    world.sign_in("work").await;
    world
}

async fn exchanging() -> (Idp, World) {
    let audiences = vec![BACKEND.to_owned(), MAIL.to_owned()];
    let idp = Idp::start(Settings { token_exchange: true, audiences, ..Settings::default() }).await;
    let world = signed_in(&idp, "token_exchange = true\n").await;
    (idp, world)
}

fn exchanges(idp: &Idp) -> usize {
    idp.ledger().count(|event| matches!(event, Event::Received { grant, .. } if grant.ends_with("token-exchange")))
}

fn audience(token: &tokenkeeper::Token) -> serde_json::Value {
    use base64::Engine as _;
    let payload = token.as_str().split('.').nth(1).expect("a JWT");
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).expect("base64url");
    serde_json::from_slice::<serde_json::Value>(&bytes).expect("claims")["aud"][0].clone()
}

/// A18: an exchange for each (audience, scopes), cached, and the login's own token and refresh token untouched.
#[tokio::test]
async fn what_was_exchanged_is_cached_by_audience_and_scopes() {
    let (idp, world) = exchanging().await;
    let account = world.account("work").await;
    let own = account.token(TokenOptions::new()).await.expect("signed in");
    let backend = || TokenOptions::new().audience(BACKEND);
    let first = account.token(backend()).await.expect("exchanged");
    assert_eq!(audience(&first), BACKEND);
    let again = world.account("work").await.token(backend()).await.expect("cached");
    assert_eq!((again.as_str(), exchanges(&idp)), (first.as_str(), 1));

    let mail = account.token(TokenOptions::new().audience(MAIL)).await.expect("exchanged");
    assert_eq!((audience(&mail), exchanges(&idp)), (MAIL.into(), 2));
    let narrow = account.token(backend().scope("profile")).await.expect("exchanged");
    assert_eq!((narrow.scopes(), exchanges(&idp)), (&["profile".to_owned()][..], 3));
    let own_narrow = account.token(TokenOptions::new().scope("profile")).await.expect("exchanged");
    assert_eq!((own_narrow.scopes(), exchanges(&idp)), (&["profile".to_owned()][..], 4));

    let same = world.token("work").await.expect("signed in");
    assert_eq!(same.as_str(), own.as_str());
    assert_eq!(idp.ledger().refreshes(), 0, "an exchange rotates nothing");
}

/// A18: many programs ask at once for the same.
#[tokio::test]
async fn many_callers_are_one_exchange() {
    let (idp, world) = exchanging().await;
    idp.plan(Fault::hang(0.5));
    let account = world.account("work").await;
    let asks: Vec<_> = (0..50)
        .map(|_| {
            let account = account.clone();
            tokio::spawn(async move { account.token(TokenOptions::new().audience(BACKEND)).await })
        })
        .collect();
    let mut tokens = Vec::new();
    for ask in asks {
        tokens.push(ask.await.expect("it does not panic").expect("exchanged"));
    }
    let first = tokens[0].as_str().to_owned();
    assert!(tokens.iter().all(|token| token.as_str() == first));
    assert_eq!(exchanges(&idp), 1);
}

/// A18: what the server refuses is said, is not asked for again at once, and costs nothing.
#[tokio::test]
async fn a_refusal_is_told_and_the_login_is_as_it_was() {
    let (idp, world) = exchanging().await;
    let account = world.account("work").await;
    for _ in 0..3 {
        let ask = account.token(TokenOptions::new().audience("https://unknown.example"));
        let denied = ask.await.expect_err("no such audience");
        assert_eq!(denied.name(), Some(ErrorName::Misconfigured));
        assert!(denied.to_string().contains("invalid_target"), "{denied}");
    }
    assert_eq!(exchanges(&idp), 1);
    idp.plan(Fault::token(Deed::error(403, "access_denied")));
    let denied = account.token(TokenOptions::new().audience(MAIL)).await.expect_err("not for this client");
    assert_eq!(denied.name(), Some(ErrorName::NotPermitted));
    world.token("work").await.expect("the login's own token is served on");
    let status = account.status().await.expect("it exists");
    assert_eq!((status.state, status.last_error), (tokenkeeper::AccountState::Ready, None));
    account.refresh().await.expect("and its refresh token was never part of it");
}

/// A18: off unless the definition says otherwise, and said where the server does not offer it.
#[tokio::test]
async fn nothing_is_exchanged_unasked_or_where_it_is_not_offered() {
    let idp = Idp::start(Settings { token_exchange: true, ..Settings::default() }).await;
    let world = signed_in(&idp, "").await;
    let denied = world.account("work").await.token(TokenOptions::new().audience(BACKEND)).await;
    assert!(denied.expect_err("not declared").to_string().contains("declares no audience"));

    let plain = Idp::start(Settings::default()).await;
    let world = signed_in(&plain, "token_exchange = true\n").await;
    let denied = world.account("work").await.token(TokenOptions::new().audience(BACKEND)).await;
    assert!(denied.expect_err("not offered").to_string().contains("does not offer token exchange"));
    assert_eq!(exchanges(&idp) + exchanges(&plain), 0);
}
