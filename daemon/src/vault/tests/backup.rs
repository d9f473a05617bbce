//! Copies of the vault: when they are made, what they hold, and what becomes of logins that come back from one.

use std::fs::{self, File, FileTimes};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;
use crate::account::StoredToken;
use crate::vault::backup::NAME;
use crate::vault::db::{id_of_copy, log_of};
use crate::vault::{RestoreError, Unlocked, VaultState, restore};

const KEY_OF_FIXTURE: &str = "correct horse";

fn copy_of(world: &World) -> PathBuf {
    world.state().join(NAME)
}

/// What the vault's thread does after five quiet seconds.
async fn quiet(vault: &Vault) {
    vault.worker.call(|store| store.back_up_if_due()).await.expect("the thread runs");
}

fn inode(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).expect("a file").ino()
}

fn age(path: &Path, days: u64) {
    let made = fs::metadata(path).and_then(|meta| meta.modified()).expect("a file");
    let then = made.checked_sub(Duration::from_secs(days * 86_400)).expect("after 1970");
    let file = File::options().write(true).open(path).expect("a file of ours");
    file.set_times(FileTimes::new().set_modified(then)).expect("a file of ours");
}

/// A refresh that brought another token.
fn rotated(replaces: u64, refresh_token: &str) -> Change {
    let mut change = grant(replaces, refresh_token);
    if let Change::Grant { grant, .. } = &mut change {
        grant.facts.refreshes = replaces;
    }
    change
}

/// The same of a server that never rotates.
fn refreshed_only(replaces: u64, refresh_token: &str) -> Change {
    let mut change = rotated(replaces, refresh_token);
    if let Change::Grant { grant, .. } = &mut change {
        grant.facts.rotates = false;
    }
    change
}

#[tokio::test]
async fn a_login_is_copied_at_the_next_quiet_moment_and_a_refresh_once_a_day() {
    let (world, vault) = World::with_vault().await;
    quiet(&vault).await;
    let copy = copy_of(&world);
    let (empty, mode) = (inode(&copy), fs::metadata(&copy).expect("a copy").permissions().mode());
    assert_eq!(mode & 0o777, 0o600);

    put(&vault, grant(0, "rt-1")).await.expect("committed");
    quiet(&vault).await;
    let with_login = inode(&copy);
    assert_ne!(empty, with_login, "a login is a person's work");

    put(&vault, rotated(1, "rt-2")).await.expect("committed");
    quiet(&vault).await;
    assert_eq!(inode(&copy), with_login, "a refresh waits for its day");

    age(&copy, 2);
    let vault = world.again(vault).await;
    quiet(&vault).await;
    assert_ne!(inode(&copy), with_login, "the day has come");
}

#[tokio::test]
async fn a_vault_that_is_never_quiet_is_copied_an_hour_late() {
    let (world, vault) = World::with_vault().await;
    quiet(&vault).await;
    let first = inode(&copy_of(&world));
    age(&copy_of(&world), 1);
    let vault = world.again(vault).await;
    put(&vault, rotated(0, "rt-1")).await.expect("committed");
    vault.worker.call(|store| store.back_up_if_late()).await.expect("the thread runs");
    assert_eq!(inode(&copy_of(&world)), first, "due, and not late yet");

    age(&copy_of(&world), 1);
    let vault = world.again(vault).await;
    put(&vault, rotated(1, "rt-2")).await.expect("committed");
    vault.worker.call(|store| store.back_up_if_late()).await.expect("the thread runs");
    assert_ne!(inode(&copy_of(&world)), first);
}

#[tokio::test]
async fn what_no_longer_opens_the_vault_does_not_open_its_copy() {
    let (world, vault) = World::with_vault().await;
    let second = Opener { path: Some(world.home.path().join("second")), ..Opener::default() };
    let id = vault.add_slot(SlotKind::Keyfile, second).await.expect("a slot");
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    quiet(&vault).await;
    let slots = |world: &World| {
        let copy = rusqlite::Connection::open(copy_of(world)).expect("a database");
        copy.query_row("SELECT count(*) FROM slot", [], |row| row.get::<_, u32>(0)).expect("a count")
    };
    assert_eq!(slots(&world), 2);
    vault.remove_slot(&id, Opener::default()).await.expect("removed");
    assert_eq!(slots(&world), 1, "at once, not when it is quiet");

    let before = bytes_of(&copy_of(&world));
    vault.rekey(Opener::default()).await.expect("a new key");
    assert_ne!(bytes_of(&copy_of(&world)), before, "the old key opens nothing any more");
}

#[tokio::test]
async fn a_copy_of_another_vault_is_moved_aside_and_not_written_over() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    quiet(&vault).await;
    let old = bytes_of(&copy_of(&world));
    vault.close().await;
    fs::remove_file(world.db()).expect("a file");

    let vault = world.open();
    vault.create(SlotKind::Keyfile, world.key()).await.expect("a new vault");
    quiet(&vault).await;
    assert_eq!(bytes_of(&world.state().join(format!("{NAME}.of-another-1"))), old);
    assert!(id_of_copy(&copy_of(&world)).is_ok());
}

#[tokio::test]
async fn after_a_restore_logins_that_rotate_are_held_and_the_others_go_on() {
    let (world, vault) = World::with_vault().await;
    let steady: AccountName = "steady".parse().expect("a name");
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    put(&vault, rotated(1, "rt-2")).await.expect("committed");
    vault.commit(&steady, HERE, grant(0, "rt-s")).await.expect("committed");
    vault.commit(&steady, HERE, refreshed_only(1, "rt-s")).await.expect("committed");
    quiet(&vault).await;
    put(&vault, rotated(2, "rt-3")).await.expect("committed");
    vault.close().await;

    let restored = restore(&world.state(), None).expect("restored");
    let aside = restored.aside.expect("the vault was moved aside");
    assert_eq!(aside, world.state().join("vault.db.replaced-1"));
    assert!(restored.made > 0 && copy_of(&world).exists());

    let vault = world.open();
    vault.unlock(Opener::default()).await.expect("it opens");
    let held = held(&vault).await;
    let ended = held.facts.ended.clone().expect("held");
    assert!(ended.held && ended.why.contains("sign in again"), "{}", ended.why);
    assert_eq!((held.generation, shown(&vault, &held.token).await.as_str()), (2, "rt-2"));
    let all = vault.load(vec![(steady.clone(), HERE)]).await.expect("open");
    let other = all.into_iter().next().expect("one").1.grant.expect("a grant").expect("one that opens");
    assert_eq!(other.facts.ended, None, "its token is spent by nobody");

    let vault = world.again(vault).await;
    put(&vault, grant(2, "rt-new")).await.expect("a new login");
    let vault = world.again(vault).await;
    let stored = load(&vault, HERE).await.grant.expect("a grant").expect("one that opens");
    assert_eq!(stored.facts.ended, None, "held once, not at every start");
}

#[tokio::test]
async fn a_login_that_was_never_refreshed_may_rotate_and_is_held() {
    let (world, vault) = World::with_vault().await;
    let mut first = grant(0, "rt-1");
    if let Change::Grant { grant, .. } = &mut first {
        grant.facts.rotates = false;
    }
    put(&vault, first).await.expect("committed");
    quiet(&vault).await;
    vault.close().await;
    restore(&world.state(), None).expect("restored");
    let vault = world.open();
    vault.unlock(Opener::default()).await.expect("it opens");
    assert!(held(&vault).await.facts.ended.is_some_and(|ended| ended.held));
}

#[tokio::test]
async fn a_damaged_vault_comes_back_from_its_copy_and_stays_aside() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    quiet(&vault).await;
    vault.close().await;
    crate::vault::place::replace(&world.db(), &[0x5a; 8192]).expect("a file");
    let vault = world.open();
    assert_eq!(vault.state().await, VaultState::NoVault);
    assert!(vault.moved_aside().await.is_some_and(|aside| aside.ends_with("vault.db.damaged-1")));
    vault.close().await;

    restore(&world.state(), None).expect("restored");
    let vault = world.open();
    let Unlocked { by, .. } = vault.unlock(Opener::default()).await.expect("it opens");
    assert_eq!(by, "keyfile");
    assert_eq!(shown(&vault, &held(&vault).await.token).await, "rt-1");
    assert!(world.state().join("vault.db.damaged-1").exists());
}

#[tokio::test]
async fn what_cannot_be_restored_leaves_the_vault_as_it_is() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    assert!(matches!(restore(&world.state(), None), Err(RestoreError::Place(_))), "a keeper runs");
    quiet(&vault).await;
    vault.close().await;

    let nowhere = world.home.path().join("nowhere");
    assert!(matches!(restore(&world.state(), Some(&nowhere)), Err(RestoreError::NoCopy(_))));
    let good = bytes_of(&copy_of(&world));
    for bad in [&b"no vault"[..], &[], &good[..good.len() - 4096], &[0x5a; 8192]] {
        crate::vault::place::replace(&copy_of(&world), bad).expect("a file");
        let refused = restore(&world.state(), None).expect_err("no copy of a vault");
        assert!(matches!(refused, RestoreError::Damaged { .. }), "{refused}");
    }
    let vault = world.open();
    vault.unlock(Opener::default()).await.expect("it opens");
    assert_eq!(held(&vault).await.facts.ended, None);
    assert!(!world.state().join("vault.db.replaced-1").exists());
}

#[tokio::test]
async fn a_copy_that_the_disk_refuses_is_tried_again_later_and_harms_nothing() {
    let (world, vault) = World::with_vault().await;
    // A directory stands where the copy is to be written.
    fs::create_dir(world.state().join(format!("{NAME}.new"))).expect("a directory");
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    quiet(&vault).await;
    assert!(!copy_of(&world).exists());
    put(&vault, rotated(1, "rt-2")).await.expect("committed");
    assert_eq!(shown(&vault, &held(&vault).await.token).await, "rt-2");
}

/// `format-1.db` was written by tokenkeeperd 0.1.0: two logins at our test server, one of them refreshed once, a client
/// secret, a key file's slot and a passphrase's; on a machine whose id was 0123456789abcdef0123456789abcdef.
#[tokio::test]
async fn a_vault_of_format_1_becomes_the_present_format_and_is_kept() {
    let world = World::new();
    let old = include_bytes!("../fixtures/format-1.db");
    fs::create_dir_all(world.state()).expect("a directory");
    crate::vault::place::replace(&world.db(), old).expect("a file");

    let vault = world.open_on(b"0123456789abcdef0123456789abcdef");
    let kept = world.state().join("vault.db.format-1");
    assert!(id_of_copy(&kept).is_ok());
    assert_eq!(database_values(&world, "SELECT CAST(user_version AS TEXT) FROM pragma_user_version"), ["2"]);
    let tokens = holds_what_the_fixture_held(&vault).await;
    assert_eq!(tokens.len(), 2);
    assert!(tokens[0].token.same_as(b"at_f139e9a973574abbd5100290c7fb38500d52810aca9dec1dad41b70fb2d7fb45"));
    vault.close().await;

    restore(&world.state(), Some(&kept)).expect("a copy of an earlier format is brought up");
    let vault = world.open_on(b"0123456789abcdef0123456789abcdef");
    assert!(holds_what_the_fixture_held(&vault).await.is_empty(), "held without them");
    vault.close().await;
    fs::remove_file(log_of(&world.db())).expect("a file");
    crate::vault::place::replace(&world.db(), old).expect("a file");
    fs::remove_file(&kept).expect("a file");
    fs::create_dir(world.state().join("vault.db.format-1.new")).expect("a directory");
    let refused = Vault::open(&world.state(), None).err().expect("no copy, no migration").to_string();
    assert!(refused.contains("has to be kept as"), "{refused}");
    assert_eq!(bytes_of(&world.db())[60..64], [0, 0, 0, 1], "user_version");
}

async fn holds_what_the_fixture_held(vault: &Vault) -> Vec<StoredToken> {
    let opener = Opener { passphrase: Some(secret(KEY_OF_FIXTURE)), ..Opener::default() };
    vault.unlock(opener).await.expect("its passphrase opens it");
    let mut binding = [0; 32];
    for (byte, hex) in
        binding.iter_mut().zip("655E7A3E69221627DB68BDEB6EF05534C57BCEA6BEC708E43A7EEF3E68D3FD97".as_bytes().chunks(2))
    {
        *byte = u8::from_str_radix(std::str::from_utf8(hex).expect("text"), 16).expect("hex");
    }
    let play: AccountName = "play".parse().expect("a name");
    let all = vault.load(vec![(work(), binding), (play.clone(), binding)]).await.expect("open");
    for (name, stored) in &all {
        let grant = stored.grant.as_ref().expect("a grant").as_ref().expect("one that opens");
        assert!(!stored.foreign && grant.token.is_some(), "{name}");
    }
    assert_eq!((all[0].1.generation, all[1].1.generation), (2, 1));
    let secret = vault.client_secret(&play).await.expect("open").expect("a secret");
    assert!(secret.same_as(b"client-secret"));
    all.into_iter().next().expect("one").1.tokens
}
