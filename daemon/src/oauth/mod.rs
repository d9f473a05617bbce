//! The OAuth codec: values → [`Request`], [`Response`] → [`Answer`]. Pure: it does no I/O, keeps no state, reads no
//! clock and draws no randomness.
//!
//! The rules cited are RFC 6749 and its successors; what real servers do instead is in the tolerant reader, once.

mod wire;

pub mod documents;
mod issuer;
pub mod metadata;

pub mod authorize;
pub mod par;
pub mod redirect;

pub mod assertion;
mod client_auth;
pub mod dpop;
mod form;
mod signing_key;
pub mod token_request;

mod heard;

pub mod answer;
mod body;
mod classify;
mod granted;
mod meaning;
mod retry;

pub mod device;

pub mod id_token;
pub mod keys;

pub mod introspect;
pub mod revoke;

pub mod management;
pub mod registration;

pub mod challenge;
pub mod resource;

mod json;
mod text;

pub use client_auth::{CannotAsk, Client, Prover, Signer};
pub use granted::is_certificate_bound;
pub use heard::Heard;
pub use signing_key::{NoKey, SigningKey, Stamp, new_proof_key};
pub use wire::{Answer, Fault, Granted, IdClaims, Metadata, Outcome, Request, Response, Sent};

#[cfg(test)]
mod corpus;
#[cfg(test)]
pub(crate) mod testing;
