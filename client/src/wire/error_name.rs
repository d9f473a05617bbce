//! Errors by name: the bus name of each, both ways.

/// An error as named on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorName {
    /// No grant, or the server ended it: offer to sign in.
    LoginRequired,
    /// Network, server or timeout, and no valid token: try again at `RefreshAt`.
    Unavailable,
    /// The vault is locked.
    Locked,
    /// There is no vault yet.
    NoVault,
    /// Denied by the user or the policy.
    NotPermitted,
    /// A bad definition or client: whoever configures has to act.
    Misconfigured,
    /// The grant does not cover it: sign in with these scopes.
    InsufficientScope,
    /// A person has to decide.
    Held,
    /// Only in `LastError`: served, not yet durable.
    Unsaved,
    /// The request was given up.
    Cancelled,
    /// Too much at once.
    Busy,
    /// The keeper is about to exit.
    ShuttingDown,
    /// No such account, request or object, or none the caller may see.
    UnknownObject,
    /// An option or argument is wrong.
    InvalidArgs,
    /// Works only when the caller allows a prompt.
    InteractiveAuthorizationRequired,
    /// Larger or more than the keeper takes.
    LimitsExceeded,
    /// Not built, or not possible here.
    NotSupported,
    /// Anything else.
    Failed,
}

impl ErrorName {
    /// Every name there is.
    pub const ALL: [Self; 18] = [
        Self::LoginRequired,
        Self::Unavailable,
        Self::Locked,
        Self::NoVault,
        Self::NotPermitted,
        Self::Misconfigured,
        Self::InsufficientScope,
        Self::Held,
        Self::Unsaved,
        Self::Cancelled,
        Self::Busy,
        Self::ShuttingDown,
        Self::UnknownObject,
        Self::InvalidArgs,
        Self::InteractiveAuthorizationRequired,
        Self::LimitsExceeded,
        Self::NotSupported,
        Self::Failed,
    ];

    /// The name on the bus.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LoginRequired => "org.tokenkeeper.Keeper1.Error.LoginRequired",
            Self::Unavailable => "org.tokenkeeper.Keeper1.Error.Unavailable",
            Self::Locked => "org.tokenkeeper.Keeper1.Error.Locked",
            Self::NoVault => "org.tokenkeeper.Keeper1.Error.NoVault",
            Self::NotPermitted => "org.tokenkeeper.Keeper1.Error.NotPermitted",
            Self::Misconfigured => "org.tokenkeeper.Keeper1.Error.Misconfigured",
            Self::InsufficientScope => "org.tokenkeeper.Keeper1.Error.InsufficientScope",
            Self::Held => "org.tokenkeeper.Keeper1.Error.Held",
            Self::Unsaved => "org.tokenkeeper.Keeper1.Error.Unsaved",
            Self::Cancelled => "org.tokenkeeper.Keeper1.Error.Cancelled",
            Self::Busy => "org.tokenkeeper.Keeper1.Error.Busy",
            Self::ShuttingDown => "org.tokenkeeper.Keeper1.Error.ShuttingDown",
            Self::UnknownObject => "org.freedesktop.DBus.Error.UnknownObject",
            Self::InvalidArgs => "org.freedesktop.DBus.Error.InvalidArgs",
            Self::InteractiveAuthorizationRequired => "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired",
            Self::LimitsExceeded => "org.freedesktop.DBus.Error.LimitsExceeded",
            Self::NotSupported => "org.freedesktop.DBus.Error.NotSupported",
            Self::Failed => "org.freedesktop.DBus.Error.Failed",
        }
    }

    /// The name without its prefix, as in the `LastError` property.
    pub fn short(self) -> &'static str {
        let name = self.as_str();
        name.rsplit_once('.').map_or(name, |(_, short)| short)
    }

    /// The error of this name on the bus.
    pub fn from_bus(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == name)
    }

    /// The error of this name without its prefix.
    pub fn from_short(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.short() == name)
    }
}

#[cfg(test)]
mod tests {
    use super::ErrorName;

    #[test]
    fn names_go_both_ways() {
        for name in ErrorName::ALL {
            assert_eq!(ErrorName::from_bus(name.as_str()), Some(name));
            assert_eq!(ErrorName::from_short(name.short()), Some(name));
        }
        assert_eq!(ErrorName::from_bus("org.tokenkeeper.Keeper1.Error.New"), None);
    }
}
