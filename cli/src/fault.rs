//! What went wrong, for a person: what happened, what to do, and the exit code. The one place where the keeper's
//! errors become exit codes and hints.

use std::fmt;
use std::process::ExitCode;

use tokenkeeper::Error;
use tokenkeeper::wire::ErrorName;

use crate::say;

/// The exit codes. Scripts rely on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Code {
    Failure = 1,
    Usage = 2,
    LoginRequired = 3,
    Unavailable = 4,
    Locked = 5,
    NotPermitted = 6,
    Misconfigured = 7,
    InsufficientScope = 8,
    NoSuchAccount = 9,
    NoKeeper = 10,
}

/// A failure that ends the command.
#[derive(Debug)]
pub(crate) struct Fault {
    code: Code,
    /// Where another program's rules fix the exit code.
    exits: Option<u8>,
    what: String,
    hint: Option<String>,
}

impl Fault {
    /// A failure with its exit code and what happened.
    pub(crate) fn new(code: Code, what: impl Into<String>) -> Self {
        Self { code, exits: None, what: what.into(), hint: None }
    }

    /// Another failure than those with a code of their own.
    pub(crate) fn failure(what: impl Into<String>) -> Self {
        Self::new(Code::Failure, what)
    }

    /// The command line asks for something that cannot be.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::new(Code::Usage, what)
    }

    /// The same with what to do about it.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The same with an exit code that is not ours to choose.
    #[must_use]
    pub(crate) fn exits(mut self, code: u8) -> Self {
        self.exits = Some(code);
        self
    }

    /// Whose exit code it is.
    pub(crate) const fn code(&self) -> Code {
        self.code
    }

    /// What happened.
    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    /// Says it on standard error; gives the exit code.
    pub(crate) fn tell(&self) -> ExitCode {
        if !self.what.is_empty() {
            say::fault(&self.what, self.hint.as_deref());
        }
        ExitCode::from(self.exits.unwrap_or(self.code as u8))
    }
}

impl Fault {
    /// The keeper's refusal about an account.
    pub(crate) fn about(account: impl fmt::Display) -> impl Fn(Error) -> Self {
        move |error| Self::of(&error, &account.to_string())
    }

    fn of(error: &Error, account: &str) -> Self {
        match error {
            Error::Refused { name, message } => Self::refused(*name, message, account),
            Error::NoBus(_) => Self::new(Code::NoKeeper, "no session bus")
                .hint("install dbus-user-session and log in again; with su or sudo use `sudo -iu USER`"),
            Error::NotRunning(why) => Self::new(Code::NoKeeper, format!("the keeper is not running: {why}"))
                .hint("run `tokenkeeper setup`; `tokenkeeper doctor` says what is missing"),
            Error::TimedOut(_) => Self::new(Code::Unavailable, error.to_string())
                .hint("try again; `tokenkeeper doctor` says whether something is wrong"),
            Error::BadAnswer { .. } => Self::failure(error.to_string())
                .hint("tokenkeeper and tokenkeeperd do not fit together: install both anew, then `tokenkeeper setup`"),
            _ => Self::failure(error.to_string()),
        }
    }

    fn refused(name: ErrorName, message: &str, account: &str) -> Self {
        let (message, advice) = advised(message);
        let what = match (message.is_empty(), account.is_empty()) {
            (true, _) => format!("the keeper refused: {}", name.short()),
            (false, true) => message.to_owned(),
            (false, false) if message.contains(account) => message.to_owned(),
            (false, false) => format!("{account}: {message}"),
        };
        let fault = Self::new(code_of(name), what);
        match advice.map(str::to_owned).or_else(|| remedy(name, account)) {
            Some(hint) => fault.hint(hint),
            None => fault,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::of(&error, "")
    }
}

const fn code_of(name: ErrorName) -> Code {
    match name {
        ErrorName::LoginRequired | ErrorName::Held => Code::LoginRequired,
        ErrorName::Unavailable => Code::Unavailable,
        ErrorName::Locked | ErrorName::NoVault => Code::Locked,
        ErrorName::NotPermitted | ErrorName::InteractiveAuthorizationRequired => Code::NotPermitted,
        ErrorName::Misconfigured => Code::Misconfigured,
        ErrorName::InsufficientScope => Code::InsufficientScope,
        ErrorName::UnknownObject => Code::NoSuchAccount,
        ErrorName::InvalidArgs => Code::Usage,
        _ => Code::Failure,
    }
}

/// A message of the keeper without the advice at its end. What the keeper advises knows the case; a remedy by the
/// error's name alone does not.
pub(crate) fn advised(message: &str) -> (&str, Option<&str>) {
    match message.rsplit_once("; ") {
        Some((what, advice)) if advice.contains("tokenkeeper ") => (what, Some(advice)),
        _ => (message, None),
    }
}

/// What to do about an error of the keeper; `account` may be empty.
pub(crate) fn remedy(name: ErrorName, account: &str) -> Option<String> {
    let account = if account.is_empty() { "NAME" } else { account };
    Some(match name {
        ErrorName::LoginRequired => format!("run `tokenkeeper login {account}`"),
        ErrorName::Held => format!("if that is as you want it, run `tokenkeeper login {account}`"),
        ErrorName::Unavailable => "the keeper goes on trying; `tokenkeeper status` says when next".to_owned(),
        ErrorName::Locked => "run `tokenkeeper unlock`".to_owned(),
        ErrorName::NoVault => "run `tokenkeeper setup`".to_owned(),
        ErrorName::NotPermitted => "the configuration does not allow it, or you denied it".to_owned(),
        ErrorName::Misconfigured => {
            "run `tokenkeeper config check`, and compare the client with its registration at the server".to_owned()
        }
        ErrorName::InsufficientScope => format!("run `tokenkeeper login {account} --scope SCOPE`"),
        ErrorName::UnknownObject => {
            format!("`tokenkeeper status` lists the accounts; `tokenkeeper add {account}` makes one")
        }
        ErrorName::Unsaved => "make room on the disk; the keeper tries again by itself".to_owned(),
        ErrorName::Busy | ErrorName::ShuttingDown => "try again in a moment".to_owned(),
        _ => return None,
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl From<clap::Error> for Fault {
    fn from(error: clap::Error) -> Self {
        let text = error.render().to_string();
        let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end().to_owned();
        Self::usage(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(name: ErrorName) -> Fault {
        Fault::refused(name, "what the keeper says", "work")
    }

    #[test]
    fn what_the_keeper_advises_is_said_once_and_as_advice() {
        let message = "the vault belongs to another machine; take it over with: tokenkeeper login work --adopt";
        let fault = Fault::refused(ErrorName::Held, message, "");
        assert_eq!(fault.what, "the vault belongs to another machine");
        assert_eq!(fault.hint.as_deref(), Some("take it over with: tokenkeeper login work --adopt"));
        assert_eq!(advised("half; of a sentence"), ("half; of a sentence", None));
    }

    #[test]
    fn exit_codes_are_those_that_scripts_rely_on() {
        let codes = [
            (ErrorName::Failed, 1),
            (ErrorName::Cancelled, 1),
            (ErrorName::Busy, 1),
            (ErrorName::ShuttingDown, 1),
            (ErrorName::NotSupported, 1),
            (ErrorName::InvalidArgs, 2),
            (ErrorName::LoginRequired, 3),
            (ErrorName::Held, 3),
            (ErrorName::Unavailable, 4),
            (ErrorName::Locked, 5),
            (ErrorName::NoVault, 5),
            (ErrorName::NotPermitted, 6),
            (ErrorName::Misconfigured, 7),
            (ErrorName::InsufficientScope, 8),
            (ErrorName::UnknownObject, 9),
        ];
        for (name, code) in codes {
            assert_eq!(refused(name).code() as u8, code, "{}", name.short());
        }
        assert_eq!(Fault::from(Error::NoBus(String::new())).code() as u8, 10);
        assert_eq!(Fault::from(Error::NotRunning(String::new())).code() as u8, 10);
    }

    #[test]
    fn a_refusal_names_the_account_once_and_says_what_to_do() {
        let fault = refused(ErrorName::LoginRequired);
        assert_eq!(fault.what(), "work: what the keeper says");
        assert_eq!(fault.hint.as_deref(), Some("run `tokenkeeper login work`"));
        let fault = Fault::refused(ErrorName::UnknownObject, "no account named `work`", "work");
        assert_eq!(fault.what(), "no account named `work`");
    }
}
