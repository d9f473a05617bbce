//! Storage faults under a login that rotates: strace makes one storage call after another fail, or kills the process in
//! it, and afterwards the vault must hold the last generation that was called durable, or the next one, and its token.
//!
//! The probe is this very binary, started again under strace. Skipped, with the reason printed, where there is no
//! strace. `TOKENKEEPER_LONG=1` takes every call instead of a sample.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tokenkeeper_config::AccountName;
use tokenkeeperd::account::{Change, Facts, Intent, NewGrant, RefreshToken, StoredGrant};
use tokenkeeperd::secret::Secret;
use tokenkeeperd::vault::{Binding, Opener, SlotKind, Vault, VaultState};

const BINDING: Binding = [1; 32];
/// How often the probe rotates.
const ROTATIONS: u64 = 12;
/// Where the probe finds its vault.
const PROBE: &str = "TOKENKEEPER_VAULT_PROBE";

/// A directory on a small file system of its own, to be filled. Without it the test makes a tmpfs in a namespace;
/// `scripts` that may mount give it an ext4.
const FULL_DISK: &str = "TOKENKEEPER_FULL_DISK";

/// Storage calls that reach the vault's files.
const CALLS: [&str; 9] =
    ["openat", "pwrite64", "write", "pread64", "fdatasync", "fsync", "ftruncate", "rename", "unlink"];

#[test]
fn every_storage_fault_leaves_the_last_durable_login() {
    if !has_strace() {
        return skip();
    }
    let long = std::env::var_os("TOKENKEEPER_LONG").is_some();
    let mut runs = BTreeMap::<&str, u32>::new();
    let profile = profile();
    for (call, count) in &profile {
        let step = if long { 1 } else { count.div_ceil(3) };
        for nth in (1..=*count).step_by(step) {
            for fault in ["error=EIO", "error=ENOSPC", "error=EROFS", "error=EINTR", "signal=KILL"] {
                // A call that is always interrupted is no disk.
                let lasting: &[&str] =
                    if matches!(fault, "error=EIO" | "error=ENOSPC" | "error=EROFS") { &["", "+"] } else { &[""] };
                for lasting in lasting {
                    let home = vault();
                    let said = probe(home.path(), &format!("{call}:{fault}:when={nth}{lasting}"));
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
    let (said, trace) = traced(home.path());
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
    let Some(home) = std::env::var_os(PROBE).map(PathBuf::from) else { return };
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
    let Some(home) = std::env::var_os(PROBE).map(PathBuf::from) else { return };
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

/// How often a run without faults makes each call on the vault's files, by its busiest thread.
fn profile() -> BTreeMap<&'static str, usize> {
    let home = vault();
    let (said, trace) = traced(home.path());
    assert_eq!(last(&said, "saved"), Some(1 + ROTATIONS), "{said}");
    let mut counts = BTreeMap::<(&str, &str), usize>::new();
    for line in trace.lines().filter(|line| line.contains(".db") || line.contains("/state/") || line.contains("/run/"))
    {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some(call) = CALLS.into_iter().find(|call| rest.trim_start().starts_with(&format!("{call}("))) else {
            continue;
        };
        *counts.entry((thread, call)).or_default() += 1;
    }
    let mut most = BTreeMap::new();
    for ((_, call), count) in counts {
        let entry = most.entry(call).or_insert(0);
        *entry = count.max(*entry);
    }
    most
}

/// Runs the probe with a fault injected into calls on the vault's files.
fn probe(home: &Path, fault: &str) -> String {
    let mut strace = strace(&[fault]);
    for name in ["vault.db", "vault.db-wal", "vault.db.new", "vault.db-wal.new", "ballast", "lock", ""] {
        strace.arg("-P").arg(home.join("state").join(name));
    }
    run(strace, home, "rotates")
}

fn strace(faults: &[&str]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null"]);
    for fault in faults {
        strace.args(["-e", &format!("inject={fault}")]);
    }
    strace
}

fn traced(home: &Path) -> (String, String) {
    let trace = home.join("trace");
    let mut strace = strace(&[]);
    strace.args(["-y", "-e", "trace=/sync,openat,pwrite64,write,pread64,ftruncate,rename,unlink", "-o"]).arg(&trace);
    let said = run(strace, home, "rotates");
    (said, std::fs::read_to_string(trace).expect("a trace"))
}

/// Runs the probe that does this under strace; gives what it said.
fn run(mut strace: Command, home: &Path, does: &str) -> String {
    let output = strace
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", &format!("probe_that_{does}"), "--nocapture", "--test-threads=1"])
        .env(PROBE, home)
        .stderr(Stdio::null())
        .output()
        .expect("strace runs");
    String::from_utf8(output.stdout).expect("text")
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
    Change::Grant { replaces, grant: NewGrant { token, keep_previous: true, facts: Facts::default() }, tokens: vec![] }
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

fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work);
}

/// One whole line in one write, so that it stands whole in the output of a killed process.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).expect("standard output");
    out.flush().expect("standard output");
}

fn report(profile: &BTreeMap<&str, usize>, runs: &BTreeMap<&str, u32>) {
    let mut text = String::from("storage calls of a run:");
    profile.iter().for_each(|(call, count)| write!(text, " {call} {count}").expect("a string"));
    write!(text, "; runs with faults, none of which lost a login: {}", runs.values().sum::<u32>()).expect("a string");
    say(&text);
}

fn has_strace() -> bool {
    Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

fn skip() {
    say("skipped: strace is not installed or may not trace here");
}
