//! Every answer to a registration means what its file in `registrations/` says, and the requests are those of the RFCs.

use super::*;
use crate::oauth::testing::{self, Case, response, url};

fn redirect() -> Redirect {
    Redirect { host: "127.0.0.1".into(), ports: vec![61_001, 61_002], path: Some("/callback".into()) }
}

fn scopes() -> Vec<String> {
    vec!["openid".into(), "offline_access".into()]
}

fn document(request: &Request) -> serde_json::Value {
    serde_json::from_slice(request.body().reveal()).expect("JSON")
}

fn metadata() -> Metadata {
    Metadata { registration_endpoint: Some(url("https://as.example/reg")), ..testing::metadata() }
}

#[test]
fn every_known_answer_means_what_it_should() {
    let (redirect, scopes) = (redirect(), scopes());
    let wish = Wish { redirect: &redirect, scopes: &scopes, token: None };
    let cases = Case::all_in("registrations");
    assert!(cases.len() >= 35, "the corpus has shrunk to {}", cases.len());
    for case in &cases {
        let result = read(&case.sent(), "as.example", &wish);
        let seen = seen(&result);
        for key in case.keys().filter(|key| *key != "why") {
            let found = seen.iter().find(|(name, _)| *name == key).map(|(_, value)| value.as_str());
            assert_eq!(found, case.get(key), "{}: {key}", case.name);
        }
        let why = result.err().map(|problem| problem.to_string()).unwrap_or_default();
        assert!(why.contains(case.get("why").unwrap_or_default()), "{}: {why}", case.name);
        assert!(!why.contains("canary") && !why.chars().any(char::is_control), "{}: {why}", case.name);
    }
}

fn seen(result: &Result<Registered, NotRegistered>) -> Vec<(&'static str, String)> {
    let client = match result {
        Ok(client) => client,
        Err(NotRegistered::TooMuch(_)) => return vec![("expect", "too-much".into())],
        Err(NotRegistered::NotOpen(_)) => return vec![("expect", "not-open".into())],
        Err(NotRegistered::WantsToken(_)) => return vec![("expect", "wants-token".into())],
        Err(NotRegistered::TokenRefused(_)) => return vec![("expect", "token-refused".into())],
        Err(NotRegistered::NotNow(_)) => return vec![("expect", "not-now".into())],
        Err(NotRegistered::Wrong(_)) => return vec![("expect", "wrong".into())],
    };
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let auth = client.auth.map(|auth| match auth {
        ClientAuth::None => "none",
        ClientAuth::Basic => "basic",
        ClientAuth::Post => "post",
        ClientAuth::BasicRaw | ClientAuth::PrivateKeyJwt => "another",
    });
    let redirect = client.redirect.as_ref().map(|redirect| {
        let ports = redirect.ports.iter().map(u16::to_string);
        let parts = std::iter::once(redirect.host.clone()).chain(ports).chain(redirect.path.clone());
        parts.collect::<Vec<_>>().join(" ")
    });
    let secret = client.secret.as_ref().map(|secret| secret.reveal_str().expect("text").to_owned());
    vec![
        ("expect", "registered".into()),
        ("client", client.client_id.clone()),
        ("auth", or_none(auth.map(str::to_owned))),
        ("secret", or_none(secret)),
        ("ends", or_none(client.secret_expires_at.map(|at| at.to_string()))),
        ("redirect", or_none(redirect)),
        ("scopes", or_none(client.scopes.as_ref().map(|scopes| scopes.join(" ")))),
        ("refreshes", if client.refreshes { "yes" } else { "no" }.into()),
        ("managed", or_none(client.management.as_ref().map(|management| management.uri.to_string()))),
    ]
}

/// A26: what is asked for is a native public client, with every address that a browser may come back to.
#[test]
fn a_native_public_client_is_asked_for() {
    let (redirect, scopes) = (redirect(), scopes());
    let wish = Wish { redirect: &redirect, scopes: &scopes, token: None };
    let endpoint = url("https://as.example/reg");
    let metadata = Metadata { token_endpoint_auth_methods_supported: Some(vec!["none".to_owned()]), ..metadata() };
    let asked = request(&endpoint, &metadata, &wish);
    assert_eq!((asked.method().as_str(), asked.uri().path()), ("POST", "/reg"));
    assert_eq!(asked.headers()[header::CONTENT_TYPE], "application/json");
    assert_eq!(
        document(&asked),
        serde_json::json!({
            "client_name": "tokenkeeper",
            "application_type": "native",
            "token_endpoint_auth_method": "none",
            "redirect_uris": ["http://127.0.0.1:61001/callback", "http://127.0.0.1:61002/callback"],
            "response_types": ["code"],
            "grant_types": ["authorization_code", "refresh_token"],
            "scope": "openid offline_access",
        })
    );
    let device = url("https://as.example/device");
    let both = Metadata { device_authorization_endpoint: Some(device.clone()), ..metadata };
    assert_eq!(document(&request(&endpoint, &both, &wish))["grant_types"][1], DEVICE);
    let alone = Metadata { authorization_endpoint: None, ..both.clone() };
    let asked = document(&request(&endpoint, &alone, &wish));
    assert_eq!(asked["grant_types"], serde_json::json!([DEVICE, "refresh_token"]));
    assert!(asked.get("redirect_uris").is_none(), "nobody comes back");

    let less = document(&least(&endpoint, &both, &wish));
    assert!(less.get("scope").is_none());
    assert_eq!(less["grant_types"], serde_json::json!(["authorization_code", "refresh_token"]));
}

/// A26: who was given an initial access token shows it (RFC 7591 §3), to the registration endpoint alone.
#[test]
fn an_initial_access_token_is_shown() {
    let (redirect, scopes) = (redirect(), scopes());
    let token = InitialToken::new(Secret::copy_of(b"canary-iat")).expect("it fits into a header");
    let wish = Wish { redirect: &redirect, scopes: &scopes, token: Some(&token) };
    let endpoint = url("https://as.example/reg");
    for asked in [request(&endpoint, &metadata(), &wish), least(&endpoint, &metadata(), &wish)] {
        let bearer = &asked.headers()[header::AUTHORIZATION];
        assert!(bearer.is_sensitive() && bearer == "Bearer canary-iat");
        assert!(!document(&asked).to_string().contains("canary"));
    }
    for status in [401, 403] {
        let body = r#"{"error":"invalid_token","error_description":"canary-iat is unknown"}"#;
        let refused = read(&Ok(response(status, body)), "as.example", &wish).err().expect("refused");
        assert!(matches!(refused, NotRegistered::TokenRefused(_)), "{refused}");
        let said = refused.to_string();
        assert!(said.contains("([hidden] is unknown)") && !said.contains("canary"), "{said}");
    }
    for none in [&b""[..], b"two words", b"line\n", "ü".as_bytes(), &[b'x'; MAX_TOKEN + 1]] {
        assert!(InitialToken::new(Secret::copy_of(none)).is_none());
    }
}

#[test]
fn a_server_without_public_clients_is_asked_for_another_kind() {
    let (redirect, scopes) = (redirect(), scopes());
    let wish = Wish { redirect: &redirect, scopes: &scopes, token: None };
    for (listed, method) in [
        (None, "client_secret_basic"),
        (Some(vec![]), "none"),
        (Some(vec!["none", "client_secret_basic"]), "none"),
        (Some(vec!["client_secret_post", "client_secret_basic"]), "client_secret_basic"),
        (Some(vec!["client_secret_post"]), "client_secret_post"),
        (Some(vec!["private_key_jwt"]), "none"),
    ] {
        let listed = listed.map(|listed| listed.into_iter().map(str::to_owned).collect());
        let metadata = Metadata { token_endpoint_auth_methods_supported: listed, ..metadata() };
        let asked = document(&request(&url("https://as.example/reg"), &metadata, &wish));
        assert_eq!(asked["token_endpoint_auth_method"], method);
    }
}
