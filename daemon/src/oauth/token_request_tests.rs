use tokenkeeper_config::{ClientAuth, Definition};

use super::*;
use crate::oauth::Metadata;
use crate::oauth::testing::{definition, form, metadata, secret, value};

fn refreshed(
    definition: &Definition,
    metadata: &Metadata,
    secret_: Option<&Secret>,
    ask: TokenAsk<'_>,
) -> Result<Request, CannotAsk> {
    refresh(&Client { definition, metadata, secret: secret_, key: None, proof: None }, &secret("rt-1"), ask)
}

fn listing(methods: &[&str]) -> Metadata {
    let methods = methods.iter().map(|method| (*method).to_owned()).collect();
    Metadata { token_endpoint_auth_methods_supported: Some(methods), ..metadata() }
}

/// S20: a form, never JSON.
#[test]
fn a_code_is_redeemed_by_a_public_client() {
    let (definition, metadata) = (definition(), metadata());
    let client = Client { definition: &definition, metadata: &metadata, secret: None, key: None, proof: None };
    let request = code(&client, &secret("c/1"), &secret("v-1"), "http://127.0.0.1:4711/cb").expect("a request");
    assert_eq!(request.method(), "POST");
    assert_eq!(request.uri(), "https://as.example/token");
    assert_eq!(request.headers()["accept"], "application/json");
    assert_eq!(request.headers()["content-type"], "application/x-www-form-urlencoded");
    assert!(!request.headers().contains_key("authorization"));
    let expected = [
        ("grant_type", "authorization_code"),
        ("code", "c/1"),
        ("redirect_uri", "http://127.0.0.1:4711/cb"),
        ("code_verifier", "v-1"),
        ("client_id", "cli"),
    ];
    assert_eq!(form(&request), expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn a_refresh_asks_for_nothing_that_was_not_asked_for() {
    let mut definition = definition();
    definition.audience = Some("https://api.example".into());
    let sent = form(&refreshed(&definition, &metadata(), None, TokenAsk::default()).expect("a request"));
    let expected = [("grant_type", "refresh_token"), ("refresh_token", "rt-1"), ("client_id", "cli")];
    assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn an_audience_is_asked_only_if_the_definition_names_it() {
    let mut definition = definition();
    definition.audience = Some("https://a.example".into());
    definition.audiences = vec!["https://b.example".into()];
    for audience in ["https://a.example", "https://b.example"] {
        let ask = TokenAsk { audience: Some(audience), ..TokenAsk::default() };
        let sent = form(&refreshed(&definition, &metadata(), None, ask).expect("a request"));
        assert_eq!(value(&sent, "audience"), Some(audience));
    }
    let ask = TokenAsk { audience: Some("https://c.example"), ..TokenAsk::default() };
    let refused = refreshed(&definition, &metadata(), None, ask).err();
    assert_eq!(refused, Some(CannotAsk::Undeclared("https://c.example".into())));
}

/// S2: a grant with two resources may refuse, and burn, a refresh that names none.
#[test]
fn of_several_resources_one_is_always_named() {
    let mut definition = definition();
    definition.resources = vec!["https://a.example".into(), "https://b.example".into()];
    let asked = |resource| {
        let ask = TokenAsk { resource, ..TokenAsk::default() };
        refreshed(&definition, &metadata(), None, ask)
            .map(|request| value(&form(&request), "resource").map(str::to_owned))
    };
    assert_eq!(asked(None), Ok(Some("https://a.example".into())));
    assert_eq!(asked(Some("https://b.example")), Ok(Some("https://b.example".into())));
    assert_eq!(asked(Some("https://c.example")), Err(CannotAsk::Undeclared("https://c.example".into())));
}

/// S3: fewer scopes at a refresh are permanent at five of eight servers.
#[test]
fn scopes_are_narrowed_only_where_it_is_not_for_good() {
    let mut definition = definition();
    let scopes = ["mail".to_owned(), "calendar".to_owned()];
    let ask = TokenAsk { scopes: &scopes, ..TokenAsk::default() };
    let sent = |definition: &Definition| form(&refreshed(definition, &metadata(), None, ask).expect("a request"));
    assert_eq!(value(&sent(&definition), "scope"), None);
    definition.scope_narrowing = ScopeNarrowing::PerRequest;
    assert_eq!(value(&sent(&definition), "scope"), Some("mail calendar"));
    definition.scope_separator = ',';
    assert_eq!(value(&sent(&definition), "scope"), Some("mail,calendar"));
}

#[test]
fn extra_parameters_are_sent_and_never_replace_ours() {
    let mut definition = definition();
    for (name, extra) in [
        ("redirect_uri", "http://127.0.0.1/cb"),
        ("refresh_token", "evil"),
        ("client_secret", "evil"),
        ("client_id", "evil"),
    ] {
        definition.token_params.insert(name.into(), extra.into());
    }
    let sent = form(&refreshed(&definition, &metadata(), None, TokenAsk::default()).expect("a request"));
    assert_eq!(value(&sent, "redirect_uri"), Some("http://127.0.0.1/cb"));
    assert_eq!(value(&sent, "refresh_token"), Some("rt-1"));
    assert_eq!(value(&sent, "client_id"), Some("cli"));
    assert_eq!(value(&sent, "client_secret"), None);
}

#[test]
fn a_client_asks_on_its_own_account() {
    let mut definition = definition();
    definition.audience = Some("https://api.example".into());
    definition.scopes = vec!["read".into(), "offline_access".into()];
    let password = secret("s-1");
    let metadata = listing(&["client_secret_post"]);
    let client =
        Client { definition: &definition, metadata: &metadata, secret: Some(&password), key: None, proof: None };
    let sent = form(&client_credentials(&client, TokenAsk::default()).expect("a request"));
    let expected = [
        ("grant_type", "client_credentials"),
        ("audience", "https://api.example"),
        ("scope", "read"),
        ("client_id", "cli"),
        ("client_secret", "s-1"),
    ];
    assert_eq!(sent, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let scopes = ["write".to_owned()];
    let sent =
        form(&client_credentials(&client, TokenAsk { scopes: &scopes, ..TokenAsk::default() }).expect("a request"));
    assert_eq!(value(&sent, "scope"), Some("write"));
}

/// A3, S13: two servers want it form-urlencoded, two want it raw. RFC 6749 §2.3.1 says to encode both parts first;
/// `a:b %+ü` shows who did.
#[test]
fn basic_authentication_encodes_both_parts_first() {
    let mut definition = definition();
    definition.client_id = "my cli:1".into();
    let password = secret("a:b %+ü");
    for (method, expected) in
        [(ClientAuth::Basic, "my+cli%3A1:a%3Ab+%25%2B%C3%BC"), (ClientAuth::BasicRaw, "my cli:1:a:b %+ü")]
    {
        definition.client_auth = Some(method);
        let request = refreshed(&definition, &metadata(), Some(&password), TokenAsk::default()).expect("a request");
        let header = &request.headers()["authorization"];
        let encoded = header.to_str().expect("text").strip_prefix("Basic ").expect("Basic");
        use base64::Engine;
        let decoded = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
        assert_eq!(String::from_utf8(decoded).expect("text"), expected);
        assert!(header.is_sensitive(), "never in a log");
        let sent = form(&request);
        assert_eq!((value(&sent, "client_id"), value(&sent, "client_secret")), (None, None), "never both");
    }
}

/// S13: the third way.
#[test]
fn in_the_body_a_secret_survives_every_character() {
    let mut definition = definition();
    definition.client_auth = Some(ClientAuth::Post);
    let password = secret("a:b%+ü&=");
    let request = refreshed(&definition, &metadata(), Some(&password), TokenAsk::default()).expect("a request");
    assert_eq!(value(&form(&request), "client_secret"), Some("a:b%+ü&="));
    assert!(!request.headers().contains_key("authorization"), "never both");
}

#[test]
fn the_method_is_chosen_from_what_the_server_lists() {
    let password = secret("s-1");
    let by_header = |metadata: &Metadata| {
        let request = refreshed(&definition(), metadata, Some(&password), TokenAsk::default()).expect("a request");
        let (header, body) =
            (request.headers().contains_key("authorization"), value(&form(&request), "client_secret").is_some());
        assert_ne!(header, body, "one method, never two");
        header
    };
    assert!(by_header(&metadata()), "RFC 8414 §2: nothing listed means Basic");
    assert!(by_header(&listing(&["client_secret_basic", "private_key_jwt"])));
    assert!(!by_header(&listing(&["client_secret_basic", "client_secret_post"])));
    assert!(!by_header(&listing(&["none"])));
    assert!(!by_header(&listing(&[])));
    let public =
        refreshed(&definition(), &listing(&["client_secret_post"]), None, TokenAsk::default()).expect("a request");
    assert_eq!(value(&form(&public), "client_id"), Some("cli"), "without a secret there is nothing to send");
}

#[test]
fn what_cannot_be_asked_says_why() {
    let mut definition = definition();
    for method in [ClientAuth::Basic, ClientAuth::BasicRaw, ClientAuth::Post] {
        definition.client_auth = Some(method);
        let refused = refreshed(&definition, &metadata(), None, TokenAsk::default()).err().expect("no secret");
        assert_eq!(refused, CannotAsk::NoSecret("work".into()));
        assert!(refused.to_string().contains("tokenkeeper secret work"));
    }
    definition.client_auth = Some(ClientAuth::PrivateKeyJwt);
    let refused = refreshed(&definition, &metadata(), None, TokenAsk::default()).err().expect("no key");
    assert_eq!(refused, CannotAsk::NoPrivateKey("work".into()));
    assert!(refused.to_string().contains("private_key_file"));
    definition.client_auth = None;
    let none = Metadata { token_endpoint: None, ..metadata() };
    assert_eq!(refreshed(&definition, &none, None, TokenAsk::default()).err(), Some(CannotAsk::NoEndpoint("token")));
}

#[test]
fn a_public_client_with_a_secret_keeps_it_to_itself() {
    let mut definition = definition();
    definition.client_auth = Some(ClientAuth::None);
    let password = secret("s-1");
    let request = refreshed(&definition, &metadata(), Some(&password), TokenAsk::default()).expect("a request");
    assert!(!request.headers().contains_key("authorization"));
    assert_eq!(value(&form(&request), "client_secret"), None);
}
