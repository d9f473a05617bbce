//! Every answer of the corpus means what its file says. No sentence may hold a token: each of them has the word `canary`
//! in it.

use std::time::Duration;

use super::*;
use crate::oauth::corpus::Case;

const NOW: u64 = 1_792_567_680;

/// The outcome in a word, and its sentence.
fn word(outcome: &Outcome) -> (&'static str, Option<&str>) {
    match outcome {
        Outcome::Granted(_) => ("granted", None),
        Outcome::NotSent { why, certificate: false } => ("not-sent", Some(why)),
        Outcome::NotSent { why, certificate: true } => ("certificate", Some(why)),
        Outcome::NotProcessed { why, .. } => ("not-processed", Some(why)),
        Outcome::Ambiguous { why } => ("ambiguous", Some(why)),
        Outcome::Portal { why } => ("portal", Some(why)),
        Outcome::Ended { why } => ("ended", Some(why)),
        Outcome::Attention { why } => ("attention", Some(why)),
        Outcome::AccessDenied { why } => ("access-denied", Some(why)),
        Outcome::Misconfigured { why } => ("misconfigured", Some(why)),
        Outcome::BadRequest { why } => ("bad-request", Some(why)),
        Outcome::BadTarget { why } => ("bad-target", Some(why)),
        Outcome::Unexplained { why } => ("unexplained", Some(why)),
        Outcome::AnotherProof { why } => ("another-proof", Some(why)),
        Outcome::Drift { why } => ("drift", Some(why)),
    }
}

fn reveal(secret: Option<&Secret>) -> String {
    secret.map_or("-", |secret| secret.reveal_str().expect("text")).to_owned()
}

fn list(items: &[String]) -> String {
    if items.is_empty() { "-".to_owned() } else { items.join(" ") }
}

fn seconds(span: Option<Duration>) -> String {
    span.map_or("-".to_owned(), |span| span.as_secs().to_string())
}

/// S8, S9, S10: the corpus: what servers write, odd refusals and odd successes, and no 500 is a logout.
#[test]
fn every_known_answer_means_what_it_should() {
    let cases = Case::all();
    assert!(cases.len() >= 150, "the corpus has shrunk to {}", cases.len());
    let faults: Vec<String> = cases.iter().flat_map(judge_case).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// What is not as the case says.
fn judge_case(case: &Case) -> Vec<String> {
    let answer = case.answer(&case.definition(), Wall::from_unix(NOW));

    let (outcome, why) = word(&answer.outcome);
    let mut seen = vec![("expect", outcome.to_owned()), ("refresh", reveal(answer.refresh_token.as_ref()))];
    match &answer.outcome {
        Outcome::Granted(granted) => seen.extend([
            ("access", reveal(Some(&granted.access_token))),
            ("type", granted.token_type.clone()),
            ("lifetime", seconds(granted.lifetime)),
            ("scopes", list(granted.scopes.as_deref().unwrap_or_default())),
            ("id", reveal(granted.id_token.as_ref())),
            ("audience", list(&granted.audience)),
            ("refresh-in", seconds(granted.refresh_in)),
            ("login", seconds([granted.login_lifetime, granted.refresh_lifetime].into_iter().flatten().min())),
        ]),
        Outcome::NotProcessed { retry_after, .. } => seen.push(("retry", retry_after.as_secs().to_string())),
        _ => {}
    }

    let mut faults = Vec::new();
    let mut fault = |text: String| faults.push(format!("{}: {text}", case.name));
    for (key, value) in &seen {
        // A refresh token must be expected; the rest only where the case names it.
        let expected = case.get(key).or_else(|| (*key == "refresh").then_some("-"));
        if expected.is_some_and(|expected| expected != value) {
            fault(format!("{key} is `{value}`, expected `{}`", expected.unwrap_or_default()));
        }
    }
    for key in case.keys() {
        let known = ["why", "says", "kind", "token-path", "separator", "assumed"].contains(&key);
        if !known && !seen.iter().any(|(seen, _)| *seen == key) {
            fault(format!("`{key}` is never judged"));
        }
    }
    if let Some(why) = why {
        if !why.contains("as.example") || why.contains("canary") || why.chars().any(char::is_control) {
            fault(format!("not fit for people: {why}"));
        }
        if case.get("why").is_some_and(|part| !why.contains(part)) {
            fault(format!("`{why}` does not say `{}`", case.get("why").unwrap_or_default()));
        }
        if case.get("says").is_some_and(|sentence| sentence != why) {
            fault(format!("says `{why}`"));
        }
    }
    faults
}
