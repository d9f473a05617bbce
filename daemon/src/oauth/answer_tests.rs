//! Every answer that a provider is known to give, one file each in `corpus/`: what is expected, a blank line, then the
//! answer. Adding a case is adding a file. No sentence may hold a token: each of them has the word `canary` in it.

use std::path::Path;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::*;
use crate::oauth::testing;

const NOW: u64 = 1_792_567_680;

/// A case: `key: value` lines, and the answer.
struct Case {
    name: String,
    directives: Vec<(String, String)>,
    sent: Sent,
}

impl Case {
    fn read(path: &Path) -> Self {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("a case");
        let (head, answer) = text.split_once("\n\n").unwrap_or_else(|| panic!("{name}: no blank line"));
        let directives = head.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: `{line}`"));
            (key.to_owned(), value.to_owned())
        });
        Self { directives: directives.collect(), sent: sent(&name, answer), name }
    }

    fn get(&self, key: &str) -> Option<&str> {
        self.directives.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }
}

fn sent(name: &str, answer: &str) -> Sent {
    let (head, body) = answer.split_once("\n\n").unwrap_or_else(|| panic!("{name}: no end of headers"));
    let mut lines = head.lines();
    let first = lines.next().unwrap_or_default();
    let why = || "as.example broke off".to_owned();
    match first {
        "lost" => return Err(Fault::Lost { why: why() }),
        "not sent" => return Err(Fault::NotSent { why: why(), certificate: false }),
        "certificate" => return Err(Fault::NotSent { why: why(), certificate: true }),
        _ => {}
    }
    let status = first.strip_prefix("HTTP/1.1 ").unwrap_or_else(|| panic!("{name}: `{first}`"));
    let (status, cut) = status.strip_suffix(" (cut)").map_or((status, false), |status| (status, true));
    let status: StatusCode = status.parse().expect("a status");
    let body = Secret::copy_of(body.as_bytes());
    if cut {
        return Err(Fault::Broken { status, partial: body, why: why() });
    }
    let mut response = Response::new(body);
    *response.status_mut() = status;
    for line in lines {
        let (header, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: `{line}`"));
        response.headers_mut().insert(
            header.parse::<HeaderName>().expect("a header's name"),
            HeaderValue::from_str(value).expect("a header's value"),
        );
    }
    Ok(response)
}

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
        Outcome::Nonce { .. } => ("nonce", None),
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

#[test]
fn every_known_answer_means_what_it_should() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/oauth/corpus");
    let mut paths: Vec<_> =
        corpus.read_dir().expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    assert!(paths.len() >= 150, "the corpus has shrunk to {}", paths.len());
    let faults: Vec<String> = paths.iter().flat_map(|path| judge_case(Case::read(path))).collect();
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

/// What is not as the case says.
fn judge_case(mut case: Case) -> Vec<String> {
    let mut definition = testing::definition();
    definition.token_path = case.get("token-path").map(str::to_owned);
    definition.scope_separator = case.get("separator").map_or(' ', |text| text.chars().next().expect("a character"));
    definition.assumed_lifetime = case.get("assumed").map(|text| Duration::from_secs(text.parse().expect("seconds")));
    let kind = if case.get("kind") == Some("code") { Kind::Code } else { Kind::Refresh };
    let sent_token = testing::secret("rt-sent-canary");
    let context = AnswerContext {
        definition: &definition,
        host: "as.example",
        kind,
        wall: Wall::from_unix(NOW),
        secrets: &[&sent_token],
    };
    let sent = std::mem::replace(&mut case.sent, Err(Fault::Lost { why: String::new() }));
    let answer = read(sent, &context);

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
            ("login", seconds(granted.login_lifetime)),
        ]),
        Outcome::NotProcessed { retry_after, .. } => seen.push(("retry", retry_after.as_secs().to_string())),
        Outcome::Nonce { nonce } => seen.push(("nonce", nonce.clone())),
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
    for (key, _) in &case.directives {
        let known = ["why", "kind", "token-path", "separator", "assumed"].contains(&key.as_str());
        if !known && !seen.iter().any(|(seen, _)| seen == key) {
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
    }
    faults
}
