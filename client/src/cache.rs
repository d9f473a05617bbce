//! Tokens kept in this process, so that the second request for one costs no bus traffic.
//!
//! Nothing is kept unless the keeper's signals are being watched: an entry that nobody would drop is never made. A
//! token fetched while the account changed is not kept either: the epoch that was read before the call tells.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock::Now;
use crate::options::Which;
use crate::token::Token;

/// How many tokens of one account are kept; audiences and scopes make more than one.
const MOST: usize = 32;

/// All tokens of one connection to the keeper.
#[derive(Default)]
pub(crate) struct Cache {
    live: Arc<AtomicBool>,
    shelves: Mutex<HashMap<String, Arc<Shelf>>>,
}

/// The tokens of one account.
pub(crate) struct Shelf {
    live: Arc<AtomicBool>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    epoch: u64,
    entries: Vec<Entry>,
}

struct Entry {
    which: Which,
    token: Token,
    /// When it ends on the boot clock, seconds.
    ends: u64,
}

impl Cache {
    /// The shelf of the account with this name.
    pub(crate) fn shelf(&self, account: &str) -> Arc<Shelf> {
        let mut shelves = lock(&self.shelves);
        if let Some(shelf) = shelves.get(account) {
            return shelf.clone();
        }
        let shelf = Arc::new(Shelf { live: self.live.clone(), kept: Mutex::default() });
        shelves.insert(account.to_owned(), shelf.clone());
        shelf
    }

    /// From now on, or no longer, changes are heard of.
    pub(crate) fn set_live(&self, live: bool) {
        self.live.store(live, Ordering::Release);
        if !live {
            self.clear();
        }
    }

    /// Drops what does not belong to `generation`.
    pub(crate) fn keep_generation(&self, account: &str, generation: u64) {
        if let Some(shelf) = lock(&self.shelves).get(account) {
            shelf.retain(|token| token.generation() == generation);
        }
    }

    /// Drops everything of one account.
    pub(crate) fn clear_account(&self, account: &str) {
        if let Some(shelf) = lock(&self.shelves).get(account) {
            shelf.retain(|_| false);
        }
    }

    /// Drops everything.
    pub(crate) fn clear(&self) {
        for shelf in lock(&self.shelves).values() {
            shelf.retain(|_| false);
        }
    }
}

impl Shelf {
    /// A token that is valid for another `min_validity` seconds on both clocks.
    pub(crate) fn find(&self, which: &Which, min_validity: u32, now: Now) -> Option<Token> {
        let kept = lock(&self.kept);
        let entry = kept.entries.iter().find(|entry| entry.which == *which)?;
        let needed = u64::from(min_validity);
        let valid = now.wall.saturating_add(needed) < entry.token.expires_at()
            && now.boot.saturating_add(needed) < entry.ends
            && self.live.load(Ordering::Acquire);
        valid.then(|| entry.token.clone())
    }

    /// To be read before a call and given to `keep` after it; `None` = changes are not heard of, keep nothing.
    pub(crate) fn epoch(&self) -> Option<u64> {
        self.live.load(Ordering::Acquire).then(|| lock(&self.kept).epoch)
    }

    /// Keeps a token, unless something changed since `epoch` or nobody knows when it ends.
    pub(crate) fn keep(&self, which: Which, token: &Token, epoch: u64, now: Now) {
        let mut kept = lock(&self.kept);
        let Some(left) = token.expires_at().checked_sub(now.wall) else { return };
        if kept.epoch != epoch || !self.live.load(Ordering::Acquire) {
            return;
        }
        kept.entries.retain(|entry| entry.which != which);
        if kept.entries.len() >= MOST {
            kept.entries.remove(0);
        }
        kept.entries.push(Entry { which, token: token.clone(), ends: now.boot.saturating_add(left) });
    }

    fn retain(&self, keep: impl Fn(&Token) -> bool) {
        let mut kept = lock(&self.kept);
        kept.epoch += 1;
        kept.entries.retain(|entry| keep(&entry.token));
    }
}

/// A panic elsewhere leaves the maps whole: every change to them is one step.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;

    fn token(expires_at: u64, generation: u64) -> Token {
        Token::new(Zeroizing::new(Box::from("t")), "Bearer".into(), expires_at, Vec::new(), generation)
    }

    fn watched() -> (Cache, Arc<Shelf>) {
        let cache = Cache::default();
        cache.set_live(true);
        let shelf = cache.shelf("work");
        (cache, shelf)
    }

    const NOW: Now = Now { boot: 100, wall: 1_000 };

    fn keep(shelf: &Shelf, token: &Token) {
        shelf.keep(Which::default(), token, shelf.epoch().expect("watched"), NOW);
    }

    fn found(shelf: &Shelf, now: Now) -> bool {
        shelf.find(&Which::default(), 60, now).is_some()
    }

    #[test]
    fn a_token_must_be_valid_by_both_clocks() {
        let (_cache, shelf) = watched();
        keep(&shelf, &token(1_300, 1));
        assert!(found(&shelf, NOW));
        assert!(!found(&shelf, Now { boot: 100, wall: 1_240 }), "60 s are wanted, 60 s are left");
        assert!(!found(&shelf, Now { boot: 340, wall: 1_000 }), "wall clock set back, or asleep");
    }

    #[test]
    fn nothing_is_kept_while_nobody_watches() {
        let (cache, shelf) = watched();
        keep(&shelf, &token(1_300, 1));
        cache.set_live(false);
        assert!(!found(&shelf, NOW));
        assert_eq!(shelf.epoch(), None);
        cache.set_live(true);
        assert!(!found(&shelf, NOW), "what was kept before is gone");
    }

    #[test]
    fn a_new_generation_drops_the_older_tokens() {
        let (cache, shelf) = watched();
        keep(&shelf, &token(1_300, 1));
        cache.keep_generation("work", 1);
        assert!(found(&shelf, NOW));
        cache.keep_generation("other", 2);
        assert!(found(&shelf, NOW));
        cache.keep_generation("work", 2);
        assert!(!found(&shelf, NOW));
    }

    #[test]
    fn a_token_fetched_across_a_change_is_not_kept() {
        let (cache, shelf) = watched();
        let epoch = shelf.epoch().expect("watched");
        cache.clear_account("work");
        shelf.keep(Which::default(), &token(1_300, 1), epoch, NOW);
        assert!(!found(&shelf, NOW));
    }

    #[test]
    fn a_token_of_unknown_end_is_not_kept() {
        let (_cache, shelf) = watched();
        keep(&shelf, &token(0, 1));
        assert!(!found(&shelf, NOW));
    }

    #[test]
    fn another_audience_is_another_token() {
        let (_cache, shelf) = watched();
        keep(&shelf, &token(1_300, 1));
        let other = crate::TokenOptions::new().audience("api");
        assert!(shelf.find(&other.which, 60, NOW).is_none());
    }
}
