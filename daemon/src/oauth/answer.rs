//! Reads a token endpoint's answer: how far the request got, status *and* body make the [`Outcome`], and the refresh
//! token is taken out before anything else is judged.
//!
//! Tolerant in what it accepts (oauth: "Tolerant parser contract"), strict in one thing: only an answer that says so
//! ends a login.

use http::{HeaderMap, StatusCode, header};
use tokenkeeper_config::Definition;

use super::body::{self, Body};
use super::classify::{self, Refusal};
use super::granted;
use super::json::Json;
use super::meaning::Meaning;
use super::retry;
use super::text;
use super::wire::{Answer, Fault, Outcome, Response, Sent};
use crate::secret::Secret;
use crate::time::Wall;

/// What was asked for: only for the sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An authorization code.
    Code,
    /// A refresh.
    Refresh,
    /// Client credentials.
    ClientCredentials,
    /// A token exchange.
    TokenExchange,
    /// A pushed authorization request (RFC 9126 §2.1).
    Push,
    /// A code for a person to type elsewhere (RFC 8628 §3.1).
    DeviceAuthorization,
    /// A poll of the device flow (RFC 8628 §3.4).
    Device,
}

/// What the reader has to know beside the answer.
pub struct AnswerContext<'a> {
    /// Token path, scope separator, assumed lifetime.
    pub definition: &'a Definition,
    /// The host that was asked, for the sentences.
    pub host: &'a str,
    /// What was asked for.
    pub kind: Kind,
    /// The wall clock, for instants in the answer.
    pub wall: Wall,
    /// What was sent and must not appear in a sentence, should the server echo it: tokens, codes, the client secret.
    pub secrets: &'a [&'a Secret],
}

/// Reads what came of a token request. Never fails: everything is an [`Outcome`].
pub fn read(sent: Sent, context: &AnswerContext<'_>) -> Answer {
    match sent {
        Ok(response) => read_response(&response, context),
        Err(Fault::NotSent { why, certificate }) => Answer::without_token(Outcome::NotSent { why, certificate }),
        Err(Fault::Lost { why }) => Answer::without_token(Outcome::Ambiguous { why }),
        Err(Fault::Broken { status, partial, why }) => {
            let refresh_token = body::salvage(partial.reveal());
            let page = matches!(Body::read(partial.reveal(), None), Body::Html);
            Answer { refresh_token, outcome: broken(status, page, why, context) }
        }
    }
}

/// Reads the answer to a request for something else than tokens: what `find` makes of its fields, if it is a success in
/// the status and in the body.
///
/// # Errors
/// What the answer means, when it does not bring that: as of a token endpoint.
pub(super) fn brought<T>(
    sent: Sent,
    context: &AnswerContext<'_>,
    find: impl FnOnce(&Json) -> Option<T>,
) -> Result<T, Outcome> {
    let found = match &sent {
        Ok(response) if response.status().is_success() => match Body::read(response.body().reveal(), None) {
            Body::Fields(fields) if classify::refusal(&fields).is_none() => find(&fields),
            Body::Fields(_) | Body::Empty | Body::Html | Body::Damaged | Body::Text(_) | Body::Binary => None,
        },
        Ok(_) | Err(_) => None,
    };
    found.ok_or_else(|| read(sent, context).outcome)
}

impl Answer {
    /// An answer that brought no refresh token.
    pub fn without_token(outcome: Outcome) -> Self {
        Self { refresh_token: None, outcome }
    }
}

/// An answer that stopped in its middle: the status counts where it says that nothing was done.
fn broken(status: StatusCode, page: bool, why: String, context: &AnswerContext<'_>) -> Outcome {
    match status.as_u16() {
        300..=399 | 511 => Outcome::Portal { why },
        200..=299 if page => Outcome::Portal { why },
        429 => Outcome::NotProcessed { why, retry_after: retry::after(&HeaderMap::new(), context.wall) },
        404 | 405 | 410 => Outcome::Drift { why },
        _ => Outcome::Ambiguous { why },
    }
}

fn read_response(response: &Response, context: &AnswerContext<'_>) -> Answer {
    let bytes = response.body().reveal();
    let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let body = Body::read(bytes, content_type);
    let refresh_token = match &body {
        Body::Fields(fields) => granted::refresh_token(fields, context.definition),
        Body::Damaged | Body::Text(_) | Body::Binary => body::salvage(bytes),
        Body::Empty | Body::Html => None,
    };
    Answer { refresh_token, outcome: judge(response, &body, context) }
}

fn judge(response: &Response, body: &Body, context: &AnswerContext<'_>) -> Outcome {
    let (status, headers) = (response.status(), response.headers());
    let refusal = match body {
        Body::Fields(fields) => classify::refusal(fields),
        Body::Text(text) if !status.is_success() => Some(classify::plain(text)),
        _ => None,
    };
    let why = Why { status, refusal: refusal.as_ref(), body, headers, context };
    let not_processed =
        |why: Why<'_>| Outcome::NotProcessed { why: why.sentence(), retry_after: retry::after(headers, context.wall) };
    let meaning = refusal.as_ref().map_or(Meaning::Unknown, |refusal| refusal.meaning);

    // First what intermediaries say, and what no body can turn into an end: a 500 is never a logout.
    match status.as_u16() {
        300..=399 | 511 | 407 => return Outcome::Portal { why: why.sentence() },
        429 | 425 | 421 => return not_processed(why),
        503 if retry::is_stated(headers) => return not_processed(why),
        500..=599 if matches!(meaning, Meaning::NotProcessed | Meaning::SlowDown) => return not_processed(why),
        408 | 500..=599 => return Outcome::Ambiguous { why: why.sentence() },
        _ => {}
    }
    match meaning {
        Meaning::NotProcessed | Meaning::SlowDown | Meaning::Pending => return not_processed(why),
        Meaning::Broke => return Outcome::Ambiguous { why: why.sentence() },
        Meaning::Ended => return Outcome::Ended { why: why.sentence() },
        Meaning::Attention => return Outcome::Attention { why: why.sentence() },
        Meaning::AccessDenied => return Outcome::AccessDenied { why: why.sentence() },
        Meaning::Misconfigured => return Outcome::Misconfigured { why: why.sentence() },
        Meaning::BadRequest => return Outcome::BadRequest { why: why.sentence() },
        Meaning::BadTarget => return Outcome::BadTarget { why: why.sentence() },
        Meaning::AnotherProof => return Outcome::AnotherProof { why: why.sentence() },
        Meaning::Unknown => {}
    }
    match (status.as_u16(), body) {
        (404 | 405 | 410, _) => Outcome::Drift { why: why.sentence() },
        // A refusal without a known reason, also at 200 (`ok: false`).
        (200..=299, Body::Fields(fields)) if refusal.is_some() && names_error(fields) => {
            Outcome::Unexplained { why: why.sentence() }
        }
        (200..=299, Body::Fields(fields)) => match granted::read(fields, headers, context) {
            Some(granted) => Outcome::Granted(Box::new(granted)),
            None => Outcome::Ambiguous { why: why.sentence() },
        },
        // Gateways refuse with pages and 403 or 451; a token endpoint's own bare refusal is a 400 or 401.
        (200..=299 | 403 | 451, Body::Html) => Outcome::Portal { why: why.sentence() },
        (200..=299, Body::Text(_)) => Outcome::Portal { why: why.sentence() },
        (200..=299, _) => Outcome::Ambiguous { why: why.sentence() },
        // 1xx never gets here from HTTP/1.1; a fantasy status means nothing.
        (100..=199 | 600.., _) => Outcome::Ambiguous { why: why.sentence() },
        _ => Outcome::Unexplained { why: why.sentence() },
    }
}

/// Whether an unknown refusal at 200 is one for certain. `{"message": "ok"}` without a token is none.
fn names_error(fields: &Json) -> bool {
    fields.get("error").is_some() || ["ok", "success"].iter().any(|n| matches!(fields.get(n), Some(Json::Bool(false))))
}

/// The sentence for people: who answered what, in the server's words where it has some.
struct Why<'a> {
    status: StatusCode,
    refusal: Option<&'a Refusal>,
    body: &'a Body,
    headers: &'a HeaderMap,
    context: &'a AnswerContext<'a>,
}

impl Why<'_> {
    fn sentence(&self) -> String {
        let Self { status, context, .. } = self;
        let asked = match context.kind {
            Kind::Code => "the sign-in",
            Kind::Refresh => "the refresh",
            Kind::ClientCredentials => "the request for a token",
            Kind::TokenExchange => "the token exchange",
            Kind::Push => "the pushed request",
            Kind::DeviceAuthorization => "the request for a code",
            Kind::Device => "the poll",
        };
        let host = context.host;
        let answered = format!("{host} answered {asked} with {}", status.as_u16());
        let secrets = self.every_secret();
        let secrets: Vec<&Secret> = secrets.iter().chain(context.secrets.iter().copied()).collect();
        let words = self
            .refusal
            .map(|refusal| (text::quote_code(&refusal.code, &secrets), text::quote(&refusal.text, &secrets)));
        match words {
            Some((code, text)) if code.is_empty() && text.is_empty() => format!("{answered} and gave no reason"),
            Some((code, text)) if text.is_empty() => format!("{answered} {code}"),
            Some((code, text)) if code.is_empty() => format!("{answered}: {text}"),
            Some((code, text)) => format!("{answered} {code}: {text}"),
            None => format!("{answered} {}", self.instead(&secrets)),
        }
    }

    /// What came instead of words.
    fn instead(&self, secrets: &[&Secret]) -> String {
        if self.status.is_redirection() {
            let host = self.headers.get(header::LOCATION).and_then(|to| url::Url::parse(to.to_str().ok()?).ok());
            return match host.as_ref().and_then(url::Url::host_str) {
                Some(host) => format!("and a redirect to {}, which is not followed", text::quote(host, secrets)),
                None => "and a redirect, which is not followed".to_owned(),
            };
        }
        match self.body {
            Body::Empty if self.status.is_success() => "and an empty body".to_owned(),
            Body::Empty => "and gave no reason".to_owned(),
            Body::Html => "and a web page instead of a token answer".to_owned(),
            Body::Fields(_) if self.status.is_success() => "and no usable access token".to_owned(),
            Body::Fields(_) => "and gave no reason".to_owned(),
            Body::Damaged => "and damaged JSON".to_owned(),
            Body::Text(_) | Body::Binary => "and something that is no token answer".to_owned(),
        }
    }

    /// The tokens of the answer itself.
    fn every_secret(&self) -> Vec<Secret> {
        match self.body {
            Body::Fields(fields) => granted::tokens(fields, self.context.definition),
            _ => Vec::new(),
        }
    }
}

#[cfg(test)]
#[path = "answer_tests.rs"]
mod tests;
