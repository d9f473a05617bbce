//! How many exchanges may be in flight at once with one host (refresh.md "When"), so that a morning's wake-up is no
//! attack on an authorization server. Hosts do not wait for each other.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Exchanges in flight per host.
const AT_ONCE: usize = 8;

/// The turnstiles, one for each host. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Crowd(Arc<Mutex<HashMap<String, Arc<Semaphore>>>>);

impl Crowd {
    /// Waits for a turn at `host`; the turn ends when the permit is dropped.
    pub(super) async fn turn(&self, host: &str) -> Option<OwnedSemaphorePermit> {
        let turnstile = {
            let mut hosts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            // Hosts come from definitions, so there are few; those nobody waits at are forgotten all the same.
            hosts.retain(|_, turnstile| Arc::strong_count(turnstile) > 1 || turnstile.available_permits() < AT_ONCE);
            Arc::clone(hosts.entry(host.to_owned()).or_insert_with(|| Arc::new(Semaphore::new(AT_ONCE))))
        };
        // `None` only if a turnstile were closed, which nobody does.
        turnstile.acquire_owned().await.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_ninth_waits_and_another_host_does_not() {
        let crowd = Crowd::default();
        let mut turns = Vec::new();
        for _ in 0..AT_ONCE {
            turns.push(crowd.turn("slow.example").await);
        }
        let mut ninth = Box::pin(crowd.turn("slow.example"));
        assert!(futures_util::poll!(&mut ninth).is_pending());
        assert!(crowd.turn("fast.example").await.is_some());
        turns.pop();
        assert!(ninth.await.is_some());
    }
}
