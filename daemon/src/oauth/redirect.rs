//! The authorization response (RFC 6749 §4.1.2): what the browser brings back, checked before its code is used.
//!
//! The order matters: a foreign `state` says nothing about our login, a foreign `iss` makes the code a stolen one
//! (RFC 9207 §2.4), and only then does an `error` or a `code` mean anything.

use super::issuer;
use super::text;
use crate::secret::Secret;

/// Why a redirect brings no code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedirectProblem {
    /// A parameter came twice (RFC 6749 §3.1 forbids it).
    #[error("the browser came back with `{0}` twice")]
    Duplicate(&'static str),
    /// `state` is missing or not that of this login.
    #[error("the browser came back with a state that is not that of this login")]
    State,
    /// `iss` is missing although the server promises it, or is another server's.
    #[error("{0}")]
    Issuer(String),
    /// The person, or the server for them, said no.
    #[error("consent was denied{}", .0.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Denied(Option<String>),
    /// Any other error.
    #[error("the server refused the sign-in: {code}{}", .why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    Refused {
        /// The error code, fit to show.
        code: String,
        /// The server's words, fit to show.
        why: Option<String>,
    },
    /// Neither a code nor an error.
    #[error("the browser came back without a code")]
    NoCode,
}

/// The code of a redirect that is ours. `own_issuer` is the server's issuer, if it is known; `iss_required` what its
/// metadata promises (RFC 9207 §3).
///
/// # Errors
/// [`RedirectProblem`]; then no token request may be made.
pub fn read(
    query: &[(String, Secret)],
    expected_state: &Secret,
    own_issuer: Option<&str>,
    iss_required: bool,
) -> Result<Secret, RedirectProblem> {
    let state = single(query, "state")?;
    let iss = single(query, "iss")?;
    let error = single(query, "error")?;
    let description = single(query, "error_description")?;
    let code = single(query, "code")?;

    if !state.is_some_and(|state| state.same_as(expected_state.reveal())) {
        return Err(RedirectProblem::State);
    }
    check_issuer(iss, own_issuer, iss_required)?;
    if let Some(error) = error {
        return Err(refused(error, description));
    }
    code.filter(|code| !code.is_empty()).map(Secret::duplicate).ok_or(RedirectProblem::NoCode)
}

fn single<'a>(query: &'a [(String, Secret)], name: &'static str) -> Result<Option<&'a Secret>, RedirectProblem> {
    let mut found = query.iter().filter(|(known, _)| known == name).map(|(_, value)| value);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(RedirectProblem::Duplicate(name)),
        (found, None) => Ok(found),
    }
}

fn check_issuer(iss: Option<&Secret>, own: Option<&str>, required: bool) -> Result<(), RedirectProblem> {
    let Some(iss) = iss else {
        let missing = "the browser came back without `iss`, which this server always sends";
        return if required { Err(RedirectProblem::Issuer(missing.to_owned())) } else { Ok(()) };
    };
    // Endpoints given by hand, no issuer: there is nothing to compare with.
    let Some(own) = own else { return Ok(()) };
    let iss = iss.reveal_str().unwrap_or_default();
    if issuer::is_own(iss, own, None) {
        return Ok(());
    }
    Err(RedirectProblem::Issuer(format!(
        "the browser came back from another server (`{}`) than the one that was asked (`{own}`)",
        text::quote(iss, &[])
    )))
}

fn refused(error: &Secret, description: Option<&Secret>) -> RedirectProblem {
    let lossy = |secret: &Secret| String::from_utf8_lossy(secret.reveal()).into_owned();
    let code = text::quote_code(&lossy(error), &[]);
    let why = description.map(|words| text::quote(&lossy(words), &[])).filter(|why| !why.is_empty());
    if code == "access_denied" {
        return RedirectProblem::Denied(why);
    }
    let code = if code.is_empty() { "no reason given".to_owned() } else { code };
    RedirectProblem::Refused { code, why }
}

#[cfg(test)]
#[path = "redirect_tests.rs"]
mod tests;
