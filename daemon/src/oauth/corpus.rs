//! Every answer that a provider is known to give, one file each in `corpus/`: what is expected, a blank line, then the
//! answer. `why` is a part of the sentence that people get, `says` is all of it. Adding a case is adding a file.

use std::path::Path;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use tokenkeeper_config::Definition;

use super::answer::{self, AnswerContext, Kind};
use super::testing;
use super::wire::{Answer, Fault, Response, Sent};
use crate::secret::Secret;
use crate::time::Wall;

/// A case: `key: value` lines, and the answer.
pub(crate) struct Case {
    /// Its file's name.
    pub(crate) name: String,
    directives: Vec<(String, String)>,
    text: String,
}

impl Case {
    /// The whole corpus of token answers.
    pub(crate) fn all() -> Vec<Self> {
        Self::all_in("corpus")
    }

    /// Another corpus, of what another endpoint answers.
    pub(crate) fn all_in(directory: &str) -> Vec<Self> {
        let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/oauth").join(directory);
        let mut paths: Vec<_> =
            corpus.read_dir().expect("the corpus").map(|entry| entry.expect("an entry").path()).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(path: &Path) -> Self {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).expect("a case");
        let (head, answer) = text.split_once("\n\n").unwrap_or_else(|| panic!("{name}: no blank line"));
        let directives = head.lines().filter(|line| !line.starts_with('#')).map(|line| {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{name}: `{line}`"));
            (key.to_owned(), value.to_owned())
        });
        Self { directives: directives.collect(), text: answer.to_owned(), name }
    }

    /// What the case says of this.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.directives.iter().find(|(known, _)| known == key).map(|(_, value)| value.as_str())
    }

    /// All that it says something of.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.directives.iter().map(|(key, _)| key.as_str())
    }

    /// Whether it answers a refresh, not the exchange of a code.
    pub(crate) fn is_refresh(&self) -> bool {
        self.get("kind") != Some("code")
    }

    /// The account that gets this answer.
    pub(crate) fn definition(&self) -> Definition {
        Definition {
            token_path: self.get("token-path").map(str::to_owned),
            scope_separator: self.get("separator").map_or(' ', |text| text.chars().next().expect("a character")),
            assumed_lifetime: self.get("assumed").map(|text| Duration::from_secs(text.parse().expect("seconds"))),
            ..testing::definition()
        }
    }

    /// What the codec makes of it.
    pub(crate) fn answer(&self, definition: &Definition, wall: Wall) -> Answer {
        let sent = testing::secret("rt-sent-canary");
        let kind = if self.is_refresh() { Kind::Refresh } else { Kind::Code };
        let context = AnswerContext { definition, host: "as.example", kind, wall, secrets: &[&sent] };
        answer::read(self.sent(), &context)
    }

    /// The answer itself.
    pub(crate) fn sent(&self) -> Sent {
        let name = &self.name;
        let (head, body) = self.text.split_once("\n\n").unwrap_or_else(|| panic!("{name}: no end of headers"));
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
}
