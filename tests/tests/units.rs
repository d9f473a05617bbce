//! The units as systemd reads them: A, which `tokenkeeper setup` installs; B, which a package brings; C, for the system's
//! manager. `systemd-analyze` needs no running systemd; scripts/test-systems runs them.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

const A: &str = include_str!("../../systemd/tokenkeeper.service");
const ADDED_IN_B: &str = include_str!("../../systemd/tokenkeeper-packaged.conf");
const C: &str = include_str!("../../systemd/tokenkeeper@.service");
const LOGIN: &str = include_str!("../../systemd/tokenkeeper-login@.service");

/// A unit with its placeholders filled, in a directory of its own.
struct Unit {
    dir: TempDir,
    name: &'static str,
    manager: &'static str,
}

impl Unit {
    fn of(name: &'static str, manager: &'static str, text: &str) -> Self {
        let dir = TempDir::new().expect("a directory");
        // verify wants programs that exist
        let text = text.replace("@BINDIR@/tokenkeeperd", "/bin/true").replace("@BINDIR@/tokenkeeper", "/bin/true");
        let text = text.replace("@ARGS@", "");
        assert!(
            !text.lines().any(|line| !line.starts_with('#') && line.contains("=@BIN")),
            "every placeholder is filled"
        );
        let mut out = fs::File::create(dir.path().join(name)).expect("a file");
        std::io::Write::write_all(&mut out, text.as_bytes()).expect("a written unit");
        Self { dir, name, manager }
    }

    fn a() -> Self {
        Self::of("tokenkeeper.service", "--user", A)
    }

    fn b() -> Self {
        Self::of("tokenkeeper.service", "--user", &format!("{A}{ADDED_IN_B}"))
    }

    fn c() -> Self {
        Self::of("tokenkeeper@1000.service", "--system", C)
    }

    fn login() -> Self {
        Self::of("tokenkeeper-login@work.service", "--user", LOGIN)
    }

    fn analyze(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("systemd-analyze");
        command.arg(self.manager).args(arguments).arg(format!("./{}", self.name));
        command.current_dir(self.dir.path()).env("XDG_RUNTIME_DIR", self.dir.path());
        command.output().expect("systemd-analyze runs (Debian package: systemd)")
    }
}

/// The options of a unit, comments left out.
fn set(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#') && line.contains('=')).collect()
}

#[test]
fn systemd_finds_nothing_to_complain_about() {
    for unit in [Unit::a(), Unit::b(), Unit::c(), Unit::login()] {
        let output = unit.analyze(&["verify"]);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaints.is_empty(), "{}: {complaints}", unit.name);
    }
}

/// In tenths, as systemd counts. docs/decisions.md says why A is not lower.
#[test]
fn no_unit_is_exposed_more_than_stated() {
    for (unit, exposure) in [(Unit::a(), 62), (Unit::b(), 17), (Unit::c(), 20)] {
        let limit = format!("--threshold={exposure}");
        let output = unit.analyze(&["security", "--offline=yes", "--no-pager", &limit]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", text.lines().last().unwrap_or_default());
    }
}

#[test]
fn nothing_in_the_user_unit_makes_a_user_namespace() {
    let set: Vec<_> = set(A).into_iter().filter_map(|line| line.split_once('=')).collect();
    // exec_context_need_unprivileged_private_users() of systemd, and what a user's manager may not do
    for option in [
        "PrivateUsers",
        "PrivateTmp",
        "PrivateDevices",
        "PrivateNetwork",
        "PrivateIPC",
        "PrivateMounts",
        "MountAPIVFS",
        "BindPaths",
        "TemporaryFileSystem",
        "RootDirectory",
        "ProtectSystem",
        "ProtectHome",
        "ProtectProc",
        "ProcSubset",
        "ProtectKernelTunables",
        "ProtectKernelModules",
        "ProtectKernelLogs",
        "ProtectControlGroups",
        "ProtectClock",
        "ProtectHostname",
        "ReadWritePaths",
        "ReadOnlyPaths",
        "InaccessiblePaths",
        "ExecPaths",
        "NoExecPaths",
        "CapabilityBoundingSet",
    ] {
        assert!(!set.iter().any(|(key, _)| *key == option), "{option}= must not be set");
    }
}

#[test]
fn the_system_unit_gives_up_what_the_packaged_one_does() {
    let c = set(C);
    let packaged = format!("{A}{ADDED_IN_B}");
    // Theirs alone: what starts them and where their user's files lie; the system unit has no user namespace.
    let own = ["Description", "Exec", "Condition", "WantedBy", "ReadWritePaths", "PrivateUsers"];
    for option in set(&packaged).into_iter().filter(|option| !own.iter().any(|own| option.starts_with(own))) {
        assert!(c.contains(&option), "{option} is not in the system unit");
    }
}
