//! What a vault may meet: flipped bytes, cut files, another machine, a second keeper, a later version.

use std::fs;

use super::*;
use crate::vault::db::log_of;
use crate::vault::place::replace;
use crate::vault::{OpenError, UnlockError, VaultState};

/// A closed vault with one login, all of it moved from the log into the database; and the login's sealed bytes.
async fn closed() -> (World, Vec<u8>) {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    vault.set_client_secret(&work(), secret("cs-1")).await.expect("durable");
    vault.close().await;
    let file = move_log_over(&world);
    (world, file)
}

fn move_log_over(world: &World) -> Vec<u8> {
    change_database(world, "PRAGMA wal_checkpoint(TRUNCATE)");
    bytes_of(&world.db())
}

/// What a keeper makes of a vault: never a panic, never another token, never a deleted byte.
async fn judge(world: &World) -> &'static str {
    let Ok(vault) = Vault::open_on(&world.state(), None, Zeroizing::new(b"this machine".to_vec())) else {
        return "not opened";
    };
    let verdict = match vault.unlock(Opener::default()).await {
        Err(UnlockError::Vault(_)) => {
            let aside = vault.moved_aside().await.expect("it was moved aside");
            assert!(aside.exists() && !world.db().exists());
            "moved aside"
        }
        Err(_) => "shut",
        Ok(_) => match load(&vault, HERE).await.grant {
            None => "no login",
            Some(Err(why)) => {
                assert!(why.contains("`work`"), "{why}");
                "damaged login"
            }
            Some(Ok(grant)) => {
                assert_eq!(shown(&vault, &grant.token).await, "rt-1");
                "whole"
            }
        },
    };
    vault.close().await;
    verdict
}

#[tokio::test]
async fn flipped_bytes_anywhere_are_never_another_login() {
    let (world, whole) = closed().await;
    let mut seen = std::collections::BTreeMap::<_, u32>::new();
    for at in (0..whole.len()).step_by(149).chain((0..100).step_by(3)) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x55;
        reset(&world, &flipped);
        *seen.entry(judge(&world).await).or_default() += 1;
    }
    assert!(!seen.contains_key("no login"), "{seen:?}");
    for verdict in ["whole", "moved aside", "damaged login", "shut"] {
        assert!(seen.contains_key(verdict), "{seen:?}");
    }
}

#[tokio::test]
async fn a_cut_file_is_moved_aside_and_nothing_is_deleted() {
    let (world, whole) = closed().await;
    for keep in [1, 50, 100, 4095, 4096, 5000, whole.len() - 4096] {
        reset(&world, &whole[..keep]);
        assert_eq!(judge(&world).await, "moved aside", "{keep} of {}", whole.len());
    }
    let aside = world.state().join("vault.db.damaged-1");
    assert_eq!(bytes_of(&aside), whole[..1], "earlier ones are not overwritten");

    let vault = world.open();
    assert_eq!(vault.state().await, VaultState::NoVault);
    vault.create(SlotKind::Keyfile, world.key()).await.expect("a new vault in its place");
}

#[tokio::test]
async fn a_file_that_is_no_vault_is_moved_aside() {
    let (world, _) = closed().await;
    reset(&world, b"what is this");
    assert_eq!(judge(&world).await, "moved aside");
    reset(&world, b"");
    change_database(&world, "CREATE TABLE vault (one)");
    assert_eq!(judge(&world).await, "moved aside");
}

#[tokio::test]
async fn an_empty_file_is_a_vault_that_was_never_made() {
    let (world, _) = closed().await;
    reset(&world, b"");
    let vault = world.open();
    assert_eq!((vault.state().await, vault.moved_aside().await), (VaultState::NoVault, None));
    vault.create(SlotKind::Keyfile, world.key()).await.expect("a vault");
}

#[tokio::test]
async fn a_later_format_is_left_alone() {
    let (world, _) = closed().await;
    change_database(&world, "PRAGMA user_version = 9");
    let failed = Vault::open(&world.state(), None).err().expect("not opened");
    assert!(matches!(failed, OpenError::Newer { found: 9, known: 2, .. }));
    assert!(failed.to_string().ends_with("install the newer tokenkeeper"), "{failed}");
    assert!(world.db().exists());
}

#[tokio::test]
async fn a_row_moved_to_another_account_or_generation_does_not_open() {
    for swap in [
        "UPDATE record SET account = 'other' WHERE account = 'work'",
        "UPDATE record SET generation = 7",
        "UPDATE record SET binding = zeroblob(32)",
        "UPDATE record SET binding = zeroblob(31)",
        "UPDATE record SET sealed = zeroblob(0)",
    ] {
        let (world, _) = closed().await;
        change_database(&world, swap);
        let vault = world.open();
        vault.unlock(Opener::default()).await.expect("it opens");
        let other: AccountName = if swap.contains("other") { "other".parse().expect("a name") } else { work() };
        let binding = if swap.contains("zeroblob(32)") { [0; 32] } else { HERE };
        let all = vault.load(vec![(other, binding)]).await.expect("open");
        assert!(all[0].1.grant.as_ref().is_some_and(Result::is_err), "{swap}");
    }
}

#[tokio::test]
async fn a_second_keeper_is_refused_and_told_who_is_there() {
    let (world, _vault) = World::with_vault().await;
    let failed = Vault::open(&world.state(), None).err().expect("not opened").to_string();
    assert!(failed.starts_with(&format!("another keeper runs (pid {})", std::process::id())), "{failed}");
}

#[tokio::test]
async fn a_copied_home_is_foreign_until_it_is_adopted() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    vault.close().await;

    let vault = world.open_on(b"another machine");
    vault.unlock(Opener::default()).await.expect("it opens");
    let stored = load(&vault, HERE).await;
    assert!(stored.foreign && stored.grant.is_some_and(|grant| grant.is_ok()));
    put(&vault, Change::Adopt).await.expect("adopted");
    assert!(!load(&vault, HERE).await.foreign);
    vault.close().await;

    let vault = world.open();
    vault.unlock(Opener::default()).await.expect("it opens");
    assert!(load(&vault, HERE).await.foreign, "it belongs to the other one now");
    vault.adopt().await.expect("adopted");
    assert!(!load(&vault, HERE).await.foreign);
}

#[tokio::test]
async fn a_kill_at_any_moment_leaves_one_generation_or_the_next() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    let mut copies = Vec::new();
    for generation in 1..40 {
        copies.push((generation, bytes_of(&world.db()), bytes_of(&log_of(&world.db()))));
        put(&vault, grant(generation, &format!("rt-{}", generation + 1))).await.expect("committed");
    }
    vault.close().await;
    for (generation, db, log) in copies {
        reset(&world, &db);
        replace(&log_of(&world.db()), &log).expect("a file");
        let vault = world.open();
        vault.unlock(Opener::default()).await.expect("it opens");
        let grant = held(&vault).await;
        assert_eq!(grant.generation, generation);
        assert_eq!(shown(&vault, &grant.token).await, format!("rt-{generation}"));
        vault.close().await;
    }
}

#[tokio::test]
async fn a_log_cut_in_the_middle_of_a_commit_is_the_generation_before() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    let (db, before) = (bytes_of(&world.db()), bytes_of(&log_of(&world.db())));
    put(&vault, grant(1, "rt-2")).await.expect("committed");
    let after = bytes_of(&log_of(&world.db()));
    vault.close().await;
    let first = before.iter().zip(&after).position(|(a, b)| a != b).expect("the log changed");
    let last = before.iter().zip(&after).rposition(|(a, b)| a != b).expect("the log changed");
    for cut in (first..last).step_by(701).chain([last]) {
        let mut torn = before.clone();
        torn[..cut].copy_from_slice(&after[..cut]);
        reset(&world, &db);
        replace(&log_of(&world.db()), &torn).expect("a file");
        assert_eq!(judge(&world).await, "whole", "cut at {cut}");
    }
}

fn reset(world: &World, content: &[u8]) {
    let _ = fs::remove_file(log_of(&world.db()));
    replace(&world.db(), content).expect("a file");
}
