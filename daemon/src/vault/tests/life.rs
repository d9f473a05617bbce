//! The ordinary life of a vault: made, opened, written, shut, opened again.

use super::*;
use crate::account::Unrevoked;
use crate::vault::{Refused, SlotError, UnlockError, Unopenable, VaultState};

#[tokio::test]
async fn what_was_committed_is_there_after_a_restart() {
    let (world, vault) = World::with_vault().await;
    let tokens = vec![token(TokenKind::Access, "at-1"), token(TokenKind::Id, "id-1")];
    let Change::Grant { replaces, grant, .. } = grant(0, "rt-1") else { unreachable!() };
    let facts = grant.facts.clone();
    let sealed = put(&vault, Change::Grant { replaces, grant, tokens }).await.expect("committed");
    assert_eq!(shown(&vault, &sealed).await, "rt-1");

    let vault = world.again(vault).await;
    let stored = load(&vault, HERE).await;
    assert_eq!(stored.generation, 1);
    assert!(!stored.foreign && stored.intent.is_none());
    assert_eq!(stored.tokens.len(), 2);
    assert!(stored.tokens[0].token.same_as(b"at-1") && stored.tokens[1].token.same_as(b"id-1"));
    assert_eq!((stored.tokens[0].minted, stored.tokens[0].scopes.len()), (Wall(7), 1));
    let grant = stored.grant.expect("a grant").expect("one that opens");
    assert_eq!((grant.generation, grant.facts), (1, facts));
    assert!(grant.token == sealed && grant.previous.is_none());
    assert_eq!(shown(&vault, &grant.token).await, "rt-1");
}

#[tokio::test]
async fn the_previous_token_is_kept_until_the_next_one_worked() {
    let (_world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    put(&vault, grant(1, "rt-2")).await.expect("committed");
    let two = held(&vault).await;
    assert_eq!((shown(&vault, &two.token).await, shown(&vault, &two.previous).await), ("rt-2".into(), "rt-1".into()));
    put(&vault, grant(2, "rt-3")).await.expect("committed");
    assert_eq!(shown(&vault, &held(&vault).await.previous).await, "rt-2");
}

#[tokio::test]
async fn a_token_that_goes_on_is_kept_as_it_was_sealed() {
    let (_world, vault) = World::with_vault().await;
    let sealed = put(&vault, grant(0, "rt-1")).await.expect("committed").expect("a token");
    let kept = NewGrant {
        token: Some(RefreshToken::Kept(sealed.clone())),
        keep_previous: false,
        new_key: None,
        facts: Facts { signed_in_at: 1, refreshes: 1, ..Facts::default() },
    };
    put(&vault, Change::Grant { replaces: 1, grant: kept, tokens: Vec::new() }).await.expect("committed");
    let grant = held(&vault).await;
    assert!(grant.token == Some(sealed) && grant.previous.is_none());
    assert_eq!((grant.generation, grant.facts.refreshes), (2, 1));
    assert_eq!(shown(&vault, &grant.token).await, "rt-1");
}

#[tokio::test]
async fn a_grant_names_all_tokens_that_stay() {
    let (_world, vault) = World::with_vault().await;
    let with = |change: Change, tokens: Vec<NewToken>| match change {
        Change::Grant { replaces, grant, .. } => Change::Grant { replaces, grant, tokens },
        other => other,
    };
    let both = vec![token(TokenKind::Access, "at-1"), token(TokenKind::Id, "id-1")];
    put(&vault, with(grant(0, "rt-1"), both)).await.expect("committed");
    let other_audience = NewToken {
        key: TokenKey { audience: Some("x".into()), ..TokenKey::DEFAULT },
        ..token(TokenKind::Access, "at-x")
    };
    let tokens = vec![token(TokenKind::Access, "at-2"), other_audience];
    put(&vault, with(grant(1, "rt-2"), tokens)).await.expect("committed");
    let tokens = load(&vault, HERE).await.tokens;
    assert!(tokens.len() == 1 && tokens[0].token.same_as(b"at-2"), "tokens for other audiences live in memory");
    put(&vault, with(grant(2, "rt-3"), vec![])).await.expect("committed");
    assert!(load(&vault, HERE).await.tokens.is_empty());
}

/// S10: tokens are of every length; JWTs of 4 kB are common.
#[tokio::test]
async fn a_token_over_32_kib_is_not_stored_and_costs_nothing_else() {
    let (_world, vault) = World::with_vault().await;
    let Change::Grant { replaces, grant, .. } = grant(0, &"r".repeat(20_000)) else { unreachable!() };
    let tokens = vec![token(TokenKind::Access, &"a".repeat(40_000)), token(TokenKind::Id, "id-1")];
    put(&vault, Change::Grant { replaces, grant, tokens }).await.expect("committed");
    let stored = load(&vault, HERE).await;
    assert!(stored.tokens.len() == 1 && stored.tokens[0].token.same_as(b"id-1"));

    let Change::Grant { replaces, grant, .. } = super::grant(1, &"s".repeat(20_000)) else { unreachable!() };
    let tokens = vec![token(TokenKind::Access, &"a".repeat(20_000)), token(TokenKind::Id, &"i".repeat(20_000))];
    put(&vault, Change::Grant { replaces, grant, tokens }).await.expect("committed");
    let stored = load(&vault, HERE).await;
    assert!(stored.tokens.len() == 1 && stored.tokens[0].key.kind == TokenKind::Access);
    let grant = stored.grant.expect("a grant").expect("one that opens");
    assert!(grant.previous.is_none(), "two of them do not fit, the new one counts");
    assert_eq!(shown(&vault, &grant.token).await.len(), 20_000);
}

#[tokio::test]
async fn a_change_for_another_generation_is_refused_and_given_back() {
    let (_world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    let failed = put(&vault, grant(4, "rt-x")).await.err().expect("no commit");
    assert_eq!(failed.why, "the vault holds generation 1 of `work`, the change is for 4");
    assert!(matches!(*failed.change, Change::Grant { replaces: 4, .. }));
    assert!(put(&vault, Change::Forget { generation: 0, revocation: None }).await.is_err());
    assert!(put(&vault, Change::Intent { generation: 2, intent: None }).await.is_err());
    assert_eq!(shown(&vault, &held(&vault).await.token).await, "rt-1");
}

#[tokio::test]
async fn a_grant_that_reached_the_disk_after_all_is_not_refused_the_second_time() {
    let (_world, vault) = World::with_vault().await;
    let first = put(&vault, grant(0, "rt-1")).await.expect("committed");
    let again = put(&vault, grant(0, "rt-1")).await.expect("it is there");
    assert!(first == again);
    assert!(put(&vault, grant(0, "rt-2")).await.is_err(), "another one is a mismatch");
}

#[tokio::test]
async fn what_is_to_be_revoked_outlives_logins_secrets_and_the_account() {
    let (world, vault) = World::with_vault().await;
    vault.set_client_secret(&work(), Secret::copy_of(b"cs-1")).await.expect("stored");
    let noted = |at| Revocation { at, client_id: "cli".into(), ..Revocation::default() };
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    put(&vault, Change::Forget { generation: 1, revocation: Some(noted(7)) }).await.expect("committed");
    put(&vault, grant(1, "rt-2")).await.expect("a new login");
    put(&vault, Change::Forget { generation: 2, revocation: Some(noted(8)) }).await.expect("committed");
    let again = Change::Forget { generation: 2, revocation: Some(noted(9)) };
    put(&vault, again).await.expect("there is no token left to put to the others");
    vault.remove(&work()).await.expect("removed");

    let vault = world.again(vault).await;
    let ids = vault.unrevoked().await.expect("read");
    assert_eq!(ids.iter().map(|id| id.at).collect::<Vec<_>>(), [7, 8]);
    let first = vault.unrevoked_one(&ids[0]).await.expect("read").expect("it is there");
    assert!(first.token.same_as(b"rt-1") && first.client_secret.expect("as it was").same_as(b"cs-1"));
    vault.revoked(&ids[0]).await.expect("deleted");
    assert!(vault.unrevoked_one(&ids[0]).await.expect("read").is_none());
    vault.revoked(&ids[1]).await.expect("deleted");
    let vault = world.again(vault).await;
    assert_eq!(vault.unrevoked().await.expect("read"), []);
}

#[tokio::test]
async fn a_client_that_is_to_be_deleted_waits_beside_the_logins_of_its_account() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    let noted = Revocation { at: 7, client_id: "cli".into(), ..Revocation::default() };
    put(&vault, Change::Forget { generation: 1, revocation: Some(noted) }).await.expect("committed");
    let uri = "https://as.example/reg/cli".parse().expect("an address");
    let revocation = Revocation::of_registration("cli".into(), &uri, 7);
    let unended = Unrevoked { revocation, token: Secret::copy_of(b"rat-1"), client_secret: None };
    let id = vault.add_unrevoked(&work(), unended).await.expect("stored");
    vault.remove(&work()).await.expect("removed");

    let vault = world.again(vault).await;
    assert_eq!(vault.unrevoked().await.expect("read").iter().map(|id| id.at).collect::<Vec<_>>(), [7, 8]);
    let read = vault.unrevoked_one(&id).await.expect("read").expect("it is there");
    assert_eq!(read.revocation.registration.as_deref(), Some("https://as.example/reg/cli"));
    assert!(read.token.same_as(b"rat-1"));
    vault.revoked(&id).await.expect("deleted");
    assert_eq!(vault.unrevoked().await.expect("read").len(), 1, "the login waits on");
}

#[tokio::test]
async fn of_many_logins_that_nobody_could_revoke_the_latest_are_kept() {
    let (_world, vault) = World::with_vault().await;
    for round in 0..20_u64 {
        put(&vault, grant(round, &"r".repeat(3_000))).await.expect("committed");
        let at = i64::try_from(round).expect("few");
        let revocation = Some(Revocation { at, client_id: "cli".into(), ..Revocation::default() });
        put(&vault, Change::Forget { generation: round + 1, revocation }).await.expect("committed");
    }
    let ats: Vec<_> = vault.unrevoked().await.expect("read").iter().map(|id| id.at).collect();
    assert_eq!(ats, (10..20).collect::<Vec<_>>(), "ten of 3 kB fit into a record");
}

#[tokio::test]
async fn forgetting_keeps_the_count() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-1")).await.expect("committed");
    put(&vault, Change::Forget { generation: 1, revocation: None }).await.expect("committed");
    let vault = world.again(vault).await;
    let stored = load(&vault, HERE).await;
    assert!(stored.generation == 1 && stored.grant.is_none() && stored.tokens.is_empty());
    put(&vault, grant(1, "rt-2")).await.expect("committed");
    assert_eq!(held(&vault).await.generation, 2);
    vault.remove(&work()).await.expect("removed");
    assert_eq!(load(&vault, HERE).await.generation, 0);
}

#[tokio::test]
async fn an_edited_endpoint_cannot_open_the_grant_and_undoing_the_edit_can() {
    let (world, vault) = World::with_vault().await;
    let sealed = put(&vault, grant(0, "rt-1")).await.expect("committed").expect("a token");
    let vault = world.again(vault).await;

    let stored = load(&vault, ELSEWHERE).await;
    let why = stored.grant.expect("it is there").err().expect("it does not open");
    assert!(why.contains("`work` belongs to another issuer, client id or token endpoint"), "{why}");
    assert_eq!(stored.generation, 1);
    assert_eq!(vault.reveal(&work(), ELSEWHERE, &sealed).await.err(), Some(Unopenable::Sealed));
    let other: AccountName = "other".parse().expect("a good name");
    assert_eq!(vault.reveal(&other, HERE, &sealed).await.err(), Some(Unopenable::Sealed));

    assert_eq!(shown(&vault, &held(&vault).await.token).await, "rt-1");

    vault.commit(&work(), ELSEWHERE, grant(1, "rt-2")).await.expect("a new login binds anew");
    assert!(load(&vault, HERE).await.grant.is_some_and(|grant| grant.is_err()));
    let grant = load(&vault, ELSEWHERE).await.grant.expect("a grant").expect("one that opens");
    assert!(grant.previous.is_none(), "a token of another endpoint is not kept");
}

#[tokio::test]
async fn client_secrets_come_back() {
    let (world, vault) = World::with_vault().await;
    assert!(vault.client_secret(&work()).await.expect("open").is_none());
    vault.set_client_secret(&work(), secret("cs-1")).await.expect("durable");
    vault.set_client_secret(&work(), secret("cs-2")).await.expect("durable");
    let vault = world.again(vault).await;
    let kept = vault.client_secret(&work()).await.expect("open").expect("a secret");
    assert!(kept.same_as(b"cs-2"));
}

#[tokio::test]
async fn states_are_no_vault_ready_and_locked() {
    let world = World::new();
    let vault = world.open();
    assert_eq!(vault.state().await, VaultState::NoVault);
    assert_eq!(vault.unlock(Opener::default()).await, Err(UnlockError::Vault(Refused::NoVault)));
    assert_eq!(vault.load(vec![]).await.err(), Some(Refused::NoVault));
    assert!(!world.db().exists(), "looking makes nothing");

    vault.create(SlotKind::Keyfile, world.key()).await.expect("a vault");
    assert_eq!(vault.state().await, VaultState::Ready);
    let again = vault.create(SlotKind::Keyfile, world.key()).await;
    assert_eq!(again, Err(SlotError::NotAllowed("there is a vault already".into())));

    vault.lock().await;
    assert_eq!(vault.state().await, VaultState::Locked);
    assert_eq!(vault.load(vec![]).await.err(), Some(Refused::Locked));
    assert_eq!(put(&vault, grant(0, "rt-1")).await.err().expect("no commit").why, "the vault is locked");

    let unlocked = vault.unlock(Opener::default()).await.expect("the key file opens it");
    assert_eq!((unlocked.by.as_str(), unlocked.kind.as_str()), ("keyfile", "keyfile"));
    let slots = vault.slots().await;
    assert!(slots.len() == 1 && slots[0].opened && slots[0].error.is_empty() && slots[0].created > 0);

    vault.close().await;
    assert_eq!(vault.load(vec![]).await.err(), Some(Refused::Closed));
}

#[tokio::test]
async fn commits_that_wait_together_are_all_answered() {
    let (_world, vault) = World::with_vault().await;
    let names: Vec<AccountName> = (0..100).map(|n| format!("a{n}").parse().expect("a good name")).collect();
    let commits = names.iter().map(|name| vault.commit(name, HERE, grant(0, name.as_str())));
    for committed in futures_util::future::join_all(commits).await {
        assert!(committed.expect("committed").is_some());
    }
    let all = vault.load(names.iter().map(|name| (name.clone(), HERE)).collect()).await.expect("open");
    assert!(all.iter().all(|(_, stored)| stored.generation == 1));
}

#[tokio::test]
async fn no_secret_shows_on_disk() {
    let (world, vault) = World::with_vault().await;
    put(&vault, grant(0, "rt-canary-7f3a")).await.expect("committed");
    vault.set_client_secret(&work(), secret("cs-canary-7f3a")).await.expect("durable");
    vault.close().await;
    for entry in std::fs::read_dir(world.state()).expect("a directory") {
        let path = entry.expect("an entry").path();
        let found = bytes_of(&path).windows(11).any(|bytes| bytes == b"canary-7f3a");
        assert!(!found, "{}", path.display());
    }
}

/// A key comes and goes with the grant that names it, in one commit; and opens for that grant's endpoint only.
#[tokio::test]
async fn the_key_that_tokens_are_bound_to_lives_as_long_as_their_grant() {
    let (world, vault) = World::with_vault().await;
    let bound = |change: Change, key: Option<&str>| match change {
        Change::Grant { replaces, grant, tokens } => {
            let facts = Facts { proof_key: Some("its thumbprint".into()), ..grant.facts };
            let grant = NewGrant { new_key: key.map(secret), facts, ..grant };
            Change::Grant { replaces, grant, tokens }
        }
        other => other,
    };
    let key = async |vault: &Vault| vault.proof_key(&work(), HERE).await.map(|key| key.reveal().to_vec());
    assert_eq!(key(&vault).await, Err(Unopenable::ProofKey));
    put(&vault, bound(grant(0, "rt-1"), Some("key-1"))).await.expect("committed");
    assert_eq!(key(&vault).await.as_deref(), Ok(b"key-1".as_slice()));
    put(&vault, bound(grant(1, "rt-2"), None)).await.expect("committed");
    assert_eq!(key(&vault).await.as_deref(), Ok(b"key-1".as_slice()), "a refresh goes on with it");
    assert_eq!(vault.proof_key(&work(), ELSEWHERE).await.err(), Some(Unopenable::ProofKey));

    let vault = world.again(vault).await;
    assert_eq!(key(&vault).await.as_deref(), Ok(b"key-1".as_slice()));
    put(&vault, bound(grant(2, "rt-3"), Some("key-2"))).await.expect("committed");
    assert_eq!(key(&vault).await.as_deref(), Ok(b"key-2".as_slice()), "a login brings its own");
    put(&vault, grant(3, "rt-4")).await.expect("committed");
    assert_eq!(key(&vault).await, Err(Unopenable::ProofKey), "nothing is bound to it any more");
    put(&vault, bound(grant(4, "rt-5"), Some("key-3"))).await.expect("committed");
    put(&vault, Change::Forget { generation: 5, revocation: None }).await.expect("committed");
    assert_eq!(key(&vault).await, Err(Unopenable::ProofKey));
}
