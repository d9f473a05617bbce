//! What may happen to a login, proven by the ledger of the server and the log of the keeper: it is lost only where the
//! one answer that could have saved it had not reached the disk, and no spent token is ever sent whose successor had.

use std::collections::BTreeMap;

use crate::idp::{Event, Idp, Rotation};

/// How a server treats a refresh token that comes twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// One token for the life of the login.
    NonRotating,
    /// The previous one works for some time more.
    Window,
    /// A replay ends the login.
    Strict,
}

impl Class {
    /// All three.
    pub const ALL: [Self; 3] = [Self::NonRotating, Self::Window, Self::Strict];

    /// The server's side of it.
    pub fn rotation(self) -> Rotation {
        match self {
            Self::NonRotating => Rotation::None,
            Self::Window => Rotation::window(60.0),
            Self::Strict => Rotation::STRICT,
        }
    }

    /// What the account's definition says of it: what such a provider's preset would.
    pub fn definition(self) -> &'static str {
        match self {
            Self::NonRotating => "client_id = \"desktop\"\nrotation = \"none\"\n",
            Self::Window => "client_id = \"desktop\"\nrotation = \"rotating\"\nreplay_window = \"60s\"\n",
            Self::Strict => "client_id = \"desktop\"\nrotation = \"rotating\"\nreplay_window = \"0s\"\n",
        }
    }
}

/// What became of a login that the keeper gave up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The server had rotated and its answer had gone out whole; the keeper was stopped before it was synced.
    SentNotSynced,
    /// The server had rotated; its answer never went out whole.
    NeverSent,
}

/// Follows one account through a sweep.
#[derive(Default)]
pub struct Oracle {
    /// Tokens whose successor is durable, with the number of ledger lines there were when that was known.
    spent: BTreeMap<String, usize>,
    /// Where in the ledger the present story began.
    begun: usize,
}

impl Oracle {
    /// A new story begins.
    pub fn begin(&mut self, idp: &Idp) {
        self.begun = idp.ledger().entries().len();
    }

    /// How often the server did what it was asked in this story.
    pub fn commits(&self, idp: &Idp) -> usize {
        let entries = idp.ledger().entries();
        entries[self.begun..].iter().filter(|entry| matches!(entry.event, Event::Committed { .. })).count()
    }

    /// The keeper says that what it has is durable: whatever it spent in this story is never to be seen again.
    pub fn durable(&mut self, idp: &Idp) {
        let entries = idp.ledger().entries();
        for entry in &entries[self.begun..] {
            if let Event::Committed { token, successor, .. } = &entry.event
                && token != successor
            {
                self.spent.entry(token.clone()).or_insert(entries.len());
            }
        }
    }

    /// Looks through the whole ledger for a spent token that came after its successor was durable (invariant 3).
    ///
    /// # Panics
    /// If there is one.
    pub fn check(&self, idp: &Idp, story: &str) {
        for (number, entry) in idp.ledger().entries().iter().enumerate().skip(self.begun) {
            let Event::Received { token, .. } = &entry.event else { continue };
            let since = self.spent.get(token).copied().unwrap_or(usize::MAX);
            assert!(number < since, "{story}: line {number} has a token whose successor was durable at line {since}");
        }
    }

    /// The keeper says that somebody has to sign in: is that what it had to say?
    ///
    /// # Panics
    /// If the login need not have been lost.
    pub fn lost(&self, idp: &Idp, class: Class, was_durable: bool, story: &str) -> Verdict {
        assert_eq!(class, Class::Strict, "{story}: a login was lost that the server had not ended");
        let entries = idp.ledger().entries();
        let story_of = &entries[self.begun..];
        let Some(rotated) = story_of.iter().find(|entry| is_rotation(&entry.event)) else {
            panic!("{story}: a login was lost though the server had rotated nothing: {story_of:#?}");
        };
        assert!(!was_durable, "{story}: the successor was durable and still the login was lost: {story_of:#?}");
        let of_that = story_of.iter().filter(|entry| entry.exchange == rotated.exchange);
        if of_that.clone().any(|entry| matches!(entry.event, Event::Sent { .. })) {
            Verdict::SentNotSynced
        } else {
            Verdict::NeverSent
        }
    }
}

fn is_rotation(event: &Event) -> bool {
    matches!(event, Event::Committed { token, successor, .. } if token != successor)
}
