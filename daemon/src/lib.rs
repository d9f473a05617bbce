//! tokenkeeperd: owns OAuth refresh tokens, keeps them alive, never loses one, and serves current access tokens over
//! D-Bus.
//!
//! The modules are layers: each imports only from those above it.

pub mod secret;
pub mod time;

pub mod oauth;

pub mod account;

pub mod discover;
pub mod http;

pub mod vault;

pub mod harden;

pub mod keeper;

pub mod dbus;

pub mod init;
pub mod run;
pub mod wipe;
