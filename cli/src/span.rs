//! Times as people say them. The present is an argument.

/// Unix seconds.
pub(crate) type Unix = u64;

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// The wall clock, in unix seconds.
#[expect(clippy::disallowed_methods, reason = "the command's one reading of the clock; everything below takes it")]
pub(crate) fn now() -> Unix {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// How long: `45 s`, `42 min`, `3 h 10 min`, `12 days`.
pub(crate) fn long(seconds: u64) -> String {
    match seconds {
        0..100 => format!("{seconds} s"),
        100..7200 => format!("{} min", seconds / MINUTE),
        7200..172_800 => match seconds % HOUR / MINUTE {
            0 => format!("{} h", seconds / HOUR),
            minutes if seconds < 10 * HOUR => format!("{} h {minutes} min", seconds / HOUR),
            _ => format!("{} h", seconds / HOUR),
        },
        _ => format!("{} days", seconds / DAY),
    }
}

/// A moment: `in 42 min`, `now`, `3 days ago`; a dash when there is none.
pub(crate) fn when(at: Unix, now: Unix) -> String {
    match at {
        0 => "–".to_owned(),
        _ if at == now => "now".to_owned(),
        _ if at > now => format!("in {}", long(at - now)),
        _ => format!("{} ago", long(now - at)),
    }
}

/// A moment in UTC: `2026-11-23 14:32:00 UTC`.
pub(crate) fn utc(at: Unix) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(at);
    let text = humantime::format_rfc3339_seconds(time).to_string();
    text.replace('T', " ").replace('Z', " UTC")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_read_as_people_say_them() {
        let said = [
            (0, "0 s"),
            (99, "99 s"),
            (100, "1 min"),
            (42 * 60, "42 min"),
            (7199, "119 min"),
            (7200, "2 h"),
            (3 * 3600 + 600, "3 h 10 min"),
            (26 * 3600 + 1800, "26 h"),
            (12 * 86400 + 5, "12 days"),
        ];
        for (seconds, text) in said {
            assert_eq!(long(seconds), text);
        }
    }

    #[test]
    fn moments_are_before_now_or_after() {
        assert_eq!(when(0, 1000), "–");
        assert_eq!(when(1000, 1000), "now");
        assert_eq!(when(1042, 1000), "in 42 s");
        assert_eq!(when(400, 1000), "10 min ago");
        assert_eq!(utc(1_795_400_000), "2026-11-23 02:13:20 UTC");
    }
}
