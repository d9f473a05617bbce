//! Dynamic client registration (RFC 7591): so that nobody has to fetch a client ID from a page first.
//!
//! A server may register something else than it was asked for (RFC 7591 §3.2.1); what it says it registered is what is
//! used. Nothing of an answer is shown that may be a secret.

use http::{StatusCode, header};
use tokenkeeper_config::{ClientAuth, Redirect};
use url::{Host, Url};

use super::body::Body;
use super::challenge;
use super::json::Json;
use super::management::{MAX_ID, MAX_TOKEN, Management, bearer};
use super::text;
use super::wire::{Fault, Metadata, Request, Response, Sent};
use crate::secret::Secret;

/// What is asked for.
pub struct Wish<'a> {
    /// Where a browser comes back to.
    pub redirect: &'a Redirect,
    /// All that is ever going to be asked for.
    pub scopes: &'a [String],
    /// What allows it to be asked, at servers that want to see such a thing.
    pub token: Option<&'a InitialToken>,
}

/// An initial access token (RFC 7591 §3): shown to the registration endpoint, and to nobody else.
pub struct InitialToken(Secret);

impl InitialToken {
    /// `None` = it does not fit into a header (RFC 6750 §2.1), so no server gave it.
    pub fn new(token: Secret) -> Option<Self> {
        let is_one = token.len() <= MAX_TOKEN && token.reveal().iter().all(|byte| (0x21..=0x7e).contains(byte));
        (is_one && !token.is_empty()).then_some(Self(token))
    }
}

/// A client as the server registered it.
pub struct Registered {
    /// `client_id`.
    pub client_id: String,
    /// The secret, where the client has to show one.
    pub secret: Option<Secret>,
    /// When the secret ends, unix seconds; `None` = never.
    pub secret_expires_at: Option<u64>,
    /// How the client authenticates; `None` = as the metadata say.
    pub auth: Option<ClientAuth>,
    /// Where a browser comes back to, if that is not what was asked for.
    pub redirect: Option<Redirect>,
    /// The scopes it may ask for, where the server says so.
    pub scopes: Option<Vec<String>>,
    /// Whether it may be given refresh tokens.
    pub refreshes: bool,
    /// What ends the registration again.
    pub management: Option<Management>,
}

/// Why there is no client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRegistered {
    /// The server does not like what was asked for: less may do (RFC 7591 §3.2.2).
    #[error("{0}")]
    TooMuch(String),
    /// The server registers clients for those only who bring something that we have not got.
    #[error("{0}")]
    NotOpen(String),
    /// What that is may be an initial access token (RFC 7591 §3).
    #[error("{0}")]
    WantsToken(String),
    /// The initial access token is not what it wants.
    #[error("{0}")]
    TokenRefused(String),
    /// The server cannot say now, or its answer was lost.
    #[error("{0}")]
    NotNow(String),
    /// It makes no sense.
    #[error("{0}")]
    Wrong(String),
}

/// As many of an answer's redirect URIs are looked at.
const MAX_URIS: usize = 32;

const REFRESH: &str = "refresh_token";
const DEVICE: &str = "urn:ietf:params:oauth:grant-type:device_code";

const STRANGERS: &str = "registers no clients for strangers";

/// Asks for a native client (RFC 8252 §8.4), public where the server has public ones.
pub fn request(endpoint: &Url, metadata: &Metadata, wish: &Wish<'_>) -> Request {
    let mut grants = Vec::new();
    let mut document = common(metadata);
    if metadata.authorization_endpoint.is_some() || metadata.device_authorization_endpoint.is_none() {
        grants.push("authorization_code");
        document["redirect_uris"] = wish.redirect.uris().into();
        document["response_types"] = ["code"].as_slice().into();
    }
    if metadata.device_authorization_endpoint.is_some() {
        grants.push(DEVICE);
    }
    grants.push(REFRESH);
    document["grant_types"] = grants.into();
    if !wish.scopes.is_empty() {
        document["scope"] = wish.scopes.join(" ").into();
    }
    post(endpoint, &document, wish)
}

/// Asks for no more than a login in the browser needs, where a server refused the whole.
pub fn least(endpoint: &Url, metadata: &Metadata, wish: &Wish<'_>) -> Request {
    let mut document = common(metadata);
    document["redirect_uris"] = wish.redirect.uris().into();
    document["response_types"] = ["code"].as_slice().into();
    document["grant_types"] = ["authorization_code", REFRESH].as_slice().into();
    post(endpoint, &document, wish)
}

/// Reads what came of [`request`].
///
/// # Errors
/// [`NotRegistered`]: whether to ask for less, to come back later, or to give up. An answer that was lost may have left a
/// client behind at the server, which nobody uses.
pub fn read(sent: &Sent, host: &str, wish: &Wish<'_>) -> Result<Registered, NotRegistered> {
    let response = match sent {
        Ok(response) => response,
        Err(Fault::NotSent { why, .. } | Fault::Lost { why } | Fault::Broken { why, .. }) => {
            return Err(NotRegistered::NotNow(why.clone()));
        }
    };
    let status = response.status();
    let fields = match Body::read(response.body().reveal(), None) {
        Body::Fields(json @ Json::Map(_)) => json,
        Body::Empty | Body::Fields(_) | Body::Html | Body::Damaged | Body::Text(_) | Body::Binary => Json::Null,
    };
    // RFC 7591 §3.2.1 says 201; some servers say 200. An error may come with either.
    if !matches!(status, StatusCode::CREATED | StatusCode::OK) || fields.get("error").is_some() {
        return Err(refusal(response, &fields, host, wish));
    }
    if matches!(fields, Json::Null) {
        return Err(NotRegistered::NotNow(format!(
            "{host} answered the registration with something else than a client"
        )));
    }
    client(&fields, host, wish)
}

fn common(metadata: &Metadata) -> serde_json::Value {
    let listed = metadata.token_endpoint_auth_methods_supported.as_deref();
    // Silence means Basic (RFC 8414 §2): oidc-provider-mock registers a public client and then refuses it.
    let has = |method: &str| {
        listed.map_or(method == "client_secret_basic", |listed| listed.iter().any(|listed| listed == method))
    };
    let method = ["client_secret_basic", "client_secret_post"].into_iter().find(|method| !has("none") && has(method));
    serde_json::json!({
        "client_name": "tokenkeeper",
        "application_type": "native",
        "token_endpoint_auth_method": method.unwrap_or("none"),
    })
}

fn post(endpoint: &Url, document: &serde_json::Value, wish: &Wish<'_>) -> Request {
    let mut request = http::Request::post(endpoint.as_str())
        .header(header::ACCEPT, "application/json")
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(InitialToken(token)) = wish.token {
        request = request.header(header::AUTHORIZATION, bearer(token));
    }
    request
        .body(Secret::new(serde_json::to_vec(document).expect("plain values have a JSON form")))
        .expect("a checked address makes a request")
}

fn client(fields: &Json, host: &str, wish: &Wish<'_>) -> Result<Registered, NotRegistered> {
    let wrong = |what: &str| NotRegistered::Wrong(format!("{host} registered a client {what}"));
    let client_id = fields.text("client_id").ok_or_else(|| wrong("without a client_id"))?;
    // RFC 6749 appendix A.1: VSCHAR.
    if client_id.len() > MAX_ID || !client_id.bytes().all(|byte| (0x20..=0x7e).contains(&byte)) {
        return Err(wrong("with a client_id that is none"));
    }
    let secret = fields.text("client_secret").filter(|secret| secret.len() <= MAX_TOKEN);
    let auth = match (fields.text("token_endpoint_auth_method"), secret) {
        (Some("none"), _) | (None, None) => Some(ClientAuth::None),
        (Some("client_secret_basic"), Some(_)) => Some(ClientAuth::Basic),
        (Some("client_secret_post"), Some(_)) => Some(ClientAuth::Post),
        (None, Some(_)) => None,
        (Some("client_secret_basic" | "client_secret_post"), None) => {
            return Err(wrong("that needs a secret, without one"));
        }
        (Some(other), _) => {
            let method = text::quote_code(other, &[]);
            return Err(wrong(&format!("that has to authenticate by `{method}`, which is not supported here")));
        }
    };
    let secret = secret.filter(|_| auth != Some(ClientAuth::None)).map(|secret| Secret::copy_of(secret.as_bytes()));
    let ends = fields.number("client_secret_expires_at").filter(|at| *at >= 1.0 && secret.is_some());
    let uris = fields.texts("redirect_uris");
    let redirect = match uris.is_empty() || wish.redirect.uris().iter().all(|asked| uris.contains(asked)) {
        true => None,
        false => {
            Some(redirect_of(&uris).ok_or_else(|| wrong("for other redirect addresses than those of this machine"))?)
        }
    };
    let grants = fields.texts("grant_types");
    Ok(Registered {
        client_id: client_id.to_owned(),
        secret,
        // A double holds every moment exactly that a clock will show.
        secret_expires_at: ends.map(|at| at as u64),
        auth,
        redirect,
        scopes: fields.text("scope").map(|scopes| scopes.split_ascii_whitespace().map(str::to_owned).collect()),
        refreshes: grants.is_empty() || grants.iter().any(|grant| grant == REFRESH),
        management: Management::of(fields),
    })
}

/// The loopback redirect that a list of URIs allows: the first of them, and the ports of those that differ in nothing else.
fn redirect_of(uris: &[String]) -> Option<Redirect> {
    let parts = |uri: &String| {
        let url = Url::parse(uri).ok().filter(|url| url.scheme() == "http" && url.query().is_none())?;
        let host = match url.host()? {
            Host::Ipv4(address) if address.is_loopback() => "127.0.0.1",
            Host::Ipv6(address) if address.is_loopback() => "[::1]",
            Host::Domain("localhost") => "localhost",
            Host::Ipv4(_) | Host::Ipv6(_) | Host::Domain(_) => return None,
        };
        Some((host, url.port(), url.path().to_owned()))
    };
    let usable: Vec<_> = uris.iter().take(MAX_URIS).filter_map(parts).collect();
    let (host, _, path) = usable.first()?.clone();
    let alike = usable.iter().filter(|(other, _, way)| *other == host && *way == path);
    // One without a port stands for all of them (RFC 8252 §7.3).
    let ports: Option<Vec<u16>> = alike.map(|(_, port, _)| *port).collect();
    Some(Redirect { host: host.to_owned(), ports: ports.unwrap_or_default(), path: Some(path) })
}

/// Whether a server wants to see a token and says no more than that (RFC 6750 §3): oidc-provider says so with 400.
fn is_challenge(response: &Response) -> bool {
    let challenges = response.headers().get_all(header::WWW_AUTHENTICATE).iter();
    let mut challenges = challenges.flat_map(|value| challenge::read(value.as_bytes()));
    challenges.any(|challenge| challenge.scheme == "bearer" && challenge.get("error").is_none())
}

fn refusal(response: &Response, fields: &Json, host: &str, wish: &Wish<'_>) -> NotRegistered {
    let status = response.status();
    let shown: Vec<&Secret> = wish.token.iter().map(|InitialToken(token)| token).collect();
    let said = match (fields.text("error"), fields.text("error_description")) {
        (Some(code), Some(why)) => format!(" `{}` ({})", text::quote_code(code, &shown), text::quote(why, &shown)),
        (Some(code), None) => format!(" `{}`", text::quote_code(code, &shown)),
        (None, _) => String::new(),
    };
    let sentence = |what: &str| format!("{host} {what}: it answered {}{said}", status.as_u16());
    let is_busy = matches!(status, StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS);
    match (status, fields.text("error")) {
        _ if is_busy || status.is_server_error() || status.is_redirection() => {
            NotRegistered::NotNow(sentence("registers no client now"))
        }
        (_, None | Some("invalid_request")) if wish.token.is_none() && is_challenge(response) => {
            NotRegistered::WantsToken(sentence(STRANGERS))
        }
        (_, Some("invalid_client_metadata" | "invalid_redirect_uri" | "invalid_scope" | "invalid_request")) => {
            NotRegistered::TooMuch(sentence("did not register a client"))
        }
        (StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN, _) => match wish.token {
            None => NotRegistered::WantsToken(sentence(STRANGERS)),
            Some(_) => NotRegistered::TokenRefused(sentence("does not take this initial access token")),
        },
        (StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED, _) => NotRegistered::NotOpen(sentence(STRANGERS)),
        (StatusCode::BAD_REQUEST, _) => NotRegistered::TooMuch(sentence("did not register a client")),
        _ => NotRegistered::Wrong(sentence("did not register a client")),
    }
}

#[cfg(test)]
#[path = "registration_tests.rs"]
mod tests;
