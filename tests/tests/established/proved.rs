//! Tokens that are bound to a key: each request carries a proof, with the nonce that the server told, as openid-client's does.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokenkeeper::{LoginOptions, ProofOptions, TokenOptions};
use tokenkeeper_tests::idp::{Asked, ClientAuth, Dpop, Idp, Settings};
use tokenkeeper_tests::openid_client::{Oracle, Seen};
use tokenkeeper_tests::world::{World, account_as, part_of};
use url::Url;

use super::{AUDIENCE, SECRET, account, compare};

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const RESOURCE: &str = "https://api.acme.example/mail?page=2";

/// Every token is bound to a key: the request is pushed, and code, refresh and the program's own request carry a proof,
/// with the nonce that the server told.
#[tokio::test]
async fn requests_are_pushed_and_proved_as_openid_client_does() {
    let Some(oracle) = Oracle::find() else { return };
    let settings = Settings { require_par: true, dpop: Dpop::NonceAlways, ..Settings::default() };
    let idp = Idp::start(settings).await;
    let world = World::with(&account_as("work", &idp, "client_id = \"desktop\"\ndpop = \"on\"\n")).await;
    let page = world.sign_in("work").await;
    let account = world.account("work").await;
    account.refresh().await.expect("the server grants");
    let token = account.token(TokenOptions::new()).await.expect("refreshed");
    let wanted = ProofOptions::new().token(&token).nonce("told-by-the-api");
    let proof = account.sign_proof("GET", RESOURCE, wanted).await.expect("a proof");

    let pushed = idp.asked("/oauth/par").swap_remove(0);
    let tokens = idp.asked("/oauth/token");
    let [unheard, code, refresh] = tokens.as_slice() else { panic!("three requests: {tokens:?}") };
    let address = Url::parse(RESOURCE).expect("an address");
    let authorization = format!("DPoP {}", token.as_str());
    let resource = [("authorization", Some(authorization.as_str())), ("dpop", Some(proof.as_str()))];
    let ours = [
        ("pushed", Seen::of(&pushed)),
        ("proved code", Seen::of(unheard)),
        ("proved code", Seen::of(code)),
        ("proved refresh", Seen::of(refresh)),
        ("resource", Seen::address(&address, &resource)),
    ];

    let client = json!({"id": "desktop", "auth": ClientAuth::None, "dpop": true});
    let made = [
        json!({"call": "challenge", "verifier": code.field("code_verifier")}),
        json!({"call": "thumbprint", "jwk": part_of(code.header("dpop").expect("a proof"), 0)["jwk"]}),
    ];
    let made = oracle.ask(&idp, &client, &made).await;
    let given = ["redirect_uri", "scope", "state", "nonce"];
    let mut sent: Vec<_> = given.iter().map(|name| json!([name, pushed.field(name)])).collect();
    sent.push(json!(["code_challenge", made[0]["challenge"]]));
    sent.push(json!(["code_challenge_method", "S256"]));
    sent.push(json!(["dpop_jkt", made[1]["thumbprint"]]));
    let redeemed = |nonce: Value| {
        json!({
            "call": "code", "redirected": page.address, "verifier": code.field("code_verifier"),
            "state": pushed.field("state"), "nonce": pushed.field("nonce"), "params": [], "nonce_wanted": nonce,
        })
    };
    let calls = [
        json!({"call": "pushed", "params": sent}),
        redeemed(Value::Null),
        redeemed(nonce(code)),
        json!({
            "call": "refresh", "refresh_token": refresh.field("refresh_token"), "params": [],
            "nonce_wanted": nonce(refresh),
        }),
        json!({
            "call": "resource", "token": token.as_str(), "method": "GET", "url": RESOURCE,
            "nonce_wanted": "told-by-the-api",
        }),
    ];
    compare(&ours, &oracle.ask(&idp, &client, &calls).await, "bound");
    assert_proved(&oracle, &idp, &client, &tokens.iter().map(proof_of).chain([proof.as_str()]).collect::<Vec<_>>())
        .await;
    assert_eq!(part_of(proof_of(unheard), 1)["htu"], format!("{}/oauth/token", idp.base()), "the whole address");
    assert_eq!(part_of(&proof, 1)["htu"], "https://api.acme.example/mail", "without a query");
}

/// A code that is polled for, and an exchange of the token that it brought: each with a proof by the login's one key.
#[tokio::test]
async fn polls_and_exchanges_are_proved_as_openid_client_does() {
    let Some(oracle) = Oracle::find() else { return };
    let audiences = vec![AUDIENCE.to_owned()];
    let settings = Settings { dpop: Dpop::NonceAlways, token_exchange: true, audiences, ..Settings::default() };
    let idp = Idp::start(settings).await;
    let more = "client_id = \"desktop\"\ndpop = \"on\"\ntoken_exchange = true\n";
    let world = World::with(&account_as("work", &idp, more)).await;
    let account = world.account("work").await;
    let login = account.login(LoginOptions::new().flow("device")).await.expect("a code comes");
    login.request.wait().await.expect("the server's person allows at once");
    let subject = account.token(TokenOptions::new()).await.expect("signed in");
    account.token(TokenOptions::new().audience(AUDIENCE)).await.expect("exchanged");
    let tokens = idp.asked("/oauth/token");
    let [unheard, poll, exchange] = tokens.as_slice() else { panic!("three requests: {tokens:?}") };
    let ours =
        [("proved poll", Seen::of(unheard)), ("proved poll", Seen::of(poll)), ("proved exchange", Seen::of(exchange))];

    let client = json!({"id": "desktop", "auth": ClientAuth::None, "dpop": true});
    let device = json!({
        "device_code": poll.field("device_code"), "user_code": "A", "verification_uri": idp.base(), "expires_in": 9,
        "interval": 0.01,
    });
    let exchanged = json!([
        ["subject_token", subject.as_str()],
        ["subject_token_type", ACCESS_TOKEN],
        ["requested_token_type", ACCESS_TOKEN],
        ["audience", AUDIENCE],
    ]);
    let calls = [
        json!({"call": "device_poll", "device": device}),
        json!({"call": "device_poll", "device": device, "nonce_wanted": nonce(poll)}),
        json!({"call": "exchange", "params": exchanged, "nonce_wanted": nonce(exchange)}),
    ];
    compare(&ours, &oracle.ask(&idp, &client, &calls).await, "bound, by a code");
    assert_proved(&oracle, &idp, &client, &tokens.iter().map(proof_of).collect::<Vec<_>>()).await;
    let keys: BTreeSet<_> = tokens.iter().map(|asked| part_of(proof_of(asked), 0)["jwk"].to_string()).collect();
    assert_eq!(keys.len(), 1, "one login, one key: {keys:?}");
}

/// Nobody signs in, and the token is bound to a key all the same.
#[tokio::test]
async fn a_machine_proves_as_openid_client_does() {
    let Some(oracle) = Oracle::find() else { return };
    let more = "flow = \"client-credentials\"\nclient_auth = \"basic\"\nscopes = [\"read\"]\ndpop = \"on\"\n";
    let (idp, world) = account(ClientAuth::Basic, more).await;
    idp.set(|settings| settings.dpop = Dpop::NonceAlways);
    world.account("work").await.token(TokenOptions::new()).await.expect("granted");
    let tokens = idp.asked("/oauth/token");
    let [unheard, granted] = tokens.as_slice() else { panic!("two requests: {tokens:?}") };
    let ours = [("proved machine", Seen::of(unheard)), ("proved machine", Seen::of(granted))];
    let client = json!({"id": "site", "auth": ClientAuth::Basic, "secret": SECRET, "dpop": true});
    let asks =
        |nonce: Value| json!({"call": "client_credentials", "params": [["scope", "read"]], "nonce_wanted": nonce});
    compare(&ours, &oracle.ask(&idp, &client, &[asks(Value::Null), asks(nonce(granted))]).await, "bound machine");
    assert_proved(
        &oracle,
        &idp,
        &json!({"id": "site", "auth": ClientAuth::None}),
        &[proof_of(unheard), proof_of(granted)],
    )
    .await;
}

fn proof_of(asked: &Asked) -> &str {
    asked.header("dpop").expect("a proof")
}

fn nonce(asked: &Asked) -> Value {
    part_of(proof_of(asked), 1)["nonce"].clone()
}

/// The signatures hold, by the key in the header, as an established library reads them.
async fn assert_proved(oracle: &Oracle, idp: &Idp, client: &Value, proofs: &[&str]) {
    let calls: Vec<_> = proofs.iter().map(|jwt| json!({"call": "verify", "jwt": jwt})).collect();
    for (jwt, verified) in proofs.iter().zip(oracle.ask(idp, client, &calls).await) {
        assert_eq!(verified["claims"], part_of(jwt, 1));
    }
}
