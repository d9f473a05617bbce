//! An authorization server for tests (RFC 6749, OpenID Connect Core, Auth0's dialect of both) that misbehaves when
//! told to, down to the byte, and keeps a ledger of what it received, committed and truly sent.
//!
//! It is lenient nowhere: PKCE is S256 or nothing, a code works once, a replayed refresh token ends its family.

mod answer;
mod api;
mod asked;
mod authorize;
mod control;
mod device;
mod fault;
mod introspect;
mod keys;
mod ledger;
mod metadata;
mod params;
mod post;
mod proofs;
mod push;
mod register;
mod revoke;
mod server;
mod settings;
mod store;
mod token;
mod token_exchange;
mod wire;

pub use asked::Asked;
pub use fault::{Deed, Endpoint, Fault};
pub use ledger::{Entry, Event, Ledger, digest};
pub use server::Idp;
pub use settings::{Client, ClientAuth, Consent, Dialect, Dpop, Offline, Rotation, Settings};
