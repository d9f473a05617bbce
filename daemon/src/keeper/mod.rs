//! The shell around the pure core: one task that owns all accounts, carries their effects out and feeds the results
//! back. It decides nothing and awaits nothing while an account decides.

mod clock;
mod credentials;
mod crowd;
mod definitions;
mod draft;
mod effects;
mod entry;
mod errands;
mod exchange;
#[cfg(test)]
pub(crate) mod fake;
mod fd;
mod files;
mod handle;
mod input;
mod keyring;
mod listener;
mod logins;
mod message;
mod network;
mod notify;
mod proofs;
mod publish;
mod random;
mod registering;
mod requests;
mod revoking;
mod screen;
mod servers;
mod sleep;
mod slots;
mod start;
mod task;
mod token_files;
mod vaulting;
mod view;
mod waiters;

pub use crate::vault::{SlotView, VaultState};
pub use handle::Handle;
pub use listener::Listener;
#[doc(hidden)]
pub use listener::fuzzed as fuzzed_callback;
pub use message::{ProofWanted, Wanted};
pub use registering::Enrolled;
pub use start::{Keeping, StartError, start};
pub use view::{Begun, Outcome, RequestState, RequestView, VaultView, View};
