//! Callers that wait, in the order they came. Each leaves with exactly one answer.

use std::time::Duration;

use super::input::{TokenKey, WaiterId};
use crate::time::Boot;

/// One caller.
pub(super) struct Waiter {
    pub(super) id: WaiterId,
    pub(super) want: Want,
    /// When it stops waiting.
    pub(super) deadline: Boot,
    /// Until when it waits through failures that are tried again.
    pub(super) patient_until: Boot,
}

/// What it waits for.
pub(super) enum Want {
    /// A token, cached under this key.
    Token {
        key: TokenKey,
        /// The generation that a resource server rejected.
        rejected: Option<u64>,
    },
    /// A refresh, whatever the clock says.
    Refresh,
}

/// All of them.
#[derive(Default)]
pub(super) struct Waiters(Vec<Waiter>);

impl Waiters {
    pub(super) fn join(&mut self, waiter: Waiter) {
        self.0.push(waiter);
    }

    pub(super) fn leave(&mut self, id: WaiterId) {
        self.0.retain(|waiter| waiter.id != id);
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Waiter> {
        self.0.iter()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn next_deadline(&self) -> Option<Boot> {
        self.0.iter().map(|waiter| waiter.deadline).min()
    }

    /// Nobody waits for a narrower token any more.
    pub(super) fn widen(&mut self) {
        for waiter in &mut self.0 {
            if let Want::Token { key, .. } = &mut waiter.want {
                key.scopes.clear();
            }
        }
    }

    /// Takes out those for whom it is over, in the order they came.
    pub(super) fn take(&mut self, over: impl Fn(&Waiter) -> bool) -> Vec<Waiter> {
        if !self.0.iter().any(&over) {
            return Vec::new();
        }
        self.0.extract_if(.., |waiter| over(waiter)).collect()
    }
}

impl Waiter {
    /// Whether it waits for a try at `instant`.
    pub(super) fn waits_for(&self, instant: Boot) -> bool {
        instant <= self.deadline.min(self.patient_until)
    }

    /// Until when a caller that comes now is patient: for a few seconds, or through the time that a network needs
    /// after sleep.
    pub(super) fn patience(now: Boot, deadline: Boot, waking_until: Option<Boot>) -> Boot {
        let patient = now.after(super::schedule::PATIENCE);
        waking_until.map_or(patient, |until| until.max(patient)).min(deadline)
    }
}

impl Want {
    pub(super) fn is_refresh(&self) -> bool {
        matches!(self, Self::Refresh)
    }
}

/// The longest a caller may wait, whatever it says.
pub(super) const LONGEST: Duration = Duration::from_secs(120);
