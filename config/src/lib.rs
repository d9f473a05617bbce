//! tokenkeeper's configuration: text in, checked values out. Provider presets are data; a definition that leaves this
//! crate is complete: preset, overrides and `%`-specifiers are already merged.
//!
//! It does no I/O but reading the files it is asked to read, and it never holds a secret.

mod address;
mod define;
mod definition;
mod details;
mod fault;
mod keeper;
mod keys;
mod load;
mod name;
mod nearest;
mod params;
mod places;
mod preset;
mod redirect;
mod rules;
mod table;
mod value;
mod write;

pub use definition::{
    AssertionAudience, ClientAuth, Definition, Endpoints, Flow, Redirect, Rotation, ScopeNarrowing, Switch, TokenFile,
    TokenFormat, TokenKind,
};
pub use fault::{Fault, Position};
pub use keeper::{HostApps, KeeperSettings, OnScreenLock};
pub use keys::account_keys;
pub use load::{Account, Config, Loaded, MAX_FILE};
pub use name::{AccountName, BadName};
pub use places::{NoPlaces, Places, Specifiers};
pub use preset::{ClientSecret, Need, Preset, preset, providers};
pub use write::{Value, render_account};
