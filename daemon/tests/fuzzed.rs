//! The fuzz targets' functions with the stable toolchain: over the corpora, over damaged copies of them, and over noise.
//! `fuzz/` runs the same functions under libFuzzer.

use std::path::Path;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

#[allow(unreachable_pub, reason = "in fuzz/ it is a crate of its own")]
#[path = "../../fuzz/src/lib.rs"]
mod fuzz;

/// The bodies of a corpus of answers.
fn bodies(corpus: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/oauth").join(corpus);
    let bodies = corpus.read_dir().expect("the corpus").map(|entry| {
        let text = std::fs::read_to_string(entry.expect("an entry").path()).expect("a case");
        text.splitn(3, "\n\n").nth(2).expect("a body").as_bytes().to_vec()
    });
    bodies.collect()
}

/// The answers that providers give, in the form `token_answer` reads: 200, 400, 500 and cut.
fn answers() -> Vec<Vec<u8>> {
    let bodies = bodies("corpus").into_iter();
    let heads = [&[0, 0, 0, 0][..], &[5, 0, 0, 0], &[13, 1, 0, 0], &[0, 2, 0, 0]];
    bodies.flat_map(|body| heads.map(|head| [head, &body].concat())).collect()
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target);
    let entries = corpus.read_dir().expect("seeds");
    entries.map(|entry| std::fs::read(entry.expect("an entry").path()).expect("a seed")).collect()
}

/// Every seed, every prefix of it, and seeds with bytes changed.
fn run(seeds: &[Vec<u8>], target: fn(&[u8])) {
    for seed in seeds {
        for end in 0..=seed.len().min(600) {
            target(&seed[..end]);
        }
        target(seed);
    }
    let mutated = (0..seeds.len(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8));
    let mut runner = TestRunner::new(Config { cases: 2000, failure_persistence: None, ..Config::default() });
    let checked = runner.run(&mutated, |(seed, changes)| {
        let mut bytes = seeds[seed].clone();
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        target(&bytes);
        Ok(())
    });
    checked.expect("every input is survived");
    let noise = prop::collection::vec(any::<u8>(), 0..300);
    runner
        .run(&noise, |bytes| {
            target(&bytes);
            Ok(())
        })
        .expect("noise is survived");
}

#[test]
fn token_answers() {
    run(&answers(), fuzz::token_answer);
}

#[test]
fn device_answers() {
    run(&seeds("device_answer"), fuzz::device_answer);
}

#[test]
fn answers_to_pushed_requests() {
    run(&seeds("pushed"), fuzz::pushed);
}

#[test]
fn metadata_documents() {
    run(&seeds("metadata"), fuzz::metadata);
}

#[test]
fn registrations() {
    let statuses = [0_u8, 1, 4];
    let answers = bodies("registrations").into_iter().flat_map(|body| statuses.map(|at| [&[at][..], &body].concat()));
    run(&answers.chain(seeds("registered")).collect::<Vec<_>>(), fuzz::registered);
}

#[test]
fn resources() {
    let header = b"Bearer resource_metadata=\"https://mcp.example/meta\", scope=\"a b\"\n";
    let answers = bodies("resources").into_iter().map(|body| [&header[..], &body].concat());
    run(&answers.chain(seeds("resource")).collect::<Vec<_>>(), fuzz::resource);
}

#[test]
fn redirect_queries() {
    run(&seeds("redirect"), fuzz::redirect);
}

#[test]
fn id_tokens() {
    run(&seeds("id_token"), fuzz::id_token);
}

#[test]
fn vault_records() {
    run(&seeds("vault_record"), fuzz::vault_record);
}

#[test]
fn vault_slots() {
    run(&seeds("vault_slot"), fuzz::vault_slot);
}

#[test]
fn vault_sinks() {
    run(&seeds("vault_sink"), fuzz::vault_sink);
}

#[test]
fn configurations() {
    run(&seeds("config"), fuzz::config);
}

#[test]
fn options_of_calls() {
    run(&seeds("options"), fuzz::options);
}

#[test]
fn questions_at_the_door() {
    run(&seeds("door"), fuzz::door);
}

#[test]
fn requests_to_the_listener() {
    run(&seeds("callback"), fuzz::callback);
}
