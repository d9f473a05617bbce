//! tokenkeeper's configuration: text in, checked values out. Provider presets are data; a definition that leaves this
//! crate is complete: preset, overrides and `%`-specifiers are already merged.
//!
//! It does no I/O but reading the files it is asked to read, and it never holds a secret.

mod definition;
mod name;

pub use definition::{
    ClientAuth, Definition, Endpoints, Flow, Redirect, Rotation, ScopeNarrowing, Switch, TokenFile, TokenFormat,
    TokenKind,
};
pub use name::{AccountName, BadName};
