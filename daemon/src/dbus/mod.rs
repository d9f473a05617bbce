//! The face on the bus: reads the call, finds out who is calling, makes one hop to the keeper, maps the answer.
//!
//! Objects are not registered anywhere: a path means an account exactly while the keeper's published view has it, so
//! there is nothing to keep in step, ten thousand accounts cost nothing here, and every call, `Properties` and
//! `Introspectable` included, passes the same gate. (zbus's own object server answers those two before anybody could ask
//! who is calling.) The introspection data are cut from the contract itself. The only state is the requests in progress.

mod account;
mod caller;
mod details;
mod door;
mod fault;
mod introspect;
mod manager;
mod object;
mod options;
mod proof;
mod properties;
mod request;
mod root;
mod serve;
mod signals;
mod sink;
mod trace;

#[doc(hidden)]
pub use door::fuzzed as fuzzed_question;
#[doc(hidden)]
pub use options::fuzzed as fuzzed_options;
pub use serve::{Serving, serve};
pub use trace::LogLevel;

#[cfg(test)]
mod tests;
