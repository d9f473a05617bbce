//! Tokens whose answer does not say when they expire: the server is asked (RFC 7662), and nobody waits for it.

use serde_json::Value;
use tokenkeeper::TokenOptions;
use tokenkeeper_tests::idp::{Deed, Endpoint, Event, Fault, Idp, Settings};
use tokenkeeper_tests::world::{PATIENCE, World};

/// A server that never says how long a token lives, unless it is asked.
async fn silent() -> Idp {
    let idp = Idp::start(Settings { introspection: true, ..Settings::default() }).await;
    idp.set(|settings| drop(settings.answer_patch.insert("expires_in".into(), Value::Null)));
    idp
}

fn asked(idp: &Idp) -> usize {
    idp.ledger().count(|event| matches!(event, Event::Introspected { .. }))
}

/// A17: the expiry is known soon after the login, asked for once, and survives kill -9.
#[tokio::test]
async fn an_expiry_that_no_answer_tells_is_learned_once_and_kept() {
    let idp = silent().await;
    let mut world = World::signed_in(&idp).await;
    let known = world.until("work", |status| status.expires_at > 0).await;
    assert_eq!(asked(&idp), 1);
    let token = world.account("work").await.token(TokenOptions::new()).await.expect("signed in");
    assert_eq!(token.expires_at(), known.expires_at);

    world.keeper().says("what was learned of a token is durable").await;
    world.kill_and_restart().await;
    let again = world.account("work").await.status().await.expect("it exists");
    assert_eq!((again.expires_at, asked(&idp)), (known.expires_at, 1));
    world.account("work").await.refresh().await.expect("the server answers");
    world.until("work", |status| status.generation == 2 && status.expires_at > 0).await;
    assert_eq!(asked(&idp), 2, "another token, asked about once");
}

/// A17: a server that cannot say delays nobody, and the expiry is unknown as before.
#[tokio::test]
async fn a_server_that_cannot_say_costs_nothing() {
    let idp = silent().await;
    idp.plan(Fault::token(Deed::error(500, "server_error")).at(Endpoint::Introspect).times(0));
    let world = World::signed_in(&idp).await;
    let token = world.token("work").await.expect("served at once");
    assert_eq!(token.expires_at(), 0);
    let asked_once =
        idp.ledger().until(PATIENCE, |ledger| ledger.count(|event| matches!(event, Event::Introspected { .. })) == 1);
    assert!(asked_once.await);
    let again = world.token("work").await.expect("served on");
    assert_eq!((again.as_str(), again.expires_at()), (token.as_str(), 0));
    assert_eq!((asked(&idp), idp.ledger().refreshes()), (1, 0));
}
