//! What the world may know of an account: the values behind the bus properties.

use tokenkeeper_config::AccountName;

/// The states of dbus.md "Account states".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words of the bus")]
pub enum State {
    Ready,
    LoginSoon,
    LoginRequired,
    Unavailable,
    Misconfigured,
    Held,
    Locked,
    LoggedOut,
}

/// One account as published. Times in unix seconds, 0 = none or unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the properties of org.tokenkeeper.Keeper1.Account")]
pub struct Status {
    pub name: AccountName,
    pub provider: String,
    pub issuer: String,
    pub scopes: Vec<String>,
    pub label: String,
    pub subject: String,
    /// Error name without its prefix, and a sentence; both empty when all is well.
    pub last_error: (String, String),
    pub state: State,
    pub generation: u64,
    pub expires_at: u64,
    pub refresh_at: u64,
    pub login_ends_at: u64,
    /// As granted, JSON; empty = none.
    pub authorization_details: String,
}

impl State {
    /// The word on the bus.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::LoginSoon => "login-soon",
            Self::LoginRequired => "login-required",
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
            Self::Held => "held",
            Self::Locked => "locked",
            Self::LoggedOut => "logged-out",
        }
    }
}
