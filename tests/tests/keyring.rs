//! A keyring that is killed, stopped, locked or emptied in mid-work: nothing hangs, no login is lost, and each time the
//! state and the remedy are the right ones.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use tokenkeeper::VaultState;
use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::keyring::{BOUND, Keyring, refused, state, unlock, why_shut};
use tokenkeeper_tests::programs;
use tokenkeeper_tests::world::{World, account, text};

/// A vault whose key lies in a keyring, and a signed-in account.
async fn signed_in(idp: &Idp) -> Option<(World, Keyring)> {
    if !programs::has("gnome-keyring-daemon") {
        eprintln!("skipped: gnome-keyring is not installed");
        return None;
    }
    let mut world = World::bare().await;
    let keyring = Keyring::start(&world).await;
    world.write_config(&account("work", idp));
    let made = world.daemon().args(["--init", "--slot", "secret-service"]).output().await.expect("it can be started");
    assert!(made.status.success(), "{}", text(&made).1);
    world.start_keeper().await;
    world.sign_in("work").await;
    Some((world, keyring))
}

#[tokio::test]
async fn a_keyring_that_is_killed_takes_nothing_along_and_its_successor_opens_the_vault() {
    let idp = Idp::start(Settings::default()).await;
    let Some((world, keyring)) = signed_in(&idp).await else { return };
    keyring.kill().await;
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");

    world.client().await.vault().lock().await.expect("locked");
    refused(&unlock(&world).await, "no Secret Service runs on this bus");
    assert_eq!(state(&world).await, VaultState::Locked);

    let _keyring = Keyring::start(&world).await;
    assert!(unlock(&world).await.status.success());
    world.account("work").await.refresh().await.expect("the login is still there");
}

#[tokio::test]
async fn a_keeper_that_was_there_before_the_keyring_opens_its_vault_when_it_comes() {
    let idp = Idp::start(Settings::default()).await;
    let Some((mut world, keyring)) = signed_in(&idp).await else { return };
    world.take_keeper().kill().await;
    keyring.kill().await;
    world.start_keeper().await;
    assert_eq!(state(&world).await, VaultState::Locked);
    assert_eq!(why_shut(&world).await, "no Secret Service runs on this bus");

    let _keyring = Keyring::start(&world).await;
    world.until("work", |status| status.state == tokenkeeper::AccountState::Ready).await;
}

#[tokio::test]
async fn a_keyring_that_answers_nobody_keeps_nobody_waiting() {
    let idp = Idp::start(Settings::default()).await;
    let Some((mut world, keyring)) = signed_in(&idp).await else { return };
    keyring.stop();
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");
    world.client().await.vault().lock().await.expect("locked");
    refused(&unlock(&world).await, "did not answer within 5 s");

    world.take_keeper().kill().await;
    tokio::time::timeout(BOUND, world.start_keeper()).await.expect("nor the start");
    assert_eq!(state(&world).await, VaultState::Locked);
    keyring.go_on();
    assert!(unlock(&world).await.status.success());
    world.account("work").await.refresh().await.expect("the login is still there");
}

#[tokio::test]
async fn a_locked_keyring_is_said_and_the_vault_opens_with_it() {
    let idp = Idp::start(Settings::default()).await;
    let Some((mut world, keyring)) = signed_in(&idp).await else { return };
    keyring.lock(&world).await;
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");
    world.kill_and_restart().await;
    assert_eq!(state(&world).await, VaultState::Locked);
    assert_eq!(why_shut(&world).await, "the keyring is locked");
    // There is nothing that could show a prompt here: even a person is not kept waiting.
    assert_eq!(unlock(&world).await.status.code(), Some(5));

    keyring.unlock(&world).await;
    world.until("work", |status| status.state == tokenkeeper::AccountState::Ready).await;
    world.account("work").await.refresh().await.expect("the login is still there");
}

#[tokio::test]
async fn an_emptied_keyring_costs_nothing_while_the_vault_is_open() {
    let idp = Idp::start(Settings::default()).await;
    let Some((world, keyring)) = signed_in(&idp).await else { return };
    keyring.empty(&world).await;
    world.account("work").await.refresh().await.expect("an open vault needs no keyring");
    let spec = format!("keyfile={}", world.path("home/second.key").display());
    let added = world.run("tokenkeeper", &["slot", "add", &spec]).await;
    assert!(added.status.success(), "{}", text(&added).1);

    world.client().await.vault().lock().await.expect("locked");
    assert!(unlock(&world).await.status.success(), "by the other slot");
    let vault = world.client().await.vault();
    assert_eq!(vault.opened_by().await.expect("the keeper answers"), "keyfile");
    world.account("work").await.refresh().await.expect("the login is still there");
}

#[tokio::test]
async fn a_vault_whose_only_key_was_deleted_says_so_and_stays() {
    let idp = Idp::start(Settings::default()).await;
    let Some((world, keyring)) = signed_in(&idp).await else { return };
    keyring.empty(&world).await;
    world.client().await.vault().lock().await.expect("locked");
    refused(&unlock(&world).await, "holds no key of this vault");
    assert_eq!(state(&world).await, VaultState::Locked);
    assert!(world.state_dir().join("vault.db").exists());
}
