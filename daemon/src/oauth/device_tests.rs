use super::*;
use crate::oauth::answer::Kind;
use crate::oauth::testing::{definition, form, metadata as server, response, secret, url, value};
use crate::oauth::{Fault, Metadata};
use crate::time::Wall;

const FIVE: Duration = Duration::from_secs(5);

fn with_context<T>(run: impl FnOnce(&AnswerContext<'_>) -> T) -> T {
    let definition = definition();
    run(&AnswerContext {
        definition: &definition,
        host: "as.example",
        kind: Kind::Device,
        wall: Wall::from_unix(1_792_567_680),
        secrets: &[],
    })
}

fn begun(status: u16, body: &str) -> Result<Authorization, Outcome> {
    with_context(|context| read(Ok(response(status, body)), context))
}

fn answered(status: u16, body: &str) -> Polled {
    with_context(|context| polled(Ok(response(status, body)), FIVE, context))
}

const BEGUN: &str = r#"{"device_code":"dc-1","user_code":"WDJB-MJHT","verification_uri":"https://as.example/device","verification_uri_complete":"https://as.example/device?user_code=WDJB-MJHT","expires_in":900,"interval":7}"#;

#[test]
fn the_request_names_client_scopes_audience_and_every_resource() {
    let mut definition = definition();
    definition.audience = Some("https://api.example".into());
    definition.resources = vec!["https://a.example".into(), "https://b.example".into()];
    let metadata = Metadata { device_authorization_endpoint: Some(url("https://as.example/device/code")), ..server() };
    let client = Client { definition: &definition, metadata: &metadata, secret: None, key: None, proof: None };
    let scopes = ["openid".to_owned(), "offline_access".to_owned()];
    let request = request(&client, &scopes).expect("a request");
    assert_eq!(request.uri(), "https://as.example/device/code");
    let sent = form(&request);
    assert_eq!(value(&sent, "client_id"), Some("cli"));
    assert_eq!(value(&sent, "scope"), Some("openid offline_access"));
    assert_eq!(value(&sent, "audience"), Some("https://api.example"));
    assert_eq!(sent.iter().filter(|(name, _)| name == "resource").count(), 2);

    let poll = form(&poll(&client, &secret("dc-1")).expect("a request"));
    assert_eq!(value(&poll, "grant_type"), Some("urn:ietf:params:oauth:grant-type:device_code"));
    assert_eq!(value(&poll, "device_code"), Some("dc-1"));
    assert_eq!(value(&poll, "client_id"), Some("cli"));
    assert_eq!(value(&poll, "scope"), None);
}

#[test]
fn a_server_without_the_flow_is_told_apart() {
    let (definition, metadata) = (definition(), server());
    let client = Client { definition: &definition, metadata: &metadata, secret: None, key: None, proof: None };
    assert_eq!(request(&client, &[]).err(), Some(CannotAsk::NoEndpoint("device authorization")));
}

#[test]
fn what_is_to_be_shown_is_read() {
    let authorization = begun(200, BEGUN).unwrap_or_else(|_| panic!("refused"));
    assert!(authorization.device_code.same_as(b"dc-1"));
    assert_eq!(authorization.user_code, "WDJB-MJHT");
    assert_eq!(authorization.verification_uri, url("https://as.example/device"));
    assert!(authorization.verification_uri_complete.is_some());
    assert_eq!((authorization.expires_in.as_secs(), authorization.interval.as_secs()), (900, 7));
}

/// S17: no interval is five seconds.
#[test]
fn what_is_missing_has_a_default_and_what_is_hostile_is_left_out() {
    let google = r#"{"device_code":"dc","user_code":"A\u0007B","verification_url":"https://www.google.com/device"}"#;
    let authorization = begun(200, google).unwrap_or_else(|_| panic!("refused"));
    assert_eq!((authorization.expires_in.as_secs(), authorization.interval.as_secs()), (600, 5));
    assert_eq!(authorization.user_code, "A B");

    let endless = BEGUN.replace("900", "1e9").replace(":7", ":\"1000\"");
    let authorization = begun(200, &endless).unwrap_or_else(|_| panic!("refused"));
    assert_eq!((authorization.expires_in.as_secs(), authorization.interval.as_secs()), (3600, 300));

    let script = BEGUN.replace("https://as.example/device?", "javascript:alert?");
    assert!(begun(200, &script).is_ok_and(|authorization| authorization.verification_uri_complete.is_none()));
}

#[test]
fn what_is_no_authorization_is_judged_like_any_answer() {
    assert!(matches!(begun(400, r#"{"error":"unauthorized_client"}"#), Err(Outcome::Misconfigured { .. })));
    assert!(matches!(begun(200, r#"{"error":"device_flow_disabled"}"#), Err(Outcome::Misconfigured { .. })), "GitHub");
    assert!(matches!(begun(404, ""), Err(Outcome::Drift { .. })));
    assert!(matches!(begun(200, "<html>"), Err(Outcome::Portal { .. })));
    assert!(matches!(begun(500, BEGUN), Err(Outcome::Ambiguous { .. })));
    for name in ["device_code", "user_code", "verification_uri"] {
        assert!(begun(200, &BEGUN.replace(&format!("\"{name}\""), "\"x\"")).is_err(), "{name}");
    }
    assert!(begun(200, &BEGUN.replace("https://as.example/device\"", "http://as.example/device\"")).is_err());
}

#[test]
fn not_yet_is_understood_at_every_status() {
    for status in [400, 403, 200, 428] {
        assert!(matches!(
            answered(status, r#"{"error":"authorization_pending"}"#),
            Polled::Pending { interval: FIVE, quiet: None }
        ));
    }
}

#[test]
fn slow_down_is_for_good() {
    for (status, body, seconds) in [
        (400, r#"{"error":"slow_down"}"#, 10),
        (429, r#"{"error":"slow_down"}"#, 10),
        (200, r#"{"error":"slow_down","interval":17}"#, 17),
        (200, r#"{"error":"slow_down","interval":3}"#, 10),
        (200, r#"{"error":"slow_down","interval":1e9}"#, 300),
    ] {
        let slower = Duration::from_secs(seconds);
        assert!(
            matches!(answered(status, body), Polled::Pending { interval, quiet: None } if interval == slower),
            "{status} {body}"
        );
    }
}

#[test]
fn everything_else_ends_the_polling() {
    let outcome = |status, body| match answered(status, body) {
        Polled::Answered(answer) => answer.outcome,
        Polled::Pending { .. } => panic!("pending: {status} {body}"),
    };
    assert!(matches!(outcome(200, r#"{"access_token":"a"}"#), Outcome::Granted(_)));
    assert!(matches!(outcome(403, r#"{"error":"access_denied"}"#), Outcome::AccessDenied { .. }));
    assert!(matches!(outcome(403, r#"{"error":"expired_token"}"#), Outcome::Ended { .. }));
    assert!(matches!(outcome(403, r#"{"error":"invalid_grant"}"#), Outcome::Ended { .. }), "Auth0, the second time");
    let lost = with_context(|context| polled(Err(Fault::Lost { why: "as.example".into() }), FIVE, context));
    assert!(matches!(lost, Polled::Answered(answer) if matches!(answer.outcome, Outcome::Ambiguous { .. })));
}
