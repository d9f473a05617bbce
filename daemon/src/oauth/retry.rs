//! When a server that did nothing wants to be asked again: `Retry-After` (RFC 9110 §10.2.3), else
//! `x-ratelimit-reset` (Auth0: unix seconds), else a minute.

use std::time::Duration;

use http::HeaderMap;

use super::heard::date;
use crate::time::Wall;

/// Where the server says nothing.
const DEFAULT: Duration = Duration::from_secs(60);
/// No server is believed beyond this; a caller's own schedule is slower anyway.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);
/// Numbers above this are instants, those below are spans: 2001, or 31 years.
const EPOCH_FROM: u64 = 1_000_000_000;

/// How long to wait. At least a second: a zero would be a loop.
pub(super) fn after(headers: &HeaderMap, wall: Wall) -> Duration {
    // Dates are the server's; measured by its own clock they are right even where ours is wrong.
    let now = date(headers, http::header::DATE.as_str()).unwrap_or_else(|| wall.unix());
    let wait = retry_after(headers, now)
        .or_else(|| reset(headers, "x-ratelimit-reset", now))
        .or_else(|| reset(headers, "ratelimit-reset", now));
    wait.unwrap_or(DEFAULT).clamp(Duration::from_secs(1), LONGEST)
}

/// Whether the server says when to come back: what makes a 503 "not processed".
pub(super) fn is_stated(headers: &HeaderMap) -> bool {
    retry_after(headers, 0).is_some()
}

fn retry_after(headers: &HeaderMap, now: u64) -> Option<Duration> {
    let name = http::header::RETRY_AFTER.as_str();
    if let Some(seconds) = number(headers, name) {
        return Some(Duration::from_secs(seconds));
    }
    Some(Duration::from_secs(date(headers, name)?.saturating_sub(now)))
}

fn reset(headers: &HeaderMap, name: &str, now: u64) -> Option<Duration> {
    let value = number(headers, name)?;
    Some(Duration::from_secs(if value >= EPOCH_FROM { value.saturating_sub(now) } else { value }))
}

/// A whole number; a fraction (`1.5`) is rounded up.
fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?.trim();
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let number: f64 = text.parse().ok()?;
    (number.is_finite() && number >= 0.0).then_some(number.ceil() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Wed, 21 Oct 2026 07:28:00 GMT.
    const NOW: u64 = 1_792_567_680;

    fn wait(headers: &[(&'static str, &str)]) -> u64 {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, value.parse().expect("a header value"));
        }
        after(&map, Wall::from_unix(NOW)).as_secs()
    }

    #[test]
    fn every_dialect_is_understood_and_bounded() {
        for (headers, expected) in [
            (&[][..], 60),
            (&[("retry-after", "7")], 7),
            (&[("retry-after", "0")], 1),
            (&[("retry-after", "1.2")], 2),
            (&[("retry-after", "-5")], 60),
            (&[("retry-after", "soon")], 60),
            (&[("retry-after", "99999999")], 86_400),
            (&[("retry-after", "Wed, 21 Oct 2026 07:30:00 GMT")], 120),
            (&[("retry-after", "Wed, 21 Oct 2026 07:00:00 GMT")], 1),
            (&[("x-ratelimit-reset", "1792567700")], 20),
            (&[("x-ratelimit-reset", "30")], 30),
            (&[("ratelimit-reset", "9")], 9),
            (&[("retry-after", "3"), ("x-ratelimit-reset", "1792567700")], 3),
        ] {
            assert_eq!(wait(headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn dates_are_measured_by_the_servers_clock() {
        let headers = [("date", "Wed, 21 Oct 2026 08:28:00 GMT"), ("retry-after", "Wed, 21 Oct 2026 08:28:30 GMT")];
        assert_eq!(wait(&headers), 30, "although our clock is an hour behind");
    }
}
