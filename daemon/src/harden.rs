//! What the process gives up before it holds a secret, and before it has a second thread: core dumps, being traced by
//! its neighbours, gaining privileges, files that others can read.
//!
//! It refuses to run where that could not hold: as root unless told so, or with privileges its caller has not.

use std::collections::BTreeMap;

use rustix::fs::Mode;
use rustix::process::{
    DumpableBehavior, Resource, Rlimit, dumpable_behavior, getegid, geteuid, getgid, getrlimit, getuid,
    set_dumpable_behavior, setrlimit, umask,
};
use rustix::thread::{no_new_privs, set_no_new_privs};

use tokenkeeper_config::Value;

use crate::secret::arena;

/// Variables that would send a refresh token elsewhere or make another certificate good. Nothing here reads them; those
/// that are set are reported, so that nobody wonders why they do nothing.
const IGNORED: &[&str] = &[
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "SSLKEYLOGFILE",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
];

/// What took effect, as the `Hardening` property shows it: read back from the kernel, not remembered. A flag is true where
/// the protection holds.
pub type Report = BTreeMap<String, Value>;

/// Hardens the process. Call it first thing in `main`: before any secret, any thread, any runtime.
///
/// # Errors
/// A sentence for people with its remedy, when the process must not go on: it runs as root without `allow_root`, or
/// setuid, or the kernel refused a protection that every supported kernel has.
pub fn early(allow_root: bool) -> Result<Report, String> {
    refuse_borrowed_privileges()?;
    if geteuid().is_root() && !allow_root {
        return Err("tokenkeeperd keeps the logins of one person and refuses to run as root; start it as that \
                    person, or give --allow-root in a container that has only root"
            .into());
    }
    umask(Mode::RWXG | Mode::RWXO);
    setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).map_err(failed("turn core dumps off"))?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(failed("forbid tracing of the process"))?;
    set_no_new_privs(true).map_err(failed("give up gaining privileges"))?;
    report()
}

/// Setuid, setgid or file capabilities: the caller would choose the environment of a stronger process.
fn refuse_borrowed_privileges() -> Result<(), String> {
    let borrowed = getuid() != geteuid() || getgid() != getegid() || kernel_says_secure();
    if borrowed {
        return Err("tokenkeeperd refuses to run setuid, setgid or with file capabilities; remove them from the \
                    binary with `chmod ug-s` and `setcap -r`"
            .into());
    }
    Ok(())
}

/// AT_SECURE of getauxval(3): also set for file capabilities, where no id differs. The auxiliary vector is pairs of words.
fn kernel_says_secure() -> bool {
    const AT_SECURE: usize = 23;
    const WORD: usize = size_of::<usize>();
    let vector = std::fs::read("/proc/self/auxv").unwrap_or_default();
    let word = |bytes: &[u8]| bytes.try_into().map_or(0, usize::from_ne_bytes);
    vector.chunks_exact(2 * WORD).any(|pair| word(&pair[..WORD]) == AT_SECURE && word(&pair[WORD..]) != 0)
}

fn report() -> Result<Report, String> {
    let dumpable = dumpable_behavior().map_err(failed("read whether the process can be dumped"))?;
    let no_new_privs = no_new_privs().map_err(failed("read whether privileges can be gained"))?;
    let core = getrlimit(Resource::Core).maximum;
    let mask = umask(Mode::RWXG | Mode::RWXO);
    let mut report = BTreeMap::from([
        ("not_dumpable".into(), Value::Flag(dumpable == DumpableBehavior::NotDumpable)),
        ("no_core".into(), Value::Flag(core == Some(0))),
        ("no_new_privs".into(), Value::Flag(no_new_privs)),
        ("no_root".into(), Value::Flag(!geteuid().is_root())),
        ("umask".into(), Value::Text(format!("{:03o}", mask.bits()))),
    ]);
    let arena = flags_of_arena();
    for (name, flag) in [("locked_memory", "lo"), ("keys_not_dumped", "dd")] {
        report.insert(name.into(), Value::Flag(arena.iter().any(|known| known == flag)));
    }
    let set = |name: &&&str| std::env::var_os(name).is_some();
    let ignored: Vec<_> = IGNORED.iter().filter(set).map(|name| (*name).to_owned()).collect();
    if !ignored.is_empty() {
        report.insert("ignored_environment".into(), Value::List(ignored));
    }
    Ok(report)
}

/// What the kernel does with the memory that keys lie in: the two-letter words of proc_pid_smaps(5).
fn flags_of_arena() -> Vec<String> {
    let Some(place) = arena::place() else { return Vec::new() };
    let maps = std::fs::read_to_string("/proc/self/smaps").unwrap_or_default();
    let head = format!("{:x}-{:x} ", place.start, place.end);
    let own = maps.lines().skip_while(|line| !line.starts_with(&head));
    let flags = own.filter_map(|line| line.strip_prefix("VmFlags:")).next().unwrap_or_default();
    flags.split_whitespace().map(str::to_owned).collect()
}

fn failed(what: &'static str) -> impl FnOnce(rustix::io::Errno) -> String {
    move |errno| format!("could not {what}: {errno}; tokenkeeperd holds no secret without it")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One test, because what it changes is the whole process's: it may only make the other tests stricter.
    #[test]
    fn the_kernel_confirms_every_protection() {
        let report = early(true).expect("an ordinary process can be hardened");
        for held in ["not_dumpable", "no_core", "no_new_privs", "keys_not_dumped"] {
            assert_eq!(report[held], Value::Flag(true), "{held}");
        }
        assert_eq!(report["umask"], Value::Text("077".into()));
        assert_eq!(report["no_root"], Value::Flag(!geteuid().is_root()));
        if geteuid().is_root() {
            let refused = early(false).expect_err("root is refused");
            assert!(refused.contains("--allow-root"), "{refused}");
        }
    }
}
