//! Answers: the true ones in the server's dialect, and the way through a fault to the wire.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Map, Value, json};

use super::device::INTERVAL;
use super::fault::{Deed, Endpoint};
use super::ledger::Event;
use super::server::Shared;
use super::settings::Dialect;
use super::wire::{Cut, Ended, Plug};

/// An answer before it meets a fault.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: String,
}

impl Answer {
    pub(super) fn json(status: u16, body: &Value) -> Self {
        let headers = vec![
            ("content-type".into(), "application/json".into()),
            // RFC 6749 §5.1.
            ("cache-control".into(), "no-store".into()),
        ];
        Self { status, headers, body: body.to_string() }
    }

    pub(super) fn html(status: u16, body: String) -> Self {
        Self { status, headers: vec![("content-type".into(), "text/html; charset=utf-8".into())], body }
    }

    pub(super) fn redirect(to: &str) -> Self {
        Self { status: 302, headers: vec![("location".into(), to.into())], body: String::new() }
    }

    pub(super) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// An OAuth error (RFC 6749 §5.2), with the statuses that Auth0 and GitHub use in their dialects.
    pub(super) fn error(dialect: Dialect, code: &str, description: &str) -> Self {
        let status = match (dialect, code) {
            (Dialect::GitHub, _) => 200,
            (_, "invalid_client") => 401,
            (Dialect::Auth0, "slow_down") => 429,
            (Dialect::Auth0, "invalid_request" | "unsupported_grant_type") => 400,
            (Dialect::Auth0, _) => 403,
            (Dialect::Plain, _) => 400,
        };
        let mut body = json!({ "error": code, "error_description": description });
        if (dialect, code) == (Dialect::GitHub, "slow_down") {
            body["interval"] = (INTERVAL + 5).into();
        }
        Self::json(status, &body)
    }
}

/// Merges fields into an object; null takes one out.
pub(super) fn patch(object: &mut Value, patch: &Map<String, Value>) {
    let fields = object.as_object_mut().expect("answers are objects");
    for (name, value) in patch {
        if value.is_null() {
            fields.remove(name);
        } else {
            fields.insert(name.clone(), value.clone());
        }
    }
}

/// Lets an answer meet the fault that is planned for its endpoint, if any. `work` does what the client asked; a fault
/// before the commit keeps it from happening. `exchange` is the ledger's number of a token request.
pub(super) async fn through_fault(
    shared: &Arc<Shared>,
    plug: &Plug,
    at: Endpoint,
    exchange: Option<u64>,
    work: impl FnOnce() -> Answer,
) -> Response {
    let Some(fault) = shared.next_fault(at) else {
        return send(shared, plug, exchange, work(), None);
    };
    let (done, undone) = if fault.commit { (Some(work()), None) } else { (None, Some(work)) };
    tokio::time::sleep(Duration::from_secs_f64(fault.delay)).await;
    let (answer, cut) = match fault.deed {
        Deed::Answer => (done.or_else(|| undone.map(|work| work())).expect("it is the one or the other"), None),
        Deed::Say { status, headers, body } => (Answer { status, headers, body }, None),
        Deed::Reset => (Answer::empty(500), Some(Cut::AtOnce)),
        Deed::ResetAfterHead => (done.unwrap_or_else(some_answer), Some(Cut::AfterHead(0))),
        Deed::HalfBody => {
            let answer = done.unwrap_or_else(some_answer);
            let half = answer.body.len() / 2;
            (answer, Some(Cut::AfterHead(half)))
        }
    };
    send(shared, plug, exchange, answer, cut)
}

/// Something to cut in two when nothing was done.
fn some_answer() -> Answer {
    Answer::json(200, &json!({ "access_token": "at_never", "token_type": "Bearer", "expires_in": 3600 }))
}

fn send(shared: &Arc<Shared>, plug: &Plug, exchange: Option<u64>, answer: Answer, cut: Option<Cut>) -> Response {
    let Answer { status, headers, body } = answer;
    let shared = Arc::clone(shared);
    plug.plan(cut, body.len(), move |ended| {
        let Some(exchange) = exchange else { return };
        let event = match ended {
            Ended::Whole => Event::Sent { status },
            Ended::CutAfter(after) => Event::Cut { after },
        };
        shared.ledger.write(exchange, event);
    });
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = StatusCode::from_u16(status).expect("a planned status is a status");
    for (name, value) in headers {
        let name = HeaderName::try_from(name).expect("a planned header is a header");
        let value = HeaderValue::try_from(value).expect("a planned header is a header");
        response.headers_mut().append(name, value);
    }
    if cut.is_some() {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}
