//! A test binary that starts itself again under strace: one of its tests, named `probe_that_…`, is what the faults strike.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where a probe finds its vault.
const PROBE: &str = "TOKENKEEPER_VAULT_PROBE";

/// Storage calls that reach the vault's files.
pub(crate) const CALLS: [&str; 9] =
    ["openat", "pwrite64", "write", "pread64", "fdatasync", "fsync", "ftruncate", "rename", "unlink"];

/// What a disk does, and what ends a process.
pub(crate) const FAULTS: [&str; 5] = ["error=EIO", "error=ENOSPC", "error=EROFS", "error=EINTR", "signal=KILL"];

/// For once, and from then on. A call that is always interrupted is no disk.
pub(crate) fn lasting(fault: &str) -> &'static [&'static str] {
    if matches!(fault, "error=EIO" | "error=ENOSPC" | "error=EROFS") { &["", "+"] } else { &[""] }
}

/// The home that this process is a probe of.
pub(crate) fn home() -> Option<PathBuf> {
    std::env::var_os(PROBE).map(PathBuf::from)
}

/// strace with these faults.
pub(crate) fn strace(faults: &[&str]) -> Command {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-qq", "-o", "/dev/null"]);
    for fault in faults {
        strace.args(["-e", &format!("inject={fault}")]);
    }
    strace
}

/// The same, for these files of the state directory only.
pub(crate) fn strace_at(home: &Path, names: &[&str], fault: &str) -> Command {
    let mut strace = strace(&[fault]);
    for name in names {
        strace.arg("-P").arg(home.join("state").join(name));
    }
    strace
}

/// Runs the probe that does this under strace; gives what it said.
pub(crate) fn run(mut strace: Command, home: &Path, does: &str) -> String {
    let output = strace
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", &format!("probe_that_{does}"), "--nocapture", "--test-threads=1"])
        .env(PROBE, home)
        .stderr(Stdio::null())
        .output()
        .expect("strace runs");
    String::from_utf8(output.stdout).expect("text")
}

/// Runs it undisturbed; gives what it said, and what strace saw.
pub(crate) fn traced(home: &Path, does: &str) -> (String, String) {
    let trace = home.join("trace");
    let mut strace = strace(&[]);
    strace.args(["-y", "-e", "trace=/sync,openat,pwrite64,write,pread64,ftruncate,rename,unlink", "-o"]).arg(&trace);
    let said = run(strace, home, does);
    (said, std::fs::read_to_string(trace).expect("a trace"))
}

/// How often each call was made on the vault's files, by its busiest thread.
pub(crate) fn profile(trace: &str) -> BTreeMap<&'static str, usize> {
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

pub(crate) fn has_strace() -> bool {
    Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_ok_and(|status| status.success())
}

pub(crate) fn skip() {
    say("skipped: strace is not installed or may not trace here");
}

/// One whole line in one write, so that it stands whole in the output of a killed process.
pub(crate) fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes()).expect("standard output");
    out.flush().expect("standard output");
}

pub(crate) fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(work);
}
