//! Account names and their object paths: `-` is written `_`, so each name has one path and each path one name.

use zbus::ObjectPath;

use super::ACCOUNTS_PATH;

/// What is wrong with a name, and what a name may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no account name: use 1 to 63 of a-z, 0-9 and `-`, not beginning with `-`")]
pub struct BadName(pub String);

/// Whether this is an account name: `[a-z0-9][a-z0-9-]{0,62}`.
pub fn is_account_name(name: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&name.len()) && name.bytes().all(allowed) && !name.starts_with('-')
}

/// The path of the account with this name.
///
/// # Errors
/// When no account can have this name.
pub fn account_path(name: &str) -> Result<ObjectPath<'static>, BadName> {
    if !is_account_name(name) {
        return Err(BadName(name.chars().take(80).collect()));
    }
    let path = format!("{ACCOUNTS_PATH}/{}", name.replace('-', "_"));
    Ok(ObjectPath::try_from(path).expect("a-z, 0-9 and _ make a path element"))
}

/// The name of the account at this path; `None` when no account can have this path.
pub fn account_name(path: &str) -> Option<String> {
    let element = path.strip_prefix(ACCOUNTS_PATH)?.strip_prefix('/')?;
    if element.contains('-') {
        return None;
    }
    let name = element.replace('_', "-");
    is_account_name(&name).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::{account_name, account_path};

    #[test]
    fn each_name_has_one_path() {
        let path = account_path("my-work-2").expect("a good name");
        assert_eq!(path.as_str(), "/org/tokenkeeper/Keeper1/account/my_work_2");
        assert_eq!(account_name(&path), Some("my-work-2".to_owned()));
    }

    #[test]
    fn what_is_no_name_has_no_path() {
        for bad in ["", "-a", "Work", "a_b", "a/b", "é", &"x".repeat(64)] {
            assert!(account_path(bad).is_err(), "{bad}");
        }
        for bad in ["/", "/org/tokenkeeper/Keeper1/account", "/org/tokenkeeper/Keeper1/account/_a", "/x/account/a"] {
            assert_eq!(account_name(bad), None, "{bad}");
        }
    }
}
