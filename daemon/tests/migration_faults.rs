//! The vault of an earlier format on a disk that fails, or in a process that is killed, at each call that brings it to
//! the present one: whatever happens, it is the one format or the other, and every row of it is there.
//!
//! `TOKENKEEPER_LONG=1` takes every call instead of a sample.

use std::collections::BTreeMap;
use std::path::Path;

use rusqlite::Connection;
use rusqlite::types::Value;
use tokenkeeperd::vault::{Vault, VaultState};

mod probe;

use probe::{FAULTS, block_on, has_strace, lasting, profile, run, say, skip, strace, strace_at, traced};

/// As tokenkeeperd 0.1.0 wrote it: two logins, a client secret, two slots.
const FORMAT_1: &[u8] = include_bytes!("../src/vault/fixtures/format-1.db");

/// What of the state directory the faults strike.
const FILES: [&str; 8] = [
    "vault.db",
    "vault.db-wal",
    "vault.db.format-1",
    "vault.db.format-1.new",
    "vault.db-wal.new",
    "ballast",
    "lock",
    "",
];

/// All that people would miss, without what the new format adds.
const ROWS: [&str; 3] = [
    "SELECT one, id, meta FROM vault",
    "SELECT id, kind, created, params, salt, wrapped, sum FROM slot ORDER BY id",
    "SELECT account, kind, generation, binding, sealed FROM record ORDER BY account, kind",
];

#[test]
fn a_migration_survives_every_fault_of_its_disk() {
    if !has_strace() {
        return skip();
    }
    let home = vault();
    let (said, trace) = traced(home.path(), "migrates");
    assert!(said.contains("opened"), "{said}");
    let profile = profile(&trace);
    let long = std::env::var_os("TOKENKEEPER_LONG").is_some();
    let mut runs = BTreeMap::<&str, u32>::new();
    for (call, count) in &profile {
        let step = if long { 1 } else { count.div_ceil(3) };
        for nth in (1..=*count).step_by(step) {
            for fault in FAULTS {
                for lasting in lasting(fault) {
                    let fault_at = format!("{call}:{fault}:when={nth}{lasting}");
                    let home = vault();
                    let said = run(strace_at(home.path(), &FILES, &fault_at), home.path(), "migrates");
                    let became = judge(home.path(), &said, &fault_at);
                    *runs.entry(became).or_default() += 1;
                }
            }
        }
    }
    assert!(runs.len() == 2, "some were too early and some too late: {runs:?}");
    say(&format!("storage calls of a migration: {profile:?}; runs with faults, none of which lost anything: {runs:?}"));
}

#[test]
fn a_migration_that_fails_and_is_killed_when_tried_again_loses_nothing() {
    if !has_strace() {
        return skip();
    }
    let mut runs = 0;
    for first in [
        "fsync:error=EIO:when=1",
        "fsync:error=EIO:when=2",
        "rename:error=ENOSPC:when=1",
        "pwrite64:signal=KILL:when=6",
    ] {
        for second in ["fsync", "pwrite64", "rename", "unlink"] {
            for nth in 1..=3 {
                let home = vault();
                let mut said = run(strace(&[first]), home.path(), "migrates");
                said += &run(strace(&[&format!("{second}:signal=KILL:when={nth}")]), home.path(), "migrates");
                judge(home.path(), &said, &format!("{first}, then killed in {second} {nth}"));
                runs += 1;
            }
        }
    }
    say(&format!("migrations that failed twice and lost nothing: {runs}"));
}

/// Not a test of its own: what strace runs.
#[tokio::test]
async fn probe_that_migrates() {
    let Some(home) = probe::home() else { return };
    match Vault::open(&home.join("state"), Some(&home.join("run"))) {
        Ok(vault) => {
            say(&format!("opened: {:?}, {:?}", vault.state().await, vault.moved_aside().await));
            vault.close().await;
        }
        Err(why) => say(&format!("not opened: {why}")),
    }
}

/// A state directory with the old vault in it.
fn vault() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a directory");
    let mut private = std::fs::DirBuilder::new();
    std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700).create(home.path().join("state")).expect("a directory");
    put(&home.path().join("state/vault.db"), FORMAT_1);
    home
}

/// What the fault left, and what a healthy keeper makes of it; gives the format that was left.
fn judge(home: &Path, said: &str, case: &str) -> &'static str {
    let state = home.join("state");
    let left = format_of(&state);
    match left {
        // "Not moved aside" is what a keeper says that could read it.
        1 => assert!(!said.contains("opened: Ready") && !said.contains("Some("), "{case}: {said}"),
        2 => {
            let kept = Connection::open(state.join("vault.db.format-1")).expect("what it was before is kept");
            assert_eq!(rows(&kept), fixture(), "{case}: kept as it was");
        }
        other => panic!("{case}: format {other}"),
    }
    block_on(async {
        let vault = Vault::open(&state, None).unwrap_or_else(|why| panic!("{case}: {why}\n{said}"));
        assert_eq!(vault.moved_aside().await, None, "{case}");
        assert_eq!(vault.state().await, VaultState::Locked, "{case}");
        vault.close().await;
    });
    assert_eq!(format_of(&state), 2, "{case}");
    if left == 1 { "still format 1" } else { "format 2 by then" }
}

/// The format that the files have, log and all; its rows are those that were there before.
fn format_of(state: &Path) -> u32 {
    let copy = tempfile::tempdir().expect("a directory");
    for name in ["vault.db", "vault.db-wal"] {
        if let Ok(bytes) = std::fs::read(state.join(name)) {
            put(&copy.path().join(name), &bytes);
        }
    }
    let db = Connection::open(copy.path().join("vault.db")).expect("a database");
    assert_eq!(rows(&db), fixture());
    let format = db.pragma_query_value(None, "user_version", |row| row.get(0)).expect("a number");
    let has_column = db.prepare("SELECT restored FROM vault").is_ok();
    assert_eq!(has_column, format == 2, "half of a format");
    format
}

fn fixture() -> Vec<Vec<Value>> {
    let home = tempfile::tempdir().expect("a directory");
    put(&home.path().join("vault.db"), FORMAT_1);
    rows(&Connection::open(home.path().join("vault.db")).expect("a database"))
}

fn rows(db: &Connection) -> Vec<Vec<Value>> {
    let mut all = Vec::new();
    for query in ROWS {
        let mut statement = db.prepare(query).expect("good SQL");
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| (0..columns).map(|column| row.get(column)).collect());
        all.extend(rows.expect("a query").map(|row| row.expect("a row")));
    }
    assert!(all.len() > 4, "the fixture has logins");
    all
}

#[allow(clippy::disallowed_methods, reason = "a test's file need not be durable")]
fn put(path: &Path, bytes: &[u8]) {
    std::fs::write(path, bytes).expect("a file");
    std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).expect("the file is ours");
}
