//! What every answer of a server tells beside its body.

use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderMap;

use super::dpop;

/// Read from an answer's header, whatever its status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// The server's clock (`Date`, RFC 9110 §6.6.1), unix seconds.
    pub date: Option<u64>,
    /// What it wants to see in the next proof (`DPoP-Nonce`, RFC 9449 §8).
    pub nonce: Option<String>,
}

impl Heard {
    /// Reads a header.
    pub fn of(headers: &HeaderMap) -> Self {
        let nonce = headers.get("dpop-nonce").and_then(|nonce| nonce.to_str().ok());
        Self {
            date: date(headers, http::header::DATE.as_str()),
            nonce: nonce.filter(|nonce| dpop::is_nonce(nonce)).map(str::to_owned),
        }
    }
}

/// A header's date, unix seconds.
pub(super) fn date(headers: &HeaderMap, name: &str) -> Option<u64> {
    let date: SystemTime = httpdate::parse_http_date(headers.get(name)?.to_str().ok()?.trim()).ok()?;
    Some(date.duration_since(UNIX_EPOCH).ok()?.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_date_and_no_nonce_is_not_heard() {
        let mut headers = HeaderMap::new();
        assert_eq!(Heard::of(&headers), Heard::default());
        headers.insert("date", "Wed, 21 Oct 2026 07:28:00 GMT".parse().expect("a value"));
        headers.insert("dpop-nonce", "n-1".parse().expect("a value"));
        assert_eq!(Heard::of(&headers), Heard { date: Some(1_792_567_680), nonce: Some("n-1".into()) });
        headers.insert("date", "yesterday".parse().expect("a value"));
        headers.insert("dpop-nonce", "a \"quoted\" one".parse().expect("a value"));
        assert_eq!(Heard::of(&headers), Heard::default());
    }
}
