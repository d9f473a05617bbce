//! A vault that is lost comes back from its daily copy: what cannot have been spent goes on, what may have been is held,
//! and no spent token is ever sent.

use tokenkeeper::wire::ErrorName;
use tokenkeeper::{AccountState, VaultState};
use tokenkeeper_tests::idp::{Idp, Rotation, Settings};
use tokenkeeper_tests::world::{PATIENCE, World, text};

/// Waits for the copy that follows a login by a few quiet seconds.
async fn copied(world: &World) {
    let copy = world.state_dir().join("vault.db.backup");
    let look = async {
        let mut interval = tokio::time::interval(std::time::Duration::from_millis(50));
        while !copy.exists() {
            interval.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the keeper copies its vault when nobody wants anything");
}

#[allow(clippy::disallowed_methods, reason = "damage need not be durable")]
fn damage(world: &World) {
    std::fs::write(world.state_dir().join("vault.db"), [0x5a; 16_384]).expect("the file is ours");
    std::fs::remove_file(world.state_dir().join("vault.db-wal")).expect("the file is ours");
}

#[tokio::test]
async fn a_restored_login_that_rotates_is_held_and_its_spent_token_is_not_sent() {
    let idp = Idp::start(Settings { rotation: Rotation::STRICT, ..Settings::default() }).await;
    let mut world = World::signed_in(&idp).await;
    copied(&world).await;
    // Two tokens on: what the copy holds is spent.
    for _ in 0..2 {
        assert!(world.run("tokenkeeper", &["refresh", "work"]).await.status.success());
    }
    world.take_keeper().kill().await;
    damage(&world);
    world.start_keeper().await;
    assert_eq!(world.client().await.vault().state().await.expect("the keeper answers"), VaultState::NoVault);
    let doctor = world.run("tokenkeeper", &["doctor"]).await;
    let said = text(&doctor).0;
    assert!(said.contains("tokenkeeper doctor --restore") && said.contains("vault.db.damaged-1"), "{said}");

    let asked = idp.ledger().entries().len();
    let restored = world.run("tokenkeeper", &["doctor", "--restore"]).await;
    assert!(restored.status.success(), "{}", text(&restored).1);
    world.start_keeper().await;
    let status = world.until("work", |status| status.state == AccountState::Held).await;
    let (_, why) = status.last_error.expect("held says why");
    assert!(why.contains("comes from the copy of the vault") && why.contains("tokenkeeper login"), "{why}");
    let refused = world.account("work").await.refresh().await.expect_err("held");
    assert_eq!(refused.name(), Some(ErrorName::Held), "{refused}");
    assert_eq!(world.token("work").await.expect_err("held").name(), Some(ErrorName::Held));
    assert_eq!(idp.ledger().entries().len(), asked, "nothing was asked of the server");

    world.sign_in("work").await;
    assert!(world.token("work").await.is_ok());
    world.kill_and_restart().await;
    assert!(world.token("work").await.is_ok(), "held once, not at every start");
}

#[tokio::test]
async fn without_a_copy_restoring_says_so_and_changes_nothing() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::signed_in(&idp).await;
    world.kill_and_restart().await;
    drop(std::fs::remove_file(world.state_dir().join("vault.db.backup")));
    let refused = world.run("tokenkeeper", &["doctor", "--restore"]).await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused).1.contains("there is no copy of a vault"), "{}", text(&refused).1);
    assert!(world.token("work").await.is_ok(), "the keeper goes on");
}
