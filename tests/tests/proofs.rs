//! DPoP (RFC 9449) at a server that is as strict as it may be: another nonce at each call, no proof twice, and every login
//! belongs to the key that it was made with.

use serde_json::Value;
use tokenkeeper::wire::ErrorName;
use tokenkeeper::{AccountState, TokenOptions};
use tokenkeeper_tests::idp::{Dpop, Event, Idp, Settings};
use tokenkeeper_tests::world::{World, account_as, part_of};

const TOKEN: &str = "/oauth/token";

/// A22, S19: the nonce is taken wherever it comes. Where good answers tell the next one, nothing is asked twice but the
/// first request of a keeper that knows none; elsewhere each is asked twice, and no login comes to harm.
#[tokio::test]
async fn a_nonce_is_taken_wherever_it_comes() {
    for (dpop, each) in [(Dpop::NonceAlways, 1), (Dpop::NonceAtRefusals, 2)] {
        let idp = Idp::start(Settings { dpop, ..Settings::default() }).await;
        let mut world = World::with(&bound("work", &idp)).await;
        world.sign_in("work").await;
        assert_eq!(idp.asked(TOKEN).len(), 2, "{dpop:?}: no nonce is known at first");
        let account = world.account("work").await;
        for count in 1..=3 {
            account.refresh().await.unwrap_or_else(|why| panic!("{dpop:?}: {why}"));
            assert_eq!(idp.asked(TOKEN).len(), 2 + count * each, "{dpop:?}");
        }
        world.kill_and_restart().await;
        let account = world.account("work").await;
        account.refresh().await.unwrap_or_else(|why| panic!("{dpop:?}, after kill -9: {why}"));
        let token = account.token(TokenOptions::new()).await.expect("refreshed");
        assert_eq!(token.token_type(), "DPoP");
        let refused = |event: &Event| matches!(event, Event::Refused { error } if error != "use_dpop_nonce");
        assert_eq!(idp.ledger().count(refused), 0, "{dpop:?}: {:?}", idp.ledger().entries());
        assert_eq!(idp.ledger().rotations(), 4, "{dpop:?}");
    }
}

/// A23: the server says that the login belongs to another key. It is told once, the token that is still good is served
/// on, nobody else's login is touched, and a new login has a new key.
#[tokio::test]
async fn a_login_of_another_key_is_a_login_to_make_anew() {
    let idp = Idp::start(Settings { dpop: Dpop::NonceAlways, ..Settings::default() }).await;
    let world = World::with(&format!("{}{}", bound("work", &idp), bound("else", &idp))).await;
    world.sign_in("work").await;
    let (account, key) = (world.account("work").await, last_key(&idp));
    let token = account.token(TokenOptions::new()).await.expect("signed in");
    idp.forget_keys();
    world.sign_in("else").await;
    assert_ne!(last_key(&idp), key, "every login has a key of its own");

    let refused = account.refresh().await.expect_err("the server takes no other key");
    assert_eq!(refused.name(), Some(ErrorName::LoginRequired), "{refused}");
    let status = account.status().await.expect("it exists");
    assert_eq!(status.state, AccountState::LoginRequired);
    let (_, why) = status.last_error.expect("it says why");
    assert!(why.contains("bound to another key"), "{why}");
    assert_eq!((idp.ledger().rotations(), reused(&idp)), (0, 0), "the token was not spent");
    let served = account.token(TokenOptions::new()).await.expect("it is good until it expires");
    assert_eq!(served.as_str(), token.as_str());
    world.account("else").await.refresh().await.expect("it has its own key");

    world.sign_in("work").await;
    assert_ne!(last_key(&idp), key, "a new login, a new key");
    world.account("work").await.refresh().await.expect("the server knows the new key");
    assert_eq!(reused(&idp), 0);
}

/// A22: at the same server, where nobody signs in: one key for all tokens, through kill -9; another after a logout.
#[tokio::test]
async fn a_client_proves_by_one_key_until_it_is_logged_out() {
    for dpop in [Dpop::NonceAlways, Dpop::NonceAtRefusals] {
        let idp = Idp::start(Settings { dpop, ..Settings::default() }).await;
        let mut world = World::bare().await;
        world.write("home/secret", "s3cret&=?\n");
        let secret = world.path("home/secret");
        let robot = format!(
            "client_id = \"post\"\nclient_auth = \"post\"\nclient_secret_file = \"{}\"\nflow = \"client-credentials\"\n\
             scopes = [\"jobs\"]\ndpop = \"on\"\n",
            secret.display()
        );
        world.write_config(&account_as("work", &idp, &robot));
        world.init_vault().await;
        world.start_keeper().await;
        let first = world.token("work").await.unwrap_or_else(|why| panic!("{dpop:?}: {why}"));
        assert_eq!(first.token_type(), "DPoP");
        let key = last_key(&idp);
        world.account("work").await.refresh().await.expect("the server grants");
        world.kill_and_restart().await;
        world.account("work").await.refresh().await.expect("the key survived kill -9");
        assert_eq!(last_key(&idp), key, "{dpop:?}");
        let refused = |event: &Event| matches!(event, Event::Refused { error } if error != "use_dpop_nonce");
        assert_eq!(idp.ledger().count(refused), 0, "{dpop:?}: {:?}", idp.ledger().entries());

        let account = world.account("work").await;
        account.logout().await.expect("forgotten");
        let back = world.run("tokenkeeper", &["login", "work"]).await;
        assert!(back.status.success(), "{:?}", tokenkeeper_tests::world::text(&back));
        assert_eq!(world.token("work").await.expect("it may ask again").token_type(), "DPoP");
        assert_ne!(last_key(&idp), key, "{dpop:?}: a new start, a new key");
    }
}

fn bound(name: &str, idp: &Idp) -> String {
    account_as(name, idp, "client_id = \"desktop\"\ndpop = \"on\"\n")
}

/// The key that the last request was signed with.
fn last_key(idp: &Idp) -> Value {
    let asked = idp.asked(TOKEN);
    let proof = asked.last().and_then(|asked| asked.header("dpop")).expect("a proof");
    part_of(proof, 0)["jwk"].clone()
}

fn reused(idp: &Idp) -> usize {
    idp.ledger().count(|event| matches!(event, Event::Reused { .. }))
}
