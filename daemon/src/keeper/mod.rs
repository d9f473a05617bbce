//! The shell around the pure core: one task that owns all accounts, carries their effects out and feeds the results
//! back. It decides nothing and awaits nothing while an account decides.

#[cfg(test)]
pub(crate) mod fake;
mod handle;
mod listener;

pub use handle::{Begun, Handle, RequestState, RequestView, Value, VaultView, View, Wanted};
pub use listener::Listener;

pub use crate::vault::{SlotView, VaultState};
