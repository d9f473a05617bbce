//! The documents keep their word: links lead somewhere, and a test that SECURITY.md names exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_link_leads_somewhere() {
    let mut dead = Vec::new();
    for document in files(&root(), "md") {
        let text = fs::read_to_string(&document).expect("a document");
        let beside = document.parent().expect("a file lies in a directory");
        for target in prose(&text).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or_default();
            let elsewhere = target.contains("://") || target.starts_with("mailto:");
            if !elsewhere && !path.is_empty() && !beside.join(path).exists() {
                dead.push(format!("{}: {target}", document.display()));
            }
            if let (false, Some((path, heading))) = (elsewhere, target.split_once('#')) {
                let page = if path.is_empty() { document.clone() } else { beside.join(path) };
                let page = fs::read_to_string(page).unwrap_or_default();
                if !headings(&page).contains(heading) {
                    dead.push(format!("{}: {target} has no such heading", document.display()));
                }
            }
        }
    }
    assert!(dead.is_empty(), "dead links:\n{}", dead.join("\n"));
}

#[test]
fn every_test_that_the_security_document_names_exists() {
    let text = fs::read_to_string(root().join("docs/SECURITY.md")).expect("the document");
    let named: BTreeSet<_> = text.split('`').skip(1).step_by(2).filter(|word| is_a_test_name(word)).collect();
    assert!(named.len() > 15, "the document names its tests");
    let sources: String = files(&root(), "rs").iter().filter_map(|file| fs::read_to_string(file).ok()).collect();
    let missing: Vec<_> = named.into_iter().filter(|name| !sources.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "no such tests: {missing:?}");
}

/// Sentences with underscores, unlike settings and functions.
fn is_a_test_name(word: &str) -> bool {
    word.matches('_').count() >= 3 && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// A document without its code blocks.
fn prose(text: &str) -> String {
    text.split("```").step_by(2).collect()
}

/// Headings as a forge names their anchors.
fn headings(text: &str) -> BTreeSet<String> {
    let anchor = |heading: &str| {
        let kept = heading.trim().to_lowercase().replace(' ', "-");
        kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
    };
    prose(text).lines().filter_map(|line| line.strip_prefix('#')).map(|h| anchor(h.trim_start_matches('#'))).collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the workspace")
}

fn files(below: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(below).expect("a directory").flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let ours = !matches!(name.to_str(), Some("target" | ".git" | "node_modules")) && !path.is_symlink();
        if ours && path.is_dir() {
            found.extend(files(&path, extension));
        } else if ours && path.extension().is_some_and(|e| e == extension) {
            found.push(path);
        }
    }
    found
}
