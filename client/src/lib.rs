//! Current OAuth access tokens from the tokenkeeper daemon.
//!
//! A person signs in once (`tokenkeeper add work`); the daemon keeps the refresh token encrypted and alive. This crate
//! asks it for access tokens over D-Bus. A token never stands in a D-Bus message: it comes through a socket of its own.
//!
//! ```no_run
//! # async fn run() -> Result<(), tokenkeeper::Error> {
//! use tokenkeeper::{Keeper, TokenOptions};
//!
//! let keeper = Keeper::connect().await?;
//! let work = keeper.account("work")?;
//! let token = work.token(TokenOptions::new()).await?;
//! println!("Authorization: Bearer {}", token.as_str());
//! # Ok(())
//! # }
//! ```
//!
//! Ask for the token again before every use and do not keep it: from the second call on it comes out of a cache in this
//! process, in well under a microsecond, and the cache knows when the daemon has a newer one. It is dropped when the
//! account's generation changes, when the account or the keeper goes away and when the vault is locked; the change is
//! seen within 5 ms while the program polls its executor (with the `blocking` feature: always).
//!
//! # Features
//! - `tokio` (default): this API. Its futures must run inside a tokio runtime.
//! - `blocking`: [`blocking::Keeper`], the same for programs without a runtime.
//!
//! Without features there is [`wire`] only: the names of the D-Bus contract.

pub mod wire;

#[cfg(feature = "tokio")]
mod account;
#[cfg(feature = "blocking")]
pub mod blocking;
#[cfg(feature = "tokio")]
mod cache;
#[cfg(feature = "tokio")]
mod clock;
#[cfg(feature = "tokio")]
mod error;
#[cfg(feature = "tokio")]
mod keeper;
#[cfg(feature = "tokio")]
pub mod once;
#[cfg(feature = "tokio")]
mod options;
#[cfg(feature = "tokio")]
mod request;
#[cfg(feature = "tokio")]
mod sink;
#[cfg(feature = "tokio")]
mod status;
#[cfg(feature = "tokio")]
mod token;
#[cfg(feature = "tokio")]
mod vault;
#[cfg(feature = "tokio")]
mod watch;

#[cfg(feature = "tokio")]
pub use self::{
    account::Account,
    error::Error,
    keeper::{Definition, Keeper, Registered},
    options::{LoginOptions, ProofOptions, TokenKind, TokenOptions},
    request::{Login, Outcome, Request, RequestState},
    status::{AccountState, AccountStatus},
    token::Token,
    vault::{Slot, Vault, VaultState},
    watch::{Event, Watch},
};
