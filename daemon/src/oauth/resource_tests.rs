//! Every description of a resource means what its file in `resources/` says.

use http::HeaderValue;

use super::*;
use crate::oauth::testing::{Case, response, url};

const ASKED: &str = "https://mcp.example/mcp";

#[test]
fn every_known_description_means_what_it_should() {
    let cases = Case::all_in("resources");
    assert!(cases.len() >= 15, "the corpus has shrunk to {}", cases.len());
    for case in &cases {
        let Ok(answer) = case.sent() else { panic!("{}: no answer", case.name) };
        let (word, servers, scopes, why) = match read(&url(ASKED), ASKED, &answer) {
            Ok(found) => ("described", found.servers.join(" "), found.scopes.join(" "), String::new()),
            Err(DiscoveryProblem::Absent(why)) => ("absent", String::new(), String::new(), why),
            Err(DiscoveryProblem::NotNow(why)) => ("not-now", String::new(), String::new(), why),
            Err(DiscoveryProblem::Wrong(why)) => ("wrong", String::new(), String::new(), why),
        };
        let list = |text: &str| if text.is_empty() { "-".to_owned() } else { text.to_owned() };
        assert_eq!(case.get("expect"), Some(word), "{}: {why}", case.name);
        assert_eq!(case.get("servers").unwrap_or(&list(&servers)), list(&servers), "{}", case.name);
        assert_eq!(case.get("scopes").unwrap_or(&list(&scopes)), list(&scopes), "{}", case.name);
        assert!(why.contains(case.get("why").unwrap_or_default()), "{}: {why}", case.name);
    }
}

#[test]
fn the_description_lies_between_host_and_path() {
    for (resource, place) in [
        ("https://mcp.example", "https://mcp.example/.well-known/oauth-protected-resource"),
        ("https://mcp.example/", "https://mcp.example/.well-known/oauth-protected-resource"),
        ("https://mcp.example/a/b", "https://mcp.example/.well-known/oauth-protected-resource/a/b"),
        ("https://mcp.example:8443/a?t=1", "https://mcp.example:8443/.well-known/oauth-protected-resource/a?t=1"),
    ] {
        assert_eq!(well_known(&address(resource).expect("good")).as_str(), place);
    }
    for bad in
        ["mcp", "http://mcp.example/", "https://u:p@mcp.example/", "https://mcp.example/#x", "file:///etc/passwd"]
    {
        assert!(matches!(address(bad), Err(DiscoveryProblem::Wrong(_))), "{bad}");
    }
    let root = url("https://mcp.example");
    let body = r#"{"resource":"https://mcp.example/","authorization_servers":["https://as.example"]}"#;
    assert!(read(&root, "https://mcp.example", &response(200, body)).is_ok(), "a root's slash makes no difference");
}

#[test]
fn a_refusal_says_where_the_description_is() {
    let knocked = |status: u16, headers: &[&str]| {
        let mut answer = response(status, "");
        for header in headers {
            answer.headers_mut().append(header::WWW_AUTHENTICATE, HeaderValue::from_str(header).expect("a header"));
        }
        invitation(&answer)
    };
    let place = Some(url("https://mcp.example/meta"));
    let found =
        knocked(401, &["Basic realm=x", r#"Bearer resource_metadata="https://mcp.example/meta", scope="a b a""#]);
    assert_eq!(found, Invitation { metadata: place.clone(), scopes: vec!["a".into(), "b".into()] });
    let dpop = knocked(401, &[r#"DPoP algs="ES256", resource_metadata="https://mcp.example/meta""#]);
    assert_eq!(dpop.metadata, place);
    for (status, header) in [
        (200, r#"Bearer resource_metadata="https://mcp.example/meta""#),
        (403, r#"Bearer resource_metadata="https://mcp.example/meta""#),
        (401, r#"Basic resource_metadata="https://mcp.example/meta""#),
        (401, r#"Bearer resource_metadata="http://mcp.example/meta""#),
        (401, r#"Bearer resource_metadata="file:///etc/passwd""#),
        (401, "Bearer error=\"invalid_token\""),
    ] {
        assert_eq!(knocked(status, &[header]), Invitation::default(), "{status} {header}");
    }
}
