//! The keeper's binary: where it is, and having it make or restore the vault.

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::args::SlotSpec;
use crate::ask::Hidden;
use crate::fault::Fault;

const NAME: &str = "tokenkeeperd";

/// Finds `tokenkeeperd`: beside this program, then in PATH.
///
/// # Errors
/// When there is none.
pub(crate) fn find() -> Result<PathBuf, Fault> {
    let own = std::env::current_exe().ok().and_then(|exe| exe.canonicalize().ok());
    let beside = own.as_deref().and_then(Path::parent).map(Path::to_owned);
    let path = std::env::var_os("PATH").unwrap_or_default();
    beside
        .into_iter()
        .chain(std::env::split_paths(&path).filter(|dir| dir.is_absolute()))
        .map(|dir| dir.join(NAME))
        .find(|file| is_program(file))
        .ok_or_else(|| {
            Fault::failure("cannot find tokenkeeperd, neither beside tokenkeeper nor in PATH")
                .hint("install it: `cargo install --path daemon`, or your distribution's package")
        })
}

/// Makes the vault: runs `tokenkeeperd --init`. The passphrase goes through its standard input.
///
/// # Errors
/// When it cannot be run or could not make the vault; its own words.
pub(crate) fn init(daemon: &Path, slot: &SlotSpec, passphrase: Option<&Hidden>, allow_root: bool) -> Result<(), Fault> {
    let cannot_run = |error| Fault::failure(format!("cannot run {}: {error}", daemon.display()));
    let mut command = Command::new(daemon);
    command.arg("--init").arg("--slot").arg(word(slot));
    if allow_root {
        command.arg("--allow-root");
    }
    let stdin = if passphrase.is_some() { Stdio::piped() } else { Stdio::null() };
    let mut child = command.stdin(stdin).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().map_err(cannot_run)?;
    if let (Some(mut stdin), Some(passphrase)) = (child.stdin.take(), passphrase) {
        // A keeper that ended before reading says why on its standard error.
        let _ = stdin.write_all(passphrase);
    }
    let output = child.wait_with_output().map_err(cannot_run)?;
    if output.status.success() {
        return Ok(());
    }
    Err(said("make", &String::from_utf8_lossy(&output.stderr)))
}

/// Puts a copy of the vault in its place: runs `tokenkeeperd --restore`; gives what it said.
///
/// # Errors
/// When it cannot be run, or found the copy or the disk wanting; its own words.
pub(crate) fn restore(daemon: &Path, copy: Option<&Path>, allow_root: bool) -> Result<String, Fault> {
    let mut command = Command::new(daemon);
    command.arg("--restore").args(copy);
    if allow_root {
        command.arg("--allow-root");
    }
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Fault::failure(format!("cannot run {}: {error}", daemon.display())))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    Err(said("restore", &String::from_utf8_lossy(&output.stderr)))
}

/// `KIND` or `KIND=PATH`.
fn word(slot: &SlotSpec) -> OsString {
    let mut word = OsString::from(slot.kind.as_str());
    if let Some(path) = &slot.path {
        word.push("=");
        word.push(path);
    }
    word
}

/// The keeper's last words: what happened, then what to do.
fn said(what_for: &str, stderr: &str) -> Fault {
    let mut lines = stderr.lines().map(str::trim).filter(|line| !line.is_empty());
    let what = lines.next().unwrap_or("tokenkeeperd ended without a word");
    let what = what.strip_prefix("tokenkeeperd: ").unwrap_or(what);
    let fault = Fault::failure(format!("cannot {what_for} the vault: {what}"));
    match lines.next() {
        Some(hint) => fault.hint(hint.trim_start_matches("→ ")),
        None => fault,
    }
}

fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link to the script: writing a new one could meet "text file busy" when another test starts a program.
    fn stand_in(dir: &Path) -> PathBuf {
        let path = dir.join(NAME);
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-in/tokenkeeperd");
        std::os::unix::fs::symlink(script, &path).expect("linked");
        path
    }

    #[test]
    fn the_passphrase_goes_through_standard_input_and_no_argument() {
        let dir = tempfile::tempdir().expect("a directory");
        let daemon = stand_in(dir.path());
        let slot: SlotSpec = "passphrase".parse().expect("a slot");
        init(&daemon, &slot, Some(&Hidden::new(b"canary".to_vec())), true).expect("made");
        let seen = std::fs::read_to_string(dir.path().join("ran")).expect("read");
        assert_eq!(seen, "--init --slot passphrase --allow-root\ncanary");
    }

    #[test]
    fn a_failure_is_told_in_the_keepers_words() {
        let dir = tempfile::tempdir().expect("a directory");
        let daemon = stand_in(dir.path());
        let slot: SlotSpec = "keyfile=/k".parse().expect("a slot");
        let fault = init(&daemon, &slot, None, false).expect_err("refused");
        assert_eq!(fault.what(), "cannot make the vault: the key file is too short");
    }
}
