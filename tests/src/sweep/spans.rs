//! How long a new token was only in memory, read out of the keeper's log at level `debug`.

use std::time::Duration;

/// From "the answer's last byte is read" to "its grant is synced", for each rotation that a keeper's log tells of.
pub fn from_answer_to_disk(log: &str) -> Vec<Duration> {
    let mut read = None;
    let mut spans = Vec::new();
    for line in log.lines() {
        if line.contains("the exchange came back") {
            read = time_of_day(line);
        } else if line.contains("the grant is durable")
            && let (Some(from), Some(to)) = (read.take(), time_of_day(line))
        {
            // Over midnight the difference is negative: that one is left out.
            spans.extend(to.checked_sub(from));
        }
    }
    spans
}

/// The newest generation that a keeper's log calls durable; 0 = none.
pub fn newest_durable(log: &str) -> u64 {
    let durable = log.lines().filter(|line| line.contains("the grant is durable"));
    let number = |line: &str| line.split_once("generation=")?.1.split_whitespace().next()?.parse().ok();
    durable.filter_map(number).max().unwrap_or_default()
}

/// The value that so many per cent do not exceed; zero of nothing.
pub fn percentile(spans: &mut [Duration], percent: usize) -> Duration {
    spans.sort_unstable();
    let rank = (spans.len() * percent).div_ceil(100).max(1);
    spans.get(rank - 1).copied().unwrap_or_default()
}

/// `2026-01-31T12:34:56.123456Z …` → since midnight.
fn time_of_day(line: &str) -> Option<Duration> {
    let (_, time) = line.split_whitespace().next()?.split_once('T')?;
    let mut parts = time.trim_end_matches('Z').split([':', '.']);
    let mut number = || parts.next()?.parse::<u64>().ok();
    let (hours, minutes, seconds, micros) = (number()?, number()?, number()?, number()?);
    Some(Duration::from_secs(hours * 3600 + minutes * 60 + seconds) + Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_begins_with_the_answer_and_ends_with_the_sync() {
        let log = "2026-11-23T03:00:00.000100Z DEBUG x: the exchange came back account=work\n\
                   2026-11-23T03:00:00.004100Z DEBUG x: the grant is durable account=work generation=7\n\
                   2026-11-23T03:00:09.000000Z DEBUG x: the exchange came back account=work\n";
        assert_eq!(from_answer_to_disk(log), [Duration::from_millis(4)]);
        assert_eq!(newest_durable(log), 7);
    }

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let mut spans: Vec<_> = (1..=100).map(Duration::from_millis).collect();
        assert_eq!(percentile(&mut spans, 99), Duration::from_millis(99));
        assert_eq!(percentile(&mut [Duration::from_secs(1)], 99), Duration::from_secs(1));
        assert_eq!(percentile(&mut [], 99), Duration::ZERO);
    }
}
