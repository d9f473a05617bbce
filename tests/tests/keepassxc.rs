//! KeePassXC as the Secret Service: it may be shut, be killed, hang or lose the key in mid-work. Nothing
//! hangs, no login is lost, and each time the state and the remedy are the right ones.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use tokenkeeper::{AccountState, VaultState};
use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::keepassxc::KeePassXc;
use tokenkeeper_tests::keyring::{BOUND, refused, state, unlock, why_shut};
use tokenkeeper_tests::programs;
use tokenkeeper_tests::world::{World, account, text};

/// A vault whose key lies in KeePassXC's database, and a signed-in account.
async fn signed_in(idp: &Idp) -> Option<(World, KeePassXc)> {
    if !programs::has("keepassxc") {
        eprintln!("skipped: KeePassXC is not installed");
        return None;
    }
    let mut world = World::bare().await;
    KeePassXc::make_database(&world).await;
    let keyring = KeePassXc::start(&world).await;
    world.write_config(&account("work", idp));
    let made = world.daemon().args(["--init", "--slot", "secret-service"]).output().await.expect("it can be started");
    assert!(made.status.success(), "{}", text(&made).1);
    keyring.has_saved(&world, "tokenkeeper vault key").await;
    world.start_keeper().await;
    world.sign_in("work").await;
    Some((world, keyring))
}

async fn still_signed_in(world: &World) {
    world.until("work", |status| status.state == AccountState::Ready).await;
    world.account("work").await.refresh().await.expect("the login is still there");
}

#[tokio::test]
async fn after_a_restart_of_both_the_vault_opens_by_itself() {
    let idp = Idp::start(Settings::default()).await;
    let Some((mut world, keyring)) = signed_in(&idp).await else { return };
    keyring.kill().await;
    let _keyring = KeePassXc::start(&world).await;
    world.kill_and_restart().await;
    still_signed_in(&world).await;
    assert_eq!(world.client().await.vault().opened_by().await.expect("the keeper answers"), "secret-service");
}

#[tokio::test]
async fn killed_in_mid_work_it_takes_nothing_along() {
    let idp = Idp::start(Settings::default()).await;
    let Some((world, keyring)) = signed_in(&idp).await else { return };
    keyring.kill().await;
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");
    world.client().await.vault().lock().await.expect("locked");
    refused(&unlock(&world).await, "no Secret Service runs on this bus");
    assert_eq!(state(&world).await, VaultState::Locked);

    let _keyring = KeePassXc::start(&world).await;
    let unlocked = unlock(&world).await;
    assert!(unlocked.status.success(), "{}", text(&unlocked).1);
    still_signed_in(&world).await;
}

#[tokio::test]
async fn when_it_hangs_nobody_else_does() {
    let idp = Idp::start(Settings::default()).await;
    let Some((mut world, keyring)) = signed_in(&idp).await else { return };
    keyring.stop();
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");
    world.client().await.vault().lock().await.expect("locked");
    refused(&unlock(&world).await, "did not answer within 5 s");

    world.take_keeper().kill().await;
    tokio::time::timeout(BOUND, world.start_keeper()).await.expect("nor does the start");
    assert_eq!(state(&world).await, VaultState::Locked);
    keyring.go_on();
    let unlocked = unlock(&world).await;
    assert!(unlocked.status.success(), "{}", text(&unlocked).1);
    still_signed_in(&world).await;
}

#[tokio::test]
async fn a_shut_database_is_said_and_the_vault_opens_with_it() {
    let idp = Idp::start(Settings::default()).await;
    let Some((mut world, keyring)) = signed_in(&idp).await else { return };
    keyring.lock(&world).await;
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");
    world.take_keeper().kill().await;
    tokio::time::timeout(BOUND, world.start_keeper()).await.expect("the start does not wait for a person");
    assert_eq!(state(&world).await, VaultState::Locked);
    let why = why_shut(&world).await;
    assert!(why.contains("did not answer within 5 s"), "it asks its person first: {why}");

    keyring.unlock(&world).await;
    still_signed_in(&world).await;
}

#[tokio::test]
async fn without_the_item_the_vault_says_so_and_stays() {
    let idp = Idp::start(Settings::default()).await;
    let Some((world, keyring)) = signed_in(&idp).await else { return };
    keyring.empty(&world).await;
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");
    world.client().await.vault().lock().await.expect("locked");
    refused(&unlock(&world).await, "holds no key of this vault");
    assert_eq!(state(&world).await, VaultState::Locked);
    assert!(world.state_dir().join("vault.db").exists());
}
