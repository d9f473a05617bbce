//! What clients post: a form that says what they want and who they are. Whatever the endpoint, it is read in one way,
//! refused in one way, and meets the faults that are planned.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{ConnectInfo, FromRequest, Request};
use axum::http::{HeaderMap, header};
use axum::response::Response;

use super::answer::{Answer, through_fault};
use super::fault::Endpoint;
use super::params::{Params, basic};
use super::server::Shared;
use super::settings::{Client, ClientAuth, Settings};
use super::wire::Plug;

/// A form as it came in.
pub(super) struct Post {
    pub(super) shared: Arc<Shared>,
    pub(super) plug: Plug,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An error code and its description (RFC 6749 §5.2).
pub(super) struct Refused(pub(super) &'static str, pub(super) &'static str);

impl FromRequest<Arc<Shared>> for Post {
    type Rejection = Response;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Response> {
        type Parts = (ConnectInfo<Plug>, HeaderMap, Bytes);
        let (ConnectInfo(plug), headers, body) = Parts::from_request(request, shared).await?;
        Ok(Self { shared: Arc::clone(shared), plug, headers, body })
    }
}

impl Post {
    pub(super) fn params(&self) -> Result<Params, Refused> {
        Params::read(&self.body).map_err(|_| Refused("invalid_request", "a parameter stands twice"))
    }

    /// Answers a client that proves itself by what `work` makes of its wishes.
    pub(super) async fn answer(
        &self,
        at: Endpoint,
        work: impl FnOnce(&Settings, &Client, &Params) -> Result<Answer, Refused>,
    ) -> Response {
        let work = || {
            let settings = self.shared.settings();
            let answer =
                self.params().and_then(|params| work(&settings, client(&settings, &self.headers, &params)?, &params));
            answer.unwrap_or_else(|Refused(error, description)| Answer::error(settings.dialect, error, description))
        };
        through_fault(&self.shared, &self.plug, at, None, work).await
    }
}

/// The client that asks, if it proves it the way it registered.
pub(super) fn client<'a>(settings: &'a Settings, headers: &HeaderMap, params: &Params) -> Result<&'a Client, Refused> {
    let bad = |why| Refused("invalid_client", why);
    let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (way, id, secret) = match (header.and_then(basic), params.one("client_secret")) {
        (Some(_), Some(_)) => return Err(bad("two ways at once (RFC 6749 section 2.3)")),
        (Some((id, secret)), None) => (ClientAuth::Basic, id, secret),
        (None, Some(secret)) => (ClientAuth::Post, params.or_empty("client_id").to_owned(), secret.to_owned()),
        (None, None) => (ClientAuth::None, params.or_empty("client_id").to_owned(), String::new()),
    };
    let client = settings.clients.iter().find(|client| client.id == id).ok_or(bad("no such client"))?;
    if client.auth != way || client.secret != secret {
        return Err(bad("the client did not prove itself the way it is registered"));
    }
    Ok(client)
}
