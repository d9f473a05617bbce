use serde_json::{Value, json};

use super::*;
use crate::oauth::testing::{definition, response, url};

const ISSUER: &str = "https://as.example";

fn document() -> Value {
    json!({
        "issuer": ISSUER,
        "authorization_endpoint": "https://as.example/authorize",
        "token_endpoint": "https://as.example/token",
        "jwks_uri": "https://as.example/jwks",
        "code_challenge_methods_supported": ["S256", "plain"],
        "authorization_response_iss_parameter_supported": true,
    })
}

fn with(name: &str, value: Value) -> Value {
    let mut document = document();
    document[name] = value;
    document
}

fn read_document(document: &Value) -> Result<Metadata, DiscoveryProblem> {
    read(&definition(), ISSUER, &response(200, &document.to_string()))
}

fn addresses(issuer: &str) -> Vec<String> {
    urls(issuer).expect("addresses").into_iter().map(String::from).collect()
}

/// S15: an issuer with a path, or with a slash at its end, is looked for wherever it may lie.
#[test]
fn an_issuer_has_its_documents_in_a_fixed_order() {
    let root = [
        "https://as.example/.well-known/openid-configuration",
        "https://as.example/.well-known/oauth-authorization-server",
    ];
    assert_eq!(addresses("https://as.example"), root);
    assert_eq!(addresses("https://as.example/"), root);
    let path = [
        "https://as.example/realms/main/.well-known/openid-configuration",
        "https://as.example/.well-known/oauth-authorization-server/realms/main",
        "https://as.example/.well-known/openid-configuration/realms/main",
    ];
    assert_eq!(addresses("https://as.example/realms/main"), path);
    assert_eq!(addresses("https://as.example/realms/main/"), path);
    assert_eq!(addresses("http://127.0.0.1:8080")[0], "http://127.0.0.1:8080/.well-known/openid-configuration");
    assert_eq!(addresses("http://[::1]:8080")[0], "http://[::1]:8080/.well-known/openid-configuration");
}

#[test]
fn an_issuer_that_may_not_be_asked_is_a_fault_of_the_configuration() {
    for issuer in [
        "http://as.example",
        "http://localhost:8080",
        "http://10.0.0.1",
        "https://as}.example",
        "ftp://as.example",
        "as.example",
        "https://user@as.example",
        "https://as.example/#f",
        "https://as.example/?q",
        "data:text/plain,x",
    ] {
        assert!(matches!(urls(issuer), Err(DiscoveryProblem::Wrong(_))), "{issuer}");
    }
    for (issuer, why) in [
        (
            "http://as.example",
            "the issuer `http://as.example` is http: https is required (http only on 127.0.0.1 or [::1])",
        ),
        ("ftp://as.example", "the issuer `ftp://as.example` is not https"),
    ] {
        assert_eq!(urls(issuer), Err(DiscoveryProblem::Wrong(why.to_owned())));
    }
}

#[test]
fn a_good_document_is_believed() {
    let metadata = read_document(&document()).expect("good");
    assert_eq!(metadata.issuer.as_deref(), Some(ISSUER));
    assert_eq!(metadata.token_endpoint, Some(url("https://as.example/token")));
    assert_eq!(metadata.jwks_uri, Some(url("https://as.example/jwks")));
    assert!(metadata.iss_parameter_supported);
    assert_eq!(metadata.scopes_supported, None);
    assert_eq!(metadata.revocation_endpoint, None);
}

#[test]
fn metadata_of_another_issuer_is_refused() {
    for issuer in ["https://evil.example", "https://as.example/other", "https://AS.example", "http://as.example"] {
        let refused = read_document(&with("issuer", json!(issuer)));
        assert!(matches!(&refused, Err(DiscoveryProblem::Wrong(why)) if why.contains("another issuer")), "{issuer}");
    }
    let slash = read_document(&with("issuer", json!("https://as.example/"))).expect("the other spelling");
    assert_eq!(slash.issuer.as_deref(), Some("https://as.example/"), "the server's spelling is the one that counts");
}

/// A12: an endpoint that is http, or anything but https, is refused, whatever else the document says.
#[test]
fn every_endpoint_is_https_or_loopback() {
    for name in [
        "authorization_endpoint",
        "token_endpoint",
        "device_authorization_endpoint",
        "revocation_endpoint",
        "introspection_endpoint",
        "pushed_authorization_request_endpoint",
        "jwks_uri",
    ] {
        for bad in [
            "http://as.example/x",
            "http://localhost/x",
            "https://as}.example/x",
            "/x",
            "ftp://as.example/",
            "https://u:p@as.example/",
            "https://as.example/#x",
        ] {
            let refused = read_document(&with(name, json!(bad)));
            assert!(matches!(&refused, Err(DiscoveryProblem::Wrong(why)) if why.contains(name)), "{name} {bad}");
        }
        assert!(read_document(&with(name, json!(7))).is_err(), "{name} is no text");
        assert!(read_document(&with(name, json!("http://127.0.0.1:9/x"))).is_ok(), "{name} on loopback");
    }
    for none in [json!(null), json!("")] {
        assert_eq!(read_document(&with("jwks_uri", none)).expect("good").jwks_uri, None);
    }
}

/// S15: every endpoint can be set by hand.
#[test]
fn given_endpoints_win_even_over_bad_ones() {
    let mut definition = definition();
    let given = url("https://given.example/token");
    definition.endpoints.token_endpoint = Some(given.clone());
    let document = with("token_endpoint", json!("http://as.example/token")).to_string();
    let metadata = read(&definition, ISSUER, &response(200, &document)).expect("good");
    assert_eq!(metadata.token_endpoint, Some(given));
}

#[test]
fn a_server_without_a_token_endpoint_is_refused() {
    assert!(matches!(read_document(&with("token_endpoint", json!(null))), Err(DiscoveryProblem::Wrong(_))));
}

#[test]
fn pkce_is_s256_or_nothing() {
    let methods = |value| read_document(&with("code_challenge_methods_supported", value));
    assert!(matches!(methods(json!(["plain"])), Err(DiscoveryProblem::Wrong(_))));
    assert!(methods(json!(["S256"])).is_ok());
    assert!(methods(json!([])).is_ok());
    assert!(methods(json!(null)).is_ok(), "a server that does not say is sent S256 all the same");
}

#[test]
fn wrong_for_good_and_not_now_are_told_apart() {
    let judge = |status, body: &str| read(&definition(), ISSUER, &response(status, body)).expect_err("a problem");
    for (status, body) in [(404, ""), (400, "{}"), (403, "<html>"), (200, "{}"), (200, "hello"), (200, "[]"), (204, "")]
    {
        assert!(matches!(judge(status, body), DiscoveryProblem::Absent(_)), "{status} {body}");
    }
    for (status, body) in [
        (500, ""),
        (503, ""),
        (429, ""),
        (408, ""),
        (302, ""),
        (511, "<html>"),
        (407, ""),
        (200, "<html>"),
        (200, "{\"iss"),
        (200, ""),
    ] {
        assert!(matches!(judge(status, body), DiscoveryProblem::NotNow(_)), "{status} {body}");
    }
    let not_now = "as.example answered the request for its metadata with 503";
    assert_eq!(judge(503, ""), DiscoveryProblem::NotNow(not_now.to_owned()));
}

#[test]
fn the_worst_problem_is_the_one_to_report() {
    let [wrong, not_now, absent] = [
        DiscoveryProblem::Wrong("w".into()),
        DiscoveryProblem::NotNow("n".into()),
        DiscoveryProblem::Absent("a".into()),
    ];
    assert!(wrong.outweighs(&not_now) && not_now.outweighs(&absent) && wrong.outweighs(&absent));
    assert!(!absent.outweighs(&not_now) && !not_now.outweighs(&wrong));
}

#[test]
fn entras_template_is_the_issuer_of_each_tenant() {
    let asked = "https://login.microsoftonline.com/common/v2.0";
    let document = with("issuer", json!("https://login.microsoftonline.com/{tenantid}/v2.0")).to_string();
    assert!(read(&definition(), asked, &response(200, &document)).is_ok());
    assert!(read(&definition(), ISSUER, &response(200, &document)).is_err());
}

#[test]
fn given_endpoints_alone_are_enough_when_the_flow_needs_no_more() {
    let mut definition = definition();
    assert_eq!(given_only(&definition), None);
    definition.endpoints.token_endpoint = Some(url("https://as.example/token"));
    assert_eq!(given_only(&definition), None, "a browser login needs an authorization endpoint");
    definition.flow = Flow::ClientCredentials;
    assert!(given_only(&definition).is_some());
    definition.flow = Flow::Device;
    assert_eq!(given_only(&definition), None);
    definition.flow = Flow::Auto;
    assert_eq!(given_only(&definition), None);
    definition.endpoints.device_authorization_endpoint = Some(url("https://as.example/device"));
    assert!(given_only(&definition).is_some());
    definition.endpoints.device_authorization_endpoint = None;
    definition.endpoints.authorization_endpoint = Some(url("https://as.example/authorize"));
    assert!(given_only(&definition).is_some(), "a browser will do");
    definition.flow = Flow::Browser;
    let metadata = given_only(&definition).expect("all given");
    assert_eq!(metadata.token_endpoint, definition.endpoints.token_endpoint);
    assert_eq!(metadata.issuer, definition.issuer);
}

#[test]
fn a_request_for_metadata_asks_for_json() {
    let request = request(&url("https://as.example/.well-known/openid-configuration"));
    assert_eq!(request.method(), "GET");
    assert_eq!(request.headers()["accept"], "application/json");
    assert!(request.body().is_empty());
}

#[test]
fn what_the_server_writes_is_quoted_fit_to_show() {
    let hostile = with("token_endpoint", json!("ht tp://\u{1b}[31m\u{202e}x\n"));
    let Err(DiscoveryProblem::Wrong(why)) = read_document(&hostile) else { panic!("believed") };
    assert!(!why.chars().any(|c| c.is_control() || c == '\u{202e}'), "{why:?}");
}

/// A25: the endpoints for clients with a certificate (RFC 8705 §5) are not those of this one.
#[test]
fn mtls_aliases_leave_the_ordinary_endpoints_in_use() {
    let aliases = json!({
        "token_endpoint": "https://mtls.as.example/token",
        "revocation_endpoint": "https://mtls.as.example/revoke",
        "introspection_endpoint": "https://mtls.as.example/introspect",
        "device_authorization_endpoint": "https://mtls.as.example/device",
    });
    let metadata = read_document(&with("mtls_endpoint_aliases", aliases)).expect("good");
    assert_eq!(metadata, read_document(&document()).expect("good"));
    assert_eq!(metadata.token_endpoint, Some(url("https://as.example/token")));
}
