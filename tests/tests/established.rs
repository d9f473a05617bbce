//! What the keeper sends is, field by field, what an established client sends for the same input: `openid-client` of the
//! Node world, certified by the OpenID Foundation. Ours are caught at the server on their way from the real keeper;
//! theirs are made from the random values that ours carried. Where ours differ on purpose, `DELIBERATE` says why.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use serde_json::{Value, json};
use tokenkeeper::{LoginOptions, TokenOptions};
use tokenkeeper_tests::idp::{Asked, Client, ClientAuth, Event, Idp, Ledger, Settings};
use tokenkeeper_tests::world::{PATIENCE, World, account_as, part_of};
use tokenkeeper_tests::{person, programs};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use url::Url;

/// Where a request of ours has a field that theirs lacks, or the other way round.
const DELIBERATE: [(&str, Field, &str); 4] = [
    (
        "authorize",
        Field::Ours("query prompt=consent"),
        "OpenID Connect Core section 11 wants it with offline_access; two of eight servers give no refresh token without",
    ),
    ("revoke", Field::Ours("header accept: application/json"), "a refusal is read as JSON, as everywhere"),
    (
        "robot",
        Field::Ours("assertion header typ=\"JWT\""),
        "RFC 7519 section 5.1 leaves it open; some servers ask for it",
    ),
    (
        "robot",
        Field::Theirs("assertion claim nbf"),
        "`iat` says it, and a clock that is ahead of the server's costs nothing",
    ),
];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Field {
    Ours(&'static str),
    Theirs(&'static str),
}

const SECRET: &str = "a:b%+ü/c d&=?";
const AUDIENCE: &str = "https://api.acme.example";

#[tokio::test]
async fn a_public_client_asks_as_openid_client_does() {
    a_login(ClientAuth::None, "none", "").await;
}

#[tokio::test]
async fn a_secret_in_the_header_is_written_as_openid_client_writes_it() {
    a_login(ClientAuth::Basic, "basic", "client_auth = \"basic\"\n").await;
}

#[tokio::test]
async fn a_secret_in_the_body_is_written_as_openid_client_writes_it() {
    a_login(ClientAuth::Post, "post", "client_auth = \"post\"\n").await;
}

/// Authorization, code, refresh and revocation.
async fn a_login(auth: ClientAuth, word: &str, more: &str) {
    let Some(oracle) = Oracle::find() else { return };
    let (idp, world) = account(auth, &format!("{more}audience = \"{AUDIENCE}\"\n")).await;
    let account = world.account("work").await;
    let login = account.login(LoginOptions::new().flow("browser")).await.expect("it begins");
    let address = Url::parse(&login.uri.expect("a browser login has an address")).expect("an address");
    let page = person::open(address.as_str()).await.expect("server and keeper answer");
    login.request.wait().await.expect("signed in");
    account.refresh().await.expect("the server grants");
    account.logout().await.expect("signed out");
    let revoked = |ledger: &Ledger| ledger.count(|event| matches!(event, Event::Revoked { .. })) == 1;
    assert!(idp.ledger().until(PATIENCE, revoked).await, "the server heard of it");

    let tokens = idp.asked("/oauth/token");
    let revocations = idp.asked("/oauth/revoke");
    let [code, refresh] = tokens.as_slice() else { panic!("two requests: {tokens:?}") };
    let [revocation] = revocations.as_slice() else { panic!("one request: {revocations:?}") };
    let ours = [
        ("authorize", address_asked(&address)),
        ("code", Seen::of(code)),
        ("refresh", Seen::of(refresh)),
        ("revoke", Seen::of(revocation)),
    ];

    let query = |name: &str| address.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    let given = ["redirect_uri", "scope", "state", "nonce", "audience"];
    let verifier = code.field("code_verifier").expect("PKCE, always");
    let challenge = oracle.ask(&idp, &client(auth), &[json!({"call": "challenge", "verifier": verifier})]).await;
    let mut authorize: Vec<_> = given.iter().map(|name| json!([name, query(name)])).collect();
    authorize.push(json!(["code_challenge", challenge[0]["challenge"]]));
    authorize.push(json!(["code_challenge_method", "S256"]));
    let calls = [
        json!({"call": "authorize", "params": authorize}),
        json!({
            "call": "code", "redirected": page.address, "verifier": verifier, "state": query("state"),
            "nonce": query("nonce"), "params": [],
        }),
        json!({"call": "refresh", "refresh_token": refresh.field("refresh_token"), "params": []}),
        json!({
            "call": "revoke", "token": revocation.field("token"), "params": [["token_type_hint", "refresh_token"]],
        }),
    ];
    compare(&ours, &oracle.ask(&idp, &client(auth), &calls).await, word);
}

#[tokio::test]
async fn a_machine_asks_as_openid_client_does() {
    let Some(oracle) = Oracle::find() else { return };
    let more = format!(
        "flow = \"client-credentials\"\nclient_auth = \"basic\"\naudience = \"{AUDIENCE}\"\nscopes = [\"read\", \"write\"]\n"
    );
    let (idp, world) = account(ClientAuth::Basic, &more).await;
    world.account("work").await.token(TokenOptions::new()).await.expect("granted");
    let tokens = idp.asked("/oauth/token");
    let ours = [("client_credentials", Seen::of(tokens.last().expect("it asked")))];
    let params = json!([["scope", "read write"], ["audience", AUDIENCE]]);
    let theirs =
        oracle.ask(&idp, &client(ClientAuth::Basic), &[json!({"call": "client_credentials", "params": params})]).await;
    compare(&ours, &theirs, "machine");
}

#[tokio::test]
async fn a_code_is_polled_for_as_openid_client_does() {
    let Some(oracle) = Oracle::find() else { return };
    let (idp, world) = account(ClientAuth::None, &format!("audience = \"{AUDIENCE}\"\n")).await;
    let login = world.account("work").await.login(LoginOptions::new().flow("device")).await.expect("a code comes");
    login.request.wait().await.expect("the server's person allows at once");
    let (begun, polls) = (idp.asked("/oauth/device/code"), idp.asked("/oauth/token"));
    let ([begun], [poll]) = (begun.as_slice(), polls.as_slice()) else { panic!("two requests: {begun:?} {polls:?}") };
    let ours = [("device", Seen::of(begun)), ("device_poll", Seen::of(poll))];
    let params = json!([["scope", begun.field("scope")], ["audience", AUDIENCE]]);
    let device = json!({
        "device_code": poll.field("device_code"), "user_code": "A", "verification_uri": idp.base(), "expires_in": 9,
        "interval": 0.01,
    });
    let calls = [json!({"call": "device", "params": params}), json!({"call": "device_poll", "device": device})];
    compare(&ours, &oracle.ask(&idp, &client(ClientAuth::None), &calls).await, "device");
}

/// What it says of itself, and that the signature is good, an established library reads from our own statement.
#[tokio::test]
async fn a_client_signs_who_it_is_as_openid_client_does() {
    let Some(oracle) = Oracle::find() else { return };
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::bare().await;
    let key = fs::read_to_string(programs::repository().join("daemon/src/oauth/testdata/p256.pem")).expect("a key");
    world.write("home/robot.pem", &key);
    let file = world.path("home/robot.pem");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("the file is ours");
    let more = format!(
        "client_id = \"site\"\nflow = \"client-credentials\"\nscopes = [\"read\"]\nprivate_key_file = \"{}\"\n",
        file.display()
    );
    world.write_config(&account_as("work", &idp, &more));
    world.init_vault().await;
    world.start_keeper().await;
    // This server knows no such client, and what it was asked is all that counts.
    world.token("work").await.expect_err("it does not know the key");
    let asked = idp.asked("/oauth/token").swap_remove(0);
    let assertion = asked.field("client_assertion").expect("it is signed");
    let client = json!({"id": "site", "auth": "private_key_jwt", "key": key, "kid": part_of(assertion, 0)["kid"]});
    let calls = [
        json!({"call": "client_credentials", "params": [["scope", "read"]]}),
        json!({"call": "verify", "jwt": assertion}),
    ];
    let mut theirs = oracle.ask(&idp, &client, &calls).await;
    let verified = theirs.pop().expect("two answers");
    assert_eq!(verified["claims"], part_of(assertion, 1), "the signature holds");
    compare(&[("robot", Seen::of(&asked))], &theirs, "robot");
}

fn client(auth: ClientAuth) -> Value {
    json!({"id": "site", "auth": auth, "secret": SECRET})
}

/// A server with one client, and an account that is it.
async fn account(auth: ClientAuth, more: &str) -> (Idp, World) {
    let client = match auth {
        ClientAuth::None => Client::public("site"),
        ClientAuth::Basic | ClientAuth::Post => Client::confidential("site", auth, SECRET),
    };
    let audiences = vec![AUDIENCE.to_owned()];
    let idp = Idp::start(Settings { clients: vec![client], audiences, ..Settings::default() }).await;
    let world = World::with(&account_as("work", &idp, &format!("client_id = \"site\"\n{more}"))).await;
    if auth != ClientAuth::None {
        let request = world.account("work").await.set_secret().await.expect("it may be set");
        request.input(&[("client_secret", SECRET.as_bytes())]).await.expect("the keeper takes it");
        request.wait().await.expect("it is stored");
    }
    (idp, world)
}

/// A request as far as a server can tell it from another, each field by itself: order and spelling mean nothing.
#[derive(Debug)]
struct Seen(BTreeSet<String>);

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
            fields.extend(value.map(|value| format!("header {name}: {}", value.split(';').next().unwrap_or_default())));
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

    fn of(asked: &Asked) -> Self {
        let headers = HEADERS.map(|name| (name, asked.header(name)));
        Self::new(asked.method.as_str(), &asked.path, &headers, &asked.query, &asked.form)
    }

    fn theirs(request: &Value) -> Self {
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

/// The fields of a signed statement. Those that are new each time are there, and that is all.
fn signed(what: &str, jwt: &str) -> Vec<String> {
    const FRESH: [&str; 4] = ["jti", "iat", "nbf", "exp"];
    let object = |value: Value| value.as_object().expect("an object").clone();
    let header = object(part_of(jwt, 0)).into_iter().map(|(name, value)| format!("{what} header {name}={value}"));
    let claims = object(part_of(jwt, 1)).into_iter().map(|(name, value)| match FRESH.contains(&name.as_str()) {
        true => format!("{what} claim {name}"),
        false => format!("{what} claim {name}={value}"),
    });
    header.chain(claims).collect()
}

const HEADERS: [&str; 3] = ["authorization", "accept", "content-type"];

fn address_asked(address: &Url) -> Seen {
    Seen::new("GET", address.path(), &[], &pairs(address), &[])
}

fn pairs(address: &Url) -> Vec<(String, String)> {
    address.query_pairs().into_owned().collect()
}

/// Ours and theirs differ where it is deliberate and nowhere else.
fn compare(ours: &[(&str, Seen)], theirs: &[Value], story: &str) {
    assert_eq!(ours.len(), theirs.len());
    for ((call, ours), theirs) in ours.iter().zip(theirs) {
        let theirs = Seen::theirs(theirs);
        let only_ours = ours.0.difference(&theirs.0).map(|field| ("ours", field.as_str()));
        let only_theirs = theirs.0.difference(&ours.0).map(|field| ("theirs", field.as_str()));
        let differences: BTreeSet<_> = only_ours.chain(only_theirs).collect();
        let deliberate = DELIBERATE.iter().filter(|(at, ..)| at == call).map(|(_, field, _)| match field {
            Field::Ours(field) => ("ours", *field),
            Field::Theirs(field) => ("theirs", *field),
        });
        assert_eq!(differences, deliberate.collect(), "{story}, {call}: where only one of us has a field");
    }
}

/// openid-client.
struct Oracle;

impl Oracle {
    fn find() -> Option<Self> {
        let installed = directory().join("node_modules/openid-client").exists() && programs::has("node");
        if !installed {
            eprintln!("skipped: what tests/servers/openid-client needs is not installed (scripts/test)");
        }
        installed.then_some(Self)
    }

    /// What it would send, as a client of this server.
    async fn ask(&self, idp: &Idp, client: &Value, calls: &[Value]) -> Vec<Value> {
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

fn directory() -> std::path::PathBuf {
    programs::repository().join("tests/servers/openid-client")
}
