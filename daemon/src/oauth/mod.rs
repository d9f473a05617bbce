//! The OAuth codec: values → [`Request`], [`Response`] → [`Answer`]. Pure: it does no I/O, keeps no state, reads no
//! clock and draws no randomness.
//!
//! The rules cited are RFC 6749 and its successors; what real servers do instead is in the tolerant reader, once.

mod wire;

pub use wire::{Answer, Fault, Granted, IdClaims, Metadata, Outcome, Request, Response, Sent};
