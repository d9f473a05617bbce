//! Storage faults under a login that rotates: strace makes one storage call after another fail, or kills the process in
//! it, and afterwards the vault must hold the last generation that was called durable, or the next one, and its token.
//!
//! The probe is this very binary, started again under strace. Skipped, with the reason printed, where there is no
//! strace. `TOKENKEEPER_LONG=1` takes every call instead of a sample.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tokenkeeper_config::AccountName;
use tokenkeeperd::account::{Change, Facts, Intent, NewGrant, RefreshToken, StoredGrant};
use tokenkeeperd::secret::Secret;
use tokenkeeperd::vault::{Binding, Opener, SlotKind, Vault, VaultState};

mod probe;

use probe::{FAULTS, block_on, has_strace, lasting, profile, run, say, skip, strace, strace_at, traced};

const BINDING: Binding = [1; 32];
/// What of the state directory the faults strike.
const FILES: [&str; 7] = ["vault.db", "vault.db-wal", "vault.db.new", "vault.db-wal.new", "ballast", "lock", ""];
/// How often the probe rotates.
const ROTATIONS: u64 = 12;
/// A directory on a small file system of its own, to be filled. Without it the test makes a tmpfs in a namespace;
/// `scripts` that may mount give it an ext4.
const FULL_DISK: &str = "TOKENKEEPER_FULL_DISK";

#[test]
fn every_storage_fault_leaves_the_last_durable_login() {
    if !has_strace() {
        return skip();
    }
    let long = std::env::var_os("TOKENKEEPER_LONG").is_some();
    let mut runs = BTreeMap::<&str, u32>::new();
    let home = vault();
    let (said, trace) = traced(home.path(), "rotates");
    assert_eq!(last(&said, "saved"), Some(1 + ROTATIONS), "{said}");
    let profile = profile(&trace);
    for (call, count) in &profile {
        let step = if long { 1 } else { count.div_ceil(3) };
        for nth in (1..=*count).step_by(step) {
            for fault in FAULTS {
                for lasting in lasting(fault) {
                    let home = vault();
                    let strace = strace_at(home.path(), &FILES, &format!("{call}:{fault}:when={nth}{lasting}"));
                    let said = run(strace, home.path(), "rotates");
                    let case = format!("{call} {fault} from {nth}{lasting}: {said}");
                    judge(home.path(), &said, &case);
                    *runs.entry(fault).or_default() += 1;
                }
            }
        }
    }
    report(&profile, &runs);
}

#[test]
fn a_second_fault_while_the_first_is_dealt_with_loses_nothing_either() {
    if !has_strace() {
        return skip();
    }
    let mut runs = 0;
    for nth in [1, 2, 5, 12] {
        for first in [format!("fsync:error=EIO:when={nth}"), format!("fsync:error=EIO:when={nth}+1")] {
            for second in ["rename:error=EIO:when=1+", "rename:error=ENOSPC:when=2", "ftruncate:error=EIO:when=1+"] {
                check(&[&first, second], &mut runs);
            }
            for at in 1..=4 {
                check(&[&first, &format!("rename:signal=KILL:when={at}")], &mut runs);
                check(&[&first, &format!("unlink:signal=KILL:when={at}")], &mut runs);
            }
        }
    }
    say(&format!("runs with two faults, none of which lost a login: {runs}"));
}

fn check(faults: &[&str], runs: &mut u32) {
    let home = vault();
    let said = run(strace(faults), home.path(), "rotates");
    judge(home.path(), &said, &format!("{}: {said}", faults.join(" and ")));
    *runs += 1;
}

#[test]
fn slots_and_the_vaults_key_change_as_a_whole_or_not_at_all() {
    if !has_strace() {
        return skip();
    }
    let mut runs = 0;
    for call in ["fsync", "pwrite64"] {
        for fault in ["error=EIO", "error=ENOSPC", "signal=KILL"] {
            for nth in (1..=31).step_by(3) {
                let home = vault();
                let fault = format!("{call}:{fault}:when={nth}");
                let said = run(strace(&[&fault]), home.path(), "rekeys");
                judge(home.path(), "", &format!("{fault}: {said}"));
                runs += 1;
            }
        }
    }
    say(&format!("runs with a fault under slot and key changes, none of which shut anybody out: {runs}"));
}

#[test]
fn one_commit_takes_at_most_two_syncs() {
    if !has_strace() {
        return skip();
    }
    let home = vault();
    let (said, trace) = traced(home.path(), "rotates");
    assert_eq!(last(&said, "saved"), Some(1 + ROTATIONS), "{said}");
    // Marks on standard output stand in the trace beside the syncs.
    let mut syncs = None;
    let mut most = 0;
    for line in trace.lines() {
        if line.contains("\"sending ") || line.contains("\"intending ") {
            syncs = Some(0);
        } else if line.contains("sync(") {
            syncs = syncs.map(|count| count + 1);
        } else if line.contains("\"saved ") || line.contains("\"intended ") {
            most = most.max(syncs.take().expect("a commit began"));
        }
    }
    assert!((1..=2).contains(&most), "{most} syncs");
}

#[tokio::test]
async fn sixty_rotations_survive_on_a_disk_with_0_bytes_free() {
    let Some(disk) = std::env::var_os(FULL_DISK).map(PathBuf::from) else { return on_a_small_tmpfs() };
    let vault = Vault::open(&disk.join("state"), None).expect("a state directory");
    vault.create(SlotKind::Insecure, Opener::default()).await.expect("a vault");
    vault.commit(&work(), BINDING, grant(0)).await.expect("committed");
    assert!(disk.join("state/ballast").exists());
    fill(&disk);
    for generation in 1..=60 {
        vault.commit(&work(), BINDING, intent(generation)).await.unwrap_or_else(|why| panic!("{generation}: {why}"));
        vault.commit(&work(), BINDING, grant(generation)).await.unwrap_or_else(|why| panic!("{generation}: {why}"));
    }
    let ballast = if disk.join("state/ballast").exists() { "kept" } else { "spent" };
    assert!(write_until_full(&disk.join("filler-2")) <= 1 << 20, "the disk was not full");
    vault.close().await;

    let vault = Vault::open(&disk.join("state"), None).expect("a state directory");
    vault.unlock(Opener::default()).await.expect("it opens");
    assert_eq!(held(&vault).await.expect("a login").generation, 61);
    say(&format!("60 of 60 rotations on a full disk, the ballast {ballast}"));
}

/// Runs the test above in a mount namespace of its own, with a tmpfs that is soon full.
fn on_a_small_tmpfs() {
    let home = tempfile::tempdir().expect("a directory");
    let script = "mount -t tmpfs -o size=24m,mode=700 none \"$1\" || exit 77; shift; exec \"$@\"";
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(home.path())
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "sixty_rotations_survive_on_a_disk_with_0_bytes_free", "--nocapture"])
        .env(FULL_DISK, home.path())
        .output();
    match output {
        Ok(output) if output.status.success() => say(&String::from_utf8_lossy(&output.stdout)),
        Ok(output) if output.status.code() == Some(101) => {
            panic!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        }
        Ok(_) | Err(_) => say("skipped: no tmpfs can be mounted in a namespace here"),
    }
}

fn fill(disk: &Path) {
    write_until_full(&disk.join("filler"));
}

/// Gives the bytes that went in.
fn write_until_full(path: &Path) -> u64 {
    let mut file = std::fs::File::create(path).expect("a file");
    for size in [64 * 1024, 4096, 512, 1] {
        while file.write_all(&vec![7; size]).and_then(|()| file.sync_data()).is_ok() {}
    }
    file.metadata().expect("a file").len()
}

/// Not a test of its own: what strace runs.
#[tokio::test]
async fn probe_that_rekeys() {
    let Some(home) = probe::home() else { return };
    let Ok(vault) = Vault::open(&home.join("state"), Some(&home.join("run"))) else { return };
    if vault.unlock(Opener::default()).await.is_ok() {
        say(&format!("added: {:?}", vault.add_slot(SlotKind::Insecure, Opener::default()).await));
        say(&format!("rekeyed: {:?}", vault.rekey(Opener::default()).await));
        say(&format!("removed: {:?}", vault.remove_slot("insecure", Opener::default()).await));
        say(&format!("rekeyed: {:?}", vault.rekey(Opener::default()).await));
    }
    vault.close().await;
}

/// Not a test of its own: what strace runs.
#[tokio::test]
async fn probe_that_rotates() {
    let Some(home) = probe::home() else { return };
    let vault = match Vault::open(&home.join("state"), Some(&home.join("run"))) {
        Ok(vault) => vault,
        Err(why) => return say(&format!("not opened: {why}")),
    };
    if let Err(why) = vault.unlock(Opener::default()).await {
        return say(&format!("not unlocked: {why}"));
    }
    let first = match held(&vault).await {
        Some(grant) => grant.generation,
        None => return say("not loaded"),
    };
    for generation in first..first + ROTATIONS {
        say(&format!("intending {generation}"));
        if let Err(failed) = vault.commit(&work(), BINDING, intent(generation)).await {
            say(&format!("refused {generation}: {}", failed.why));
            continue;
        }
        say(&format!("intended {generation}"));
        say(&format!("sending {generation}"));
        let mut change = grant(generation);
        for _ in 0..3 {
            match vault.commit(&work(), BINDING, change).await {
                Ok(_) => {
                    say(&format!("saved {}", generation + 1));
                    break;
                }
                Err(failed) => {
                    say(&format!("unsaved {}: {}", generation + 1, failed.why));
                    change = *failed.change;
                }
            }
        }
    }
    vault.close().await;
}

/// A vault with a first login, closed.
fn vault() -> tempfile::TempDir {
    let home = tempfile::tempdir().expect("a directory");
    block_on(async {
        let vault = Vault::open(&home.path().join("state"), None).expect("a state directory");
        let key = Opener { path: Some(home.path().join("key")), ..Opener::default() };
        vault.create(SlotKind::Keyfile, key).await.expect("a vault");
        vault.commit(&work(), BINDING, grant(0)).await.expect("committed");
        vault.close().await;
    });
    home
}

/// What a healthy keeper finds afterwards.
fn judge(home: &Path, said: &str, case: &str) {
    let durable = last(said, "saved").unwrap_or(1);
    let sent = last(said, "sending").map_or(1, |generation| generation + 1);
    block_on(async {
        let vault =
            Vault::open(&home.join("state"), Some(&home.join("run"))).unwrap_or_else(|why| panic!("{why}\n{case}"));
        assert_eq!(vault.moved_aside().await, None, "{case}");
        assert_eq!(vault.state().await, VaultState::Locked, "{case}");
        vault.unlock(Opener::default()).await.unwrap_or_else(|why| panic!("{why}\n{case}"));
        let grant = held(&vault).await.unwrap_or_else(|| panic!("no login\n{case}"));
        assert!((durable..=sent.max(durable)).contains(&grant.generation), "generation {}\n{case}", grant.generation);
        let token = vault.reveal(&work(), BINDING, grant.token.as_ref().expect("a token")).await.expect("it opens");
        assert!(token.same_as(token_of(grant.generation).as_bytes()), "{case}");
        vault
            .commit(&work(), BINDING, self::grant(grant.generation))
            .await
            .unwrap_or_else(|why| panic!("{why}\n{case}"));
        vault.close().await;
    });
}

/// The number in the last line that begins with this word.
fn last(said: &str, word: &str) -> Option<u64> {
    let of = |line: &str| line.strip_prefix(word)?.trim().split(':').next()?.parse().ok();
    said.lines().filter_map(of).next_back()
}

fn intent(generation: u64) -> Change {
    let intent = Intent { attempts: 1, generation, token_hash: [5; 32], wall: 1, boot: 2, boot_id: [3; 16] };
    Change::Intent { generation, intent: Some(intent) }
}

fn grant(replaces: u64) -> Change {
    let token = Some(RefreshToken::Fresh(Secret::from(token_of(replaces + 1))));
    Change::Grant {
        replaces,
        grant: NewGrant { token, keep_previous: true, new_key: None, facts: Facts::default() },
        tokens: vec![],
    }
}

fn token_of(generation: u64) -> String {
    format!("rt-{generation}")
}

async fn held(vault: &Vault) -> Option<StoredGrant> {
    vault.load(vec![(work(), BINDING)]).await.ok()?.pop()?.1.grant?.ok()
}

fn work() -> AccountName {
    "work".parse().expect("a good name")
}

fn report(profile: &BTreeMap<&str, usize>, runs: &BTreeMap<&str, u32>) {
    let mut text = String::from("storage calls of a run:");
    profile.iter().for_each(|(call, count)| write!(text, " {call} {count}").expect("a string"));
    write!(text, "; runs with faults, none of which lost a login: {}", runs.values().sum::<u32>()).expect("a string");
    say(&text);
}
