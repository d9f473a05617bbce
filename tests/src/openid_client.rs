//! `openid-client` of the Node world, a certified client: what it would send, and how its requests and ours are compared.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Stdio;

use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use url::Url;

use crate::idp::{Asked, Idp};
use crate::world::part_of;
use crate::{person, programs};

/// openid-client.
pub struct Oracle;

impl Oracle {
    /// It, where it is installed.
    pub fn find() -> Option<Self> {
        let installed = directory().join("node_modules/openid-client").exists() && programs::has("node");
        if !installed {
            eprintln!("skipped: what tests/servers/openid-client needs is not installed (scripts/test)");
        }
        installed.then_some(Self)
    }

    /// What it would send, as a client of this server.
    pub async fn ask(&self, idp: &Idp, client: &Value, calls: &[Value]) -> Vec<Value> {
        let server = person::open(&format!("{}/.well-known/openid-configuration", idp.issuer())).await;
        let server: Value = serde_json::from_str(&server.expect("the server answers").body).expect("metadata");
        let input = json!({"server": server, "client": client, "calls": calls}).to_string();
        let mut node = Command::new("node");
        node.arg(directory().join("requests.mjs")).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut node = node.spawn().expect("it can be started");
        let mut stdin = node.stdin.take().expect("it was piped");
        stdin.write_all(input.as_bytes()).await.expect("it reads");
        drop(stdin);
        let done = node.wait_with_output().await.expect("it ends");
        serde_json::from_slice(&done.stdout).expect("requests")
    }
}

fn directory() -> PathBuf {
    programs::repository().join("tests/servers/openid-client")
}

/// A request as far as a server can tell it from another, each field by itself: order and spelling mean nothing.
#[derive(Debug)]
pub struct Seen(BTreeSet<String>);

impl Seen {
    fn new(
        method: &str,
        address: &str,
        headers: &[(&str, Option<&str>)],
        query: &[(String, String)],
        form: &[(String, String)],
    ) -> Self {
        let mut fields = BTreeSet::from([format!("{method} {address}")]);
        for (name, value) in headers {
            // `; charset=UTF-8` says nothing of a form: it has one encoding.
            match (*name, value) {
                ("dpop", Some(proof)) => fields.extend(signed("proof", proof)),
                _ => fields.extend(
                    value.map(|value| format!("header {name}: {}", value.split(';').next().unwrap_or_default())),
                ),
            }
        }
        for (part, pairs) in [("query", query), ("form", form)] {
            for (name, value) in pairs {
                if name == "client_assertion" {
                    fields.extend(signed("assertion", value));
                } else {
                    assert!(fields.insert(format!("{part} {name}={value}")), "{part} {name} stands twice");
                }
            }
        }
        Self(fields)
    }

    /// A request of the keeper's, as our server noted it.
    pub fn of(asked: &Asked) -> Self {
        let headers = HEADERS.map(|name| (name, asked.header(name)));
        Self::new(asked.method.as_str(), &asked.path, &headers, &asked.query, &asked.form)
    }

    /// A GET that nobody sent to our server.
    pub fn address(address: &Url, headers: &[(&str, Option<&str>)]) -> Self {
        Self::new("GET", address.path(), headers, &pairs(address), &[])
    }

    /// The fields that another request does not have.
    pub fn beyond<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = &'a str> {
        self.0.difference(&other.0).map(String::as_str)
    }

    /// A request of openid-client's.
    pub fn theirs(request: &Value) -> Self {
        let address = Url::parse(request["url"].as_str().expect("an address")).expect("an address");
        let headers = HEADERS.map(|name| (name, request["headers"][name].as_str()));
        let pair = |pair: &Value| {
            let word = |at: usize| pair[at].as_str().expect("text").to_owned();
            (word(0), word(1))
        };
        let form: Vec<_> = request["form"].as_array().into_iter().flatten().map(pair).collect();
        Self::new(request["method"].as_str().expect("a method"), address.path(), &headers, &pairs(&address), &form)
    }
}

/// The fields of a signed statement. Those that are new each time are there, and that is all; so are the coordinates of
/// a proof's key, for each of us has a key of its own.
fn signed(what: &str, jwt: &str) -> Vec<String> {
    const FRESH: [&str; 4] = ["jti", "iat", "nbf", "exp"];
    let object = |value: Value| value.as_object().expect("an object").clone();
    let header = object(part_of(jwt, 0)).into_iter().map(|(name, mut value)| {
        if name == "jwk" {
            let members = value.as_object_mut().expect("an object").iter_mut();
            members.filter(|(name, _)| matches!(name.as_str(), "x" | "y")).for_each(|(_, value)| *value = "own".into());
        }
        format!("{what} header {name}={value}")
    });
    let claims = object(part_of(jwt, 1)).into_iter().map(|(name, value)| match FRESH.contains(&name.as_str()) {
        true => format!("{what} claim {name}"),
        // As of every request, the path: the server's own port is another one each time.
        false if name == "htu" => {
            let address = Url::parse(value.as_str().expect("text")).expect("an address");
            format!("{what} claim {name}={:?}", address.path())
        }
        false => format!("{what} claim {name}={value}"),
    });
    header.chain(claims).collect()
}

const HEADERS: [&str; 4] = ["authorization", "accept", "content-type", "dpop"];

fn pairs(address: &Url) -> Vec<(String, String)> {
    address.query_pairs().into_owned().collect()
}
