//! Why a caller gets nothing: a closed list. The bus and the command line map it in one place each.

/// A refusal, with one sentence for people that says what happened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "each variant is a bus error of the same name")]
pub enum Denied {
    #[error("{0}")]
    LoginRequired(String),
    #[error("{why}")]
    Unavailable {
        why: String,
        /// Unix seconds; 0 = when the network is back.
        retry_at: u64,
    },
    #[error("the vault is locked")]
    Locked,
    /// The vault is still locked after an attempt to open it; on the bus this is `Locked` too.
    #[error("{0}")]
    NotOpened(String),
    #[error("there is no vault yet")]
    NoVault,
    #[error("{0}")]
    NotPermitted(String),
    #[error("{0}")]
    Misconfigured(String),
    #[error("{0}")]
    InsufficientScope(String),
    #[error("no account named `{0}`")]
    UnknownAccount(String),
    #[error("{0}")]
    Held(String),
    #[error("cancelled")]
    Cancelled,
    #[error("{0}")]
    Busy(String),
    #[error("the keeper is shutting down")]
    ShuttingDown,
    #[error("{0}")]
    InvalidArgs(String),
    #[error("{0}")]
    NotSupported(String),
    #[error("{0}")]
    LimitsExceeded(String),
    #[error("{0}")]
    InteractiveAuthorizationRequired(String),
    #[error("{0}")]
    Failed(String),
}

impl Denied {
    /// The error's name on the bus, without its prefix.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::LoginRequired(_) => "LoginRequired",
            Self::Unavailable { .. } => "Unavailable",
            Self::Locked | Self::NotOpened(_) => "Locked",
            Self::NoVault => "NoVault",
            Self::NotPermitted(_) => "NotPermitted",
            Self::Misconfigured(_) => "Misconfigured",
            Self::InsufficientScope(_) => "InsufficientScope",
            Self::UnknownAccount(_) => "UnknownObject",
            Self::Held(_) => "Held",
            Self::Cancelled => "Cancelled",
            Self::Busy(_) => "Busy",
            Self::ShuttingDown => "ShuttingDown",
            Self::InvalidArgs(_) => "InvalidArgs",
            Self::NotSupported(_) => "NotSupported",
            Self::LimitsExceeded(_) => "LimitsExceeded",
            Self::InteractiveAuthorizationRequired(_) => "InteractiveAuthorizationRequired",
            Self::Failed(_) => "Failed",
        }
    }
}
