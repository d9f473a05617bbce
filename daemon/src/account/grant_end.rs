//! The end of the login itself, as servers announce it: for how long the person's authorization holds, and for how long
//! the refresh token would go unused (draft-ietf-oauth-refresh-token-expiration, and what vendors write for it).
//!
//! A refresh token's own time is one of two things. Where the next answer names a later end, it is a limit on idleness:
//! the login is refreshed before it, and does not end. Where it does not, the login ends there, and the person is told.

use std::time::Duration;

use super::effect::{Change, Notice};
use super::errand::Then;
use super::holding::{Grant, Holding};
use super::machine::{Account, Turn};
use super::record::Facts;
use crate::oauth::Granted;
use crate::time::{Boot, Now, Wall};

/// The end is announced when a fifth of the time is left, three days at most.
const SOON: i64 = 3 * 24 * 3600 * 1000;
/// Two answers about the same end may differ by so much, in milliseconds: clocks, rounding, the way.
const SAME: i64 = 60_000;

/// What an answer says of the end; called before anything else of it is noted down.
pub(super) fn note_end(facts: &mut Facts, granted: &Granted, sent: &Now) {
    let at = |span: Duration| sent.wall.after(span).0;
    let announced = facts.login_ends_at;
    if let Some(lifetime) = granted.refresh_lifetime {
        let ends = at(lifetime);
        let before = facts.token_ends_at.replace(ends);
        let waited = sent.wall.0.saturating_sub(facts.refreshed_at) > 2 * SAME;
        facts.slides = match before {
            Some(before) if ends > before.saturating_add(SAME) => true,
            // Between two answers that came at once no end moves.
            Some(_) if waited => false,
            Some(_) | None => facts.slides,
        };
        facts.login_ends_at = (!facts.slides).then_some(ends);
    }
    // What the server says of the authorization itself is above what it says of the token.
    if let Some(lifetime) = granted.login_lifetime {
        facts.login_ends_at = Some(at(lifetime));
    }
    let is_same =
        announced.zip(facts.login_ends_at).is_some_and(|(one, other)| one.abs_diff(other) <= SAME.unsigned_abs());
    facts.end_announced &= is_same;
}

/// After how long without a refresh the server forgets this login, as its answers say: not where the end is fixed.
pub(super) fn idle_limit(facts: &Facts) -> Option<Duration> {
    let is_open = facts.slides || facts.refreshes == 0;
    facts.token_ends_at.filter(|_| is_open).map(|ends| Wall(ends).since(Wall(facts.refreshed_at)))
}

/// When the end is announced.
fn announced_at(facts: &Facts) -> Option<Wall> {
    let ends = facts.login_ends_at?;
    let notice = SOON.min(ends.saturating_sub(facts.signed_in_at) / 5);
    Some(Wall(ends.saturating_sub(notice)))
}

impl Account {
    pub(super) fn ends_soon(&self, holding: &Holding, now: &Now) -> bool {
        let facts = holding.grant.lineage().map(|lineage| &lineage.facts);
        facts.and_then(announced_at).is_some_and(|at| now.wall >= at)
    }

    /// When the person is to be told of the end, if nobody has told them yet.
    pub(super) fn announces_at(&self, now: &Now) -> Option<Boot> {
        let Holding { grant: Grant::Live(lineage), trouble, .. } = self.vault.open()? else { return None };
        // New facts would clear the intent of a token that may be spent.
        if trouble.lost().is_some() {
            return None;
        }
        let at = announced_at(&lineage.facts).filter(|_| !lineage.facts.end_announced)?;
        self.errand.is_none().then(|| now.boot.after(at.since(now.wall)))
    }

    /// Tells the person, once for each login; durable, so that a restart does not tell again.
    pub(super) fn announce_end(&mut self, turn: &mut Turn<'_>) -> bool {
        if self.announces_at(turn.now).is_none_or(|at| at > turn.now.boot) {
            return false;
        }
        let name = self.name.clone();
        let Some(holding) = self.vault.open_mut() else { return false };
        let generation = holding.generation;
        let Grant::Live(lineage) = &mut holding.grant else { return false };
        lineage.facts.end_announced = true;
        let (ends, facts) = (lineage.facts.login_ends_at.unwrap_or_default(), lineage.facts.clone());
        let left = rough(Wall(ends).since(turn.now.wall));
        let why = format!("the server ends the login of `{name}` in {left}, whatever is refreshed until then");
        turn.log(why.clone());
        turn.notify(Notice::LoginEndsSoon { why });
        self.save(Change::Facts { generation, facts }, Then::Nothing, turn);
        true
    }
}

/// How people say it.
fn rough(span: Duration) -> String {
    let (minutes, hours) = (span.as_secs() / 60, span.as_secs() / 3600);
    match (minutes, hours) {
        (0..=1, _) => "a minute".to_owned(),
        (_, 0..=1) => format!("{minutes} minutes"),
        (_, 2..=47) => format!("{hours} hours"),
        _ => format!("{} days", hours / 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::testing::Clock;

    const HOUR: u64 = 3600;

    fn granted(refresh: Option<u64>, login: Option<u64>) -> Granted {
        Granted {
            access_token: "at".to_owned().into(),
            token_type: "Bearer".into(),
            lifetime: None,
            scopes: None,
            id_token: None,
            audience: Vec::new(),
            issued_token_type: None,
            refresh_in: None,
            login_lifetime: login.map(Duration::from_secs),
            authorization_details: None,
            refresh_lifetime: refresh.map(Duration::from_secs),
        }
    }

    /// The end in hours from the sign-in, and the idle limit in hours, after answers that came at these hours.
    fn after(answers: &[(u64, Option<u64>, Option<u64>)]) -> (Option<u64>, Option<u64>) {
        let start = Clock::START;
        let mut facts = Facts { signed_in_at: start.now().wall.0, ..Facts::default() };
        for (index, (hour, refresh, login)) in answers.iter().enumerate() {
            let mut clock = start;
            clock.pass(Duration::from_secs(hour * HOUR));
            facts.refreshes = index as u64;
            note_end(&mut facts, &granted(refresh.map(|h| h * HOUR), login.map(|h| h * HOUR)), &clock.now());
            facts.refreshed_at = clock.now().wall.0;
        }
        let ends = facts.login_ends_at.map(|at| Wall(at).since(start.now().wall).as_secs() / HOUR);
        (ends, idle_limit(&facts).map(|limit| limit.as_secs() / HOUR))
    }

    /// A33: an end that moves on with each refresh is none; one that stands is told.
    #[test]
    fn an_end_that_moves_on_is_a_limit_on_idleness() {
        assert_eq!(after(&[(0, Some(30), None)]), (Some(30), Some(30)), "nobody knows yet");
        assert_eq!(after(&[(0, Some(30), None), (10, Some(30), None)]), (None, Some(30)));
        assert_eq!(after(&[(0, Some(30), None), (10, Some(20), None)]), (Some(30), None));
        assert_eq!(after(&[(0, Some(30), None), (10, None, None)]), (Some(30), None), "not said again");
        assert_eq!(after(&[(0, Some(30), Some(100)), (10, Some(30), Some(90))]), (Some(100), Some(30)));
        let slid = (0, Some(30), None);
        assert_eq!(after(&[slid, (10, Some(30), None), (10, Some(30), None)]), (None, Some(30)), "two at once");
        assert_eq!(after(&[slid, (10, Some(30), None), (20, Some(20), None)]), (Some(40), None), "it stands at last");
        assert_eq!(after(&[(0, None, Some(100))]), (Some(100), None));
        assert_eq!(after(&[(0, None, None)]), (None, None));
    }

    #[test]
    fn times_are_said_as_people_do() {
        let said = [20, 90 * 60, 5 * HOUR, 71 * HOUR].map(|seconds| rough(Duration::from_secs(seconds)));
        assert_eq!(said, ["a minute", "90 minutes", "5 hours", "2 days"]);
    }
}
