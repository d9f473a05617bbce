//! What the fuzz targets call: each reads arbitrary bytes as one kind of input from the network, a file or the bus, and
//! asserts what must hold whatever they are.

use std::path::Path;
use std::time::Duration;

use http::{HeaderValue, Response, StatusCode};
use tokenkeeper_config::{ClientAuth, Config, Definition, Flow, Redirect, Specifiers, Switch};
use tokenkeeperd::oauth::answer::{self, AnswerContext, Kind};
use tokenkeeperd::oauth::device::{self, Polled};
use tokenkeeperd::oauth::id_token::{self, Expected};
use tokenkeeperd::oauth::management;
use tokenkeeperd::oauth::registration::{self, Wish};
use tokenkeeperd::oauth::{Fault, Outcome, challenge, introspect, keys, metadata, par, redirect, resource};
use tokenkeeperd::secret::Secret;
use tokenkeeperd::time::Wall;
use url::Url;

const NOW: Wall = Wall(1_792_567_680_000);
const HOST: &str = "as.example";
const ISSUER: &str = "https://as.example";
const CANARY: &str = "rt-canary";

/// A token endpoint's answer: a byte of status, one of form, two short header values, the body.
pub fn token_answer(data: &[u8]) {
    let Some(Told { status, is_cut, is_nested, sent }) = told(data) else { return };
    let definition = Definition { token_path: is_nested.then(|| "authed_user".to_owned()), ..definition() };
    if let Some(left) = introspect::read(&sent, NOW) {
        assert!(status == StatusCode::OK && left.as_secs() >= 1 && left.as_secs() <= 100 * 366 * 86_400);
    }
    let sent_token = Secret::from(CANARY.to_owned());
    let context =
        AnswerContext { definition: &definition, host: HOST, kind: Kind::Refresh, wall: NOW, secrets: &[&sent_token] };
    let answer = answer::read(sent, &context);

    if let Some(token) = &answer.refresh_token {
        assert!(!token.is_empty(), "an empty refresh token would replace a good one");
    }
    match answer.outcome {
        Outcome::Granted(granted) => {
            assert!(status.is_success());
            assert!(!granted.access_token.is_empty());
            assert!(granted.access_token.reveal().iter().all(|byte| (0x20..=0x7e).contains(byte)), "fits in a header");
            for span in [granted.lifetime, granted.refresh_in, granted.login_lifetime, granted.refresh_lifetime]
                .into_iter()
                .flatten()
            {
                assert!(span.as_secs() >= 1 && span.as_secs() <= 100 * 366 * 86_400);
            }
            assert!(!granted.token_type.is_empty() && !granted.token_type.chars().any(char::is_control));
        }
        Outcome::NotProcessed { why, retry_after } => {
            assert!(retry_after.as_secs() >= 1 && retry_after.as_secs() <= 86_400);
            fit_for_people(&why);
        }
        Outcome::Ended { why } => {
            assert!(!status.is_server_error() && !status.is_redirection(), "a {status} is never a logout");
            assert!(!is_cut, "what broke off is never a logout");
            fit_for_people(&why);
        }
        Outcome::NotSent { .. } => panic!("it was sent"),
        Outcome::Ambiguous { why }
        | Outcome::Portal { why }
        | Outcome::Attention { why }
        | Outcome::AccessDenied { why }
        | Outcome::Misconfigured { why }
        | Outcome::BadRequest { why }
        | Outcome::BadTarget { why }
        | Outcome::Unexplained { why }
        | Outcome::AnotherProof { why }
        | Outcome::Drift { why } => fit_for_people(&why),
    }
}

/// The answers of the device flow, in the same form: to the request for a code, then to a poll.
pub fn device_answer(data: &[u8]) {
    let (definition, code) = (definition(), Secret::from(CANARY.to_owned()));
    let secrets = [&code];
    let of = |kind| AnswerContext { definition: &definition, host: HOST, kind, wall: NOW, secrets: &secrets };
    let Some(Told { sent, status, .. }) = told(data) else { return };
    match device::read(sent, &of(Kind::DeviceAuthorization)) {
        Ok(authorization) => {
            assert!(status.is_success() && !authorization.device_code.is_empty());
            fit_for_people(&authorization.user_code);
            let complete = authorization.verification_uri_complete;
            [Some(authorization.verification_uri), complete].iter().flatten().for_each(fit_to_visit);
            assert!((1..=3600).contains(&authorization.expires_in.as_secs()));
            assert!((1..=300).contains(&authorization.interval.as_secs()));
        }
        Err(Outcome::Granted(_)) => assert!(status.is_success()),
        Err(_) => {}
    }
    let Some(Told { sent, is_cut, .. }) = told(data) else { return };
    match device::polled(sent, Duration::from_secs(5), &of(Kind::Device)) {
        Polled::Pending { interval, quiet } => {
            assert!(!is_cut && (5..=300).contains(&interval.as_secs()));
            assert!(quiet.is_none_or(|quiet| quiet.as_secs() <= 86_400));
        }
        Polled::Answered(_) => {}
    }
}

/// The answer to a pushed authorization request, in the same form.
pub fn pushed(data: &[u8]) {
    let Some(Told { sent, status, is_cut, .. }) = told(data) else { return };
    let definition = definition();
    let context = AnswerContext { definition: &definition, host: HOST, kind: Kind::Push, wall: NOW, secrets: &[] };
    match par::read(sent, &context) {
        Ok(pushed) => {
            assert!(status.is_success() && !is_cut);
            assert!(!pushed.request_uri.is_empty() && pushed.request_uri.len() <= 2048);
            assert!(pushed.request_uri.bytes().all(|byte| byte.is_ascii_graphic()), "{}", pushed.request_uri);
            assert!((1..=600).contains(&pushed.expires_in.as_secs()));
        }
        Err(Outcome::Granted(_)) => assert!(status.is_success()),
        Err(_) => {}
    }
}

/// A metadata document or a JWK set.
pub fn metadata(data: &[u8]) {
    let response = Response::new(Secret::copy_of(data));
    let _ = keys::read(&response);
    match metadata::read(&definition(), ISSUER, &response) {
        Ok(metadata) => {
            let endpoints = [
                &metadata.authorization_endpoint,
                &metadata.token_endpoint,
                &metadata.device_authorization_endpoint,
                &metadata.revocation_endpoint,
                &metadata.introspection_endpoint,
                &metadata.pushed_authorization_request_endpoint,
                &metadata.registration_endpoint,
                &metadata.jwks_uri,
            ];
            for url in endpoints.into_iter().flatten() {
                fit_to_visit(url);
                // Whatever is believed can be asked.
                let _ = metadata::request(url);
            }
            assert!(matches!(metadata.issuer.as_deref(), Some("https://as.example" | "https://as.example/")));
        }
        Err(problem) => fit_for_people(&problem.to_string()),
    }
}

/// The answer to a client registration: a byte of status, the body.
pub fn registered(data: &[u8]) {
    let [status, body @ ..] = data else { return };
    let statuses = [200, 201, 204, 302, 400, 401, 403, 404, 429, 500];
    let status = StatusCode::from_u16(statuses[usize::from(*status) % statuses.len()]).expect("a status");
    let mut response = Response::new(Secret::copy_of(body));
    *response.status_mut() = status;
    let redirect = Redirect { host: "127.0.0.1".to_owned(), ports: vec![61_000], path: Some("/callback".to_owned()) };
    let wish = Wish { redirect: &redirect, scopes: &[], token: None };
    match registration::read(&Ok(response), HOST, &wish) {
        Ok(client) => {
            assert!(matches!(status.as_u16(), 200 | 201));
            assert!(!client.client_id.is_empty() && client.client_id.len() <= 2048 && client.client_id.is_ascii());
            assert!(client.secret.is_none() || client.auth != Some(ClientAuth::None), "it would never be shown");
            assert!(client.secret_expires_at.is_none() || client.secret.is_some());
            for redirect in client.redirect.iter() {
                assert!(matches!(redirect.host.as_str(), "127.0.0.1" | "[::1]" | "localhost"));
            }
            if let Some(management) = &client.management {
                let url = &management.uri;
                assert!(url.scheme() == "https" || url.scheme() == "http" && url.domain().is_none());
                // Whatever is kept can be sent.
                let _ = management::deletion(management);
            }
        }
        Err(problem) => fit_for_people(&problem.to_string()),
    }
}

/// What a protected resource says of itself: a `WWW-Authenticate` header up to the first line feed, the description.
pub fn resource(data: &[u8]) {
    let (header, body) = match data.iter().position(|&byte| byte == b'\n') {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &[][..]),
    };
    for challenge in challenge::read(header) {
        assert!(
            !challenge.scheme.is_empty() && !challenge.scheme.contains(|c: char| c.is_ascii_uppercase() || c == ' ')
        );
    }
    let mut refused = Response::new(Secret::copy_of(&[]));
    *refused.status_mut() = StatusCode::UNAUTHORIZED;
    if let Ok(value) = HeaderValue::from_bytes(header) {
        refused.headers_mut().insert("www-authenticate", value);
    }
    let invitation = resource::invitation(&refused);
    for url in invitation.metadata.iter() {
        assert!(url.scheme() == "https" || url.scheme() == "http" && url.domain().is_none());
        let _ = metadata::request(url);
    }
    let asked = "https://mcp.example/mcp";
    let address = resource::address(asked).expect("a good one");
    match resource::read(&address, asked, &Response::new(Secret::copy_of(body))) {
        Ok(described) => {
            assert!(!described.servers.is_empty() && described.servers.len() <= 8);
            for server in &described.servers {
                assert!(metadata::urls(server).is_ok(), "whatever is believed can be asked");
            }
            let scopes = described.scopes.iter().chain(&invitation.scopes);
            assert!(scopes.into_iter().all(|scope| !scope.is_empty() && !scope.contains([' ', '"', '\\'])));
        }
        Err(problem) => fit_for_people(&problem.to_string()),
    }
}

/// The query of a redirect.
pub fn redirect(data: &[u8]) {
    let query: Vec<(String, Secret)> = form_urlencoded::parse(data)
        .map(|(name, value)| (name.into_owned(), Secret::from(value.into_owned())))
        .collect();
    let state = Secret::from("state-1".to_owned());
    let required = data.len().is_multiple_of(2);
    match redirect::read(&query, &state, Some(ISSUER), required) {
        Ok(code) => {
            let only = |name: &str, value: &[u8]| {
                query.iter().filter(|(known, _)| known == name).all(|(_, found)| found.same_as(value))
            };
            assert!(!code.is_empty());
            assert!(query.iter().any(|(name, _)| name == "state") && only("state", b"state-1"));
            assert!(only("iss", ISSUER.as_bytes()));
            assert!(!required || query.iter().any(|(name, _)| name == "iss"));
            assert!(!query.iter().any(|(name, _)| name == "error"));
            assert_eq!(query.iter().filter(|(name, _)| name == "code").count(), 1);
        }
        Err(problem) => fit_for_people(&problem.to_string()),
    }
}

/// An ID token, with the JWK set after the first line feed if there is one.
pub fn id_token(data: &[u8]) {
    let (token, set) = match data.iter().position(|&byte| byte == b'\n') {
        Some(at) => (&data[..at], std::str::from_utf8(&data[at + 1..]).ok()),
        None => (data, None),
    };
    let nonce = Secret::from("n-1".to_owned());
    let expected = Expected {
        issuer: ISSUER,
        client_id: "cli",
        nonce: Some(&nonce),
        access_token: None,
        now: NOW,
        max_age: None,
        keys: set,
        algorithms: &[],
    };
    match id_token::check(&Secret::copy_of(token), &expected) {
        Ok(claims) => {
            assert_eq!(claims.issuer, ISSUER);
            assert!(!claims.subject.is_empty());
            assert!(claims.expires_at + 60 > NOW.unix());
            assert!(id_token::same_person(&claims, &claims));
        }
        Err(problem) => fit_for_people(&problem.to_string()),
    }
}

/// A record of the vault.
pub fn vault_record(data: &[u8]) {
    tokenkeeperd::vault::fuzzed::record(data);
}

/// A slot of the vault.
pub fn vault_slot(data: &[u8]) {
    tokenkeeperd::vault::fuzzed::slot(data);
}

/// What is kept while the vault's disk refuses.
pub fn vault_sink(data: &[u8]) {
    tokenkeeperd::vault::fuzzed::sink(data);
}

/// The options of a call.
pub fn options(data: &[u8]) {
    tokenkeeperd::dbus::fuzzed_options(data);
}

/// A question at the keeper's own socket.
pub fn door(data: &[u8]) {
    tokenkeeperd::dbus::fuzzed_question(data);
}

/// The head of a request to the loopback listener.
pub fn callback(data: &[u8]) {
    tokenkeeperd::keeper::fuzzed_callback(data);
}

/// A configuration file.
pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let specifiers = Specifiers { home: "/home/ada".into(), ..Specifiers::default() };
    let loaded = Config::parse(text, Path::new("config.toml"), &specifiers);
    for fault in &loaded.faults {
        assert!(!fault.to_string().is_empty());
    }
    let is_sound = loaded.faults.is_empty();
    for account in loaded.accounts.values() {
        match &account.definition {
            Ok(definition) => {
                let binding = tokenkeeperd::vault::binding(definition);
                assert_eq!(binding, tokenkeeperd::vault::binding(&definition.clone()));
                let endpoints = &definition.endpoints;
                for url in [&endpoints.token_endpoint, &endpoints.authorization_endpoint].into_iter().flatten() {
                    let here = url.domain().is_none_or(|name| name == "localhost");
                    assert!(url.scheme() == "https" || url.scheme() == "http" && here, "{url}");
                }
            }
            Err(fault) => assert!(!is_sound && !fault.to_string().is_empty(), "a fault that is not told"),
        }
    }
}

/// An address that a server gave, and that is asked or shown.
fn fit_to_visit(url: &Url) {
    assert!(url.scheme() == "https" || url.scheme() == "http" && url.domain().is_none(), "{url}");
    assert!(url.has_host() && url.fragment().is_none() && url.username().is_empty(), "{url}");
}

/// One line, bounded, without the token that was sent.
fn fit_for_people(sentence: &str) {
    assert!(!sentence.is_empty() && sentence.len() < 4096, "{} bytes", sentence.len());
    assert!(!sentence.chars().any(char::is_control), "{sentence:?}");
    assert!(!sentence.contains(CANARY), "{sentence:?}");
}

/// What a server said, or how it broke off.
struct Told {
    status: StatusCode,
    is_cut: bool,
    is_nested: bool,
    sent: Result<Response<Secret>, Fault>,
}

/// A byte of status, one of form, two short header values, the body.
fn told(data: &[u8]) -> Option<Told> {
    let [status, shape, rest @ ..] = data else { return None };
    let statuses = [200, 201, 204, 302, 307, 400, 401, 403, 404, 405, 408, 410, 429, 500, 502, 503, 504, 511];
    let status = StatusCode::from_u16(statuses[usize::from(*status) % statuses.len()]).expect("a status");
    let (is_nested, is_cut) = (shape & 1 == 1, shape & 2 == 2);
    let (content_type, rest) = split(rest);
    let (retry_after, body) = split(rest);
    if is_cut {
        let fault = Fault::Broken { status, partial: Secret::copy_of(body), why: format!("{HOST} broke off") };
        return Some(Told { status, is_cut, is_nested, sent: Err(fault) });
    }
    let mut response = Response::new(Secret::copy_of(body));
    *response.status_mut() = status;
    for (name, value) in
        [("content-type", content_type), ("retry-after", retry_after), ("x-ratelimit-reset", retry_after)]
    {
        if let Ok(value) = HeaderValue::from_bytes(value) {
            response.headers_mut().insert(name, value);
        }
    }
    Some(Told { status, is_cut, is_nested, sent: Ok(response) })
}

/// A piece of at most 63 bytes, its length before it.
fn split(data: &[u8]) -> (&[u8], &[u8]) {
    match data {
        [] => (data, data),
        [length, rest @ ..] => rest.split_at(usize::from(length % 64).min(rest.len())),
    }
}

fn definition() -> Definition {
    Definition {
        issuer: Some(ISSUER.to_owned()),
        flow: Flow::Browser,
        dpop: Switch::Off,
        par: Switch::Off,
        ..Definition::bare("work".parse().expect("a name"), "cli".to_owned())
    }
}
