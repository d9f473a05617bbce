//! When: every instant and every span that the lifecycle goes by, as pure functions (refresh.md "When").
//!
//! "Random" spans are hashes of the account's seed and a salt: two accounts differ, one account can be replayed.

use std::time::Duration;

use tokenkeeper_config::{Definition, Rotation};

use crate::time::Boot;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// How long somebody may take to sign in.
pub(super) const LOGIN_LIMIT: Duration = Duration::from_secs(600);
/// How long the sealed token of an ended lineage is kept for `login --retry`.
pub(super) const KEEP_ENDED: Duration = Duration::from_secs(7 * 24 * 3600);
/// A caller waits through short retries for so long before it hears that the server cannot be reached.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// A login reads metadata and keys anew when they are older than this; an ID token by an unknown key after an hour.
pub(super) const METADATA_FRESH: Duration = MINUTE;
pub(super) const KEYS_FRESH: Duration = HOUR;
/// After waking up, callers wait as long as they can: the network takes a while.
pub(super) const WAKING: Duration = Duration::from_secs(60);
/// A token that was asked for within this time keeps its account awake, however short the token lives.
pub(super) const STAYS_AWAKE: Duration = Duration::from_secs(600);
/// Callers who say `rejected` cause at most one refresh in this time.
pub(super) const REJECTED_PAUSE: Duration = MINUTE;
/// How long a token is counted on whose life nobody told.
pub(super) const PRESUMED_LIFE: Duration = HOUR;
/// Wait after a refusal without a reason.
pub(super) const UNEXPLAINED_PAUSE: Duration = MINUTE;
/// Wait after each further refusal, and after `access_denied`.
pub(super) const REFUSED_PAUSE: Duration = HOUR;
/// After this many hourly tries, a refusal is believed.
pub(super) const REFUSED_TRIES: u32 = 3;
/// A late replay goes out this long before the served token expires.
const LATE_REPLAY: Duration = Duration::from_secs(10);

/// SplitMix64's finaliser (Steele, Lea, Flood 2014): a hash of two numbers.
pub(super) fn mix(seed: u64, salt: u64) -> u64 {
    let mut z = seed.wrapping_add(salt.wrapping_mul(0x9e37_79b9_7f4a_7c15)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Between zero and `span`, by the hash.
pub(super) fn share(span: Duration, hash: u64) -> Duration {
    let nanos = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(u64::try_from((u128::from(nanos) * u128::from(hash)) >> 64).unwrap_or(nanos))
}

/// How long before its expiry a token is refreshed: a tenth of its life, one to ten minutes, at most half of it; where
/// a refresh kills the served token, 60 to 90 s.
pub(super) fn lead(definition: &Definition, lifetime: Duration, hash: u64) -> Duration {
    let half = lifetime / 2;
    if let Some(lead) = definition.lead {
        return lead.min(half);
    }
    if definition.refresh_kills_token {
        return (MINUTE + share(MINUTE / 2, hash)).min(half);
    }
    (lifetime / 10).clamp(MINUTE, 10 * MINUTE).min(half)
}

/// How long before its expiry this token is due: the lead, less a jitter of up to a quarter of it, so that accounts
/// made in the same second part.
pub(super) fn due_before_expiry(
    definition: &Definition,
    lifetime: Duration,
    refresh_in: Option<Duration>,
    hash: u64,
) -> Duration {
    if let Some(refresh_in) = refresh_in.filter(|span| *span < lifetime) {
        return lifetime - refresh_in;
    }
    let lead = lead(definition, lifetime, hash);
    if definition.refresh_kills_token { lead } else { lead - share(lead / 4, hash) }
}

/// The longest time between refreshes of an account that nobody asks for. `learned` is the idle limit as the server's
/// answers say it.
pub(super) fn keep_alive(definition: &Definition, learned: Option<Duration>) -> Duration {
    let limit = [definition.idle_limit, learned].into_iter().flatten().min();
    let by_limit = limit.map_or(7 * DAY, |limit| (limit / 3).min(7 * DAY).max(MINUTE));
    definition.keep_alive.unwrap_or(by_limit)
}

/// Accounts that are all due at once (after sleep, boot, or without network) go one by one over 30 s.
pub(super) fn spread(hash: u64) -> Duration {
    share(Duration::from_secs(30), hash)
}

/// Full jitter: anything up to 1 s, 2 s, 4 s … 5 min.
pub(super) fn backoff(seed: u64, failures: u32) -> Duration {
    let ceiling = (SECOND * 2_u32.saturating_pow(failures.saturating_sub(1).min(20))).min(5 * MINUTE);
    share(ceiling, mix(seed, u64::from(failures))).max(ceiling / 8)
}

/// Between tries to commit what is not durable: 1 s, 2 s … 30 s.
pub(super) fn save_again(failures: u32) -> Duration {
    (SECOND * 2_u32.saturating_pow(failures.saturating_sub(1).min(10))).min(30 * SECOND)
}

/// Between two polls of the device flow: the interval, twice as long after each poll in a row that brought no answer
/// (RFC 8628 §3.5), but no longer than a minute on that account.
pub(super) fn poll_pause(interval: Duration, failures: u32) -> Duration {
    (interval * 2_u32.saturating_pow(failures.min(10))).min(interval.max(MINUTE))
}

/// Between tries to tell a server of a logout: up to 2 s, 4 s … 1 h, at least an eighth of that.
pub(super) fn revoke_again(hash: u64, failures: u32) -> Duration {
    let ceiling = (SECOND * 2_u32.saturating_pow(failures.min(20))).min(HOUR);
    share(ceiling, hash).max(ceiling / 8)
}

/// How long one exchange may take.
pub(super) fn attempt_timeout(definition: &Definition) -> Duration {
    match (definition.rotation, definition.replay_window) {
        (Rotation::None, _) | (_, None) => 20 * SECOND,
        (_, Some(Duration::ZERO)) => 30 * SECOND,
        (_, Some(window)) => (10 * SECOND).min(window / 3).max(SECOND),
    }
}

/// What is known of an exchange whose answer was lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct LostSends {
    /// How often this token was sent with no answer.
    pub(super) sends: u32,
    /// Since the first of these.
    pub(super) since_first: Duration,
    /// When the last of these came to nothing.
    pub(super) last: Boot,
    /// Until the served token expires; zero = none is valid.
    pub(super) token_left: Duration,
    /// Somebody waits who cannot use the served token.
    pub(super) demanded: bool,
}

/// When a token whose answer was lost may be sent again (refresh.md "Ambiguous"). The more often it was, the longer the
/// wait: by then either the lineage is dead, or the server does not act on what we send.
pub(super) fn replay_at(definition: &Definition, seed: u64, lost: &LostSends, now: Boot) -> Boot {
    let slowly = lost.last.after(slow_pause(lost.sends));
    match (definition.rotation, definition.replay_window) {
        (Rotation::None, _) => lost.last.after(backoff(seed, lost.sends)),
        (_, None) => slowly,
        (_, Some(window)) => {
            let soon = lost.last.after(SECOND * 3_u32.saturating_pow(lost.sends.saturating_sub(1).min(8)));
            let in_time = lost.since_first.saturating_add(soon.since(now)) < window.saturating_sub(2 * SECOND);
            if in_time {
                return soon;
            }
            if lost.demanded || lost.token_left.is_zero() {
                return slowly;
            }
            slowly.max(now.after(lost.token_left.saturating_sub(LATE_REPLAY)))
        }
    }
}

/// 2 s, then 1 min, 2 min … 1 h.
fn slow_pause(sends: u32) -> Duration {
    match sends {
        0 | 1 => 2 * SECOND,
        more => (MINUTE * 2_u32.saturating_pow((more - 2).min(10))).min(HOUR),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::testing::definition;

    const NOW: Boot = Boot(Duration::from_secs(100_000));

    #[test]
    fn the_lead_is_a_tenth_of_the_life_within_bounds_and_never_more_than_half() {
        for (lifetime, expected) in [(20, 10), (60, 30), (300, 60), (3_600, 360), (86_400, 600)] {
            let lead = lead(&definition(), Duration::from_secs(lifetime), 0);
            assert_eq!(lead, Duration::from_secs(expected), "{lifetime} s");
        }
    }

    #[test]
    fn where_a_refresh_kills_the_token_the_lead_is_60_to_90_s() {
        let mut definition = definition();
        definition.refresh_kills_token = true;
        assert_eq!(lead(&definition, HOUR, 0), MINUTE);
        assert_eq!(lead(&definition, HOUR, u64::MAX).as_secs(), 89);
        assert_eq!(lead(&definition, MINUTE, u64::MAX), MINUTE / 2);
    }

    #[test]
    fn a_stated_lead_wins_but_not_over_half_the_life() {
        let mut definition = definition();
        definition.lead = Some(Duration::from_secs(900));
        assert_eq!(lead(&definition, HOUR, 7), Duration::from_secs(900));
        assert_eq!(lead(&definition, MINUTE, 7), MINUTE / 2);
    }

    #[test]
    fn the_jitter_lies_inside_the_lead() {
        for hash in [0, u64::MAX / 2, u64::MAX] {
            let before = due_before_expiry(&definition(), HOUR, None, hash);
            assert!((270..=360).contains(&before.as_secs()), "{before:?}");
        }
    }

    #[test]
    fn the_servers_own_refresh_in_wins_if_it_makes_sense() {
        let after = |refresh_in| HOUR - due_before_expiry(&definition(), HOUR, refresh_in, 0);
        assert_eq!(after(Some(20 * MINUTE)), 20 * MINUTE);
        assert_eq!(after(Some(2 * HOUR)), HOUR - 6 * MINUTE);
        assert_eq!(after(Some(HOUR)), HOUR - 6 * MINUTE, "its end is too late");
    }

    #[test]
    fn an_idle_login_is_kept_alive_at_a_third_of_its_limit_at_most_a_week() {
        let mut definition = definition();
        assert_eq!(keep_alive(&definition, None), 7 * DAY);
        definition.idle_limit = Some(90 * DAY);
        assert_eq!(keep_alive(&definition, None), 7 * DAY);
        definition.idle_limit = Some(7 * DAY);
        assert_eq!(keep_alive(&definition, None), 7 * DAY / 3);
        assert_eq!(keep_alive(&definition, Some(HOUR)), HOUR / 3, "the server's own word");
        assert_eq!(keep_alive(&definition, Some(MINUTE)), MINUTE, "not more often");
        assert_eq!(keep_alive(&definition, Some(90 * DAY)), 7 * DAY / 3);
        definition.keep_alive = Some(DAY);
        assert_eq!(keep_alive(&definition, Some(HOUR)), DAY);
    }

    #[test]
    fn backoff_grows_to_five_minutes_with_jitter() {
        for failures in 1..40 {
            let ceiling = Duration::from_secs(1 << (failures - 1).min(20)).min(5 * MINUTE);
            let spans: Vec<_> = (0..50).map(|seed| backoff(seed, failures)).collect();
            assert!(spans.iter().all(|span| (ceiling / 8..=ceiling).contains(span)), "{failures}");
            assert!(spans.iter().any(|span| *span < ceiling / 2) && spans.iter().any(|span| *span > ceiling / 2));
        }
    }

    #[test]
    fn polls_without_an_answer_come_ever_more_rarely() {
        let pauses: Vec<_> = (0..6).map(|failures| poll_pause(5 * SECOND, failures).as_secs()).collect();
        assert_eq!(pauses, [5, 10, 20, 40, 60, 60]);
        assert_eq!(poll_pause(2 * MINUTE, 3), 2 * MINUTE, "never more often than the server wants");
    }

    #[test]
    fn an_attempts_time_leaves_room_for_replays_in_the_window() {
        let of = |rotation, window| {
            let mut definition = definition();
            (definition.rotation, definition.replay_window) = (rotation, window);
            attempt_timeout(&definition).as_secs()
        };
        assert_eq!(of(Rotation::Auto, None), 20);
        assert_eq!(of(Rotation::Rotating, Some(Duration::ZERO)), 30);
        assert_eq!(of(Rotation::Rotating, Some(MINUTE)), 10);
        assert_eq!(of(Rotation::Rotating, Some(Duration::from_secs(15))), 5);
        assert_eq!(of(Rotation::None, Some(MINUTE)), 20);
    }

    fn replay_in(window: Option<Duration>, sends: u32, since_first: u64, token_left: u64, demanded: bool) -> u64 {
        let mut definition = definition();
        (definition.rotation, definition.replay_window) = (Rotation::Rotating, window);
        let lost = LostSends {
            sends,
            since_first: Duration::from_secs(since_first),
            last: NOW,
            token_left: Duration::from_secs(token_left),
            demanded,
        };
        replay_at(&definition, 0, &lost, NOW).since(NOW).as_secs()
    }

    #[test]
    fn inside_the_window_replays_come_after_1_3_and_9_s_and_end_2_s_before_it_closes() {
        let window = Some(MINUTE);
        assert_eq!(replay_in(window, 1, 10, 1_000, false), 1);
        assert_eq!(replay_in(window, 2, 21, 1_000, false), 3);
        assert_eq!(replay_in(window, 3, 34, 1_000, false), 9);
        assert_eq!(replay_in(window, 1, 56, 1_000, false), 1);
        assert_eq!(replay_in(window, 1, 57, 1_000, false), 990, "too late: as if there were none");
    }

    #[test]
    fn with_an_unknown_window_one_replay_comes_after_2_s_then_slowly() {
        let slow: Vec<_> = (1..10).map(|sends| replay_in(None, sends, 30, 1_000, false)).collect();
        assert_eq!(slow, [2, 60, 120, 240, 480, 960, 1_920, 3_600, 3_600]);
    }

    #[test]
    fn with_no_window_the_replay_waits_until_the_served_token_is_about_to_expire() {
        let none = Some(Duration::ZERO);
        assert_eq!(replay_in(none, 1, 30, 1_000, false), 990);
        assert_eq!(replay_in(none, 1, 30, 0, false), 2, "nothing to serve");
        assert_eq!(replay_in(none, 1, 30, 1_000, true), 2, "what is served was refused");
        assert_eq!(replay_in(none, 2, 30, 0, false), 60, "not twice");
    }

    #[test]
    fn the_hash_is_splitmix64() {
        // The generator's first two numbers from the seed 0.
        assert_eq!(mix(0, 0), 0xe220_a839_7b1d_cdaf);
        assert_eq!(mix(0, 1), 0x6e78_9e6a_a1b9_65f4);
    }

    #[test]
    fn shares_reach_from_nothing_to_the_whole() {
        assert_eq!(share(HOUR, 0), Duration::ZERO);
        assert!(share(HOUR, u64::MAX) > HOUR - SECOND);
        assert_eq!(share(HOUR, 1 << 63), HOUR / 2);
    }
}
