//! Slots: each opens, each refuses, and a wrong passphrase is never mistaken for damage.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::vault::{SlotError, UnlockError, VaultState};

fn passphrase(text: &str) -> Opener {
    Opener { passphrase: Some(secret(text)), ..Opener::default() }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("a file of ours");
}

#[tokio::test]
async fn a_passphrase_opens_a_wrong_one_is_called_wrong_and_none_is_asked_for() {
    let world = World::new();
    let vault = world.open();
    vault.create(SlotKind::Passphrase, passphrase("correct horse")).await.expect("a vault");
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    vault.close().await;

    let vault = world.open();
    assert_eq!(vault.unlock(Opener::default()).await, Err(UnlockError::NeedsPassphrase { others: vec![] }));
    assert_eq!(vault.unlock(passphrase("battery staple")).await, Err(UnlockError::WrongPassphrase));
    assert_eq!(vault.slots().await[0].error, "the key of slot `passphrase` is not the one");
    assert_eq!(vault.state().await, VaultState::Locked);
    assert_eq!(vault.unlock(passphrase("correct horse")).await.expect("it opens").by, "passphrase");
    assert_eq!(shown(&vault, &held(&vault).await.token).await, "rt-1");
}

#[tokio::test]
async fn a_damaged_passphrase_slot_is_not_called_a_wrong_passphrase() {
    let world = World::new();
    let vault = world.open();
    vault.create(SlotKind::Passphrase, passphrase("correct horse")).await.expect("a vault");
    vault.close().await;
    change_database(&world, "UPDATE slot SET wrapped = zeroblob(72)");

    let vault = world.open();
    let failed = vault.unlock(passphrase("correct horse")).await.expect_err("it does not open");
    assert_eq!(failed.to_string(), "no slot opens the vault (passphrase: slot `passphrase` is damaged)");
    assert!(!failed.is_temporary());
}

#[tokio::test]
async fn a_key_file_is_made_once_and_refused_when_others_can_read_it() {
    let (world, vault) = World::with_vault().await;
    let key = world.home.path().join("key");
    assert_eq!(fs::metadata(&key).expect("it was made").permissions().mode() & 0o777, 0o400);
    vault.close().await;

    for (mode, why) in [(0o440, "others may read it (mode 0440)"), (0o404, "others may read it (mode 0404)")] {
        set_mode(&key, mode);
        let vault = world.open();
        let failed = vault.unlock(Opener::default()).await.expect_err("it does not open");
        assert!(failed.to_string().contains(why), "{failed}");
        vault.close().await;
    }
    set_mode(&key, 0o600);
    fs::remove_file(&key).expect("it is ours");
    let vault = world.open();
    let failed = vault.unlock(Opener::default()).await.expect_err("it does not open");
    assert!(failed.to_string().contains("No such file"), "{failed}");
    assert!(!key.exists(), "opening never makes a key");
}

#[tokio::test]
async fn a_short_key_another_key_and_a_relative_path_are_refused() {
    let world = World::new();
    let vault = world.open();
    let key = world.home.path().join("key");
    crate::vault::place::replace(&key, &[7; 31]).expect("a file");
    let failed = vault.create(SlotKind::Keyfile, world.key()).await.expect_err("no vault");
    assert!(failed.to_string().contains("it has 31 bytes, a key has at least 32"), "{failed}");
    let relative = Opener { path: Some("key".into()), ..Opener::default() };
    assert!(matches!(vault.create(SlotKind::Keyfile, relative).await, Err(SlotError::NotAllowed(_))));
    assert!(matches!(vault.create(SlotKind::Keyfile, Opener::default()).await, Err(SlotError::NotAllowed(_))));

    crate::vault::place::replace(&key, &[7; 32]).expect("a file");
    vault.create(SlotKind::Keyfile, world.key()).await.expect("a vault");
    vault.lock().await;
    crate::vault::place::replace(&key, &[8; 32]).expect("a file");
    let failed = vault.unlock(Opener::default()).await.expect_err("it does not open");
    let why = SlotError::WrongKey("the key of slot `keyfile` is not the one".into());
    assert_eq!(failed, UnlockError::Shut(vec![("keyfile".into(), why)]));
}

#[tokio::test]
async fn a_credential_is_found_where_the_unit_puts_it_this_time() {
    let world = World::new();
    let unit = |name: &str| world.home.path().join(name);
    fs::create_dir(unit("old")).expect("a directory");
    crate::vault::place::replace(&unit("old").join("tokenkeeper.key"), &[7; 40]).expect("a file");
    let vault = world.open().with_credentials(Some(unit("old")));
    vault.create(SlotKind::LoadCredential, Opener::default()).await.expect("a vault");
    vault.close().await;
    fs::rename(unit("old"), unit("new")).expect("a directory");
    let vault = world.open().with_credentials(Some(unit("new")));
    assert_eq!(vault.unlock(Opener::default()).await.expect("it opens").kind, "load-credential");
    vault.close().await;

    let failed = world.open().unlock(Opener::default()).await.expect_err("it does not open");
    let why = "the keeper was given no credential tokenkeeper.key: \
               it has to run as a unit with LoadCredential=tokenkeeper.key:…";
    assert_eq!(failed, UnlockError::Shut(vec![("load-credential".into(), SlotError::Permanent(why.into()))]));
}

#[tokio::test]
async fn an_insecure_vault_moves_with_its_directory_and_says_what_it_is() {
    let world = World::new();
    let vault = world.open();
    vault.create(SlotKind::Insecure, Opener::default()).await.expect("a vault");
    vault.close().await;
    assert!(world.state().join("insecure.key").exists());
    let vault = world.open();
    assert_eq!(vault.unlock(Opener::default()).await.expect("it opens").kind, "insecure");
    assert_eq!(vault.slots().await[0].kind, "insecure");
}

#[tokio::test]
async fn slots_are_added_and_removed_but_for_the_last() {
    let (world, vault) = World::with_vault().await;
    assert_eq!(vault.add_slot(SlotKind::Passphrase, passphrase("one")).await.as_deref(), Ok("passphrase"));
    assert_eq!(vault.add_slot(SlotKind::Passphrase, passphrase("two")).await.as_deref(), Ok("passphrase-2"));
    vault.add_slot(SlotKind::Insecure, Opener::default()).await.expect("a slot");
    let again = vault.add_slot(SlotKind::Insecure, Opener::default()).await;
    assert!(matches!(again, Err(SlotError::NotAllowed(_))));

    vault.remove_slot("keyfile", Opener::default()).await.expect("removed");
    vault.remove_slot("insecure", Opener::default()).await.expect("removed");
    assert!(!world.state().join("insecure.key").exists());
    assert!(world.home.path().join("key").exists(), "a key file of the person's is not ours to delete");
    assert!(vault.remove_slot("keyfile", Opener::default()).await.is_err());

    vault.lock().await;
    let locked = vault.add_slot(SlotKind::Insecure, Opener::default()).await;
    assert_eq!(locked, Err(SlotError::Vault(crate::vault::Refused::Locked)));
    assert_eq!(vault.unlock(passphrase("two")).await.expect("it opens").by, "passphrase-2");
    vault.change_passphrase("passphrase-2", passphrase("three")).await.expect("changed");
    assert!(matches!(vault.change_passphrase("keyfile", passphrase("x")).await, Err(SlotError::NotAllowed(_))));
    vault.lock().await;
    assert_eq!(vault.unlock(passphrase("two")).await, Err(UnlockError::WrongPassphrase));
    vault.unlock(passphrase("three")).await.expect("it opens");

    vault.remove_slot("passphrase-2", Opener::default()).await.expect("removed");
    let last = vault.remove_slot("passphrase", Opener::default()).await;
    let expected = "`passphrase` is the only slot: add another one first";
    assert_eq!(last, Err(SlotError::NotAllowed(expected.into())));
}

#[tokio::test]
async fn a_new_key_shuts_the_old_one_out_and_loses_nothing() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    let sealed = put(&vault, grant(1, "rt-2")).await.expect("committed");
    vault.set_client_secret(&work(), secret("cs-1")).await.expect("durable");
    let before = database_values(&world, "SELECT hex(sealed) FROM record");

    vault.rekey(Opener::default()).await.expect("a new key");
    let after = database_values(&world, "SELECT hex(sealed) FROM record");
    assert!(before.len() == 2 && before.iter().all(|blob| !after.contains(blob)));

    assert_eq!(shown(&vault, &sealed).await, "rt-2", "accounts still hold it as it was sealed before");
    let kept = NewGrant {
        token: sealed.map(RefreshToken::Kept),
        keep_previous: false,
        new_key: None,
        facts: Facts::default(),
    };
    let sealed = put(&vault, Change::Grant { replaces: 2, grant: kept, tokens: vec![] }).await.expect("committed");

    let vault = world.again(vault).await;
    let grant = held(&vault).await;
    assert!(grant.token == sealed);
    assert_eq!(shown(&vault, &grant.token).await, "rt-2");
    assert!(vault.client_secret(&work()).await.expect("open").is_some_and(|kept| kept.same_as(b"cs-1")));
}

#[tokio::test]
async fn a_new_key_leaves_no_slot_behind() {
    let (_world, vault) = World::with_vault().await;
    vault.add_slot(SlotKind::Passphrase, passphrase("one")).await.expect("a slot");
    assert!(matches!(vault.rekey(Opener::default()).await, Err(SlotError::NeedsPerson(_))));
    assert!(vault.rekey(passphrase("two")).await.is_err());
    vault.rekey(passphrase("one")).await.expect("a new key");
    vault.lock().await;
    assert_eq!(vault.unlock(Opener::default()).await.expect("it opens").by, "keyfile");
    vault.remove_slot("keyfile", Opener::default()).await.expect("removed");
    vault.lock().await;
    assert_eq!(vault.unlock(passphrase("one")).await.expect("it opens").by, "passphrase");
}
