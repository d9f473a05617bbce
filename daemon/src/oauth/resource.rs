//! What a protected resource says of itself (RFC 9728): which authorization servers give tokens for it, and which scopes
//! it knows. Somebody who wants a token for an address needs to know no more than the address.

use http::{StatusCode, header};
use url::Url;

use super::body::Body;
use super::challenge;
use super::json::Json;
use super::metadata::{DiscoveryProblem, check};
use super::text;
use super::wire::{Request, Response};

/// What was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProtectedResource {
    /// The issuers of its authorization servers, in its order.
    pub servers: Vec<String>,
    /// Scopes that it knows; empty = it does not say.
    pub scopes: Vec<String>,
}

/// What a resource answered to somebody without a token.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Invitation {
    /// Where it describes itself (RFC 9728 §5.1).
    pub metadata: Option<Url>,
    /// The scopes that it asked for (RFC 6750 §3).
    pub scopes: Vec<String>,
}

/// More servers than this are not tried, and more scopes than this not asked for by themselves.
const MAX_SERVERS: usize = 8;
const MAX_SCOPES: usize = 64;
const MAX_TEXT: usize = 2048;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The resource as an address that may be asked: https, or http on a loopback literal (RFC 8707 §2).
///
/// # Errors
/// What is wrong with it.
pub fn address(resource: &str) -> Result<Url, DiscoveryProblem> {
    let wrong = |why: &str| DiscoveryProblem::Wrong(format!("the resource `{}` {why}", text::quote(resource, &[])));
    let url = Url::parse(resource).map_err(|_| wrong("is no address"))?;
    check(&url).map_err(wrong)?;
    Ok(url)
}

/// Where the description of a resource lies (RFC 9728 §3.1): the well-known part goes between host and path.
pub fn well_known(resource: &Url) -> Url {
    let mut url = resource.clone();
    let path = if resource.path() == "/" { "" } else { resource.path() };
    url.set_path(&format!("{WELL_KNOWN}{path}"));
    url
}

/// Asks the resource itself, without a token, to hear where it describes itself.
pub fn knock(resource: &Url) -> Request {
    super::metadata::request(resource)
}

/// Reads the answer to [`knock`]: only a refusal says anything.
pub fn invitation(response: &Response) -> Invitation {
    if response.status() != StatusCode::UNAUTHORIZED {
        return Invitation::default();
    }
    let headers = response.headers().get_all(header::WWW_AUTHENTICATE);
    let challenges = headers.iter().take(8).flat_map(|header| challenge::read(header.as_bytes()));
    let ours = |challenge: &challenge::Challenge| matches!(challenge.scheme.as_str(), "bearer" | "dpop");
    for challenge in challenges.filter(ours) {
        let metadata = challenge.get("resource_metadata").filter(|text| text.len() <= MAX_TEXT);
        let metadata = metadata.and_then(|text| Url::parse(text).ok()).filter(|url| check(url).is_ok());
        if metadata.is_some() {
            let scopes = challenge.get("scope").unwrap_or_default().split_ascii_whitespace().map(str::to_owned);
            return Invitation { metadata, scopes: sound(scopes) };
        }
    }
    Invitation::default()
}

/// Reads the description of `resource`.
///
/// # Errors
/// [`DiscoveryProblem`]: whether to look elsewhere, to come back later, or to give up.
pub fn read(resource: &Url, asked: &str, response: &Response) -> Result<ProtectedResource, DiscoveryProblem> {
    let host = resource.host_str().unwrap_or_default();
    let status = response.status();
    match status {
        StatusCode::OK => {}
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::NETWORK_AUTHENTICATION_REQUIRED => {
            return Err(not_now(host, status));
        }
        _ if status.is_server_error() || status.is_redirection() => return Err(not_now(host, status)),
        _ => {
            let status = status.as_u16();
            return Err(DiscoveryProblem::Absent(format!("{host} does not describe `{asked}` (it answered {status})")));
        }
    }
    match Body::read(response.body().reveal(), None) {
        Body::Fields(json @ Json::Map(_)) if json.get("resource").is_some() => believe(resource, asked, &json),
        Body::Damaged => Err(DiscoveryProblem::NotNow(format!("{host} answered with an incomplete description"))),
        Body::Fields(_) | Body::Html | Body::Empty | Body::Text(_) | Body::Binary => {
            Err(DiscoveryProblem::Absent(format!("what {host} answered does not describe `{asked}`")))
        }
    }
}

fn believe(resource: &Url, asked: &str, document: &Json) -> Result<ProtectedResource, DiscoveryProblem> {
    let stated = document.text("resource").unwrap_or_default();
    // RFC 9728 §3.3: identical, or a stranger could collect tokens for somebody else. That an address without a path ends
    // in a slash or not makes no difference to anybody (RFC 3986 §6.2.3).
    if stated != asked && Url::parse(stated).ok().as_ref() != Some(resource) {
        return Err(DiscoveryProblem::Wrong(format!(
            "what describes `{asked}` is about another resource, `{}`: if that is the one you mean, say so",
            text::quote(stated, &[])
        )));
    }
    let servers: Vec<String> = document.texts("authorization_servers");
    let usable = |server: &String| {
        server.len() <= MAX_TEXT && Url::parse(server).is_ok_and(|url| check(&url).is_ok() && url.query().is_none())
    };
    let servers: Vec<String> = servers.into_iter().filter(usable).take(MAX_SERVERS).collect();
    if servers.is_empty() {
        let why = format!("`{asked}` names no authorization server that can be used");
        return Err(DiscoveryProblem::Wrong(why));
    }
    Ok(ProtectedResource { servers, scopes: sound(document.texts("scopes_supported").into_iter()) })
}

/// Scopes that can be asked for (RFC 6749 §3.3), each once; none of them where there are too many to mean them all.
fn sound(scopes: impl Iterator<Item = String>) -> Vec<String> {
    let is_scope = |scope: &String| {
        !scope.is_empty()
            && scope.len() <= 256
            && scope.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };
    let mut sound: Vec<String> = Vec::new();
    for scope in scopes.filter(is_scope) {
        if !sound.contains(&scope) {
            sound.push(scope);
        }
        if sound.len() > MAX_SCOPES {
            return Vec::new();
        }
    }
    sound
}

fn not_now(host: &str, status: StatusCode) -> DiscoveryProblem {
    DiscoveryProblem::NotNow(format!("{host} answered the question what it is with {}", status.as_u16()))
}

#[cfg(test)]
#[path = "resource_tests.rs"]
mod tests;
