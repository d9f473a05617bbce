//! A vault of 10,000 accounts: how large it is, and how long opening, unlocking and loading it takes. The figures are
//! printed; a debug build takes a tenth of the accounts and asserts no times, because it measures the compiler.

use std::io::Write as _;
use std::time::Duration;

use tokenkeeper_config::{AccountName, TokenKind};
use tokenkeeperd::account::{Change, Facts, NewGrant, NewToken, RefreshToken, TokenKey};
use tokenkeeperd::secret::Secret;
use tokenkeeperd::time::Wall;
use tokenkeeperd::vault::{Binding, Opener, SlotKind, Vault};
use tokio::time::Instant;

const ACCOUNTS: usize = if cfg!(debug_assertions) { 1_000 } else { 10_000 };
const BINDING: Binding = [1; 32];

#[tokio::test]
async fn ten_thousand_accounts_load_within_a_second_and_fit_100_megabytes() {
    let home = tempfile::tempdir().expect("a directory");
    let names: Vec<AccountName> = (0..ACCOUNTS).map(|n| format!("account-{n}").parse().expect("a name")).collect();
    let vault = Vault::open(home.path(), None).expect("a state directory");
    vault.create(SlotKind::Insecure, Opener::default()).await.expect("a vault");
    for chunk in names.chunks(500) {
        let commits = chunk.iter().map(|name| vault.commit(name, BINDING, grant()));
        futures_util::future::try_join_all(commits).await.expect("committed");
    }
    vault.close().await;

    let start = Instant::now();
    let vault = Vault::open(home.path(), None).expect("a state directory");
    let opened = start.elapsed();
    vault.unlock(Opener::default()).await.expect("it opens");
    let loaded = vault.load(names.into_iter().map(|name| (name, BINDING)).collect()).await.expect("loaded");
    let took = start.elapsed();
    assert!(loaded.iter().all(|(_, stored)| stored.tokens.len() == 2 && stored.generation == 1));
    let size = std::fs::metadata(home.path().join("vault.db")).expect("a file").len();

    let line = format!(
        "{ACCOUNTS} accounts: opened and checked in {opened:?}, unlocked and loaded in {:?} more; {} MB\n",
        took.saturating_sub(opened),
        size / 1_000_000
    );
    std::io::stdout().write_all(line.as_bytes()).expect("standard output");
    assert!(size / ACCOUNTS as u64 <= 10_000, "{size} bytes");
    if !cfg!(debug_assertions) {
        assert!(took.saturating_sub(opened) < Duration::from_secs(1), "{took:?}");
    }
}

/// What a usual login leaves: opaque refresh token, two tokens of JWT size.
fn grant() -> Change {
    let facts = Facts { scopes: vec!["openid".into(), "offline_access".into()], ..Facts::default() };
    let token = Some(RefreshToken::Fresh(Secret::from("r".repeat(200))));
    let tokens = [TokenKind::Access, TokenKind::Id].map(|kind| NewToken {
        key: TokenKey { kind, ..TokenKey::DEFAULT },
        token: Secret::from("t".repeat(1200)).into(),
        token_type: "Bearer".into(),
        expiry: None,
        scopes: Vec::new(),
        generation: 1,
        minted: Wall(0),
    });
    Change::Grant {
        replaces: 0,
        grant: NewGrant { token, keep_previous: true, new_key: None, facts },
        tokens: tokens.into(),
    }
}
