//! Secrets: bytes that are wiped when dropped, compared in constant time, and impossible to print by accident.
//!
//! There is no `Debug`, no `Display`, no `Clone`. `.reveal()` is the only way out: search for it and you have read
//! every place where a secret leaves its type.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A token, a code, a key or a passphrase. The bytes live in one allocation of exactly their size, so no copy is left
/// behind by growth.
pub struct Secret(Zeroizing<Box<[u8]>>);

impl Secret {
    /// Takes the bytes over. A vector with spare capacity is copied once into a fitting allocation and wiped.
    pub fn new(bytes: Vec<u8>) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self(Zeroizing::new(Box::from(bytes.as_slice())))
    }

    /// A copy of bytes that somebody else owns and wipes.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(Box::from(bytes)))
    }

    /// The bytes. Whoever calls this answers for where they go.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text, if they are UTF-8.
    pub fn reveal_str(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok()
    }

    /// A second copy, for the few who need one. Named, so that it shows in a review.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        Self::copy_of(&self.0)
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Equality in time that depends on the lengths only.
    pub fn same_as(&self, other: &[u8]) -> bool {
        self.0.ct_eq(other).into()
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text.into_bytes())
    }
}

/// A secret as the vault sealed it: ciphertext, so it may be kept, cloned and written. Only the vault opens it.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub std::sync::Arc<[u8]>);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compares_by_content() {
        let secret = Secret::from(String::from("rt-1"));
        assert!(secret.same_as(b"rt-1"));
        assert!(!secret.same_as(b"rt-2"));
        assert!(!secret.same_as(b"rt-11"));
        assert!(secret.duplicate().same_as(secret.reveal()));
    }

    #[test]
    fn knows_its_length() {
        assert_eq!(Secret::from(String::from("rt-1")).len(), 4);
        assert!(!Secret::from(String::from("rt-1")).is_empty());
        assert!(Secret::new(Vec::new()).is_empty());
    }
}
