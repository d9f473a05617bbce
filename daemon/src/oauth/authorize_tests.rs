use super::*;
use crate::oauth::testing::{ask, definition, metadata, secret, url as address, value};

/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// The query of the address, for these scopes, `login_hint` and `prompt`.
fn made(
    definition: &Definition,
    metadata: &Metadata,
    scopes: &[&str],
    hint: Option<&str>,
    prompt: Option<&str>,
) -> Query {
    let (state, nonce, verifier) = (secret("state-1"), secret("nonce-1"), secret(VERIFIER));
    let scopes: Vec<String> = scopes.iter().map(|scope| (*scope).to_owned()).collect();
    let ask = AuthorizeAsk { scopes: &scopes, login_hint: hint, prompt, ..ask(&state, &nonce, &verifier) };
    let url = url(definition, metadata, &ask).expect("an address");
    assert_eq!(url.fragment(), None);
    url.query_pairs().into_owned().collect()
}

type Query = Vec<(String, String)>;

/// An ordinary login.
fn plain(definition: &Definition, metadata: &Metadata) -> Query {
    made(definition, metadata, &["openid", "offline_access"], None, None)
}

#[test]
fn the_request_has_every_parameter_once() {
    let query = plain(&definition(), &metadata());
    for (name, expected) in [
        ("response_type", "code"),
        ("client_id", "cli"),
        ("redirect_uri", "http://127.0.0.1:4711/cb"),
        ("scope", "openid offline_access"),
        ("state", "state-1"),
        ("nonce", "nonce-1"),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("prompt", "consent"),
    ] {
        assert_eq!(value(&query, name), Some(expected), "{name}");
    }
    assert_eq!(query.len(), 9);
    assert!(!query.iter().any(|(_, value)| value.contains(VERIFIER)), "the verifier stays here");
}

#[test]
fn details_and_how_to_sign_in_are_passed_on_as_they_are() {
    let details = r#"[{"type":"payment","amount":7}]"#;
    let definition = Definition { authorization_details: Some(details.to_owned()), ..definition() };
    let (state, nonce, verifier) = (secret("state-1"), secret("nonce-1"), secret(VERIFIER));
    let ask = AuthorizeAsk { acr_values: Some("phrh phr"), max_age: Some(0), ..ask(&state, &nonce, &verifier) };
    let query: Query = url(&definition, &metadata(), &ask).expect("an address").query_pairs().into_owned().collect();
    assert_eq!(value(&query, "authorization_details"), Some(details));
    assert_eq!(value(&query, "acr_values"), Some("phrh phr"));
    assert_eq!(value(&query, "max_age"), Some("0"));
}

#[test]
fn pkce_is_sent_to_servers_that_do_not_mention_it() {
    let metadata = Metadata { code_challenge_methods_supported: None, ..metadata() };
    assert_eq!(value(&plain(&definition(), &metadata), "code_challenge_method"), Some("S256"));
}

/// S12: a server refuses it without.
#[test]
fn a_nonce_goes_with_openid_only() {
    let query = made(&definition(), &metadata(), &["mail"], None, None);
    assert_eq!(value(&query, "nonce"), None);
    assert_eq!(value(&query, "prompt"), None, "nobody asked for offline access");
    let query = made(&definition(), &metadata(), &[], None, None);
    assert_eq!(value(&query, "scope"), None);
}

#[test]
fn scopes_are_joined_as_the_definition_says() {
    let definition = Definition { scope_separator: ',', ..definition() };
    assert_eq!(value(&plain(&definition, &metadata()), "scope"), Some("openid,offline_access"));
}

#[test]
fn audience_organization_and_every_resource_are_sent() {
    let mut definition = definition();
    definition.audience = Some("https://api.example".into());
    definition.organization = Some("org_1".into());
    definition.resources = vec!["https://a.example".into(), "https://b.example".into()];
    let query = plain(&definition, &metadata());
    assert_eq!(value(&query, "audience"), Some("https://api.example"));
    assert_eq!(value(&query, "organization"), Some("org_1"));
    let resources: Vec<_> =
        query.iter().filter(|(name, _)| name == "resource").map(|(_, value)| value.as_str()).collect();
    assert_eq!(resources, ["https://a.example", "https://b.example"], "RFC 8707 §2: the one that may repeat");
}

#[test]
fn extra_parameters_never_replace_ours() {
    let mut definition = definition();
    for (name, extra) in [
        ("state", "evil"),
        ("code_challenge_method", "plain"),
        ("nonce", "evil"),
        ("access_type", "offline"),
        ("login_hint", "preset"),
    ] {
        definition.authorize_params.insert(name.into(), extra.into());
    }
    let query = made(&definition, &metadata(), &["openid"], Some("ada"), None);
    assert_eq!(value(&query, "state"), Some("state-1"));
    assert_eq!(value(&query, "code_challenge_method"), Some("S256"));
    assert_eq!(value(&query, "nonce"), Some("nonce-1"));
    assert_eq!(value(&query, "access_type"), Some("offline"));
    assert_eq!(value(&query, "login_hint"), Some("ada"), "what is asked now counts more than the preset");
}

#[test]
fn a_nonce_is_not_smuggled_in_without_openid() {
    let mut definition = definition();
    definition.authorize_params.insert("nonce".into(), "x".into());
    assert_eq!(value(&made(&definition, &metadata(), &["mail"], None, None), "nonce"), None);
}

/// S11: `consent` where offline access is asked for and nobody said otherwise.
#[test]
fn prompt_is_the_asks_then_the_definitions_then_consent() {
    let mut definition = definition();
    assert_eq!(value(&made(&definition, &metadata(), &["openid"], None, Some("login")), "prompt"), Some("login"));
    definition.authorize_params.insert("prompt".into(), "select_account".into());
    assert_eq!(value(&plain(&definition, &metadata()), "prompt"), Some("select_account"));
    assert_eq!(value(&made(&definition, &metadata(), &["openid"], None, Some("login")), "prompt"), Some("login"));
    definition.authorize_params.insert("prompt".into(), String::new());
    assert_eq!(value(&plain(&definition, &metadata()), "prompt"), None, "an empty value takes the default back");
}

#[test]
fn the_endpoints_own_query_stays() {
    let endpoint = address("https://as.example/authorize?tenant=a%26b&state=stale");
    let metadata = Metadata { authorization_endpoint: Some(endpoint), ..metadata() };
    let query = plain(&definition(), &metadata);
    assert_eq!(value(&query, "tenant"), Some("a&b"));
    assert_eq!(value(&query, "state"), Some("state-1"));
}

#[test]
fn without_an_endpoint_or_a_client_there_is_no_address() {
    let (state, nonce, verifier) = (secret("s"), secret("n"), secret("v"));
    let ask = ask(&state, &nonce, &verifier);
    let none = Metadata { authorization_endpoint: None, ..metadata() };
    assert_eq!(url(&definition(), &none, &ask), Err(CannotAuthorize::NoEndpoint));
    let nobody = Definition { client_id: String::new(), ..definition() };
    assert_eq!(url(&nobody, &metadata(), &ask), Err(CannotAuthorize::NoClientId));
}
