//! The shape of the house: layers import downwards only, the core knows no runtime, bus or network, files are one
//! thought. What this finds is a design that has slipped, so it says where.
#![allow(clippy::print_stderr, reason = "a report for people")]

use std::path::{Path, PathBuf};

use tokenkeeper_tests::programs::repository;

/// A module may import from modules of a lower rank and from itself.
const RANKS: [(&str, u8); 14] = [
    ("wipe", 0),
    ("secret", 0),
    ("time", 0),
    ("oauth", 1),
    ("account", 2),
    ("http", 3),
    ("vault", 3),
    ("discover", 4),
    ("harden", 6),
    ("keeper", 5),
    ("dbus", 6),
    ("init", 7),
    ("run", 7),
    ("main", 8),
];

/// The core compiles with none of these in sight (invariant 10).
const OUTSIDE: [&str; 6] = ["tokio", "zbus", "reqwest", "rusqlite", "std::fs", "std::net"];

#[test]
fn layers_import_only_from_lower_layers() {
    let mut faults = Vec::new();
    for file in sources("daemon/src") {
        let module = top_module(&file);
        if module == "lib" {
            continue;
        }
        let Some(own) = rank(&module) else {
            faults.push(format!("{}: the module `{module}` has no rank; give it one in this test", file.display()));
            continue;
        };
        for (line, imported) in imports(&file) {
            let allowed = imported == module || rank(&imported).is_some_and(|other| other < own);
            if !allowed {
                faults.push(format!("{}:{line}: `{module}` may not import from `{imported}`", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn the_core_knows_no_runtime_no_bus_and_no_network() {
    let core = ["daemon/src/secret.rs", "daemon/src/time.rs", "daemon/src/account", "daemon/src/oauth"];
    let mut faults = Vec::new();
    for file in core.into_iter().flat_map(sources) {
        // Tests of the core may read their fixtures.
        if is_test_module(&file) {
            continue;
        }
        for (number, line) in code(&file) {
            let words = OUTSIDE.iter().filter(|word| line.contains(&format!("{word}::"))).copied();
            let words = words.chain(["await", "async"].into_iter().filter(|word| has_word(&line, word)));
            faults.extend(words.map(|word| format!("{}:{number}: `{word}` in the core", file.display())));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn secrets_leave_their_type_in_few_places() {
    let exits =
        |dir| sources(dir).iter().flat_map(|file| code(file)).filter(|(_, line)| line.contains(".reveal()")).count();
    assert_eq!(exits("client/src") + exits("cli/src"), 0, "only the daemon has `Secret`");
}

#[test]
fn long_files_are_reported() {
    let mut long: Vec<(usize, PathBuf)> = ["config", "client", "cli", "daemon", "tests"]
        .into_iter()
        .flat_map(sources)
        .map(|file| (std::fs::read_to_string(&file).map_or(0, |text| text.lines().count()), file))
        .filter(|(lines, _)| *lines > 300)
        .collect();
    long.sort();
    for (lines, file) in long.iter().rev() {
        let file = file.strip_prefix(repository()).unwrap_or(file);
        eprintln!("{lines:>5} lines: {} (at 300 ask which second thought has crept in)", file.display());
    }
}

fn rank(module: &str) -> Option<u8> {
    RANKS.iter().find(|(name, _)| *name == module).map(|(_, rank)| *rank)
}

/// Whether the module file beside this one declares it for tests only.
fn is_test_module(file: &Path) -> bool {
    let name = file.file_stem().expect("a file has a name").to_string_lossy();
    let beside = file.with_file_name("mod.rs");
    let declared = std::fs::read_to_string(beside).unwrap_or_default();
    declared.contains(&format!("#[cfg(test)]\nmod {name};")) || name.ends_with("tests")
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|other| other == word)
}

/// The module directly below the crate that a file belongs to.
fn top_module(file: &Path) -> String {
    let below = file.strip_prefix(repository().join("daemon/src")).expect("a file of the daemon");
    let first = below.components().next().expect("a file has a name").as_os_str().to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

/// The modules that a file names by `crate::`, with the line.
fn imports(file: &Path) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in code(file) {
        for (at, _) in line.match_indices("crate::") {
            // A macro's `$crate` and names that end in `crate` are something else.
            if line[..at].ends_with(['$', '_']) || line[..at].ends_with(char::is_alphanumeric) {
                continue;
            }
            let name: String = line[at + 7..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if !name.is_empty() {
                found.push((number, name));
            }
        }
    }
    found
}

/// The lines of a file that are code, numbered from 1.
fn code(file: &Path) -> Vec<(usize, String)> {
    let text = std::fs::read_to_string(file).expect("a source file can be read");
    let lines = text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned()));
    lines.filter(|(_, line)| !line.trim_start().starts_with("//")).collect()
}

fn sources(place: &str) -> Vec<PathBuf> {
    let root = repository().join(place);
    if root.is_file() {
        return vec![root];
    }
    let mut found = Vec::new();
    let mut pending = vec![root];
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display())).flatten() {
            let path = entry.path();
            if path.is_dir() {
                if path.file_name().is_none_or(|name| name != "target" && name != "node_modules") {
                    pending.push(path);
                }
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}
