//! A keyring that is killed, stopped, locked or emptied in mid-work: nothing hangs, no login is lost, and each time the
//! state and the remedy are the right ones.

use tokenkeeper::VaultState;
use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::keyring::Kind::{Gnome, KeePassXc};
use tokenkeeper_tests::keyring::{BOUND, Keyring, Kind, refused, signed_in, state, still_signed_in, unlock, why_shut};
use tokenkeeper_tests::world::text;

#[tokio::test]
async fn a_gnome_keyring_that_is_killed_takes_nothing_along() {
    killed(Gnome).await;
}

#[tokio::test]
async fn a_keepassxc_that_is_killed_takes_nothing_along() {
    killed(KeePassXc).await;
}

/// … and its successor opens the vault.
async fn killed(kind: Kind) {
    let idp = Idp::start(Settings::default()).await;
    let Some((world, keyring)) = signed_in(kind, &idp).await else { return };
    keyring.kill().await;
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");

    world.client().await.vault().lock().await.expect("locked");
    refused(&unlock(&world).await, "no Secret Service runs on this bus");
    assert_eq!(state(&world).await, VaultState::Locked);

    let _keyring = Keyring::start(kind, &world).await;
    let unlocked = unlock(&world).await;
    assert!(unlocked.status.success(), "{}", text(&unlocked).1);
    still_signed_in(&world).await;
}

#[tokio::test]
async fn a_gnome_keyring_that_answers_nobody_keeps_nobody_waiting() {
    stopped(Gnome).await;
}

#[tokio::test]
async fn a_keepassxc_that_answers_nobody_keeps_nobody_waiting() {
    stopped(KeePassXc).await;
}

async fn stopped(kind: Kind) {
    let idp = Idp::start(Settings::default()).await;
    let Some((mut world, keyring)) = signed_in(kind, &idp).await else { return };
    keyring.stop();
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");
    world.client().await.vault().lock().await.expect("locked");
    refused(&unlock(&world).await, "did not answer within 5 s");

    world.take_keeper().kill().await;
    tokio::time::timeout(BOUND, world.start_keeper()).await.expect("nor the start");
    assert_eq!(state(&world).await, VaultState::Locked);
    keyring.go_on();
    let unlocked = unlock(&world).await;
    assert!(unlocked.status.success(), "{}", text(&unlocked).1);
    still_signed_in(&world).await;
}

#[tokio::test]
async fn a_gnome_keyring_without_the_key_is_said_and_the_vault_stays() {
    emptied(Gnome).await;
}

#[tokio::test]
async fn a_keepassxc_without_the_key_is_said_and_the_vault_stays() {
    emptied(KeePassXc).await;
}

async fn emptied(kind: Kind) {
    let idp = Idp::start(Settings::default()).await;
    let Some((world, keyring)) = signed_in(kind, &idp).await else { return };
    keyring.empty(&world).await;
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");
    world.client().await.vault().lock().await.expect("locked");
    refused(&unlock(&world).await, "holds no key of this vault");
    assert_eq!(state(&world).await, VaultState::Locked);
    assert!(world.state_dir().join("vault.db").exists());
}

#[tokio::test]
async fn a_locked_gnome_keyring_is_said_and_the_vault_opens_with_it() {
    let idp = Idp::start(Settings::default()).await;
    let Some((mut world, keyring)) = signed_in(Gnome, &idp).await else { return };
    keyring.lock(&world).await;
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");
    world.kill_and_restart().await;
    assert_eq!(state(&world).await, VaultState::Locked);
    assert_eq!(why_shut(&world).await, "the keyring is locked");
    // There is nothing that could show a prompt here: even a person is not kept waiting.
    assert_eq!(unlock(&world).await.status.code(), Some(5));

    keyring.unlock(&world).await;
    still_signed_in(&world).await;
}

#[tokio::test]
async fn a_shut_database_of_keepassxc_is_said_and_the_vault_opens_with_it() {
    let idp = Idp::start(Settings::default()).await;
    let Some((mut world, keyring)) = signed_in(KeePassXc, &idp).await else { return };
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
async fn a_keeper_that_was_there_before_the_keyring_opens_its_vault_when_it_comes() {
    let idp = Idp::start(Settings::default()).await;
    let Some((mut world, keyring)) = signed_in(Gnome, &idp).await else { return };
    world.take_keeper().kill().await;
    keyring.kill().await;
    world.start_keeper().await;
    assert_eq!(state(&world).await, VaultState::Locked);
    assert_eq!(why_shut(&world).await, "no Secret Service runs on this bus");

    let _keyring = Keyring::start(Gnome, &world).await;
    still_signed_in(&world).await;
}

#[tokio::test]
async fn after_a_restart_of_both_the_vault_opens_by_itself() {
    let idp = Idp::start(Settings::default()).await;
    let Some((mut world, keyring)) = signed_in(KeePassXc, &idp).await else { return };
    keyring.kill().await;
    let _keyring = Keyring::start(KeePassXc, &world).await;
    world.kill_and_restart().await;
    still_signed_in(&world).await;
    assert_eq!(world.client().await.vault().opened_by().await.expect("the keeper answers"), "secret-service");
}

#[tokio::test]
async fn an_emptied_keyring_costs_nothing_while_the_vault_has_another_slot() {
    let idp = Idp::start(Settings::default()).await;
    let Some((world, keyring)) = signed_in(Gnome, &idp).await else { return };
    keyring.empty(&world).await;
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");
    let spec = format!("keyfile={}", world.path("home/second.key").display());
    let added = world.run("tokenkeeper", &["slot", "add", &spec]).await;
    assert!(added.status.success(), "{}", text(&added).1);

    world.client().await.vault().lock().await.expect("locked");
    assert!(unlock(&world).await.status.success(), "by the other slot");
    let vault = world.client().await.vault();
    assert_eq!(vault.opened_by().await.expect("the keeper answers"), "keyfile");
    still_signed_in(&world).await;
}
