//! Logging out: forgotten here at once, and the server is told, however long that takes.

use std::time::Duration;

use tokenkeeper::wire::ErrorName;
use tokenkeeper::{AccountState, Definition};
use tokenkeeper_tests::idp::{Client, ClientAuth, Deed, Endpoint, Event, Fault, Idp, Settings};
use tokenkeeper_tests::world::{PATIENCE, World, account_as};
use zbus::Variant;

/// From now on the server's revocation endpoint does this.
fn at_revocation(idp: &Idp, deed: Deed) {
    idp.plan(Fault::token(deed).at(Endpoint::Revoke).times(0));
}

fn revoked(idp: &Idp) -> Vec<u64> {
    let entries = idp.ledger().entries();
    entries
        .iter()
        .filter_map(|entry| if let Event::Revoked { family } = entry.event { Some(family) } else { None })
        .collect()
}

async fn hears_of(idp: &Idp, family: u64) {
    let told = idp.ledger().until(PATIENCE, |ledger| {
        ledger.count(|event| matches!(event, Event::Revoked { family: told } if *told == family)) > 0
    });
    assert!(told.await, "never told: {:?}", idp.ledger().entries());
}

/// A16: a logout needs no server: the tokens are gone at once, and the server hears of it when it can, after kill -9 too.
#[tokio::test]
async fn a_logout_without_the_server_is_told_after_a_kill() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::signed_in(&idp).await;
    at_revocation(&idp, Deed::Reset);
    world.account("work").await.logout().await.expect("it needs no server");
    let denied = world.token("work").await.expect_err("forgotten");
    assert_eq!(denied.name(), Some(ErrorName::LoginRequired));
    world.keeper().says("the server has not been told yet").await;
    assert!(revoked(&idp).is_empty());

    world.take_keeper().kill().await;
    idp.clear_faults();
    world.start_keeper().await;
    hears_of(&idp, 0).await;
    world.keeper().says("has revoked the login").await;
    world.until("work", |status| status.state == AccountState::LoggedOut).await;

    // It is said once: nothing is left of it.
    world.kill_and_restart().await;
    world.sign_in("work").await;
    world.account("work").await.logout().await.expect("the server answers");
    hears_of(&idp, 1).await;
    assert_eq!(revoked(&idp), [0_u64, 1]);
}

/// A16: a 503 means that the token still lives (RFC 7009 §2.2.1).
#[tokio::test]
async fn a_server_that_cannot_now_is_asked_again() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    idp.plan(Fault::token(Deed::error(503, "temporarily_unavailable")).at(Endpoint::Revoke).times(2));
    world.account("work").await.logout().await.expect("forgotten");
    hears_of(&idp, 0).await;
    assert_eq!(world.keeper().log().matches("the server has not been told yet").count(), 2);
}

/// S14: servers refuse to revoke for reasons of their own, and would again: the logout holds, and they are not asked more.
#[tokio::test]
async fn a_server_that_refuses_is_not_asked_again_and_the_logout_holds() {
    for (status, code) in [(400, "unsupported_token_type"), (401, "invalid_client"), (400, "invalid_request")] {
        let idp = Idp::start(Settings::default()).await;
        let mut world = World::signed_in(&idp).await;
        idp.plan(Fault::token(Deed::error(status, code)).at(Endpoint::Revoke));
        world.account("work").await.logout().await.expect("a refusal is no reason to stay signed in");
        world.keeper().says(&format!("answered {status} and revoked nothing")).await;
        assert_eq!(world.token("work").await.expect_err("forgotten").name(), Some(ErrorName::LoginRequired));

        world.kill_and_restart().await;
        world.sign_in("work").await;
        world.account("work").await.logout().await.expect("the server answers");
        hears_of(&idp, 1).await;
        assert_eq!(revoked(&idp), [1_u64], "the first one was settled");
    }
}

/// S14: one server has no revocation endpoint at all.
#[tokio::test]
async fn without_an_endpoint_the_login_is_only_forgotten() {
    let idp = Idp::start(Settings::default()).await;
    idp.set(|settings| drop(settings.metadata_patch.insert("revocation_endpoint".into(), serde_json::Value::Null)));
    let world = World::signed_in(&idp).await;
    world.account("work").await.logout().await.expect("it needs no server");
    world.keeper().says("has no way to revoke a token").await;
    assert_eq!(world.token("work").await.expect_err("forgotten").name(), Some(ErrorName::LoginRequired));
}

/// A16: what is still to be revoked belongs to no account any more: a new login meanwhile lives on.
#[tokio::test]
async fn a_new_login_meanwhile_is_not_disturbed() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::signed_in(&idp).await;
    at_revocation(&idp, Deed::Reset);
    world.account("work").await.logout().await.expect("it needs no server");
    world.keeper().says("the server has not been told yet").await;
    world.sign_in("work").await;
    world.account("work").await.logout().await.expect("it needs no server");
    world.sign_in("work").await;

    world.take_keeper().kill().await;
    idp.clear_faults();
    world.start_keeper().await;
    hears_of(&idp, 0).await;
    hears_of(&idp, 1).await;
    world.account("work").await.refresh().await.expect("the third login lives");
    assert_eq!(revoked(&idp).len(), 2);
}

/// A16: the definition and its client secret are gone, and the server is told all the same, as the client it knows.
#[tokio::test]
async fn a_removed_account_is_still_revoked_as_the_client_it_was() {
    let secret = "a:b%+ü/c d";
    let clients = vec![Client::confidential("site", ClientAuth::Basic, secret)];
    let idp = Idp::start(Settings { clients, ..Settings::default() }).await;
    let mut world = World::new().await;
    let words = [("name", "site"), ("issuer", &idp.issuer()), ("client_id", "site"), ("client_auth", "basic")];
    let definition: Definition =
        words.into_iter().map(|(key, word)| (key.to_owned(), Variant::from(word.to_owned()))).collect();
    let account = world.client().await.add(&definition).await.expect("a definition");
    let request = account.set_secret().await.expect("it may be set");
    request.input(&[("client_secret", secret.as_bytes())]).await.expect("the keeper takes it");
    request.wait().await.expect("it is stored");
    world.sign_in("site").await;

    at_revocation(&idp, Deed::Reset);
    account.remove().await.expect("it needs no server");
    assert!(world.client().await.accounts().await.expect("the bus answers").is_empty());
    world.keeper().says("the server has not been told yet").await;

    world.take_keeper().kill().await;
    idp.clear_faults();
    world.start_keeper().await;
    hears_of(&idp, 0).await;
}

/// A16: a vault that is locked and opened again goes on telling.
#[tokio::test]
async fn unlocking_goes_on_with_what_was_left() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with(&account_as("work", &idp, "client_id = \"desktop\"\n")).await;
    world.sign_in("work").await;
    at_revocation(&idp, Deed::Reset);
    world.account("work").await.logout().await.expect("it needs no server");
    world.keeper().says("the server has not been told yet").await;
    let keeper = world.client().await;
    keeper.vault().lock().await.expect("locked");
    idp.clear_faults();
    let request = keeper.vault().unlock().await.expect("it begins");
    tokio::time::timeout(Duration::from_secs(20), request.wait())
        .await
        .expect("in time")
        .expect("the key file opens it");
    hears_of(&idp, 0).await;
}
