//! What can go wrong on purpose: when (before or after the server did its work), how late, and what the client sees.

use serde::{Deserialize, Serialize};

/// One planned misbehaviour.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Where.
    pub at: Endpoint,
    /// Whether the server first does what it was asked (commits the rotation), then misbehaves.
    #[serde(default)]
    pub commit: bool,
    /// Seconds to wait before the deed.
    #[serde(default)]
    pub delay: f64,
    /// What the client sees.
    #[serde(default)]
    pub deed: Deed,
    /// How many requests it befalls; 0 = all until cleared.
    #[serde(default = "once")]
    pub times: u32,
}

/// Where a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "the endpoints of RFC 8414 §2")]
pub enum Endpoint {
    Metadata,
    Jwks,
    Authorize,
    Token,
    Revoke,
    Introspect,
    Device,
    Register,
    Push,
}

/// What the client sees.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deed {
    /// The true answer (after the delay).
    #[default]
    Answer,
    /// A reset before the first byte.
    Reset,
    /// A reset after the header.
    ResetAfterHead,
    /// A reset in the middle of the body.
    HalfBody,
    /// This in place of the true answer.
    Say {
        /// HTTP status.
        status: u16,
        /// Header lines.
        #[serde(default)]
        headers: Vec<(String, String)>,
        /// The body.
        #[serde(default)]
        body: String,
    },
}

fn once() -> u32 {
    1
}

impl Fault {
    /// The token endpoint does this once, before it does its work.
    pub fn token(deed: Deed) -> Self {
        Self { at: Endpoint::Token, commit: false, delay: 0.0, deed, times: 1 }
    }

    /// The token endpoint answers truly, but late.
    pub fn hang(seconds: f64) -> Self {
        Self { delay: seconds, ..Self::token(Deed::Answer) }
    }

    /// … after it did its work.
    pub fn after_commit(self) -> Self {
        Self { commit: true, ..self }
    }

    /// … so many times; 0 = until cleared.
    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    /// … at another endpoint.
    pub fn at(self, at: Endpoint) -> Self {
        Self { at, ..self }
    }
}

impl Deed {
    /// An OAuth error (RFC 6749 §5.2).
    pub fn error(status: u16, code: &str) -> Self {
        Self::json(status, &format!(r#"{{"error":"{code}","error_description":"on purpose"}}"#))
    }

    /// Some JSON.
    pub fn json(status: u16, body: &str) -> Self {
        let headers = vec![("content-type".into(), "application/json".into())];
        Self::Say { status, headers, body: body.into() }
    }

    /// A captive portal's page.
    pub fn portal(status: u16) -> Self {
        let headers = vec![("content-type".into(), "text/html".into())];
        Self::Say { status, headers, body: "<!doctype html><title>Hotel</title><h1>Welcome! Accept our terms".into() }
    }

    /// A captive portal's redirect.
    pub fn redirect(to: &str) -> Self {
        Self::Say { status: 302, headers: vec![("location".into(), to.into())], body: String::new() }
    }

    /// 429 in the dialect of RFC 9110 §10.2.3: seconds.
    pub fn slow_down_seconds(seconds: u64) -> Self {
        Self::limited(vec![("retry-after".into(), seconds.to_string())])
    }

    /// 429 in the other dialect of RFC 9110 §10.2.3: an HTTP date.
    pub fn slow_down_until(http_date: &str) -> Self {
        Self::limited(vec![("retry-after".into(), http_date.into())])
    }

    /// 429 in Auth0's dialect: unix seconds.
    pub fn slow_down_reset(unix: u64) -> Self {
        let headers =
            vec![("x-ratelimit-remaining".into(), "0".into()), ("x-ratelimit-reset".into(), unix.to_string())];
        Self::limited(headers)
    }

    fn limited(headers: Vec<(String, String)>) -> Self {
        Self::Say { status: 429, headers, body: r#"{"error":"too_many_requests"}"#.into() }
    }
}
