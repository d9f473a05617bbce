//! Secrets: bytes that are wiped when dropped, compared in constant time, and impossible to print by accident.
//!
//! There is no `Debug`, no `Display`, no `Clone`. `.reveal()` is the only way out: search for it and you have read
//! every place where a secret leaves its type.

pub mod arena;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// A token, a code, a key or a passphrase. The bytes live in one allocation of exactly their size, so no copy is left
/// behind by growth.
pub struct Secret(Place);

/// Where a secret lies. Access tokens are many and short-lived; what opens others is in locked memory, as long as there is
/// room.
enum Place {
    Heap(Zeroizing<Box<[u8]>>),
    Locked(arena::Block),
}

impl Secret {
    /// Takes the bytes over. A vector with spare capacity is copied once into a fitting allocation and wiped.
    pub fn new(bytes: Vec<u8>) -> Self {
        let bytes = Zeroizing::new(bytes);
        Self::copy_of(&bytes)
    }

    /// A copy of bytes that somebody else owns and wipes.
    pub fn copy_of(bytes: &[u8]) -> Self {
        Self(Place::Heap(Zeroizing::new(Box::from(bytes))))
    }

    /// A copy in locked memory: for keys, refresh tokens, client secrets, and what opens them.
    pub fn locked_copy_of(bytes: &[u8]) -> Self {
        Self::locked(bytes.len(), |room| room.copy_from_slice(bytes))
    }

    /// Made by `fill` in locked memory, so that no other place ever holds it.
    pub fn locked(length: usize, fill: impl FnOnce(&mut [u8])) -> Self {
        let Some(mut block) = arena::Block::new(length) else {
            let mut heap = Zeroizing::new(vec![0; length].into_boxed_slice());
            fill(&mut heap);
            return Self(Place::Heap(heap));
        };
        fill(block.bytes_mut());
        Self(Place::Locked(block))
    }

    /// The bytes. Whoever calls this answers for where they go.
    pub fn reveal(&self) -> &[u8] {
        match &self.0 {
            Place::Heap(bytes) => bytes,
            Place::Locked(block) => block.bytes(),
        }
    }

    /// The bytes as text, if they are UTF-8.
    pub fn reveal_str(&self) -> Option<&str> {
        std::str::from_utf8(self.reveal()).ok()
    }

    /// A second copy, for the few who need one. Named, so that it shows in a review.
    #[must_use]
    pub fn duplicate(&self) -> Self {
        match &self.0 {
            Place::Heap(bytes) => Self::copy_of(bytes),
            Place::Locked(block) => Self::locked_copy_of(block.bytes()),
        }
    }

    /// Length in bytes.
    pub fn len(&self) -> usize {
        self.reveal().len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.reveal().is_empty()
    }

    /// Equality in time that depends on the lengths only.
    pub fn same_as(&self, other: &[u8]) -> bool {
        self.reveal().ct_eq(other).into()
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
    fn what_finds_no_room_in_locked_memory_is_kept_all_the_same() {
        let large = Secret::locked(2 << 20, |room| room.fill(7));
        assert!(matches!(large.0, Place::Heap(_)) && large.reveal().iter().all(|byte| *byte == 7));
        let small = Secret::locked_copy_of(b"rt-1").duplicate();
        assert!(matches!(small.0, Place::Locked(_)) && small.same_as(b"rt-1"));
    }

    #[test]
    fn knows_its_length() {
        assert_eq!(Secret::from(String::from("rt-1")).len(), 4);
        assert!(!Secret::from(String::from("rt-1")).is_empty());
        assert!(Secret::new(Vec::new()).is_empty());
    }
}
