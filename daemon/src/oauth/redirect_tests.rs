use super::*;
use crate::oauth::testing::secret;

const OWN: &str = "https://as.example";

fn judge(query: &[(&str, &str)], own: Option<&str>, required: bool) -> Result<String, RedirectProblem> {
    let query: Vec<_> = query.iter().map(|(name, value)| ((*name).to_owned(), secret(value))).collect();
    let code = read(&query, &secret("state-1"), own, required)?;
    Ok(code.reveal_str().expect("text").to_owned())
}

#[test]
fn a_code_for_this_login_is_taken() {
    for query in [
        &[("code", "c-1"), ("state", "state-1")][..],
        &[("state", "state-1"), ("iss", OWN), ("code", "c-1"), ("session_state", "x"), ("scope", "a"), ("scope", "b")],
    ] {
        assert_eq!(judge(query, Some(OWN), false), Ok("c-1".into()));
    }
}

/// A4: compared in constant time, before anything else is looked at.
#[test]
fn a_wrong_missing_or_empty_state_is_refused() {
    for query in [
        &[("code", "c")][..],
        &[("code", "c"), ("state", "state-2")],
        &[("code", "c"), ("state", "")],
        &[("code", "c"), ("state", "state-11")],
    ] {
        assert_eq!(judge(query, Some(OWN), false), Err(RedirectProblem::State), "{query:?}");
    }
    assert_eq!(
        judge(&[("error", "access_denied"), ("state", "other")], Some(OWN), false),
        Err(RedirectProblem::State),
        "an error of somebody else's login does not end ours"
    );
}

#[test]
fn nothing_may_come_twice() {
    for name in ["code", "state", "iss", "error", "error_description"] {
        let query = [
            ("code", "c"),
            ("state", "state-1"),
            ("iss", OWN),
            ("error", "x"),
            ("error_description", "y"),
            (name, "z"),
        ];
        assert_eq!(judge(&query, Some(OWN), false), Err(RedirectProblem::Duplicate(name)));
    }
    assert_eq!(
        judge(&[("code", "c"), ("code", "c"), ("state", "state-1")], Some(OWN), false),
        Err(RedirectProblem::Duplicate("code")),
        "not even with the same value"
    );
}

/// A13: RFC 9207 §2.4.
#[test]
fn a_code_from_another_server_is_never_used() {
    for iss in ["https://evil.example", "https://as.example/", ""] {
        let mixed = judge(&[("code", "c"), ("state", "state-1"), ("iss", iss)], Some(OWN), false);
        assert!(matches!(mixed, Err(RedirectProblem::Issuer(_))), "{iss}");
    }
    let refused =
        judge(&[("error", "access_denied"), ("state", "state-1"), ("iss", "https://evil.example")], Some(OWN), false);
    assert!(matches!(refused, Err(RedirectProblem::Issuer(_))), "an error is judged by its issuer, too");
}

#[test]
fn an_issuer_that_is_promised_must_come() {
    let missing = judge(&[("code", "c"), ("state", "state-1")], Some(OWN), true);
    assert!(matches!(missing, Err(RedirectProblem::Issuer(_))));
    assert_eq!(judge(&[("code", "c"), ("state", "state-1"), ("iss", OWN)], Some(OWN), true), Ok("c".into()));
}

#[test]
fn without_a_known_issuer_there_is_nothing_to_compare() {
    assert_eq!(
        judge(&[("code", "c"), ("state", "state-1"), ("iss", "https://x.example")], None, false),
        Ok("c".into())
    );
}

#[test]
fn denied_consent_says_so() {
    let denied = |description: &str| {
        judge(&[("error", "access_denied"), ("error_description", description), ("state", "state-1")], Some(OWN), false)
            .expect_err("denied")
            .to_string()
    };
    assert_eq!(denied(""), "consent was denied");
    assert_eq!(denied("User did not authorize the request"), "consent was denied: User did not authorize the request");
}

#[test]
fn other_errors_are_quoted_fit_to_show() {
    let query = [
        ("error", "server\u{1b}error\n"),
        ("error_description", "a\u{202e}b\u{7}"),
        ("state", "state-1"),
        ("code", "c"),
    ];
    let refused = judge(&query, Some(OWN), false).expect_err("refused even beside a code");
    assert_eq!(refused.to_string(), "the server refused the sign-in: server error: a b");
    let long = "x ".repeat(5000);
    let refused = judge(&[("error", "e"), ("error_description", &long), ("state", "state-1")], Some(OWN), false);
    assert!(refused.expect_err("refused").to_string().len() < 300);
    let empty = judge(&[("error", ""), ("state", "state-1")], Some(OWN), false).expect_err("refused");
    assert_eq!(empty.to_string(), "the server refused the sign-in: no reason given");
}

#[test]
fn no_code_is_no_login() {
    for query in [&[("state", "state-1")][..], &[("state", "state-1"), ("code", "")]] {
        assert_eq!(judge(query, Some(OWN), false), Err(RedirectProblem::NoCode));
    }
}
