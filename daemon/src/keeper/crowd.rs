//! How many exchanges and discoveries may be in flight at once (refresh.md "When"), so that a morning's wake-up is no attack
//! on an authorization server and no burden on this machine.
//!
//! The first at a host waits for no other host: whatever hangs elsewhere, an account whose own server answers is
//! served. Only the further ones share a number of places.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};

/// In flight at one host, beside the first.
const MORE_AT_A_HOST: usize = 7;
/// In flight at all hosts together, beside the first at each.
const MORE_IN_ALL: usize = 56;
/// Hosts where anything is in flight: each holds a descriptor, and a process has 1,024 of them by default.
const HOSTS: usize = 256;

/// The turnstiles. Cheap to clone.
#[derive(Clone)]
pub(super) struct Crowd(Arc<Turnstiles>);

struct Turnstiles {
    hosts: Mutex<HashMap<String, Arc<Host>>>,
    firsts: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

struct Host {
    first: Arc<Semaphore>,
    others: Arc<Semaphore>,
}

/// A turn; it ends when this is dropped.
pub(super) struct Turn {
    _at_the_host: OwnedSemaphorePermit,
    _in_all: OwnedSemaphorePermit,
}

impl Default for Crowd {
    fn default() -> Self {
        let (hosts, firsts, others) = (Mutex::default(), semaphore(HOSTS), semaphore(MORE_IN_ALL));
        Self(Arc::new(Turnstiles { hosts, firsts, others }))
    }
}

impl Crowd {
    /// Waits for a turn at `host`.
    pub(super) async fn turn(&self, host: &str) -> Option<Turn> {
        let (all, host) = (&self.0, self.host(host));
        // The first lane goes round the crowd that others make; whoever gets a turn in either leaves the other's queue.
        let turn = tokio::select! {
            biased;
            turn = pass(&host.first, &all.firsts) => turn,
            turn = pass(&host.others, &all.others) => turn,
        };
        // An error only if a turnstile were closed, which nobody does.
        turn.ok()
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        // Hosts come from definitions, so there are few; those nobody is at are forgotten all the same.
        hosts.retain(|_, host| Arc::strong_count(host) > 1 || !host.is_empty());
        let new = || Arc::new(Host { first: semaphore(1), others: semaphore(MORE_AT_A_HOST) });
        Arc::clone(hosts.entry(name.to_owned()).or_insert_with(new))
    }
}

impl Host {
    fn is_empty(&self) -> bool {
        self.first.available_permits() == 1 && self.others.available_permits() == MORE_AT_A_HOST
    }
}

/// First at the host, then in all: whoever waits for the others keeps nobody at its own host out but its successors.
async fn pass(at_the_host: &Arc<Semaphore>, in_all: &Arc<Semaphore>) -> Result<Turn, AcquireError> {
    let at_the_host = Arc::clone(at_the_host).acquire_owned().await?;
    let in_all = Arc::clone(in_all).acquire_owned().await?;
    Ok(Turn { _at_the_host: at_the_host, _in_all: in_all })
}

fn semaphore(places: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new(places))
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// As many turns as are to be had at once. Unconstrained: else the runtime makes a task wait that never does.
    fn turns(crowd: &Crowd, host: &str) -> Vec<Turn> {
        std::iter::from_fn(|| tokio::task::unconstrained(crowd.turn(host)).now_or_never().flatten()).collect()
    }

    #[tokio::test]
    async fn the_ninth_waits_and_another_host_does_not() {
        let crowd = Crowd::default();
        let mut slow = turns(&crowd, "slow.example");
        assert_eq!(slow.len(), 8);
        let mut ninth = Box::pin(crowd.turn("slow.example"));
        assert!(futures_util::poll!(&mut ninth).is_pending());
        assert_eq!(turns(&crowd, "fast.example").len(), 8);
        slow.pop();
        assert!(ninth.await.is_some());
    }

    #[tokio::test]
    async fn however_many_servers_hang_another_account_has_its_turn() {
        let crowd = Crowd::default();
        let slow: Vec<_> = (0..100).map(|host| turns(&crowd, &format!("slow-{host}.example"))).collect();
        assert_eq!(slow.iter().map(Vec::len).sum::<usize>(), 100 + MORE_IN_ALL, "bounded in all");
        for _ in 0..3 {
            assert_eq!(turns(&crowd, "fast.example").len(), 1, "one after the other, at once");
        }
    }

    #[tokio::test]
    async fn places_that_come_free_go_to_those_who_wait() {
        let crowd = Crowd::default();
        let mut slow: Vec<_> = (0..8).map(|host| turns(&crowd, &format!("slow-{host}.example"))).collect();
        let first = turns(&crowd, "fast.example");
        let mut second = Box::pin(crowd.turn("fast.example"));
        assert!(futures_util::poll!(&mut second).is_pending());
        slow.pop();
        assert!(second.as_mut().await.is_some());
        drop(first);
        assert_eq!(crowd.0.hosts.lock().map(|hosts| hosts.len()).ok(), Some(9));
        drop(slow);
        drop(crowd.turn("another.example").await);
        assert_eq!(crowd.0.hosts.lock().map(|hosts| hosts.len()).ok(), Some(1), "hosts nobody is at are forgotten");
    }
}
