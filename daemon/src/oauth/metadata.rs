//! Authorization server metadata: where it may lie, and what of it is believed (RFC 8414, OpenID Connect Discovery).
//!
//! Given endpoints win over discovered ones; every endpoint is https, or http on a loopback literal; the issuer is the
//! one that was asked for (mix-up begins with metadata of somebody else).

use http::StatusCode;
use tokenkeeper_config::{Definition, Flow};
use url::{Host, Url};

use super::body::Body;
use super::issuer;
use super::json::Json;
use super::text;
use super::wire::{Metadata, Request, Response};
use crate::secret::Secret;

/// What a fetched document was worth.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DiscoveryProblem {
    /// There is no document at this address: try the next one.
    #[error("{0}")]
    Absent(String),
    /// The server cannot say now.
    #[error("{0}")]
    NotNow(String),
    /// The document is there and must not be used, or the definition is wrong: trying again will not help.
    #[error("{0}")]
    Wrong(String),
}

/// Where the metadata of an issuer may lie, in the order to try: OpenID Connect Discovery §4, RFC 8414 §3.1 (the
/// well-known part goes before the issuer's path), and OpenID's document in RFC 8414's place (§5).
///
/// # Errors
/// When the issuer is no address that may be asked.
pub fn urls(issuer: &str) -> Result<Vec<Url>, DiscoveryProblem> {
    let base = Url::parse(issuer).map_err(|error| wrong(format!("the issuer `{issuer}` is no address: {error}")))?;
    check(&base).map_err(|fault| wrong(format!("the issuer `{issuer}` {fault}")))?;
    if base.query().is_some() {
        return Err(wrong(format!("the issuer `{issuer}` has a query, which RFC 8414 forbids")));
    }
    let path = base.path().trim_end_matches('/').to_owned();
    let at = |path: String| {
        let mut url = base.clone();
        url.set_path(&path);
        url
    };
    let mut urls = vec![
        at(format!("{path}/.well-known/openid-configuration")),
        at(format!("/.well-known/oauth-authorization-server{path}")),
    ];
    if !path.is_empty() {
        urls.push(at(format!("/.well-known/openid-configuration{path}")));
    }
    Ok(urls)
}

/// The request for a metadata document or a JWK set.
pub fn request(url: &Url) -> Request {
    http::Request::get(url.as_str())
        .header(http::header::ACCEPT, "application/json")
        .body(Secret::new(Vec::new()))
        .expect("an absolute http(s) address makes a request")
}

/// Metadata made of the given endpoints only. `None` when one that the flow needs is missing.
pub fn given_only(definition: &Definition) -> Option<Metadata> {
    let given = &definition.endpoints;
    given.token_endpoint.as_ref()?;
    match definition.flow {
        Flow::ClientCredentials => {}
        Flow::Browser => drop(given.authorization_endpoint.as_ref()?),
        Flow::Device => drop(given.device_authorization_endpoint.as_ref()?),
        Flow::Auto if given.authorization_endpoint.is_none() => drop(given.device_authorization_endpoint.as_ref()?),
        Flow::Auto => {}
    }
    let mut metadata = Metadata { issuer: definition.issuer.clone(), ..Metadata::default() };
    apply_given(&mut metadata, definition);
    Some(metadata)
}

/// Reads a fetched document. `asked` is the issuer it was fetched for.
///
/// # Errors
/// [`DiscoveryProblem`]: whether to look elsewhere, to come back later, or to give up.
pub fn read(definition: &Definition, asked: &str, response: &Response) -> Result<Metadata, DiscoveryProblem> {
    let status = response.status();
    let place = host(asked);
    match status {
        StatusCode::OK => {}
        _ if status.is_redirection() => {
            return Err(DiscoveryProblem::NotNow(format!(
                "{place} answered the request for its metadata with {} and a redirect, which is not followed",
                status.as_u16()
            )));
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => return Err(not_now(&place, status)),
        StatusCode::NETWORK_AUTHENTICATION_REQUIRED | StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
            return Err(not_now(&place, status));
        }
        _ if status.is_server_error() => return Err(not_now(&place, status)),
        _ => {
            return Err(DiscoveryProblem::Absent(format!(
                "{place} has no metadata for `{asked}` (it answered {})",
                status.as_u16()
            )));
        }
    }
    let document = match Body::read(response.body().reveal(), None) {
        Body::Fields(json @ Json::Map(_)) if json.get("issuer").is_some() => json,
        Body::Html => {
            return Err(DiscoveryProblem::NotNow(format!("{place} answered with a web page instead of its metadata")));
        }
        Body::Damaged | Body::Empty => {
            return Err(DiscoveryProblem::NotNow(format!("{place} answered with incomplete metadata")));
        }
        Body::Fields(_) | Body::Text(_) | Body::Binary => {
            return Err(DiscoveryProblem::Absent(format!("what {place} answered is no metadata")));
        }
    };
    believe(definition, asked, &document)
}

fn believe(definition: &Definition, asked: &str, document: &Json) -> Result<Metadata, DiscoveryProblem> {
    let stated = document.text("issuer").unwrap_or_default();
    if !issuer::is_asked(stated, asked) {
        return Err(wrong(format!(
            "the metadata of `{asked}` is that of another issuer, `{}`: set `issuer` to the server's own spelling",
            text::quote(stated, &[])
        )));
    }
    let given = &definition.endpoints;
    let endpoint = |name: &str, given: Option<&Url>| match given {
        Some(given) => Ok(Some(given.clone())),
        None => discovered(document, name),
    };
    let metadata = Metadata {
        issuer: Some(stated.to_owned()),
        authorization_endpoint: endpoint("authorization_endpoint", given.authorization_endpoint.as_ref())?,
        token_endpoint: endpoint("token_endpoint", given.token_endpoint.as_ref())?,
        device_authorization_endpoint: endpoint(
            "device_authorization_endpoint",
            given.device_authorization_endpoint.as_ref(),
        )?,
        revocation_endpoint: endpoint("revocation_endpoint", given.revocation_endpoint.as_ref())?,
        introspection_endpoint: endpoint("introspection_endpoint", given.introspection_endpoint.as_ref())?,
        pushed_authorization_request_endpoint: discovered(document, "pushed_authorization_request_endpoint")?,
        registration_endpoint: discovered(document, "registration_endpoint")?,
        require_pushed_authorization_requests: matches!(
            document.get("require_pushed_authorization_requests"),
            Some(Json::Bool(true))
        ),
        jwks_uri: endpoint("jwks_uri", given.jwks_uri.as_ref())?,
        iss_parameter_supported: matches!(
            document.get("authorization_response_iss_parameter_supported"),
            Some(Json::Bool(true))
        ),
        scopes_supported: list(document, "scopes_supported"),
        grant_types_supported: list(document, "grant_types_supported"),
        code_challenge_methods_supported: list(document, "code_challenge_methods_supported"),
        token_endpoint_auth_methods_supported: list(document, "token_endpoint_auth_methods_supported"),
        token_endpoint_auth_signing_alg_values_supported: list(
            document,
            "token_endpoint_auth_signing_alg_values_supported",
        ),
        id_token_signing_alg_values_supported: list(document, "id_token_signing_alg_values_supported"),
        dpop_signing_alg_values_supported: list(document, "dpop_signing_alg_values_supported"),
        keys: None,
    };
    if metadata.token_endpoint.is_none() {
        return Err(wrong(format!("the metadata of `{asked}` names no token endpoint: set `token_endpoint`")));
    }
    // RFC 7636 §4.2: S256 or nothing. A server that only knows `plain` would take our challenge for a verifier.
    let methods = metadata.code_challenge_methods_supported.as_deref().unwrap_or_default();
    if !methods.is_empty() && methods.iter().all(|method| method == "plain") {
        return Err(wrong(format!(
            "`{asked}` supports PKCE only as `plain`, which protects nothing: S256 is required"
        )));
    }
    Ok(metadata)
}

fn apply_given(metadata: &mut Metadata, definition: &Definition) {
    let given = definition.endpoints.clone();
    metadata.authorization_endpoint = given.authorization_endpoint;
    metadata.token_endpoint = given.token_endpoint;
    metadata.device_authorization_endpoint = given.device_authorization_endpoint;
    metadata.revocation_endpoint = given.revocation_endpoint;
    metadata.introspection_endpoint = given.introspection_endpoint;
    metadata.jwks_uri = given.jwks_uri;
}

/// An endpoint of the document; null and empty mean none.
fn discovered(document: &Json, name: &str) -> Result<Option<Url>, DiscoveryProblem> {
    let text = match document.get(name) {
        None => return Ok(None),
        Some(Json::Text(text)) if text.is_empty() => return Ok(None),
        Some(Json::Text(text)) => text,
        Some(_) => return Err(wrong(format!("`{name}` in the server's metadata is no text"))),
    };
    let quoted = text::quote(text, &[]);
    let url = Url::parse(text)
        .map_err(|error| wrong(format!("`{name}` in the server's metadata is no address (`{quoted}`): {error}")))?;
    check(&url).map_err(|fault| wrong(format!("`{name}` in the server's metadata (`{quoted}`) {fault}")))?;
    Ok(Some(url))
}

fn list(document: &Json, name: &str) -> Option<Vec<String>> {
    document.get(name)?;
    Some(document.texts(name))
}

/// https, or http on a loopback literal (a name could resolve to anywhere); no credentials, no fragment.
pub(super) fn check(url: &Url) -> Result<(), &'static str> {
    let loopback = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(_)) => false,
        None => return Err("has no host"),
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback => {}
        "http" => return Err("is http: https is required (http only on 127.0.0.1 or [::1])"),
        _ => return Err("is not https"),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user name in it");
    }
    if url.fragment().is_some() {
        return Err("has a fragment");
    }
    // `Url` takes hosts like `a}b`, which no request can be made to.
    if url.as_str().parse::<http::Uri>().is_err() {
        return Err("has characters that no address may have (RFC 3986)");
    }
    Ok(())
}

/// The host of an issuer, for sentences.
fn host(issuer: &str) -> String {
    Url::parse(issuer).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| issuer.to_owned())
}

fn wrong(why: String) -> DiscoveryProblem {
    DiscoveryProblem::Wrong(why)
}

fn not_now(place: &str, status: StatusCode) -> DiscoveryProblem {
    DiscoveryProblem::NotNow(format!("{place} answered the request for its metadata with {}", status.as_u16()))
}

impl DiscoveryProblem {
    /// Which of two problems at two addresses is the one to report: a document that must not be used, then a server
    /// that cannot say now, then nothing there.
    pub fn outweighs(&self, other: &Self) -> bool {
        let weight = |problem: &Self| match problem {
            Self::Wrong(_) => 2,
            Self::NotNow(_) => 1,
            Self::Absent(_) => 0,
        };
        weight(self) >= weight(other)
    }
}

#[cfg(test)]
#[path = "metadata_tests.rs"]
mod tests;
