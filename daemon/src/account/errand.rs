//! The one thing under way: a state is named for what is awaited. That there is one field for it is what keeps a lineage
//! from being exchanged twice at a time.

use std::sync::Arc;

use tokenkeeper_config::Definition;

use super::effect::Change;
use super::input::{DEFAULT_KEY, RequestId, Ticket, TokenKey};
use super::record::{Ended, Facts};
use super::tokens::Cached;
use crate::secret::{Sealed, Secret};
use crate::time::{Boot, Now};

/// What is awaited.
pub(super) enum Errand {
    /// Nothing.
    None,
    /// The key that tokens will be bound to; then a token is asked for.
    Keying { ticket: Ticket, attempt: Attempt },
    /// P1: the intent becomes durable; then the token is sent.
    Intending { ticket: Ticket, attempt: Attempt },
    /// P2: the answer.
    Asking { ticket: Ticket, attempt: Attempt },
    /// P4: the change becomes durable; then whoever it concerns hears of it.
    Saving { ticket: Ticket, then: Then, again: Option<Again> },
    /// The change could not be committed: it lives here until the next try.
    Unsaved { change: Box<Change>, then: Then, again: Again, retry_at: Boot },
}

/// A token request from its first thought to its answer.
pub(super) struct Attempt {
    pub(super) what: What,
    pub(super) definition: Arc<Definition>,
    /// When it was sent.
    pub(super) sent: Now,
    /// How often this token was sent with no answer before.
    pub(super) lost_before: u32,
    /// An intent for it is durable.
    pub(super) intended: bool,
    /// It was repeated with another proof.
    pub(super) another_proof: bool,
    /// What the token will be bound to, where that is a new key.
    pub(super) new_key: Option<Secret>,
}

/// What is asked for.
pub(super) enum What {
    Refresh { token: Sealed, key: TokenKey },
    ClientCredentials { key: TokenKey },
    TokenExchange { subject: Arc<Secret>, key: TokenKey },
    Code { request: RequestId, nonce: Secret, scopes: Vec<String>, code: Secret, redirect_uri: String },
    Push { request: RequestId },
    DeviceAuthorization { request: RequestId },
    DevicePoll { request: RequestId, scopes: Vec<String> },
}

/// What follows a commit.
pub(super) enum Then {
    /// A grant: from a refresh, a login or an import.
    Grant(Box<Fresh>),
    /// The grant is forgotten; `Some` = what the server has to be told is stored under this time.
    Forgotten { revoked_at: Option<i64> },
    /// This machine took the vault over.
    Adopted { request: RequestId },
    /// Nobody waits for it: an intent that is withdrawn, a lineage that ended.
    Nothing,
}

/// A grant that is being stored, and the tokens that came with it.
pub(super) struct Fresh {
    pub(super) generation: u64,
    /// The stored token goes on; `None` = the commit seals another, or there is none.
    pub(super) kept: Option<Sealed>,
    /// The key of the facts, where it is a new one.
    pub(super) new_key: Option<Secret>,
    pub(super) facts: Facts,
    pub(super) ended: Option<Ended>,
    pub(super) tokens: Vec<Cached>,
    /// All tokens that were made before are worthless.
    pub(super) replaces_all: bool,
    pub(super) sent: Now,
    pub(super) source: Source,
}

/// What made a grant.
pub(super) enum Source {
    /// A refresh for this key; `Err` = its token is not served, a sentence for people.
    Refresh { key: TokenKey, served: Result<(), String> },
    /// An answer that brought a refresh token and nothing of use.
    Salvaged { why: String },
    /// Somebody signed in.
    Login { request: RequestId },
    /// Somebody gave a refresh token.
    Import { request: RequestId },
    /// The sealed token of an ended lineage was deleted.
    Expired,
}

/// How it went so far with a change that could not be committed.
pub(super) struct Again {
    pub(super) why: String,
    pub(super) failures: u32,
}

impl Attempt {
    /// The first of its kind, now.
    pub(super) fn first(what: What, definition: Arc<Definition>, now: &Now) -> Self {
        Self { what, definition, sent: *now, lost_before: 0, intended: false, another_proof: false, new_key: None }
    }

    /// Which token it is about.
    pub(super) fn key(&self) -> &TokenKey {
        match &self.what {
            What::Refresh { key, .. } | What::ClientCredentials { key } | What::TokenExchange { key, .. } => key,
            What::Code { .. } | What::Push { .. } | What::DeviceAuthorization { .. } | What::DevicePoll { .. } => {
                &DEFAULT_KEY
            }
        }
    }

    /// Whether it is sure to bring a token if all goes well. A poll mostly does not: nobody waits for it.
    fn brings_token(&self) -> bool {
        match &self.what {
            What::Refresh { .. } | What::ClientCredentials { .. } | What::TokenExchange { .. } | What::Code { .. } => {
                true
            }
            What::Push { .. } | What::DeviceAuthorization { .. } | What::DevicePoll { .. } => false,
        }
    }
}

impl Errand {
    pub(super) fn is_none(&self) -> bool {
        matches!(self, Self::None)
    }

    /// A token is on its way.
    pub(super) fn is_exchange(&self) -> bool {
        match self {
            Self::Keying { attempt, .. } | Self::Intending { attempt, .. } | Self::Asking { attempt, .. } => {
                attempt.brings_token()
            }
            Self::Saving { then: Then::Grant(_), .. } => true,
            Self::None | Self::Saving { .. } | Self::Unsaved { .. } => false,
        }
    }

    /// For which key a token is on its way.
    pub(super) fn exchange_key(&self) -> Option<&TokenKey> {
        match self {
            Self::Keying { attempt, .. } | Self::Intending { attempt, .. } | Self::Asking { attempt, .. } => {
                attempt.brings_token().then(|| attempt.key())
            }
            Self::Saving { then: Then::Grant(fresh), .. } => match &fresh.source {
                Source::Refresh { key, .. } => Some(key),
                Source::Login { .. } => Some(&DEFAULT_KEY),
                Source::Salvaged { .. } | Source::Import { .. } | Source::Expired => None,
            },
            Self::None | Self::Saving { .. } | Self::Unsaved { .. } => None,
        }
    }

    /// Why something is not durable although it should be.
    pub(super) fn unsaved(&self) -> Option<&str> {
        match self {
            Self::Unsaved { again, .. } | Self::Saving { again: Some(again), .. } => Some(&again.why),
            Self::None
            | Self::Keying { .. }
            | Self::Intending { .. }
            | Self::Asking { .. }
            | Self::Saving { again: None, .. } => None,
        }
    }

    /// A grant that could not be made durable yet.
    pub(super) fn unsaved_grant(&self) -> Option<&Fresh> {
        match self {
            Self::Unsaved { then: Then::Grant(fresh), .. }
            | Self::Saving { then: Then::Grant(fresh), again: Some(_), .. } => Some(fresh),
            Self::None
            | Self::Keying { .. }
            | Self::Intending { .. }
            | Self::Asking { .. }
            | Self::Saving { .. }
            | Self::Unsaved { .. } => None,
        }
    }
}
