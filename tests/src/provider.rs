//! `oidc-provider`, the certified authorization server of the Node world, and a headless Chromium for its pages. Both
//! live in tests/servers/oidc-provider; `scripts/test` installs them.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::programs;

/// The running server; it ends when this is dropped.
pub struct Provider {
    issuer: String,
    events: Arc<Mutex<Vec<Value>>>,
    _child: Child,
}

/// What the person at the browser saw at the end.
#[derive(Debug)]
pub struct Seen {
    /// The page's heading.
    pub heading: String,
    /// All of its text.
    pub text: String,
    /// Requests that left this machine; a page of ours makes none.
    pub outside: Vec<Value>,
}

/// What is missing for it; tests that need it say so and are skipped.
pub fn missing() -> Option<&'static str> {
    if !programs::has("node") {
        return Some("node is not installed (package nodejs)");
    }
    if !programs::has("chromium") {
        return Some("chromium is not installed (package chromium)");
    }
    let is_installed = directory().join("node_modules/oidc-provider").exists();
    (!is_installed).then_some("tests/servers/oidc-provider is not installed (npm ci)")
}

impl Provider {
    /// Starts it and waits until it listens.
    pub async fn start() -> Self {
        let mut child = node("server.mjs").stdin(Stdio::piped()).spawn().expect("node can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
        let first = next(&mut lines).await.expect("it says where it listens");
        let issuer = first["issuer"].as_str().expect("its address").to_owned();
        let events = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&events);
        tokio::spawn(async move {
            while let Some(event) = next(&mut lines).await {
                sink.lock().expect("no holder panics").push(event);
            }
        });
        Self { issuer, events, _child: child }
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What happened at the server so far, by its events' names.
    pub fn events(&self) -> Vec<String> {
        let events = self.events.lock().expect("no holder panics");
        events.iter().map(|event| event["event"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// How often something happened.
    pub fn count(&self, event: &str) -> usize {
        self.events().iter().filter(|name| *name == event).count()
    }

    /// The status its userinfo endpoint answers a token with: 200 for one that is good.
    pub async fn userinfo(&self, token: &str) -> u16 {
        let client = reqwest::Client::builder().no_proxy().build().expect("the client is made of constants");
        let asked = client.get(format!("{}/me", self.issuer)).bearer_auth(token).send().await;
        asked.expect("the server answers").status().as_u16()
    }
}

/// Opens an address in a real browser, signs in and allows, and leaves pictures of the page at the end in a directory.
///
/// # Panics
/// When the browser did not get to the end.
pub async fn sign_in(address: &str, pictures: &Path) -> Seen {
    // The address goes through standard input: arguments can be read by everybody on the machine.
    let mut person = node("signin.mjs").arg(programs::path("chromium")).arg(pictures).stdin(Stdio::piped()).spawn();
    let person = person.as_mut().expect("node can be started");
    let mut stdin = person.stdin.take().expect("it was piped");
    stdin.write_all(address.as_bytes()).await.expect("it reads the address");
    drop(stdin);
    let mut lines = BufReader::new(person.stdout.take().expect("it was piped")).lines();
    let seen = next(&mut lines).await.expect("the browser gets to the end");
    let word = |key: &str| seen[key].as_str().unwrap_or_default().to_owned();
    Seen {
        heading: word("heading"),
        text: word("text"),
        outside: seen["outside"].as_array().cloned().unwrap_or_default(),
    }
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Value> {
    let line = lines.next_line().await.ok()??;
    Some(serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line}")))
}

fn node(script: &str) -> Command {
    let mut command = Command::new("node");
    command.arg(directory().join(script)).stdout(Stdio::piped()).kill_on_drop(true);
    command
}

fn directory() -> PathBuf {
    programs::repository().join("tests/servers/oidc-provider")
}
