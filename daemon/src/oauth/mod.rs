//! The OAuth codec: values → [`Request`], [`Response`] → [`Answer`]. Pure: it does no I/O, keeps no state, reads no
//! clock and draws no randomness.
//!
//! The rules cited are RFC 6749 and its successors; what real servers do instead is in the tolerant reader, once.

mod wire;

mod issuer;
pub mod metadata;

pub mod authorize;
pub mod redirect;

mod client_auth;
mod form;
pub mod token_request;

pub mod answer;
mod body;
mod classify;
mod granted;
mod meaning;
mod retry;

pub mod device;

pub mod id_token;
pub mod keys;

pub mod revoke;

mod json;
mod text;

pub use client_auth::{CannotAsk, Client};
pub use wire::{Answer, Fault, Granted, IdClaims, Metadata, Outcome, Request, Response, Sent};

#[cfg(test)]
mod corpus;
#[cfg(test)]
pub(crate) mod testing;
