//! An account as the keeper publishes it.

use std::fmt;

use crate::wire::proxy::Info;
use crate::wire::{ErrorName, account_name};

/// Where an account stands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum AccountState {
    /// Works.
    Ready,
    /// Works; the login itself ends at `login_ends_at`.
    LoginSoon,
    /// Somebody has to sign in.
    LoginRequired,
    /// Tries again at `refresh_at`; may still hold a valid token.
    Unavailable,
    /// The definition or the client is wrong.
    Misconfigured,
    /// A person has to decide.
    Held,
    /// The vault is locked.
    Locked,
    /// Signed out on purpose.
    LoggedOut,
    /// A word that this version does not know: take it as not ready.
    Other(String),
}

/// One account. Times are unix seconds, 0 = none or unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountStatus {
    /// The name.
    pub name: String,
    /// The preset it was made from; empty = none.
    pub provider: String,
    /// The issuer; empty = not stated.
    pub issuer: String,
    /// Granted scopes, or before a login those that will be asked for.
    pub scopes: Vec<String>,
    /// What people call it.
    pub label: String,
    /// Who signed in; empty = unknown.
    pub subject: String,
    /// Where it stands.
    pub state: AccountState,
    /// Counts the login's refresh tokens.
    pub generation: u64,
    /// When the default token ends.
    pub expires_at: u64,
    /// When the keeper refreshes next.
    pub refresh_at: u64,
    /// When the login itself ends.
    pub login_ends_at: u64,
    /// What was granted in detail, the JSON of RFC 9396; empty = nothing.
    pub authorization_details: String,
    /// What went wrong last: error name without its prefix, and a sentence; `None` = all is well.
    pub last_error: Option<(String, String)>,
}

impl AccountState {
    /// The word on the bus.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ready => "ready",
            Self::LoginSoon => "login-soon",
            Self::LoginRequired => "login-required",
            Self::Unavailable => "unavailable",
            Self::Misconfigured => "misconfigured",
            Self::Held => "held",
            Self::Locked => "locked",
            Self::LoggedOut => "logged-out",
            Self::Other(word) => word,
        }
    }

    /// Whether tokens are served and refreshed as they should be.
    pub fn works(&self) -> bool {
        matches!(self, Self::Ready | Self::LoginSoon)
    }
}

impl From<&str> for AccountState {
    fn from(word: &str) -> Self {
        match word {
            "ready" => Self::Ready,
            "login-soon" => Self::LoginSoon,
            "login-required" => Self::LoginRequired,
            "unavailable" => Self::Unavailable,
            "misconfigured" => Self::Misconfigured,
            "held" => Self::Held,
            "locked" => Self::Locked,
            "logged-out" => Self::LoggedOut,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for AccountState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AccountStatus {
    /// The error of `last_error` by name, where this version knows it.
    pub fn last_error_name(&self) -> Option<ErrorName> {
        self.last_error.as_ref().and_then(|(name, _)| ErrorName::from_short(name))
    }

    /// From the properties of the account at `path`; whatever is missing is empty.
    pub(crate) fn from_wire(path: &str, properties: &Info) -> Self {
        let text = |name| take::<String>(properties, name).unwrap_or_default();
        let number = |name| take::<u64>(properties, name).unwrap_or_default();
        let last_error = take::<(String, String)>(properties, "LastError").filter(|(name, _)| !name.is_empty());
        Self {
            name: take(properties, "Name").or_else(|| account_name(path)).unwrap_or_default(),
            provider: text("Provider"),
            issuer: text("Issuer"),
            scopes: take(properties, "Scopes").unwrap_or_default(),
            label: text("Label"),
            subject: text("Subject"),
            state: AccountState::from(text("State").as_str()),
            generation: number("Generation"),
            expires_at: number("ExpiresAt"),
            refresh_at: number("RefreshAt"),
            login_ends_at: number("LoginEndsAt"),
            authorization_details: text("AuthorizationDetails"),
            last_error,
        }
    }
}

/// The value of `name`, if it is there and of this type.
pub(crate) fn take<T>(dictionary: &Info, name: &str) -> Option<T>
where
    T: TryFrom<zbus::OwnedVariant>,
{
    T::try_from(dictionary.get(name)?.try_clone().ok()?).ok()
}
