//! Authorization servers of others, and a person at their pages: `oidc-provider`, the certified one of the Node world, with
//! a headless Chromium, and `django-oauth-toolkit`, with a client that fills in its forms. They live in tests/servers;
//! `scripts/test` installs what they need.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::programs;

/// Whose server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Make {
    /// A refresh token works once; one that comes again ends the login.
    OidcProvider,
    /// The refresh token before the newest works for 30 s more; an older one ends the login.
    DjangoOauthToolkit,
}

/// The running server; it ends when this is dropped.
pub struct Provider {
    make: Make,
    issuer: String,
    events: Arc<Mutex<Vec<Value>>>,
    _child: Child,
}

/// What the person saw at the end.
#[derive(Debug)]
pub struct Seen {
    /// The page's heading.
    pub heading: String,
    /// All of its text.
    pub text: String,
    /// Requests that left this machine; a page of ours makes none.
    pub outside: Vec<Value>,
}

impl Make {
    /// Its name, as its package is called.
    pub fn name(self) -> &'static str {
        match self {
            Self::OidcProvider => "oidc-provider",
            Self::DjangoOauthToolkit => "django-oauth-toolkit",
        }
    }

    /// What is missing for it; tests that need it say so and are skipped.
    pub fn missing(self) -> Option<String> {
        let wanted: &[_] = match self {
            Self::OidcProvider => &[("node", "package nodejs"), ("chromium", "package chromium")],
            Self::DjangoOauthToolkit => &[],
        };
        if let Some((program, package)) = wanted.iter().find(|(program, _)| !programs::has(program)) {
            return Some(format!("{program} is not installed ({package})"));
        }
        let is_installed = match self {
            Self::OidcProvider => self.directory().join("node_modules/oidc-provider").exists(),
            Self::DjangoOauthToolkit => self.interpreter().exists(),
        };
        (!is_installed).then(|| format!("what tests/servers/{} needs is not installed (scripts/test)", self.name()))
    }

    fn userinfo(self) -> &'static str {
        match self {
            Self::OidcProvider => "/me",
            Self::DjangoOauthToolkit => "/userinfo/",
        }
    }

    fn script(self, name: &str) -> Command {
        let extension = match self {
            Self::OidcProvider => "mjs",
            Self::DjangoOauthToolkit => "py",
        };
        let mut command = Command::new(self.interpreter());
        command.arg(self.directory().join(name).with_extension(extension)).stdin(Stdio::piped()).stdout(Stdio::piped());
        command.kill_on_drop(true);
        command
    }

    fn interpreter(self) -> PathBuf {
        match self {
            Self::OidcProvider => "node".into(),
            // Beside what cargo builds, where scripts/test makes it.
            Self::DjangoOauthToolkit => programs::directory().join("../servers").join(self.name()).join("bin/python"),
        }
    }

    fn directory(self) -> PathBuf {
        programs::repository().join("tests/servers").join(self.name())
    }
}

impl Provider {
    /// Starts it and waits until it listens.
    pub async fn start(make: Make) -> Self {
        let mut child = make.script("server").spawn().expect("it can be started");
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
        Self { make, issuer, events, _child: child }
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
        let asked = client.get(format!("{}{}", self.issuer, self.make.userinfo())).bearer_auth(token).send().await;
        asked.expect("the server answers").status().as_u16()
    }

    /// Opens an address as a person does, signs in and allows. In a real browser, pictures of the page at the end are left
    /// in a directory.
    ///
    /// # Panics
    /// When the person did not get to the end.
    pub async fn sign_in(&self, address: &str, pictures: &Path) -> Seen {
        let mut person = self.make.script("signin");
        if self.make == Make::OidcProvider {
            person.arg(programs::path("chromium")).arg(pictures);
        }
        let mut person = person.spawn().expect("it can be started");
        // The address goes through standard input: arguments can be read by everybody on the machine.
        let mut stdin = person.stdin.take().expect("it was piped");
        stdin.write_all(address.as_bytes()).await.expect("it reads the address");
        drop(stdin);
        let mut lines = BufReader::new(person.stdout.take().expect("it was piped")).lines();
        let seen = next(&mut lines).await.expect("the person gets to the end");
        let word = |key: &str| seen[key].as_str().unwrap_or_default().to_owned();
        Seen {
            heading: word("heading"),
            text: word("text"),
            outside: seen["outside"].as_array().cloned().unwrap_or_default(),
        }
    }
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Value> {
    let line = lines.next_line().await.ok()??;
    Some(serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line}")))
}
