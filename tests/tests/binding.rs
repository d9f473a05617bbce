//! A login is bound to the endpoint it was made for: an edited definition sends its refresh token nowhere else.

use tokenkeeper::AccountState;
use tokenkeeper::wire::ErrorName;
use tokenkeeper_tests::idp::{Event, Idp, Rotation, Settings};
use tokenkeeper_tests::world::{World, account, account_as};

/// The same account with a token endpoint of somebody's choice.
fn edited(idp: &Idp, endpoint: &str) -> String {
    account_as("work", idp, &format!("client_id = \"desktop\"\ntoken_endpoint = \"{endpoint}\"\n"))
}

async fn reload(world: &World, config: &str) {
    world.write_config(config);
    world.client().await.reload().await.expect("a good configuration");
}

#[tokio::test]
async fn an_edited_token_endpoint_gets_no_refresh_token_and_undoing_the_edit_brings_the_login_back() {
    let idp = Idp::start(Settings { rotation: Rotation::STRICT, ..Settings::default() }).await;
    let elsewhere = Idp::start(Settings::default()).await;
    let mut world = World::signed_in(&idp).await;
    let before = idp.ledger().entries().len();

    reload(&world, &edited(&idp, &format!("{}/oauth/token", elsewhere.base()))).await;
    let held = world.until("work", |status| status.state == AccountState::Held).await;
    let why = held.last_error.expect("held says why").1;
    for word in ["token endpoint", "undo that edit", "sign in again"] {
        assert!(why.contains(word), "{why}");
    }
    let refused = world.account("work").await.refresh().await.expect_err("held");
    assert_eq!(refused.name(), Some(ErrorName::Held), "{refused}");
    assert_eq!(world.token("work").await.expect_err("held").name(), Some(ErrorName::Held));
    world.kill_and_restart().await;
    world.until("work", |status| status.state == AccountState::Held).await;
    assert_eq!(elsewhere.ledger().count(|event| matches!(event, Event::Received { .. })), 0, "nothing was sent there");
    assert_eq!(idp.ledger().entries().len(), before, "nor anywhere");

    reload(&world, &account("work", &idp)).await;
    world.until("work", |status| status.state == AccountState::Ready).await;
    world.account("work").await.refresh().await.expect("the old login, without a new one");
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

#[tokio::test]
async fn a_new_login_binds_anew() {
    let idp = Idp::start(Settings { rotation: Rotation::STRICT, ..Settings::default() }).await;
    let mut world = World::signed_in(&idp).await;
    let true_endpoint = format!("{}/oauth/token", idp.base());
    // The same place, but written down instead of discovered: another binding.
    reload(&world, &edited(&idp, &true_endpoint)).await;
    world.until("work", |status| status.state == AccountState::Held).await;
    world.sign_in("work").await;
    world.until("work", |status| status.state == AccountState::Ready).await;
    world.kill_and_restart().await;
    world.account("work").await.refresh().await.expect("bound to what the definition says now");

    // And from now on it is that definition to which it belongs.
    reload(&world, &account("work", &idp)).await;
    world.until("work", |status| status.state == AccountState::Held).await;
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}
