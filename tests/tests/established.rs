//! What the keeper sends is, field by field, what an established client sends for the same input: `openid-client` of the
//! Node world, certified by the OpenID Foundation. Ours are caught at the server on their way from the real keeper;
//! theirs are made from the random values that ours carried. Where ours differ on purpose, `DELIBERATE` says why.

#[path = "established/proved.rs"]
mod proved;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use tokenkeeper::{LoginOptions, TokenOptions};
use tokenkeeper_tests::idp::{Client, ClientAuth, Event, Idp, Ledger, Settings};
use tokenkeeper_tests::openid_client::{Oracle, Seen};
use tokenkeeper_tests::world::{PATIENCE, World, account_as, part_of};
use tokenkeeper_tests::{person, programs};
use url::Url;

/// Where a request of ours has a field that theirs lacks, or the other way round.
const DELIBERATE: [(&str, Field, &str); 12] = [
    (
        "authorize",
        Field::Ours("query prompt=consent"),
        "OpenID Connect Core section 11 wants it with offline_access; two of eight servers give no refresh token without",
    ),
    ("pushed", Field::Ours("form prompt=consent"), "as in the request that is not pushed"),
    ("pushed", Field::Theirs("proof header typ=\"dpop+jwt\""), NAMED),
    ("pushed", Field::Theirs("proof header alg=\"ES256\""), NAMED),
    ("pushed", Field::Theirs(KEY), NAMED),
    ("pushed", Field::Theirs("proof claim htm=\"POST\""), NAMED),
    ("pushed", Field::Theirs("proof claim htu=\"/oauth/par\""), NAMED),
    ("pushed", Field::Theirs("proof claim iat"), NAMED),
    ("pushed", Field::Theirs("proof claim jti"), NAMED),
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

/// Why a pushed request has no proof.
const NAMED: &str = "`dpop_jkt` names the key; RFC 9449 section 10.1 lets a proof say the same";
const KEY: &str = r#"proof header jwk={"crv":"P-256","kty":"EC","x":"own","y":"own"}"#;

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
        ("authorize", Seen::address(&address, &[])),
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

/// Ours and theirs differ where it is deliberate and nowhere else.
fn compare(ours: &[(&str, Seen)], theirs: &[Value], story: &str) {
    assert_eq!(ours.len(), theirs.len());
    for ((call, ours), theirs) in ours.iter().zip(theirs) {
        let theirs = Seen::theirs(theirs);
        let only_ours = ours.beyond(&theirs).map(|field| ("ours", field));
        let only_theirs = theirs.beyond(ours).map(|field| ("theirs", field));
        let differences: BTreeSet<_> = only_ours.chain(only_theirs).collect();
        let deliberate = DELIBERATE.iter().filter(|(at, ..)| at == call).map(|(_, field, _)| match field {
            Field::Ours(field) => ("ours", *field),
            Field::Theirs(field) => ("theirs", *field),
        });
        assert_eq!(differences, deliberate.collect(), "{story}, {call}: where only one of us has a field");
    }
}
