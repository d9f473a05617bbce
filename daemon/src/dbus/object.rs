//! Which object a path means. Whether an account or a request of that name exists is another question.

use tokenkeeper::wire::{ACCOUNTS_PATH, REQUESTS_PATH, ROOT_PATH};
use tokenkeeper_config::AccountName;

use crate::account::RequestId;

/// Where LogControl1 is served.
pub(super) const LOG_CONTROL_PATH: &str = "/org/freedesktop/LogControl1";

/// What a path means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Object {
    /// The keeper, the vault and the object manager.
    Root,
    /// An account.
    Account(AccountName),
    /// An interaction in progress.
    Request(RequestId),
    /// systemd's log control.
    LogControl,
    /// The node above the accounts: it has children and nothing else.
    Accounts,
    /// A node that leads somewhere, with its fixed children.
    Way(&'static [&'static str]),
}

impl Object {
    /// The object at this path; `None` when there can be none.
    pub(super) fn at(path: &str) -> Option<Self> {
        match path {
            ROOT_PATH => Some(Self::Root),
            LOG_CONTROL_PATH => Some(Self::LogControl),
            ACCOUNTS_PATH => Some(Self::Accounts),
            "/" => Some(Self::Way(&["org"])),
            "/org" => Some(Self::Way(&["freedesktop", "tokenkeeper"])),
            "/org/freedesktop" => Some(Self::Way(&["LogControl1"])),
            "/org/tokenkeeper" => Some(Self::Way(&["Keeper1"])),
            // Requests are not enumerated.
            REQUESTS_PATH => Some(Self::Way(&[])),
            _ => Self::below(path),
        }
    }

    fn below(path: &str) -> Option<Self> {
        if let Some(element) = child_of(ACCOUNTS_PATH, path) {
            return AccountName::from_path_element(element).ok().map(Self::Account);
        }
        let element = child_of(REQUESTS_PATH, path)?;
        let id = RequestId(u128::from_str_radix(element, 16).ok()?);
        // One request, one path: no sign, no capitals, no digits less.
        (request_path(id) == path).then_some(Self::Request(id))
    }
}

/// The path of a request.
pub(super) fn request_path(id: RequestId) -> String {
    format!("{REQUESTS_PATH}/{:032x}", id.0)
}

/// The path of an account.
pub(super) fn account_path(name: &AccountName) -> String {
    format!("{ACCOUNTS_PATH}/{}", name.path_element())
}

fn child_of<'p>(parent: &str, path: &'p str) -> Option<&'p str> {
    path.strip_prefix(parent)?.strip_prefix('/')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_go_both_ways() {
        let name: AccountName = "my-work".parse().expect("a good name");
        assert_eq!(Object::at(&account_path(&name)), Some(Object::Account(name)));
        let id = RequestId(7);
        assert_eq!(Object::at(&request_path(id)), Some(Object::Request(id)));
    }

    #[test]
    fn what_cannot_exist_is_nothing() {
        for path in ["/org/tokenkeeper/Keeper1/account/Work", "/org/tokenkeeper/Keeper1/account/a/b", "/com", "/org/x"]
        {
            assert_eq!(Object::at(path), None, "{path}");
        }
        for element in ["7", "+0000000000000000000000000000007", &"0".repeat(33)] {
            assert_eq!(Object::at(&format!("{REQUESTS_PATH}/{element}")), None, "{element}");
        }
    }
}
