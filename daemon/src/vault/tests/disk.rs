//! What a failing disk does to a login: nothing.

use super::*;
use crate::account::Intent;
use crate::vault::VaultState;

/// Makes the vault's disk refuse every write, or take them again.
async fn refuse_writes(vault: &Vault, refuse: bool) {
    let done = vault.worker.call(move |store| store.db.as_ref().expect("a vault").refuse_writes(refuse)).await;
    done.expect("an open vault");
}

fn intent(generation: u64) -> Change {
    let intent = Intent { attempts: 1, generation, token_hash: [5; 32], wall: 1, boot: 2, boot_id: [3; 16] };
    Change::Intent { generation, intent: Some(intent) }
}

fn sinks(world: &World) -> usize {
    let Ok(vaults) = std::fs::read_dir(world.runtime().join("sink")) else { return 0 };
    vaults.flat_map(|vault| std::fs::read_dir(vault.expect("an entry").path()).expect("a directory")).count()
}

#[tokio::test]
async fn what_the_disk_refuses_goes_to_the_sink_and_comes_back() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    put(&vault, intent(1)).await.expect("committed");
    refuse_writes(&vault, true).await;
    let sealed = put(&vault, grant(1, "rt-2")).await.expect("the sink takes it");
    assert_eq!((shown(&vault, &sealed).await, sinks(&world)), ("rt-2".into(), 1));
    let stored = load(&vault, HERE).await;
    assert!(stored.generation == 2 && stored.intent.is_none(), "the sink is newer than the vault");

    let facts = Facts { refreshes: 9, ..Facts::default() };
    put(&vault, Change::Facts { generation: 2, facts: facts.clone() }).await.expect("the sink takes it");

    refuse_writes(&vault, false).await;
    put(&vault, intent(2)).await.expect("committed, and the sink with it");
    assert_eq!(sinks(&world), 0);
    let vault = world.again(vault).await;
    let grant = held(&vault).await;
    assert_eq!((grant.generation, grant.facts), (2, facts));
    assert_eq!(shown(&vault, &grant.token).await, "rt-2");
    assert_eq!(shown(&vault, &grant.previous).await, "rt-1");
}

#[tokio::test]
async fn a_killed_keeper_finds_the_sink_before_anything_else() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    refuse_writes(&vault, true).await;
    put(&vault, grant(1, "rt-2")).await.expect("the sink takes it");
    put(&vault, grant(2, "rt-3")).await.expect("the sink takes it");

    let vault = world.again(vault).await;
    assert_eq!(sinks(&world), 0, "taken back when it was opened");
    let grant = held(&vault).await;
    assert_eq!((grant.generation, shown(&vault, &grant.token).await), (3, "rt-3".into()));
}

#[tokio::test]
async fn no_token_is_about_to_be_sent_while_the_disk_fails() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    refuse_writes(&vault, true).await;
    let failed = put(&vault, intent(1)).await.err().expect("refused");
    assert!(failed.why.starts_with("cannot write ") && failed.why.contains("vault.db"), "{}", failed.why);
    assert_eq!(sinks(&world), 0);
    put(&vault, grant(1, "rt-2")).await.expect("the sink takes it");
    assert!(put(&vault, intent(2)).await.is_err(), "nor while something waits to become durable");
    refuse_writes(&vault, false).await;
    put(&vault, intent(2)).await.expect("committed");
}

#[tokio::test]
async fn without_a_sink_the_change_is_given_back() {
    let world = World::new();
    let vault = Vault::open(&world.state(), None).expect("a state directory");
    vault.create(SlotKind::Keyfile, world.key()).await.expect("a vault");
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    refuse_writes(&vault, true).await;
    let failed = put(&vault, grant(1, "rt-2")).await.err().expect("no commit");
    let Change::Grant { replaces: 1, grant: NewGrant { token: Some(RefreshToken::Fresh(token)), .. }, .. } =
        *failed.change
    else {
        panic!("another change came back");
    };
    assert!(token.same_as(b"rt-2"));
    assert_eq!(shown(&vault, &held(&vault).await.token).await, "rt-1");
}

#[tokio::test]
async fn after_an_io_error_the_files_have_new_inodes_and_everything_in_them() {
    use std::os::unix::fs::MetadataExt;
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    let inode = |world: &World| std::fs::metadata(world.db()).expect("a file").ino();
    let before = inode(&world);
    vault.worker.call(|store| store.suspect = true).await.expect("an open vault");
    put(&vault, grant(1, "rt-2")).await.expect("committed");
    assert_ne!(inode(&world), before);
    let vault = world.again(vault).await;
    assert_eq!(shown(&vault, &held(&vault).await.token).await, "rt-2");
}

#[tokio::test]
async fn the_log_keeps_its_length_and_always_has_room_for_two() {
    let (world, vault) = World::with_vault().await;
    let log = crate::vault::db::log_of(&world.db());
    let length = || std::fs::metadata(&log).expect("a log").len();
    assert_eq!(length(), 1 << 20);
    for generation in 0..200 {
        put(&vault, grant(generation, "rt")).await.expect("committed");
        let (used, all) = vault.worker.call(|store| store.db.as_ref().expect("a vault").room()).await.expect("open");
        assert!(used + 64 <= all, "{used} of {all} frames after generation {generation}");
    }
    assert_eq!(length(), 1 << 20);
    vault.close().await;
    assert_eq!(length(), 1 << 20);
}

#[tokio::test]
async fn a_ballast_lies_beside_the_vault() {
    let (world, vault) = World::with_vault().await;
    assert_eq!(bytes_of(&world.state().join("ballast")).len(), 1 << 20);
    refuse_writes(&vault, true).await;
    put(&vault, grant(0, "rt-1")).await.expect("the sink takes it");
    assert!(!world.state().join("ballast").exists(), "freed when the disk refuses");
    let vault = world.again(vault).await;
    assert_eq!(vault.state().await, VaultState::Ready);
    assert!(world.state().join("ballast").exists(), "kept again when there is room");
}
