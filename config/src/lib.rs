//! tokenkeeper's configuration: text in, checked values out. Provider presets are data; a definition that leaves this
//! crate is complete: preset, overrides and `%`-specifiers are already merged.
//!
//! It does no I/O but reading the files it is asked to read, and it never holds a secret.

mod define;
mod definition;
mod fault;
mod keys;
mod load;
mod name;
mod nearest;
mod places;
mod preset;
mod table;
mod value;

pub use definition::{
    ClientAuth, Definition, Endpoints, Flow, Redirect, Rotation, ScopeNarrowing, Switch, TokenFile, TokenFormat,
    TokenKind,
};
pub use fault::{Fault, Position};
pub use keys::account_keys;
pub use load::{Config, HostApps, KeeperSettings, Loaded, MAX_FILE, OnScreenLock};
pub use name::{AccountName, BadName};
pub use places::{NoHome, Places, Specifiers};
pub use preset::{ClientSecret, Need, Preset, preset, providers};
