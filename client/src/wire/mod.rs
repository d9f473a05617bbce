//! The contract between the keeper and its callers: names, paths, option keys, error names and proxies.
//!
//! The daemon and the clients share this file, so there is one definition. It restates [`CONTRACT`]; additions are new
//! keys, properties or methods, and nothing here is ever renamed.

pub mod door;
mod error_name;
pub mod key;
mod path;
pub mod proxy;
pub mod word;

pub use error_name::ErrorName;
pub use path::{BadName, account_name, account_path, is_account_name};

/// The introspection data of everything the keeper serves.
pub const CONTRACT: &str = include_str!("../../org.tokenkeeper.Keeper1.xml");

/// The name on the session bus.
pub const BUS_NAME: &str = "org.tokenkeeper.Keeper1";

/// The root object: `Keeper1`, `Vault` and `org.freedesktop.DBus.ObjectManager`.
pub const ROOT_PATH: &str = "/org/tokenkeeper/Keeper1";

/// Accounts lie below, one element each.
pub const ACCOUNTS_PATH: &str = "/org/tokenkeeper/Keeper1/account";

/// Requests lie below, one unguessable element each.
pub const REQUESTS_PATH: &str = "/org/tokenkeeper/Keeper1/request";

/// The keeper itself, on the root object.
pub const KEEPER_INTERFACE: &str = "org.tokenkeeper.Keeper1";

/// The vault, on the root object.
pub const VAULT_INTERFACE: &str = "org.tokenkeeper.Keeper1.Vault";

/// An account.
pub const ACCOUNT_INTERFACE: &str = "org.tokenkeeper.Keeper1.Account";

/// An interaction in progress; answers its creator only.
pub const REQUEST_INTERFACE: &str = "org.tokenkeeper.Keeper1.Request";

/// The longest token that is carried, bytes.
pub const MAX_TOKEN: usize = 1 << 20;

/// The most that `Request.Input` takes, bytes.
pub const MAX_INPUT: usize = 64 << 10;

/// `min_validity` when nothing is said, seconds.
pub const DEFAULT_MIN_VALIDITY: u32 = 60;

/// `timeout` when nothing is said, seconds.
pub const DEFAULT_TIMEOUT: u32 = 20;

/// The longest `timeout`, seconds.
pub const MAX_TIMEOUT: u32 = 120;
