//! Words that stand in string properties and options.

/// Tokens of this kind authorize requests.
pub const ACCESS: &str = "access";
/// Tokens of this kind say who signed in.
pub const ID: &str = "id";

/// A vault that is open.
pub const VAULT_READY: &str = "ready";
/// A vault that waits to be opened.
pub const VAULT_LOCKED: &str = "locked";
/// No vault was made yet.
pub const NO_VAULT: &str = "no-vault";

/// A request that has not ended.
pub const PENDING: &str = "pending";
/// A request that ended well.
pub const DONE: &str = "done";
/// A request that ended badly.
pub const FAILED: &str = "failed";
/// A request that was given up.
pub const CANCELLED: &str = "cancelled";
