//! Account names: `[a-z0-9][a-z0-9-]{0,62}`, so that one is also a file name, a unit instance and, with `-` written
//! `_`, an element of an object path.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

/// A checked account name. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountName(Arc<str>);

/// What is wrong with a name, and what a name may be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no account name: use 1 to 63 of a-z, 0-9 and `-`, not beginning with `-`")]
pub struct BadName(pub String);

impl AccountName {
    /// The longest name.
    pub const MAX_LEN: usize = 63;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as an element of a D-Bus object path.
    pub fn path_element(&self) -> String {
        self.0.replace('-', "_")
    }

    /// The name whose path element this is.
    ///
    /// # Errors
    /// When no name has this path element.
    pub fn from_path_element(element: &str) -> Result<Self, BadName> {
        element.replace('_', "-").parse()
    }
}

impl FromStr for AccountName {
    type Err = BadName;

    fn from_str(text: &str) -> Result<Self, BadName> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let good = (1..=Self::MAX_LEN).contains(&text.len()) && text.bytes().all(allowed) && !text.starts_with('-');
        if good { Ok(Self(Arc::from(text))) } else { Err(BadName(text.chars().take(80).collect())) }
    }
}

impl fmt::Display for AccountName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_what_the_bus_and_systemd_accept() {
        for good in ["work", "a", "0", "ci-2", &"x".repeat(63)] {
            assert_eq!(good.parse::<AccountName>().map(|n| n.to_string()), Ok(good.to_owned()));
        }
        for bad in ["", "-a", "Work", "a_b", "a/b", "é", &"x".repeat(64)] {
            assert!(bad.parse::<AccountName>().is_err(), "{bad}");
        }
    }

    #[test]
    fn path_elements_go_both_ways() {
        let name: AccountName = "my-work-2".parse().expect("a good name");
        assert_eq!(name.path_element(), "my_work_2");
        assert_eq!(AccountName::from_path_element("my_work_2"), Ok(name));
    }
}
