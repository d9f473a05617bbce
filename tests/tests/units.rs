//! The units as systemd reads them. `systemd-analyze` needs no running systemd.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// The exposure that systemd 252 counts, in tenths; docs/decisions.md says why a user unit is not lower.
const EXPOSURE: u32 = 62;

/// The units with their placeholders filled, as `tokenkeeper setup` would fill them.
fn filled() -> TempDir {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../systemd");
    let dir = TempDir::new().expect("a directory");
    for (file, name) in [
        ("tokenkeeper.service", "tokenkeeper.service"),
        ("tokenkeeper-login@.service", "tokenkeeper-login@work.service"),
    ] {
        let text = fs::read_to_string(shipped.join(file)).expect("the unit");
        // verify wants programs that exist
        let text = text.replace("@BINDIR@/tokenkeeperd", "/bin/true").replace("@BINDIR@/tokenkeeper", "/bin/true");
        let text = text.replace("@ARGS@", "");
        assert!(
            !text.lines().any(|line| !line.starts_with('#') && line.contains("=@BIN")),
            "every placeholder is filled"
        );
        let mut out = fs::File::create(dir.path().join(name)).expect("a file");
        std::io::Write::write_all(&mut out, text.as_bytes()).expect("a written unit");
    }
    dir
}

fn analyze(dir: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new("systemd-analyze");
    command.args(arguments).current_dir(dir.path()).env("XDG_RUNTIME_DIR", dir.path());
    command.output().expect("systemd-analyze runs (Debian package: systemd)")
}

#[test]
fn systemd_finds_nothing_to_complain_about() {
    let dir = filled();
    for unit in ["./tokenkeeper.service", "./tokenkeeper-login@work.service"] {
        let output = analyze(&dir, &["--user", "verify", unit]);
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && complaints.is_empty(), "{unit}: {complaints}");
    }
}

#[test]
fn the_user_unit_is_exposed_no_more_than_stated() {
    let dir = filled();
    let limit = format!("--threshold={EXPOSURE}");
    let output = analyze(&dir, &["security", "--user", "--offline=yes", &limit, "./tokenkeeper.service"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", text.lines().last().unwrap_or_default());
}

#[test]
fn nothing_in_the_user_unit_makes_a_user_namespace() {
    let unit = include_str!("../../systemd/tokenkeeper.service");
    let set: Vec<_> =
        unit.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect();
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
