//! Which servers have still to be told of a logout (RFC 7009) or of a client that is to be deleted (RFC 7592), and when: a
//! pure queue over all accounts, whose definitions may be gone. It holds names and times only; the tokens stay sealed until
//! one is sent.
//!
//! A login that was forgotten here stays forgotten, whatever comes of this.

use std::collections::BTreeMap;
use std::time::Duration;

use tokenkeeper_config::AccountName;

use super::schedule;
use crate::time::{Boot, Now, Wall};

/// A server that has not heard after this long will not: refresh tokens that nobody uses run out.
const GIVEN_UP: Duration = Duration::from_secs(7 * 24 * 3600);

/// Which revocation: the account, and when its login was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RevocationId {
    /// Whose login it was.
    pub account: AccountName,
    /// Unix milliseconds.
    pub at: i64,
}

/// One thing to do about a revocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// Tell the server, once. Its end is heard by [`Revocations::settled`] or [`Revocations::put_off`].
    Tell(RevocationId),
    /// Delete what is kept of it: it was tried for a week.
    GiveUp(RevocationId),
}

/// All that are left.
pub struct Revocations {
    left: BTreeMap<RevocationId, Left>,
    seed: u64,
}

struct Left {
    failures: u32,
    /// `None` = it is being told.
    next: Option<Boot>,
}

impl Revocations {
    /// None. `seed` spreads the tries.
    pub fn new(seed: u64) -> Self {
        Self { left: BTreeMap::new(), seed }
    }

    /// One more is durable.
    pub fn add(&mut self, id: RevocationId, now: &Now) {
        self.left.entry(id).or_insert(Left { failures: 0, next: Some(now.boot) });
    }

    /// What is due now.
    pub fn due(&mut self, now: &Now) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let due = self.left.iter_mut().filter(|(_, left)| left.next.is_some_and(|next| next <= now.boot));
        for (id, left) in due {
            left.next = None;
            let is_old = now.wall.since(Wall(id.at)) >= GIVEN_UP;
            deeds.push(if is_old { Deed::GiveUp(id.clone()) } else { Deed::Tell(id.clone()) });
        }
        deeds
    }

    /// It is settled: told, or given up.
    pub fn settled(&mut self, id: &RevocationId) {
        self.left.remove(id);
    }

    /// The server could not be told now. `wait` is the time that it asked for.
    pub fn put_off(&mut self, id: &RevocationId, wait: Option<Duration>, now: &Now) {
        if let Some(left) = self.left.get_mut(id) {
            left.failures += 1;
            let pause = schedule::revoke_again(schedule::mix(self.seed, now.wall.unix()), left.failures);
            left.next = Some(now.boot.after(pause.max(wait.unwrap_or_default())));
        }
    }

    /// What was out of reach may be within it.
    pub fn network_up(&mut self, now: &Now) {
        let soon = now.boot.after(schedule::spread(schedule::mix(self.seed, now.wall.unix())));
        for left in self.left.values_mut() {
            left.failures = 0;
            left.next = left.next.map(|next| next.min(soon));
        }
    }

    /// The vault is locked: they are read anew when it is opened.
    pub fn forget(&mut self) {
        self.left.clear();
    }

    /// When [`Revocations::due`] wants to be asked.
    pub fn deadline(&self) -> Option<Boot> {
        self.left.values().filter_map(|left| left.next).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::testing::Clock;

    fn id(at: i64) -> RevocationId {
        RevocationId { account: "work".parse().expect("a name"), at }
    }

    fn one() -> (Revocations, Clock, RevocationId) {
        let (mut queue, clock) = (Revocations::new(1), Clock::START);
        let id = id(clock.now().wall.0);
        queue.add(id.clone(), &clock.now());
        (queue, clock, id)
    }

    #[test]
    fn one_is_told_at_once_and_not_twice_at_a_time() {
        let (mut queue, clock, id) = one();
        assert_eq!(queue.due(&clock.now()), [Deed::Tell(id.clone())]);
        assert_eq!((queue.due(&clock.now()), queue.deadline()), (vec![], None));
        queue.add(id.clone(), &clock.now());
        assert_eq!(queue.deadline(), None, "it is known already");
        queue.settled(&id);
        queue.put_off(&id, None, &clock.now());
        assert_eq!(queue.deadline(), None);
    }

    #[test]
    fn a_server_that_cannot_now_is_asked_ever_more_rarely_up_to_hourly_and_not_before_it_wants() {
        let (mut queue, mut clock, id) = one();
        let mut pauses = Vec::new();
        for _ in 0..30 {
            assert_eq!(queue.due(&clock.now()), [Deed::Tell(id.clone())]);
            queue.put_off(&id, None, &clock.now());
            let pause = queue.deadline().expect("later").since(clock.now().boot);
            pauses.push(pause);
            clock.pass(pause);
        }
        assert!(pauses[0] <= Duration::from_secs(2), "{pauses:?}");
        assert!(pauses.iter().all(|pause| *pause <= Duration::from_secs(3600)), "{pauses:?}");
        assert!(pauses[20..].iter().all(|pause| *pause >= Duration::from_secs(450)), "{pauses:?}");
        queue.due(&clock.now());
        queue.put_off(&id, Some(Duration::from_secs(7_200)), &clock.now());
        assert_eq!(queue.deadline().expect("later").since(clock.now().boot), Duration::from_secs(7_200));
    }

    #[test]
    fn when_the_network_comes_up_it_is_soon() {
        let (mut queue, clock, id) = one();
        queue.due(&clock.now());
        queue.network_up(&clock.now());
        assert_eq!(queue.deadline(), None, "it is being told");
        queue.put_off(&id, Some(Duration::from_secs(3600)), &clock.now());
        queue.network_up(&clock.now());
        assert!(queue.deadline().expect("soon").since(clock.now().boot) <= Duration::from_secs(30));
    }

    #[test]
    fn after_a_week_it_is_given_up() {
        let (mut queue, mut clock, id) = one();
        clock.pass(Duration::from_secs(7 * 24 * 3600 - 1));
        assert_eq!(queue.due(&clock.now()), [Deed::Tell(id.clone())]);
        queue.put_off(&id, None, &clock.now());
        clock.pass(Duration::from_secs(3600));
        assert_eq!(queue.due(&clock.now()), [Deed::GiveUp(id)]);
    }
}
