//! The authorization endpoint (RFC 6749 §3.1, RFC 7636, RFC 9207): for robots at once, for people a page.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, RawQuery, State};
use axum::response::Response;
use url::{Host, Url};

use super::answer::{Answer, through_fault};
use super::fault::Endpoint;
use super::params::Params;
use super::server::Shared;
use super::settings::{Client, Consent, Dialect, Offline, Settings};
use super::store::Login;
use super::wire::Plug;
use crate::clock;

const PAGE: &str = include_str!("authorize.html");

pub(super) async fn authorize(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(plug): ConnectInfo<Plug>,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    let work = || {
        let settings = shared.settings();
        match (judge(&shared, &settings, query.as_bytes()), settings.consent) {
            (Err(refused), _) => refused,
            (Ok(_), Consent::Silence) => Answer::html(403, page("Something went wrong", "This server stays here.")),
            (Ok(asked), Consent::Auto) => asked.allow(&shared),
            (Ok(asked), Consent::Deny) => asked.refuse("access_denied", "the person said no"),
            (Ok(asked), Consent::Page) => Answer::html(200, consent_page(&asked, &query)),
        }
    };
    through_fault(&shared, &plug, Endpoint::Authorize, None, work).await
}

/// A person pressed a button of the page.
pub(super) async fn decide(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(plug): ConnectInfo<Plug>,
    body: Bytes,
) -> Response {
    let work = || {
        let settings = shared.settings();
        let form = Params::read(&body).unwrap_or_else(|_| Params::read(b"").expect("nothing stands twice in nothing"));
        match judge(&shared, &settings, form.or_empty("request").as_bytes()) {
            Err(refused) => refused,
            Ok(asked) if form.one("allow").is_some() => asked.allow(&shared),
            Ok(asked) => asked.refuse("access_denied", "the person said no"),
        }
    };
    through_fault(&shared, &plug, Endpoint::Authorize, None, work).await
}

/// A request that may be answered by a redirect.
struct Asked {
    login: Login,
    back: Url,
    state: Option<String>,
    iss: Option<String>,
}

impl Asked {
    fn allow(self, shared: &Shared) -> Answer {
        let now = clock::millis();
        let code = shared.store().code(self.login.clone(), now);
        self.redirect(&[("code", &code)])
    }

    fn refuse(self, error: &str, description: &str) -> Answer {
        self.redirect(&[("error", error), ("error_description", description)])
    }

    fn redirect(mut self, pairs: &[(&str, &str)]) -> Answer {
        let mut query = self.back.query_pairs_mut();
        query.extend_pairs(pairs);
        query.extend_pairs(self.state.iter().map(|state| ("state", state)));
        query.extend_pairs(self.iss.iter().map(|iss| ("iss", iss)));
        drop(query);
        Answer::redirect(self.back.as_str())
    }
}

/// Checks a request. An unknown client or address is answered here and never by a redirect (RFC 6749 §4.1.2.1).
fn judge(shared: &Shared, settings: &Settings, query: &[u8]) -> Result<Asked, Answer> {
    let stop = |why: &str| Answer::html(400, page("This request is not right", why));
    let read = |query: &[u8]| Params::read(query).map_err(|twice| stop(&format!("{twice} stands twice")));
    let mut params = read(query)?;
    let pushed = params.one("request_uri").map(|reference| shared.store().pushed.remove(reference));
    match pushed {
        Some(Some(pushed)) => params = read(&pushed)?,
        Some(None) => return Err(stop("this reference is unknown, or was used")),
        None if settings.require_par => return Err(stop("only pushed requests are taken here")),
        None => {}
    }
    let id = params.or_empty("client_id");
    let client = settings.clients.iter().find(|client| client.id == id).ok_or_else(|| stop("unknown client"))?;
    let redirect_uri = params.or_empty("redirect_uri");
    let back = redirect(client, redirect_uri).ok_or_else(|| stop("this redirect address is not registered"))?;

    let scopes: Vec<String> = params.or_empty("scope").split_whitespace().map(str::to_owned).collect();
    let offline = settings.offline == Offline::OnScope && scopes.iter().any(|scope| scope == "offline_access");
    let audience = params.one("audience").or(params.one("resource"));
    let asked = Asked {
        login: Login {
            client: client.id.clone(),
            subject: settings.subject.clone(),
            audience: known_audience(settings, audience),
            nonce: params.one("nonce").map(str::to_owned),
            redirect_uri: redirect_uri.to_owned(),
            challenge: params.or_empty("code_challenge").to_owned(),
            auth_time: clock::wall().as_secs() - settings.signed_in_ago,
            details: params.one("authorization_details").map(str::to_owned),
            acr: settings
                .acr
                .clone()
                .or_else(|| params.one("acr_values").and_then(|asked| asked.split(' ').next()).map(str::to_owned)),
            offline,
            scopes,
        },
        back,
        state: params.one("state").map(str::to_owned),
        iss: settings.iss_parameter.then(|| settings.claimed_iss.clone().unwrap_or_else(|| shared.issuer())),
    };
    if params.or_empty("response_type") != "code" {
        return Err(asked.refuse("unsupported_response_type", "only code"));
    }
    // RFC 7636 §4.4.1; S256 is 43 characters.
    if params.or_empty("code_challenge_method") != "S256" || asked.login.challenge.len() != 43 {
        return Err(asked.refuse("invalid_request", "PKCE with S256 is required"));
    }
    Ok(asked)
}

/// Auth0 answers an audience that it does not know with the default one, silently.
fn known_audience(settings: &Settings, asked: Option<&str>) -> Option<String> {
    match (settings.dialect, asked) {
        (_, None) => None,
        (Dialect::Auth0, Some(asked)) if !settings.audiences.iter().any(|known| known == asked) => None,
        (_, Some(asked)) => Some(asked.to_owned()),
    }
}

/// The address to go back to, if the client may use it: exactly a registered one, or any loopback literal.
fn redirect(client: &Client, asked: &str) -> Option<Url> {
    let back = Url::parse(asked).ok()?;
    let loopback = back.scheme() == "http"
        && match back.host()? {
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
            Host::Domain(_) => false,
        };
    let allowed =
        if client.redirect_uris.is_empty() { loopback } else { client.redirect_uris.iter().any(|uri| uri == asked) };
    (allowed && back.fragment().is_none()).then_some(back)
}

fn page(title: &str, words: &str) -> String {
    PAGE.replace("{title}", title).replace("{words}", &escape(words)).replace("{form}", "")
}

fn consent_page(asked: &Asked, query: &str) -> String {
    let words = format!("{} wants: {}", asked.login.client, asked.login.scopes.join(", "));
    let form = format!(
        r#"<form method="post" action="/authorize/decide"><input type="hidden" name="request" value="{}">
<button name="allow" value="1">Allow</button> <button name="deny" value="1">Deny</button></form>"#,
        escape(query)
    );
    PAGE.replace("{title}", "Sign in").replace("{words}", &escape(&words)).replace("{form}", &form)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
