//! What can go wrong, and what to do about it.

use crate::wire::{BadName, ErrorName};

/// Why there is no answer.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The keeper refused; the sentence says why.
    #[error("{message}")]
    Refused {
        /// Which error of the bus API it is.
        name: ErrorName,
        /// One sentence for people, from the keeper.
        message: String,
    },
    /// There is no session bus to reach the keeper on.
    #[error("cannot reach a session bus: {0}")]
    NoBus(String),
    /// The keeper does not run and the bus cannot start it, or it ended during the call.
    #[error("the keeper is not running: {0}")]
    NotRunning(String),
    /// The keeper did not answer in time.
    #[error("the keeper did not answer within {} s", .0.as_secs())]
    TimedOut(std::time::Duration),
    /// The answer was not what the contract says.
    #[error("the keeper's answer to {call} makes no sense: {why}")]
    BadAnswer {
        /// What was called.
        call: &'static str,
        /// What is wrong with the answer.
        why: String,
    },
    /// What the caller wanted to send cannot be sent.
    #[error("{0}")]
    BadInput(String),
    /// Anything else on the way, in words of the bus.
    #[error("D-Bus: {0}")]
    Bus(zbus::Error),
}

impl Error {
    /// The bus API's name for it, where the keeper refused.
    pub fn name(&self) -> Option<ErrorName> {
        match self {
            Self::Refused { name, .. } => Some(*name),
            _ => None,
        }
    }

    /// What a person can do about it, one sentence; `None` when there is nothing to be said.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Refused { name, .. } => remedy(*name),
            Self::NoBus(_) => Some(
                "install dbus-user-session and log in again; after su or sudo use `sudo -iu USER`, which starts a \
                 session",
            ),
            Self::NotRunning(_) => Some("run `tokenkeeper setup`, or start `tokenkeeperd` by hand"),
            Self::TimedOut(_) => Some("try again; `tokenkeeper doctor` shows what the keeper is doing"),
            Self::BadAnswer { .. } => Some("update tokenkeeper: the program and the keeper do not fit together"),
            Self::BadInput(_) | Self::Bus(_) => None,
        }
    }

    pub(crate) fn refused(name: ErrorName, message: impl Into<String>) -> Self {
        Self::Refused { name, message: message.into() }
    }
}

fn remedy(name: ErrorName) -> Option<&'static str> {
    match name {
        ErrorName::LoginRequired => Some("sign in with `tokenkeeper login NAME`"),
        ErrorName::Unavailable => Some("try again later; the keeper goes on trying by itself"),
        ErrorName::Locked => Some("run `tokenkeeper unlock`"),
        ErrorName::NoVault => Some("run `tokenkeeper setup`"),
        ErrorName::NotPermitted => Some("see `tokenkeeper apps` and the policy in the configuration"),
        ErrorName::Misconfigured => Some("correct the account's definition; `tokenkeeper config check` shows where"),
        ErrorName::InsufficientScope => Some("sign in again with `tokenkeeper login NAME --scope SCOPE`"),
        ErrorName::UnknownObject => Some("`tokenkeeper status` lists the accounts; `tokenkeeper add NAME` makes one"),
        ErrorName::Held => Some("`tokenkeeper status NAME` says what to decide; then `tokenkeeper login NAME`"),
        ErrorName::Unsaved => Some("free some disk space; the keeper tries again by itself"),
        ErrorName::Busy | ErrorName::ShuttingDown => Some("try again in a moment"),
        ErrorName::Cancelled
        | ErrorName::InvalidArgs
        | ErrorName::InteractiveAuthorizationRequired
        | ErrorName::LimitsExceeded
        | ErrorName::NotSupported
        | ErrorName::Failed => None,
    }
}

impl From<BadName> for Error {
    fn from(bad: BadName) -> Self {
        Self::refused(ErrorName::UnknownObject, bad.to_string())
    }
}

impl From<zbus::Error> for Error {
    fn from(error: zbus::Error) -> Self {
        match &error {
            zbus::Error::MethodError(name, message, _) => match ErrorName::from_bus(name.as_str()) {
                Some(name) => Self::refused(name, message.clone().unwrap_or_default()),
                None => Self::Bus(error),
            },
            zbus::Error::FDO(standard) => of_standard(standard).unwrap_or(Self::Bus(error)),
            zbus::Error::InputOutput(io) => Self::NotRunning(format!("the bus connection was lost: {io}")),
            _ => Self::Bus(error),
        }
    }
}

/// The errors that D-Bus itself defines.
fn of_standard(error: &zbus::fdo::Error) -> Option<Error> {
    use zbus::fdo::Error as Fdo;
    let refused = |name, message: &String| Some(Error::refused(name, message.clone()));
    match error {
        Fdo::UnknownObject(why) => refused(ErrorName::UnknownObject, why),
        Fdo::InvalidArgs(why) => refused(ErrorName::InvalidArgs, why),
        Fdo::InteractiveAuthorizationRequired(why) => refused(ErrorName::InteractiveAuthorizationRequired, why),
        Fdo::LimitsExceeded(why) => refused(ErrorName::LimitsExceeded, why),
        Fdo::NotSupported(why) => refused(ErrorName::NotSupported, why),
        Fdo::Failed(why) => refused(ErrorName::Failed, why),
        Fdo::ServiceUnknown(why)
        | Fdo::NameHasNoOwner(why)
        | Fdo::NoReply(why)
        | Fdo::Disconnected(why)
        | Fdo::SpawnExecFailed(why)
        | Fdo::SpawnForkFailed(why)
        | Fdo::SpawnChildExited(why)
        | Fdo::SpawnChildSignaled(why)
        | Fdo::SpawnFailed(why)
        | Fdo::SpawnServiceNotFound(why)
        | Fdo::SpawnFileInvalid(why)
        | Fdo::TimedOut(why)
        | Fdo::Timeout(why) => Some(Error::NotRunning(why.clone())),
        _ => None,
    }
}
