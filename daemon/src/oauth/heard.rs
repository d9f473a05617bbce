//! What every answer of a server tells beside its body.

use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;

/// Read from an answer's header, whatever its status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// The server's clock (`Date`, RFC 9110 §6.6.1), unix seconds.
    pub date: Option<u64>,
}

impl Heard {
    /// Reads a header.
    pub fn of(headers: &HeaderMap) -> Self {
        Self { date: date(headers, http::header::DATE.as_str()) }
    }
}

/// A header's date, unix seconds.
pub(super) fn date(headers: &HeaderMap, name: &str) -> Option<u64> {
    let date: SystemTime = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}
