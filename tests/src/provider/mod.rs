//! Authorization servers of others, and a person at their pages: `oidc-provider`, the certified one of the Node world, with
//! a headless Chromium; those of the Python world with a client that fills in their forms. They live in tests/servers;
//! `scripts/test` installs what they need.

mod make;

use std::path::Path;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};
use tokio::sync::watch;

pub use make::Make;

use crate::programs;
use crate::terminal::Terminal;
use crate::world::{PATIENCE, World};

/// The running server; it ends when this is dropped.
pub struct Provider {
    make: Make,
    issuer: String,
    keys: Value,
    resource: Option<String>,
    events: watch::Sender<Vec<Value>>,
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

impl Provider {
    /// Starts it and waits until it listens.
    pub async fn start(make: Make) -> Self {
        Self::start_with(make, &[]).await
    }

    /// The same with arguments of its own.
    pub async fn start_with(make: Make, arguments: &[&str]) -> Self {
        let mut child = make.server().args(arguments).spawn().expect("it can be started");
        let mut lines = BufReader::new(child.stdout.take().expect("it was piped")).lines();
        let first = next(&mut lines).await.expect("it says where it listens");
        let issuer = first["issuer"].as_str().expect("its address").to_owned();
        let keys = first["keys"].clone();
        let resource = first["resource"].as_str().map(str::to_owned);
        let events = watch::Sender::new(Vec::new());
        let sink = events.clone();
        tokio::spawn(async move {
            while let Some(event) = next(&mut lines).await {
                sink.send_modify(|events| events.push(event));
            }
        });
        Self { make, issuer, resource, keys, events, _child: child }
    }

    /// Its issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The private key, in PEM, of a client that signs who it is.
    pub fn key(&self, client: &str) -> &str {
        self.keys[client].as_str().unwrap_or_else(|| panic!("the server has no key of `{client}`"))
    }

    /// The protected resource beside it, if it has one (RFC 9728).
    pub fn resource(&self) -> Option<&str> {
        self.resource.as_deref()
    }

    /// What happened at the server so far, by its events' names.
    pub fn events(&self) -> Vec<String> {
        let events = self.events.borrow();
        events.iter().map(|event| event["event"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Everything of one kind that happened so far, with what is known of it.
    pub fn told(&self, event: &str) -> Vec<Value> {
        self.events.borrow().iter().filter(|told| told["event"] == event).cloned().collect()
    }

    /// Waits until something happened for the `count`th time, and gives what is known of it.
    ///
    /// # Panics
    /// When it did not in time.
    pub async fn heard(&self, event: &str, count: usize) -> Value {
        let mut events = self.events.subscribe();
        let often = |events: &Vec<Value>| events.iter().filter(|told| told["event"] == event).count() >= count;
        let heard = tokio::time::timeout(PATIENCE, events.wait_for(often)).await;
        assert!(heard.is_ok(), "{event} did not happen {count} times: {:?}", self.events());
        self.told(event).swap_remove(count - 1)
    }

    /// How often something happened.
    pub fn count(&self, event: &str) -> usize {
        self.events().iter().filter(|name| *name == event).count()
    }

    /// What it says of itself at the two addresses where servers do (RFC 8414 section 3, OpenID Connect Discovery).
    pub async fn metadata(&self) -> Vec<Value> {
        let mut documents = Vec::new();
        for name in ["openid-configuration", "oauth-authorization-server"] {
            let answer = client().get(format!("{}/.well-known/{name}", self.issuer)).send().await;
            documents.push(json(answer.expect("the server answers")).await);
        }
        documents
    }

    /// Sends a form that it told of once more, as somebody who kept it would.
    pub async fn send_again(&self, told: &Value) -> Value {
        let word = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
        let mut request = client().post(format!("{}{}", self.issuer, word("path"))).body(word("form"));
        request = request.header("content-type", "application/x-www-form-urlencoded");
        if told["authorization"].is_string() {
            request = request.header("authorization", word("authorization"));
        }
        json(request.send().await.expect("the server answers")).await
    }

    /// The status its userinfo endpoint answers a token with: 200 for one that is good.
    pub async fn userinfo(&self, token: &str) -> u16 {
        let asked = client().get(self.userinfo_address()).bearer_auth(token).send().await;
        asked.expect("the server answers").status().as_u16()
    }

    /// Asks the userinfo endpoint with a token and a proof: the status, and the nonce that it wants to see.
    pub async fn userinfo_proved(&self, token: &str, proof: &str) -> (u16, Option<String>) {
        let asked = client().get(self.userinfo_address()).header("authorization", format!("DPoP {token}"));
        let answer = asked.header("dpop", proof).send().await.expect("the server answers");
        let nonce = answer.headers().get("dpop-nonce").map(|nonce| nonce.to_str().expect("text").to_owned());
        (answer.status().as_u16(), nonce)
    }

    /// Where its userinfo endpoint is.
    pub fn userinfo_address(&self) -> String {
        format!("{}{}", self.issuer, self.make.userinfo())
    }

    /// `tokenkeeper add work --issuer …` with these words more, by a person at a terminal who answers these questions, each
    /// named by words of it, and then signs in at the address it prints.
    ///
    /// # Panics
    /// When nobody is signed in at the end.
    pub async fn add(&self, world: &World, words: &[&str], answers: &[(&str, &str)], pictures: &Path) {
        let mut add = world.command(programs::ours("tokenkeeper"));
        add.args(["add", "work", "--issuer", &self.issuer, "--no-browser"]).args(words);
        let mut terminal = Terminal::run(add);
        for (question, answer) in answers {
            terminal.shows(question).await;
            terminal.type_line(answer);
        }
        let address = terminal.address().await;
        assert!(address.starts_with(&self.issuer), "{address}");
        let seen = self.sign_in(&address, pictures).await;
        assert_eq!(seen.heading, "You are signed in", "{}", seen.text);
        assert!(seen.text.contains("work"), "{}", seen.text);
        assert!(seen.outside.is_empty(), "the page asked other machines: {:?}", seen.outside);
        assert!(terminal.ended().await.success(), "{}", terminal.screen());
    }

    /// Opens an address as a person does, signs in and allows. In a real browser, pictures of the page at the end are left
    /// in a directory.
    ///
    /// # Panics
    /// When the person did not get to the end.
    pub async fn sign_in(&self, address: &str, pictures: &Path) -> Seen {
        let mut person = self.make.person();
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

/// An answer's JSON; null where it is none.
async fn json(answer: reqwest::Response) -> Value {
    let body = answer.bytes().await.expect("the answer comes whole");
    serde_json::from_slice(&body).unwrap_or_default()
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().expect("the client is made of constants")
}

async fn next(lines: &mut Lines<BufReader<ChildStdout>>) -> Option<Value> {
    let line = lines.next_line().await.ok()??;
    Some(serde_json::from_str(&line).unwrap_or_else(|fault| panic!("{fault}: {line}")))
}
