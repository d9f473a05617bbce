//! The vault from outside: what is stored comes back, and everything that can be wrong with it is told apart.

mod backup;
mod damage;
mod disk;
mod doors;
mod keyring;
mod life;
mod vectors;

use std::path::{Path, PathBuf};

use tokenkeeper_config::{AccountName, TokenKind};
use zeroize::Zeroizing;

use super::{Binding, CommitFailed, Opener, SlotKind, Vault};
use crate::account::{Change, Facts, NewGrant, NewToken, RefreshToken, Revocation, Stored, StoredGrant, TokenKey};
use crate::secret::{Sealed, Secret};
use crate::time::Wall;

const HERE: Binding = [1; 32];
const ELSEWHERE: Binding = [2; 32];

/// A state directory with a key file beside it.
struct World {
    home: tempfile::TempDir,
}

impl World {
    /// An empty one.
    fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a directory") }
    }

    /// One with an open vault.
    async fn with_vault() -> (Self, Vault) {
        let world = Self::new();
        let vault = world.open();
        vault.create(SlotKind::Keyfile, world.key()).await.expect("a vault");
        (world, vault)
    }

    fn state(&self) -> PathBuf {
        self.home.path().join("state")
    }

    fn db(&self) -> PathBuf {
        self.state().join("vault.db")
    }

    fn runtime(&self) -> PathBuf {
        self.home.path().join("run")
    }

    fn key(&self) -> Opener {
        Opener { path: Some(self.home.path().join("key")), ..Opener::default() }
    }

    fn open(&self) -> Vault {
        self.open_on(b"this machine")
    }

    fn open_on(&self, machine: &[u8]) -> Vault {
        Vault::open_on(&self.state(), Some(&self.runtime()), Zeroizing::new(machine.to_vec()))
            .expect("a state directory")
    }

    /// Ends this keeper and starts the next one.
    async fn again(&self, vault: Vault) -> Vault {
        vault.close().await;
        let vault = self.open();
        vault.unlock(Opener::default()).await.expect("the key file opens it");
        vault
    }
}

fn work() -> AccountName {
    "work".parse().expect("a good name")
}

fn secret(text: &str) -> Secret {
    Secret::copy_of(text.as_bytes())
}

fn token(kind: TokenKind, text: &str) -> NewToken {
    NewToken {
        key: TokenKey { kind, ..TokenKey::DEFAULT },
        token: secret(text).into(),
        token_type: "Bearer".into(),
        expiry: None,
        scopes: vec!["openid".into()],
        generation: 1,
        minted: Wall(7),
    }
}

/// A login or a refresh that brought this token.
fn grant(replaces: u64, refresh_token: &str) -> Change {
    let facts = Facts { signed_in_at: 1, rotates: true, ..Facts::default() };
    let token = Some(RefreshToken::Fresh(secret(refresh_token)));
    Change::Grant { replaces, grant: NewGrant { token, keep_previous: true, new_key: None, facts }, tokens: Vec::new() }
}

async fn put(vault: &Vault, change: Change) -> Result<Option<Sealed>, CommitFailed> {
    vault.commit(&work(), HERE, change).await
}

async fn load(vault: &Vault, binding: Binding) -> Stored {
    let mut all = vault.load(vec![(work(), binding)]).await.expect("an open vault");
    all.pop().expect("one account").1
}

/// The grant, which must be there and open.
async fn held(vault: &Vault) -> StoredGrant {
    load(vault, HERE).await.grant.expect("a grant").expect("one that opens")
}

async fn shown(vault: &Vault, sealed: &Option<Sealed>) -> String {
    let sealed = sealed.as_ref().expect("a token");
    let token = vault.reveal(&work(), HERE, sealed).await.expect("one that opens");
    token.reveal_str().expect("text").to_owned()
}

fn bytes_of(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file")
}

/// Changes a closed vault's database behind its back.
fn change_database(world: &World, sql: &str) {
    let db = rusqlite::Connection::open(world.db()).expect("a database");
    let mut statement = db.prepare(sql).expect("good SQL");
    let mut rows = statement.query([]).expect("a statement");
    while rows.next().expect("a row").is_some() {}
}

/// What is in the database file of a vault that may be open.
fn database_values(world: &World, sql: &str) -> Vec<String> {
    let copy = tempfile::tempdir().expect("a directory");
    for name in ["vault.db", "vault.db-wal"] {
        std::fs::copy(world.state().join(name), copy.path().join(name)).expect("a file");
    }
    let db = rusqlite::Connection::open(copy.path().join("vault.db")).expect("a database");
    let mut statement = db.prepare(sql).expect("good SQL");
    let values = statement.query_map([], |row| row.get(0)).expect("a query");
    values.collect::<Result<_, _>>().expect("text")
}
