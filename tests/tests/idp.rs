//! The test server itself: what the other tests take for granted about it.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokenkeeper_tests::idp::{Consent, Deed, Endpoint, Event, Fault, Idp, Offline, Rotation, Settings, digest};
use tokenkeeper_tests::person;
use url::Url;

const BACK: &str = "http://127.0.0.1:9/back";
const VERIFIER: &str = "0123456789012345678901234567890123456789012";

fn authorize_url(idp: &Idp, client: &str, more: &[(&str, &str)]) -> Url {
    let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER));
    let mut url = Url::parse(&format!("{}/authorize", idp.base())).expect("an address");
    url.query_pairs_mut()
        .extend_pairs([("response_type", "code"), ("client_id", client), ("redirect_uri", BACK), ("state", "s")])
        .extend_pairs([("scope", "openid offline_access"), ("nonce", "n")])
        .extend_pairs([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")])
        .extend_pairs(more);
    url
}

async fn code(idp: &Idp, client: &str) -> String {
    let back =
        person::sent_to(authorize_url(idp, client, &[]).as_str()).await.expect("it answers").expect("a redirect");
    let back = Url::parse(&back).expect("an address");
    back.query_pairs().find(|(name, _)| name == "code").expect("a code").1.into_owned()
}

async fn post(idp: &Idp, form: &[(&str, &str)]) -> Result<(u16, Value), reqwest::Error> {
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let client = reqwest::Client::builder().no_proxy().build().expect("constants");
    let request = client.post(format!("{}/oauth/token", idp.base()));
    let answer = request.header("content-type", "application/x-www-form-urlencoded").body(body).send().await?;
    let status = answer.status().as_u16();
    Ok((status, serde_json::from_slice(&answer.bytes().await?).unwrap_or_default()))
}

async fn login(idp: &Idp) -> Value {
    let code = code(idp, "desktop").await;
    let form = [("grant_type", "authorization_code"), ("client_id", "desktop"), ("code", &code)];
    let (status, tokens) = post(idp, &[&form[..], &[("redirect_uri", BACK), ("code_verifier", VERIFIER)]].concat())
        .await
        .expect("answers");
    assert_eq!(status, 200, "{tokens}");
    tokens
}

async fn refresh(idp: &Idp, token: &str) -> Result<(u16, Value), reqwest::Error> {
    post(idp, &[("grant_type", "refresh_token"), ("client_id", "desktop"), ("refresh_token", token)]).await
}

fn refresh_token(tokens: &Value) -> &str {
    tokens["refresh_token"].as_str().expect("a refresh token")
}

#[tokio::test]
async fn a_login_and_a_refresh_are_in_the_ledger() {
    let idp = Idp::start(Settings::default()).await;
    let tokens = login(&idp).await;
    let (status, fresh) = refresh(&idp, refresh_token(&tokens)).await.expect("answers");
    assert_eq!(status, 200);
    assert!(
        idp.ledger()
            .until(Duration::from_secs(5), |ledger| {
                ledger.count(|event| matches!(event, Event::Sent { status: 200 })) == 2
            })
            .await
    );
    let mut committed = idp.ledger().entries().into_iter().filter_map(|entry| match entry.event {
        Event::Committed { token, successor, .. } => Some((token, successor)),
        _ => None,
    });
    assert_eq!(committed.next_back(), Some((digest(refresh_token(&tokens)), digest(refresh_token(&fresh)))));
    assert_eq!((idp.ledger().refreshes(), idp.ledger().rotations()), (1, 1));
}

#[tokio::test]
async fn a_code_works_once_and_only_with_its_verifier() {
    let idp = Idp::start(Settings::default()).await;
    let code = code(&idp, "desktop").await;
    let form = |verifier| {
        let grant = [("grant_type", "authorization_code"), ("client_id", "desktop"), ("code", code.as_str())];
        [&grant[..], &[("redirect_uri", BACK), ("code_verifier", verifier)]].concat()
    };
    assert_eq!(post(&idp, &form("wrong")).await.expect("answers").0, 400);
    assert_eq!(post(&idp, &form(VERIFIER)).await.expect("answers").0, 200);
    let (status, refused) = post(&idp, &form(VERIFIER)).await.expect("answers");
    assert_eq!((status, refused["error"].as_str()), (400, Some("invalid_grant")));
}

#[tokio::test]
async fn a_request_without_s256_is_sent_back_with_an_error() {
    let idp = Idp::start(Settings::default()).await;
    let url = authorize_url(&idp, "desktop", &[]).as_str().replace("S256", "plain");
    let back = person::sent_to(&url).await.expect("answers").expect("a redirect");
    assert!(back.contains("error=invalid_request"), "{back}");
}

#[tokio::test]
async fn a_reset_before_the_commit_leaves_the_token_and_one_after_it_does_not() {
    let idp = Idp::start(Settings::default()).await;
    let tokens = login(&idp).await;
    idp.plan(Fault::token(Deed::Reset));
    refresh(&idp, refresh_token(&tokens)).await.expect_err("a reset");
    let (status, second) = refresh(&idp, refresh_token(&tokens)).await.expect("answers");
    assert_eq!(status, 200);
    for deed in [Deed::Reset, Deed::ResetAfterHead, Deed::HalfBody] {
        let idp = Idp::start(Settings { rotation: Rotation::window(10.0), ..Settings::default() }).await;
        let tokens = login(&idp).await;
        idp.plan(Fault::token(deed).after_commit());
        refresh(&idp, refresh_token(&tokens)).await.expect_err("a reset");
        assert_eq!(idp.ledger().rotations(), 1);
        assert_eq!(idp.ledger().count(|event| matches!(event, Event::Cut { .. })), 1);
        assert_eq!(refresh(&idp, refresh_token(&tokens)).await.expect("answers").0, 200, "the window forgives");
    }
    idp.plan(Fault::token(Deed::Reset).after_commit());
    refresh(&idp, refresh_token(&second)).await.expect_err("a reset");
    assert_eq!(refresh(&idp, refresh_token(&second)).await.expect("answers").0, 400, "strict forgives nothing");
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 1);
}

#[tokio::test]
async fn a_planned_answer_comes_in_place_of_the_true_one_so_many_times() {
    let idp = Idp::start(Settings::default()).await;
    let tokens = login(&idp).await;
    idp.plan(Fault::token(Deed::slow_down_seconds(7)).times(2));
    for _ in 0..2 {
        assert_eq!(refresh(&idp, refresh_token(&tokens)).await.expect("answers").0, 429);
    }
    assert_eq!(refresh(&idp, refresh_token(&tokens)).await.expect("answers").0, 200);
    idp.plan(Fault::token(Deed::portal(200)).at(Endpoint::Authorize));
    let page = person::open(authorize_url(&idp, "desktop", &[]).as_str()).await.expect("answers");
    assert!(page.body.contains("Hotel"));
}

#[tokio::test]
async fn auth0_has_its_own_manners() {
    let idp = Idp::start(Settings::auth0()).await;
    assert!(idp.issuer().ends_with('/'));
    let (status, refused) = refresh(&idp, "rt_unknown").await.expect("answers");
    assert_eq!(status, 403);
    assert_eq!(refused["error_description"], "Unknown or invalid refresh token.");
}

#[tokio::test]
async fn a_person_may_refuse_and_a_server_may_keep_offline_access_to_itself() {
    let idp = Idp::start(Settings { consent: Consent::Deny, ..Settings::default() }).await;
    let back = person::sent_to(authorize_url(&idp, "desktop", &[]).as_str()).await.expect("answers").expect("redirect");
    assert!(back.contains("error=access_denied") && back.contains("state=s"), "{back}");
    idp.set(|settings| (settings.consent, settings.offline) = (Consent::Auto, Offline::Never));
    assert_eq!(login(&idp).await.get("refresh_token"), None);
}

#[tokio::test]
async fn scripts_steer_it_by_the_control_door() {
    let idp = Idp::start(Settings::default()).await;
    let tokens = login(&idp).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("constants");
    let door = |path: &str| format!("{}/control/{path}", idp.base());
    let json = |request: reqwest::RequestBuilder, body: &'static str| {
        request.header("content-type", "application/json").body(body).send()
    };
    let typo = json(client.patch(door("settings")), r#"{"access_lifetme": 5}"#).await.expect("answers");
    assert_eq!(typo.status(), 400, "a typo does not pass");
    let changed = json(client.patch(door("settings")), r#"{"access_lifetime": 5}"#).await.expect("answers");
    assert_eq!(changed.status(), 200);
    let planned = r#"{"at": "token", "deed": {"say": {"status": 503}}}"#;
    assert_eq!(json(client.post(door("faults")), planned).await.expect("answers").status(), 204);
    assert_eq!(refresh(&idp, refresh_token(&tokens)).await.expect("answers").0, 503);
    let (_, fresh) = refresh(&idp, refresh_token(&tokens)).await.expect("answers");
    assert_eq!(fresh["expires_in"], 5);
    let ledger = client.get(door("ledger")).send().await.expect("answers").text().await.expect("text");
    assert!(ledger.contains(&digest(refresh_token(&fresh))) && !ledger.contains(refresh_token(&fresh)));
    client.post(door("revoke-all")).send().await.expect("answers");
    assert_eq!(refresh(&idp, refresh_token(&fresh)).await.expect("answers").0, 400);
}

#[tokio::test]
async fn a_device_is_told_to_wait_to_slow_down_and_then_let_in_with_auth0s_statuses() {
    let idp = Idp::start(Settings { device_consent: None, ..Settings::auth0() }).await;
    let client = reqwest::Client::builder().no_proxy().build().expect("constants");
    let begin = client.post(format!("{}/oauth/device/code", idp.base())).body("client_id=desktop&scope=offline_access");
    let begun = begin.send().await.expect("answers").bytes().await.expect("a body");
    let begun: Value = serde_json::from_slice(&begun).expect("JSON");
    let code = begun["device_code"].as_str().expect("a code");
    let grant = "urn:ietf:params:oauth:grant-type:device_code";
    let form = [("grant_type", grant), ("client_id", "desktop"), ("device_code", code)];
    let poll = || post(&idp, &form);
    let (status, pending) = poll().await.expect("answers");
    assert_eq!((status, pending["error"].as_str()), (403, Some("authorization_pending")));
    assert_eq!(poll().await.expect("answers").0, 429, "too soon");
    let page = begun["verification_uri_complete"].as_str().expect("an address");
    person::open(page).await.expect("answers");
    let let_in = async {
        loop {
            let (status, tokens) = poll().await.expect("answers");
            if status == 200 {
                return tokens;
            }
            // Each early poll puts the next one off, as at a real server.
            tokio::time::sleep(Duration::from_millis(1100)).await;
        }
    };
    let tokens = tokio::time::timeout(Duration::from_secs(10), let_in).await.expect("let in");
    assert!(refresh_token(&tokens).starts_with("rt_"));
}
