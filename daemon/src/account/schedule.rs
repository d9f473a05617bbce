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

/// The longest time between refreshes of an account that nobody asks for.
pub(super) fn keep_alive(definition: &Definition) -> Duration {
    let by_limit = definition.idle_limit.map_or(7 * DAY, |limit| (limit / 3).min(7 * DAY));
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
