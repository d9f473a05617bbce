//! Where the programs under test lie: beside the test's own program, as cargo puts them.

use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of this workspace.
///
/// # Panics
/// If it was not built: cargo builds no programs of other packages for a test.
pub fn ours(name: &str) -> PathBuf {
    let path = directory().join(name);
    assert!(path.exists(), "{} is missing: run `cargo build --workspace` (or scripts/test) first", path.display());
    path
}

/// Where the workspace's programs are.
pub fn directory() -> PathBuf {
    let own = std::env::current_exe().expect("a program knows where it lies");
    let beside = own.parent().expect("a program lies in a directory");
    let named = |name: &str| beside.file_name().is_some_and(|last| last == name);
    if named("deps") || named("examples") { beside.join("..") } else { beside.to_path_buf() }
}

/// The root of the repository.
pub fn repository() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// Whether a program of the system is there; tests that need one say that they are skipped.
pub fn has(name: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| std::env::split_paths(&path).any(|place| place.join(name).is_file()))
}

/// A library that shifts the clock of the program it is loaded into (package libfaketime).
pub fn faketime() -> Option<PathBuf> {
    let triples = std::fs::read_dir("/usr/lib").ok()?;
    triples.flatten().map(|dir| dir.path().join("faketime/libfaketimeMT.so.1")).find(|path| path.exists())
}

/// Where a program of the system is.
///
/// # Panics
/// If it is missing.
pub fn path(name: &str) -> PathBuf {
    let places = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&places).map(|place| place.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("{name} is not installed"))
}

/// Whether Python can import this.
pub fn python_has(module: &str) -> bool {
    let import = Command::new(python()).args(["-c", &format!("import {module}")]).output();
    import.is_ok_and(|done| done.status.success())
}

/// The system's own Python: Debian puts its bus bindings there and nowhere else.
pub fn python() -> &'static str {
    if Path::new("/usr/bin/python3").exists() { "/usr/bin/python3" } else { "python3" }
}
