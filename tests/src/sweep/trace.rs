//! `strace` as a source of faults: attached to a running keeper it makes chosen system calls on the vault's files fail,
//! or kills the keeper at them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::programs;

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Injection {
    /// A system call's name, or several with commas.
    pub at: String,
    /// `EIO`, … or `KILL`.
    pub what: &'static str,
    /// At which of them, from 1, counted for each thread.
    pub when: u64,
    /// At all later ones, too.
    pub for_good: bool,
}

impl Injection {
    fn rule(&self) -> String {
        let Self { at, what, when, for_good } = self;
        let deed = if *what == "KILL" { "signal=KILL".to_owned() } else { format!("error={what}") };
        let on = if *for_good { "+" } else { "" };
        format!("inject={at}:{deed}:when={when}{on}")
    }
}

/// What is traced: these calls on these files.
pub struct Tracing {
    /// Names of system calls.
    pub calls: &'static [&'static str],
    /// Files; all if there are none.
    pub files: Vec<PathBuf>,
}

/// A running `strace`.
pub struct Strace {
    child: Child,
    output: PathBuf,
}

impl Tracing {
    /// `strace` with the options for this, before `-p` or a program.
    fn options(&self, injection: Option<&Injection>, output: &Path) -> Vec<OsString> {
        let mut options: Vec<OsString> =
            vec!["-f".into(), "-e".into(), format!("trace={}", self.calls.join(",")).into()];
        options.extend(["-o".into(), output.into()]);
        options.extend(self.files.iter().flat_map(|file| ["-P".into(), file.into()]));
        options.extend(injection.iter().flat_map(|injection| ["-e".into(), injection.rule().into()]));
        options
    }

    /// A command that runs another one under `strace` from its first instruction on.
    pub fn around(&self, command: &Command, injection: Option<&Injection>, output: &Path) -> Command {
        let inner = command.as_std();
        let mut around = Command::new("strace");
        around.arg("-qq").args(self.options(injection, output)).arg(inner.get_program()).args(inner.get_args());
        around.env_clear().envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
        around.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        around
    }
}

/// The only child of a process: the program that an `strace` runs.
pub fn child_of(pid: u32) -> Option<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}

impl Strace {
    /// Attaches to a process and all its threads. `output` takes what is traced.
    pub async fn attach(pid: u32, tracing: &Tracing, injection: Option<&Injection>, output: &Path) -> Self {
        let mut command = Command::new("strace");
        command.args(tracing.options(injection, output)).args(["-p", &pid.to_string()]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("strace was there before");
        let mut said = BufReader::new(child.stderr.take().expect("it was piped")).lines();
        let attached = async {
            while let Ok(Some(line)) = said.next_line().await {
                if line.contains(" attached") {
                    return true;
                }
            }
            false
        };
        assert!(attached.await, "strace cannot attach to {pid}");
        // What it says of threads that come and go is read away, so that it never waits for us.
        tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
        Self { child, output: output.to_owned() }
    }

    /// Lets the process go, if it still runs; gives what was traced.
    pub async fn detach(mut self) -> String {
        if let Some(pid) = self.child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let ended = tokio::time::timeout(Duration::from_secs(30), self.child.wait()).await;
        assert!(ended.is_ok(), "strace does not let go");
        std::fs::read_to_string(&self.output).unwrap_or_default()
    }
}

/// How often each system call stands in a trace, for the thread that made most of them.
pub fn syscalls_in(trace: &str) -> BTreeMap<String, u64> {
    let mut by_thread: BTreeMap<(String, String), u64> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((name, _)) = rest.trim_start().split_once('(') else { continue };
        if name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            *by_thread.entry((name.to_owned(), thread.to_owned())).or_default() += 1;
        }
    }
    let mut most = BTreeMap::new();
    for ((name, _), count) in by_thread {
        let seen: &mut u64 = most.entry(name).or_default();
        *seen = count.max(*seen);
    }
    most
}

/// Why faults cannot be injected into a running keeper here; it forbids being traced by anybody but root.
pub fn cannot_attach() -> Option<&'static str> {
    if !programs::has("strace") {
        return Some("strace is not installed");
    }
    if !rustix::process::geteuid().is_root() {
        return Some("only root may trace the keeper");
    }
    let works = std::process::Command::new("strace").args(["-qq", "-e", "trace=none", "true"]).output();
    if works.is_ok_and(|done| done.status.success()) { None } else { Some("ptrace is not allowed here") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_counted_by_thread() {
        let trace = "12 fdatasync(7</x>) = 0\n12 fdatasync(7) = 0\n13 fdatasync(7) = 0\n12 +++ exited with 0 +++\n\
                     12 <... fdatasync resumed>) = 0\n13 openat(AT_FDCWD, \"/x\", O_RDONLY <unfinished ...>\n";
        let counted = syscalls_in(trace);
        assert_eq!(counted.get("fdatasync"), Some(&2));
        assert_eq!(counted.get("openat"), Some(&1));
        assert_eq!(counted.len(), 2);
    }

    #[test]
    fn an_injection_is_a_rule_of_strace() {
        let once = Injection { at: "fsync".into(), what: "EIO", when: 3, for_good: false };
        assert_eq!(once.rule(), "inject=fsync:error=EIO:when=3");
        let kill = Injection { at: "openat".into(), what: "KILL", when: 1, for_good: true };
        assert_eq!(kill.rule(), "inject=openat:signal=KILL:when=1+");
    }
}
