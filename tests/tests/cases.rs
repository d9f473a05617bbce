//! docs/cases.md and the tests that bear its numbers say the same: `/// A16: …` at the start of a test's doc comment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Number → the tests that bear it.
type Cases = BTreeMap<String, BTreeSet<String>>;

/// In the place of the tests of a case that has none.
const NOT_SHOWN: &str = "not shown yet";

#[test]
fn every_case_has_its_tests_and_every_numbered_test_its_case() {
    let document = root().join("docs/cases.md");
    let text = fs::read_to_string(&document).expect("the document");
    let borne = borne();
    if std::env::var_os("TOKENKEEPER_BLESS").is_some() {
        return bless(&document, &text, &borne);
    }
    let listed: Cases = text.lines().filter_map(row).map(|(number, row)| (number, names(row))).collect();
    for (number, row) in text.lines().filter_map(row) {
        assert!(
            names(row).is_empty() == row.contains(NOT_SHOWN),
            "{number}: no test, and the document does not say so"
        );
    }
    let wanted: BTreeSet<_> = (1..=34).map(|n| format!("A{n}")).chain((1..=20).map(|n| format!("S{n}"))).collect();
    assert_eq!(listed.keys().cloned().collect::<BTreeSet<_>>(), wanted, "the document lists the cases");
    for (number, names) in &listed {
        let tests = borne.get(number).cloned().unwrap_or_default();
        assert_eq!(names, &tests, "{number}: listed, and borne (TOKENKEEPER_BLESS=1 lists them)");
    }
    let unknown: Vec<_> = borne.keys().filter(|number| !wanted.contains(*number)).collect();
    assert!(unknown.is_empty(), "tests bear numbers that are none: {unknown:?}");
}

/// Writes the last column.
#[allow(clippy::disallowed_methods, reason = "a document need not be durable")]
fn bless(document: &Path, text: &str, borne: &Cases) {
    let lines = text.lines().map(|line| {
        let Some((number, row)) = row(line) else { return line.to_owned() };
        let names = borne.get(&number).into_iter().flatten();
        let names: Vec<_> = names.map(|name| format!("`{name}`")).collect();
        let names = if names.is_empty() { vec![NOT_SHOWN.to_owned()] } else { names };
        let (rest, _) = row.trim_end_matches('|').rsplit_once('|').expect("a row has cells");
        format!("{rest}| {} |", names.join(", "))
    });
    fs::write(document, lines.map(|line| line + "\n").collect::<String>()).expect("the document can be written");
}

/// The number and the whole of a row.
fn row(line: &str) -> Option<(String, &str)> {
    let number = line.strip_prefix("| ")?.split(' ').next()?;
    is_number(number).then(|| (number.to_owned(), line))
}

fn names(row: &str) -> BTreeSet<String> {
    let (_, last) = row.trim_end_matches('|').rsplit_once('|').expect("a row has cells");
    last.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

fn is_number(word: &str) -> bool {
    word.strip_prefix(['A', 'S']).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The numbers that tests bear: `/// A1, S4: …`, and then, after other comments and attributes, the function.
fn borne() -> Cases {
    let mut borne = Cases::new();
    for file in sources(&root()) {
        let text = fs::read_to_string(&file).expect("a source");
        let mut numbers = Vec::new();
        for line in text.lines().map(str::trim) {
            if let Some(found) = line.strip_prefix("/// ").and_then(numbers_of) {
                numbers = found;
            } else if let Some(name) = function(line) {
                for number in numbers.drain(..) {
                    borne.entry(number).or_default().insert(name.to_owned());
                }
            } else if !line.starts_with("///") && !line.starts_with("#[") {
                numbers.clear();
            }
        }
    }
    borne
}

fn numbers_of(comment: &str) -> Option<Vec<String>> {
    let numbers: Vec<_> = comment.split_once(':')?.0.split(',').map(|word| word.trim().to_owned()).collect();
    numbers.iter().all(|word| is_number(word)).then_some(numbers)
}

fn function(line: &str) -> Option<&str> {
    let rest = line.trim_start_matches("pub ").trim_start_matches("async ").strip_prefix("fn ")?;
    rest.split(['(', '<']).next()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

fn sources(below: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).expect("a directory").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let ours = !matches!(name.to_str(), Some("target" | ".git" | "node_modules")) && !path.is_symlink();
        if ours && path.is_dir() {
            found.extend(sources(&path));
        } else if ours && path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}
