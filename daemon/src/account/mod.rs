//! The lifecycle of one account: a pure state machine. `step` consumes the account and an input and gives the next
//! account and effects, in order. It does no I/O, reads no clock, draws no randomness, awaits nothing and cannot fail.
//!
//! Invariants held here (architecture.md numbers): 1 one token request in flight per lineage; 2 nobody is answered
//! before the new refresh token is durable; 3 a token whose successor is durable is never sent again; 8 a redirect is
//! accepted once, for the login that made it; 9 being offline is never being logged out.
//!
//! To read it: an input lands in `machine`, which hands it to the file that is named for it; `tend` then starts what is
//! due. `errand` is the one thing under way, `holding` is what there is to lose.

mod denied;
mod effect;
mod input;
mod record;
mod revocation;
mod revocations;
mod status;

mod machine;

mod asks;
mod commit;
mod exchange;
mod granted;
mod setback;
mod tend;
mod token_exchange;

mod bound;
mod login;

mod browser;
mod device;
mod login_end;
mod push;
mod redeem;

mod grant_end;
mod introspection;
mod logout;
mod proof;
mod published;
mod vaulted;

mod codec;
mod errand;
mod holding;
mod schedule;
mod tokens;
mod waiters;

#[cfg(test)]
mod scripts;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod week;

pub use denied::Denied;
pub use effect::{Change, Effect, Exchange, Notice, Page, Progress, ProofKey, Served, UserCode};
pub use input::{DiscoveryFailed, Entropy, Input, LoginOptions, RequestId, Ticket, TokenAsk, TokenKey, WaiterId};
pub use machine::Account;
pub use record::{Ended, Facts, Intent, NewGrant, NewToken, RefreshToken, Stored, StoredGrant, StoredToken};
pub use revocation::{Revocation, Unrevoked};
pub use revocations::{Deed, RevocationId, Revocations};
pub use status::{State, Status};
