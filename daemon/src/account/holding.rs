//! What an open vault holds of an account, and what stands in the way of its next refresh.

use std::time::Duration;

use tokenkeeper_config::{Definition, Flow};

use super::input::TokenKey;
use super::record::{Ended, Facts};
use super::token_exchange::Setbacks;
use super::tokens::{Age, Tokens};
use crate::secret::Sealed;
use crate::time::{Boot, Moment, Now, Wall};

/// The vault, as far as this account is concerned.
pub(super) enum Vault {
    /// Nothing is held.
    Locked,
    /// Locked, but an exchange or a commit is still under way: its outcome is saved, nobody is served.
    Closing(Holding),
    /// Open.
    Open(Holding),
}

/// What outlives a lock, none of it secret: a server that asked for patience asked for it until a time, not until the
/// next unlock.
pub(super) struct Memory {
    generation: u64,
    trouble: Trouble,
    asked_at: Option<Boot>,
    rejected_at: Option<Boot>,
}

/// Everything that an open vault gives.
pub(super) struct Holding {
    /// The last generation ever given.
    pub(super) generation: u64,
    pub(super) grant: Grant,
    pub(super) trouble: Trouble,
    pub(super) tokens: Tokens,
    /// Keys that were asked for while their token was still good: refreshed when there is time.
    pub(super) wanted: Vec<TokenKey>,
    /// Keys that the server does not give, with the reason. Forgotten when the definition changes.
    pub(super) refused: Vec<(TokenKey, String)>,
    /// What token exchanges came to that brought nothing.
    pub(super) exchanges: Setbacks,
    /// The server refuses narrower scopes at a refresh, whatever the definition says.
    pub(super) narrows_no_more: bool,
    /// When somebody last asked for a token.
    pub(super) asked_at: Option<Boot>,
    /// When a caller's `rejected` last caused a refresh.
    pub(super) rejected_at: Option<Boot>,
    /// Scheduled refreshes that were due when the machine woke up, booted or got its network wait until then.
    pub(super) spread_until: Option<Boot>,
}

/// The grant.
pub(super) enum Grant {
    /// Nobody is signed in.
    None {
        /// Somebody was, and logged out.
        logged_out: bool,
    },
    /// It is stored and cannot be opened.
    Unopenable { why: String },
    /// It is in use.
    Live(Lineage),
    /// The vault belongs to another machine: nothing is refreshed until it is adopted.
    Foreign(Lineage),
    /// It is no longer usable, or a person has to decide; the token stays sealed.
    Ended(Lineage, Ended),
}

/// A grant that can be opened.
#[derive(Clone)]
pub(super) struct Lineage {
    /// `None` = the account lives without (client credentials, tokens that never expire).
    pub(super) token: Option<Sealed>,
    /// `ended` is always `None` here: [`Grant::Ended`] says it.
    pub(super) facts: Facts,
    /// How long ago it last worked.
    pub(super) worked: Age,
}

/// What stands in the way of the next refresh.
pub(super) enum Trouble {
    None,
    /// The server did not act on the last try.
    Waiting(Waiting),
    /// The answer was lost: the token may be spent.
    Lost(Lost),
    /// Refused for reasons that may pass.
    Refused(Refused),
    /// Trying again would not help until the configuration or the server's changes. `retry_at`: it is looked at again
    /// all the same, since servers move their endpoints for an hour, too.
    Stopped {
        why: String,
        retry_at: Option<Boot>,
    },
    /// The refresh token cannot be opened under the present definition.
    Sealed {
        why: String,
    },
}

pub(super) struct Waiting {
    pub(super) why: String,
    pub(super) pause: Pause,
}

pub(super) struct Lost {
    pub(super) why: String,
    /// When the token was first sent.
    pub(super) first: Moment,
    /// How often it was sent with no answer.
    pub(super) sends: u32,
    /// When the last of these came to nothing.
    pub(super) last: Boot,
    /// After later tries that did not reach the server.
    pub(super) pause: Pause,
}

pub(super) struct Refused {
    pub(super) why: String,
    /// Tries by the clock; those at network-up do not count.
    pub(super) tries: u32,
    pub(super) last: Boot,
    pub(super) retry_at: Boot,
    /// The next try is one at network-up; after it the clock goes on as it was.
    pub(super) extra: Option<Boot>,
    /// After later tries that did not reach the server.
    pub(super) pause: Pause,
}

/// Until when the server is left alone after tries that did not reach it.
pub(super) struct Pause {
    pub(super) failures: u32,
    pub(super) until: Boot,
    /// The server named the time (`Retry-After`): nobody comes earlier, not even a person.
    pub(super) ordered: bool,
}

impl Vault {
    pub(super) fn open(&self) -> Option<&Holding> {
        match self {
            Self::Open(holding) => Some(holding),
            Self::Locked | Self::Closing(_) => None,
        }
    }

    pub(super) fn open_mut(&mut self) -> Option<&mut Holding> {
        match self {
            Self::Open(holding) => Some(holding),
            Self::Locked | Self::Closing(_) => None,
        }
    }

    /// Also while it is closing: for whatever is still under way.
    pub(super) fn held(&self) -> Option<&Holding> {
        match self {
            Self::Open(holding) | Self::Closing(holding) => Some(holding),
            Self::Locked => None,
        }
    }

    /// The same, to change it.
    pub(super) fn held_mut(&mut self) -> Option<&mut Holding> {
        match self {
            Self::Open(holding) | Self::Closing(holding) => Some(holding),
            Self::Locked => None,
        }
    }
}

impl Holding {
    pub(super) fn new(generation: u64, grant: Grant) -> Self {
        Self {
            generation,
            grant,
            trouble: Trouble::None,
            tokens: Tokens::default(),
            wanted: Vec::new(),
            refused: Vec::new(),
            exchanges: Setbacks::default(),
            narrows_no_more: false,
            asked_at: None,
            rejected_at: None,
            spread_until: None,
        }
    }

    /// Scopes of the grant, or those asked for where it does not say.
    pub(super) fn scopes<'a>(&'a self, definition: &'a Definition) -> &'a [String] {
        match self.grant.lineage() {
            Some(lineage) if !lineage.facts.scopes.is_empty() => &lineage.facts.scopes,
            Some(_) | None => &definition.scopes,
        }
    }

    pub(super) fn refusal(&self, key: &TokenKey) -> Option<&str> {
        self.refused.iter().find(|(refused, _)| refused == key).map(|(_, why)| why.as_str())
    }
}

impl Memory {
    pub(super) fn of(holding: Holding) -> Self {
        let Holding { generation, trouble, asked_at, rejected_at, .. } = holding;
        Self { generation, trouble, asked_at, rejected_at }
    }

    /// Puts it back, unless another grant has come meanwhile.
    pub(super) fn recall(self, holding: &mut Holding) {
        if self.generation != holding.generation {
            return;
        }
        holding.asked_at = self.asked_at.or(holding.asked_at);
        holding.rejected_at = self.rejected_at;
        match self.trouble {
            // Whether a token can be opened is found out anew.
            Trouble::None | Trouble::Sealed { .. } => {}
            known @ (Trouble::Waiting(_) | Trouble::Lost(_) | Trouble::Refused(_) | Trouble::Stopped { .. }) => {
                holding.trouble = known;
            }
        }
    }
}

impl Grant {
    pub(super) fn lineage(&self) -> Option<&Lineage> {
        match self {
            Self::Live(lineage) | Self::Foreign(lineage) | Self::Ended(lineage, _) => Some(lineage),
            Self::None { .. } | Self::Unopenable { .. } => None,
        }
    }

    /// Whether the account may ask for tokens by itself.
    pub(super) fn may_ask(&self, flow: Flow) -> bool {
        match self {
            Self::Live(lineage) => lineage.token.is_some() || flow == Flow::ClientCredentials,
            Self::None { logged_out } => flow == Flow::ClientCredentials && !logged_out,
            Self::Unopenable { .. } | Self::Foreign(_) | Self::Ended(..) => false,
        }
    }
}

impl Lost {
    pub(super) fn at(&self) -> Wall {
        self.first.wall
    }

    pub(super) fn since_first(&self, now: &Now) -> Duration {
        if self.first.boot_id == now.boot_id {
            now.boot.since(self.first.boot)
        } else if now.wall < self.first.noted {
            // The wall clock was set back: nobody knows. Long ago is the careful answer.
            Duration::MAX
        } else {
            now.wall.since(self.first.wall)
        }
    }
}

impl Holding {
    /// Somebody uses the account: it was asked since the present token was made, or a short while ago.
    pub(super) fn is_awake(&self, now: &Now) -> bool {
        let Some(asked_at) = self.asked_at else { return false };
        let asked_ago = now.boot.since(asked_at);
        let cached = self.tokens.find(&TokenKey::DEFAULT);
        asked_ago <= super::schedule::STAYS_AWAKE || cached.is_none_or(|cached| asked_ago <= cached.born.age(now.boot))
    }
}

impl Trouble {
    /// Until when the server asked to be left alone.
    pub(super) fn quiet_until(&self) -> Option<Boot> {
        let pause = match self {
            Self::Waiting(waiting) => &waiting.pause,
            Self::Lost(lost) => &lost.pause,
            Self::Refused(refused) => &refused.pause,
            Self::None | Self::Stopped { .. } | Self::Sealed { .. } => return None,
        };
        pause.ordered.then_some(pause.until)
    }
}

impl Refused {
    /// The network may have been the reason: one more try, which does not count.
    pub(super) fn network_up(&mut self, now: Boot, soon: Boot) {
        self.pause.network_up(soon);
        if now.since(self.last) >= super::schedule::UNEXPLAINED_PAUSE && soon < self.retry_at {
            self.extra = Some(self.retry_at);
            self.retry_at = soon;
        }
    }
}

impl Pause {
    /// None yet.
    pub(super) fn over(now: Boot) -> Self {
        Self { failures: 0, until: now, ordered: false }
    }

    /// One more try did not reach the server. `wait` is the time that the server asked for.
    pub(super) fn lengthen(&mut self, now: Boot, wait: Option<Duration>, seed: u64) {
        self.failures += 1;
        // A server that names ten seconds again and again is not asked every ten seconds.
        let until = now.after(wait.unwrap_or_default().max(super::schedule::backoff(seed, self.failures)));
        if !(self.ordered && self.until >= until) {
            self.until = until;
            self.ordered = wait.is_some();
        }
    }

    /// The reason may be gone, unless the server named the time.
    pub(super) fn network_up(&mut self, soon: Boot) {
        if !self.ordered {
            self.failures = 0;
            self.until = self.until.min(soon);
        }
    }
}

#[cfg(test)]
#[path = "holding_tests.rs"]
mod tests;
