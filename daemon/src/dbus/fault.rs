//! Errors on the bus: a name and one sentence. The one file that maps the keeper's refusals.

use tokenkeeper::wire::ErrorName;
use zbus::Message;
use zbus::message::Header;

use crate::account::Denied;

/// Why a call fails.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    name: &'static str,
    message: String,
}

impl Fault {
    pub(super) fn new(name: ErrorName, message: impl Into<String>) -> Self {
        Self { name: name.as_str(), message: message.into() }
    }

    pub(super) fn invalid_args(message: impl Into<String>) -> Self {
        Self::new(ErrorName::InvalidArgs, message)
    }

    pub(super) fn no_account(name: &str) -> Self {
        Denied::UnknownAccount(name.to_owned()).into()
    }

    pub(super) fn no_object(path: &str) -> Self {
        Self::new(ErrorName::UnknownObject, format!("there is no object {path}"))
    }

    pub(super) fn not_built(what: &str) -> Self {
        Self::new(ErrorName::NotSupported, format!("this version cannot {what}"))
    }

    pub(super) fn no_interface(interface: &str) -> Self {
        let message = format!("the object has no interface {interface}");
        Self { name: "org.freedesktop.DBus.Error.UnknownInterface", message }
    }

    pub(super) fn no_method(interface: &str, member: &str) -> Self {
        let message = format!("{interface} has no method {member}");
        Self { name: "org.freedesktop.DBus.Error.UnknownMethod", message }
    }

    pub(super) fn no_property(name: &str) -> Self {
        Self { name: "org.freedesktop.DBus.Error.UnknownProperty", message: format!("there is no property {name}") }
    }

    pub(super) fn read_only(name: &str) -> Self {
        let message = format!("the property {name} cannot be set");
        Self { name: "org.freedesktop.DBus.Error.PropertyReadOnly", message }
    }

    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    pub(super) fn message(&self) -> &str {
        &self.message
    }

    /// The error as a reply to `call`.
    pub(super) fn reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name).build(&self.message.as_str())
    }
}

impl From<Denied> for Fault {
    fn from(denied: Denied) -> Self {
        let name = match &denied {
            Denied::LoginRequired(_) => ErrorName::LoginRequired,
            Denied::Unavailable { .. } => ErrorName::Unavailable,
            Denied::Locked | Denied::NotOpened(_) => ErrorName::Locked,
            Denied::NoVault => ErrorName::NoVault,
            Denied::NotPermitted(_) => ErrorName::NotPermitted,
            Denied::Misconfigured(_) => ErrorName::Misconfigured,
            Denied::InsufficientScope(_) => ErrorName::InsufficientScope,
            Denied::UnknownAccount(_) => ErrorName::UnknownObject,
            Denied::Held(_) => ErrorName::Held,
            Denied::Cancelled => ErrorName::Cancelled,
            Denied::Busy(_) => ErrorName::Busy,
            Denied::ShuttingDown => ErrorName::ShuttingDown,
            Denied::InvalidArgs(_) => ErrorName::InvalidArgs,
            Denied::NotSupported(_) => ErrorName::NotSupported,
            Denied::LimitsExceeded(_) => ErrorName::LimitsExceeded,
            Denied::InteractiveAuthorizationRequired(_) => ErrorName::InteractiveAuthorizationRequired,
            Denied::Failed(_) => ErrorName::Failed,
        };
        Self::new(name, denied.to_string())
    }
}

impl From<zbus::Error> for Fault {
    /// Something that should not fail did: an answer that cannot be built.
    fn from(error: zbus::Error) -> Self {
        Self::new(ErrorName::Failed, error.to_string())
    }
}
