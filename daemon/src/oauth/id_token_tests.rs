//! Each claim mutated is refused; what real servers write is accepted.

use serde_json::{Value, json};

use super::*;

#[path = "id_token_signature_tests.rs"]
mod signatures;

const NOW: u64 = 1_792_567_680;
const ISSUER: &str = "https://as.example";

fn encode(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn unsigned(header: &Value, claims: &Value) -> Secret {
    Secret::from(format!("{}.{}.c2ln", encode(header), encode(claims)))
}

fn claims() -> Value {
    json!({"iss": ISSUER, "sub": "ada", "aud": "cli", "exp": NOW + 300, "iat": NOW, "nonce": "n-1",
           "auth_time": NOW - 10, "email": "ada@example.org"})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[name] = value;
    claims
}

fn without(name: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().expect("an object").remove(name);
    claims
}

struct Setting {
    nonce: Secret,
    access_token: Secret,
}

impl Setting {
    fn new() -> Self {
        Self { nonce: Secret::from("n-1".to_owned()), access_token: Secret::from("at-canary".to_owned()) }
    }

    fn expected<'a>(&'a self, keys: Option<&'a str>) -> Expected<'a> {
        Expected {
            issuer: ISSUER,
            client_id: "cli",
            nonce: Some(&self.nonce),
            access_token: Some(&self.access_token),
            now: Wall::from_unix(NOW),
            max_age: None,
            keys,
            algorithms: &[],
        }
    }
}

fn judged(claims: &Value) -> Result<IdClaims, IdTokenProblem> {
    check(&unsigned(&json!({"alg": "RS256"}), claims), &Setting::new().expected(None))
}

#[test]
fn a_good_token_says_who_signed_in() {
    let expected = IdClaims {
        issuer: ISSUER.into(),
        subject: "ada".into(),
        audience: vec!["cli".into()],
        expires_at: NOW + 300,
        auth_time: Some(NOW - 10),
        nonce_hash: Some(Sha256::digest("n-1").into()),
        acr: None,
        display_name: Some("ada@example.org".into()),
    };
    assert_eq!(judged(&claims()), Ok(expected));
}

/// A30: OpenID Connect Core §3.1.3.7, claim by claim.
#[test]
fn each_claim_mutated_is_refused() {
    use IdTokenProblem as P;
    for (claims, problem) in [
        (with("iss", json!("https://evil.example")), P::Issuer("https://evil.example".into())),
        (with("iss", json!("https://as.example/")), P::Issuer("https://as.example/".into())),
        (without("iss"), P::Malformed("no `iss`")),
        (with("aud", json!("other")), P::Audience),
        (with("aud", json!(["other", "another"])), P::Audience),
        (with("aud", json!([])), P::Audience),
        (without("aud"), P::Audience),
        (with("azp", json!("other")), P::Audience),
        (with("exp", json!(NOW - 60)), P::Time("has expired")),
        (without("exp"), P::Malformed("no `exp`")),
        (with("exp", json!(-1)), P::Malformed("no `exp`")),
        (with("iat", json!(NOW + 61)), P::Time("is from the future")),
        (with("nbf", json!(NOW + 61)), P::Time("is from the future")),
        (with("nonce", json!("n-2")), P::Nonce),
        (without("nonce"), P::Nonce),
        (without("sub"), P::Malformed("no `sub`")),
        (with("sub", json!("")), P::Malformed("no `sub`")),
        (with("sub", json!(1.5)), P::Malformed("no `sub`")),
        (with("sub", json!(1e15)), P::Malformed("no `sub`")),
        (with("at_hash", json!("bm90LXRoZS1oYXNo")), P::AccessTokenHash),
    ] {
        assert_eq!(judged(&claims), Err(problem), "{claims}");
    }
}

/// S18: an empty `aud`, float times, `auth_time: 0`, a `sub` of "1".
#[test]
fn what_real_servers_write_is_accepted() {
    for claims in [
        with("aud", json!(["cli"])),
        with("aud", json!(["other", "cli"])),
        with("azp", json!("cli")),
        with("exp", json!(NOW as f64 + 300.75)),
        with("iat", json!(NOW as f64 + 0.5)),
        with("exp", json!(NOW - 59)),
        with("iat", json!(NOW + 60)),
        with("auth_time", json!(0)),
        with("sub", json!("1")),
        with("sub", json!(1)),
        without("iat"),
        without("auth_time"),
    ] {
        assert!(judged(&claims).is_ok(), "{claims}");
    }
    let mut empty = with("aud", json!([]));
    empty["azp"] = json!("cli");
    assert!(judged(&empty).is_ok(), "an empty audience beside an authorized party");
    assert_eq!(judged(&with("auth_time", json!(0))).map(|claims| claims.auth_time), Ok(None));
    assert_eq!(judged(&with("exp", json!(1e300))).map(|claims| claims.expires_at), Ok(1_000_000_000_000));
    assert_eq!(judged(&with("sub", json!(17))).map(|claims| claims.subject), Ok("17".into()));
}

#[test]
fn googles_two_spellings_and_entras_template_are_the_same_issuer() {
    let setting = Setting::new();
    let header = json!({"alg": "RS256"});
    let google = |own, stated: &str| {
        let expected = Expected { issuer: own, ..setting.expected(None) };
        check(&unsigned(&header, &with("iss", json!(stated))), &expected).is_ok()
    };
    assert!(google("https://accounts.google.com", "accounts.google.com"));
    assert!(google("https://accounts.google.com", "https://accounts.google.com"));
    assert!(!google("https://as.example", "as.example"));
    assert!(!google("https://accounts.google.com", "https://evil.example"), "nobody else is Google");
    assert!(!google("https://as.example", "accounts.google.com"), "and Google is nobody else");

    let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
    let mut entra = with("iss", json!("https://login.microsoftonline.com/9188040d/v2.0"));
    entra["tid"] = json!("9188040d");
    let expected = Expected { issuer: template, ..setting.expected(None) };
    assert!(check(&unsigned(&header, &entra), &expected).is_ok());
    entra["tid"] = json!("another");
    assert!(check(&unsigned(&header, &entra), &expected).is_err(), "`iss` of another tenant than `tid`");
}

/// A30: the list of algorithms.
#[test]
fn algorithms_that_prove_nothing_are_refused_even_without_keys() {
    let setting = Setting::new();
    for alg in ["none", "None", "HS256", "HS512", "RS1", "", "ES256K"] {
        let refused = check(&unsigned(&json!({"alg": alg}), &claims()), &setting.expected(None));
        assert!(matches!(refused, Err(IdTokenProblem::Algorithm(_))), "{alg}");
    }
    assert!(matches!(
        check(&unsigned(&json!({}), &claims()), &setting.expected(None)),
        Err(IdTokenProblem::Algorithm(_))
    ));
    let only_rs256 = ["RS256".to_owned()];
    let expected = Expected { algorithms: &only_rs256, ..setting.expected(None) };
    assert!(check(&unsigned(&json!({"alg": "ES256"}), &claims()), &expected).is_err());
    assert!(check(&unsigned(&json!({"alg": "RS256"}), &claims()), &expected).is_ok());
    let only_eddsa = ["EdDSA".to_owned()];
    let expected = Expected { algorithms: &only_eddsa, ..setting.expected(None) };
    assert!(check(&unsigned(&json!({"alg": "Ed25519"}), &claims()), &expected).is_ok(), "another name of the same");
    assert!(check(&unsigned(&json!({"alg": "RS256"}), &claims()), &expected).is_err(), "another algorithm");
}

#[test]
fn critical_extensions_and_what_is_no_jwt_are_refused() {
    let setting = Setting::new();
    let critical = unsigned(&json!({"alg": "RS256", "crit": ["b64"]}), &claims());
    assert_eq!(check(&critical, &setting.expected(None)), Err(IdTokenProblem::Malformed("critical extensions")));
    for text in ["", "a", "a.b", "a.b.c", "e30.e30", "....", "W10.W10.x"] {
        let refused = check(&Secret::from(text.to_owned()), &setting.expected(None));
        assert!(refused.is_err(), "{text}");
    }
    let long = Secret::new(vec![b'a'; LIMIT + 1]);
    assert_eq!(check(&long, &setting.expected(None)), Err(IdTokenProblem::Malformed("too long")));
}

#[test]
fn an_id_token_is_read_up_to_64_kib() {
    let filled = |bytes| judged(&with("filler", json!("x".repeat(bytes))));
    assert!(filled(48_000).is_ok());
    assert_eq!(filled(50_000), Err(IdTokenProblem::Malformed("too long")));
}

#[test]
fn max_age_needs_a_recent_auth_time() {
    let setting = Setting::new();
    let expected = Expected { max_age: Some(Duration::from_secs(100)), ..setting.expected(None) };
    let aged = |claims: &Value| check(&unsigned(&json!({"alg": "RS256"}), claims), &expected).is_ok();
    assert!(aged(&with("auth_time", json!(NOW - 160))));
    assert!(!aged(&with("auth_time", json!(NOW - 161))));
    assert!(!aged(&without("auth_time")));
    assert!(!aged(&with("auth_time", json!(0))));
}

#[test]
fn the_access_token_beside_it_is_the_one_it_was_made_with() {
    let setting = Setting::new();
    let left = |hash: &[u8]| URL_SAFE_NO_PAD.encode(&hash[..hash.len() / 2]);
    let token = setting.access_token.reveal();
    let (short, middle, long) =
        (left(&Sha256::digest(token)), left(&Sha384::digest(token)), left(&Sha512::digest(token)));
    for (alg, hash, fits) in [
        ("RS256", &short, true),
        ("ES256", &short, true),
        ("ES384", &middle, true),
        ("PS512", &long, true),
        ("EdDSA", &long, true),
        ("EdDSA", &short, true),
        ("RS256", &long, false),
        ("PS512", &short, false),
        ("ES384", &short, false),
    ] {
        let token = unsigned(&json!({"alg": alg}), &with("at_hash", json!(hash)));
        assert_eq!(check(&token, &setting.expected(None)).is_ok(), fits, "{alg}");
    }
}

/// A31: `nonce` and `auth_time` may be absent; where both tokens state them, they are the login's.
#[test]
fn a_refresh_speaks_of_the_same_sign_in_where_it_says_so() {
    let login = judged(&claims()).expect("good");
    let differs = |later: &Value| {
        let setting = Setting::new();
        let expected = Expected { nonce: None, ..setting.expected(None) };
        let later = check(&unsigned(&json!({"alg": "RS256"}), later), &expected).expect("good by itself");
        differs_from_login(&login, &later)
    };
    assert_eq!(differs(&claims()), None);
    assert_eq!(differs(&without("nonce")), None);
    assert_eq!(differs(&without("auth_time")), None);
    assert_eq!(differs(&with("auth_time", json!(0))), None, "as good as absent");
    assert_eq!(differs(&with("auth_time", json!(NOW as f64 - 10.0))), None);
    assert_eq!(differs(&with("nonce", json!("n-2"))), Some("its nonce is not that of the login"));
    let moved = differs(&with("auth_time", json!(NOW)));
    assert_eq!(moved, Some("it says that the person signed in at another time"));
    let silent = IdClaims { nonce_hash: None, auth_time: None, ..login.clone() };
    assert_eq!(differs_from_login(&silent, &login), None, "the login did not say");
}

/// A31: `iss`, `sub` and `aud` are the login's.
#[test]
fn a_refresh_must_speak_of_the_same_person() {
    let login = judged(&claims()).expect("good");
    let later = |change: fn(&mut IdClaims)| {
        let mut later = login.clone();
        later.expires_at += 600;
        change(&mut later);
        same_person(&login, &later)
    };
    assert!(later(|_| {}));
    assert!(later(|claims| claims.auth_time = None), "optional claims vanish");
    assert!(later(|claims| claims.display_name = Some("new name".into())));
    assert!(!later(|claims| claims.subject = "eve".into()));
    assert!(!later(|claims| claims.issuer = "https://evil.example".into()));
    assert!(!later(|claims| claims.audience = vec!["other".into()]));
    assert!(!later(|claims| claims.audience.push("other".into())));

    let google = |issuer: &str| IdClaims { issuer: issuer.into(), ..login.clone() };
    assert!(same_person(&google("https://accounts.google.com"), &google("accounts.google.com")));
    assert!(!same_person(&google("https://accounts.google.com"), &login));
    assert!(!same_person(&login, &google("accounts.google.com")));

    let many =
        |audience: &[&str]| IdClaims { audience: audience.iter().map(|s| (*s).into()).collect(), ..login.clone() };
    assert!(same_person(&many(&["a", "b"]), &many(&["b", "a"])), "the order means nothing");
}

#[test]
fn names_are_made_fit_to_show() {
    let shown = judged(&with("email", json!("eve\u{202e}\n<b>"))).expect("good").display_name;
    assert_eq!(shown.as_deref(), Some("eve <b>"));
}
