//! Sealing: XChaCha20-Poly1305 under the vault key, with everything that a blob belongs to as associated data. Nonces
//! are random and 24 bytes long, so that a rolled back or cloned vault cannot make two of them meet.
//!
//! Pure but for the nonce, which is an argument: test vectors fix it.

use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use tokenkeeper_config::Definition;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// What a grant is bound to: SHA-256 of {issuer, client id, token endpoint as configured}. A config edited to send a
/// refresh token elsewhere has another binding and cannot open it.
pub type Binding = [u8; 32];

/// The name of the format, first of the associated data.
pub(super) const FORMAT: &[u8] = b"tokenkeeper vault 1";

/// Bytes of a nonce.
pub(super) const NONCE: usize = 24;
/// Bytes of an authentication tag.
pub(super) const TAG: usize = 16;

/// Sizes of a sealed record: n · 4 KiB less 256, so that a row with its names fills whole database pages.
pub(super) const CLASSES: [usize; 4] = [3840, 7936, 16128, 32512];

/// Version byte and length before the body.
const HEADER: usize = 5;
const VERSION: u8 = 1;

/// What a sealed blob is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// Facts, intent and the sealed refresh tokens of an account.
    Grant,
    /// The default access and id token of an account.
    Tokens,
    /// The client secret of an account.
    ClientSecret,
    /// The key that an account's tokens are bound to.
    ProofKey,
    /// Tokens of forgotten logins of which the server has not been told.
    Revocations,
    /// The registration of an account's client.
    Registration,
    /// One refresh token, inside a grant.
    RefreshToken,
    /// Facts about the vault itself; opening it proves the key.
    Meta,
    /// The vault key, wrapped for one slot.
    Slot,
}

/// A 32-byte key: the vault key or a slot's.
pub(super) struct Key(Secret);

/// Everything a sealed blob belongs to.
pub(super) struct Context<'a> {
    pub(super) vault: &'a [u8; 16],
    pub(super) kind: Kind,
    /// The account, or the slot's id; empty for the vault itself.
    pub(super) account: &'a str,
    pub(super) generation: u64,
    /// Size of the sealed record; 0 = not padded.
    pub(super) class: usize,
    pub(super) binding: &'a Binding,
}

/// Why a sealed blob gives nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unsealable {
    /// No room for nonce and tag.
    #[error("it is cut short")]
    Short,
    /// A record that has the length of none.
    #[error("it has the length of no size class")]
    Class,
    /// The cipher cannot tell which.
    #[error("its seal does not open: another key, another place, or changed bytes")]
    Seal,
    /// The padding's, or the refresh token's.
    #[error("it is of a version that this program does not know")]
    Version,
    /// A padding that says there is more than there is.
    #[error("its length leads beyond its end")]
    Length,
    /// A padding of something.
    #[error("its padding is not empty")]
    Padding,
    /// A slot that wraps something else.
    #[error("what it wraps is no key")]
    NoKey,
    /// It opened, and says nothing that makes sense.
    #[error(transparent)]
    Body(#[from] Nonsense),
}

/// What is wrong with a body that was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Nonsense {
    #[error("a part of it leads beyond its end")]
    Part,
    #[error("its text is not what such a record says")]
    Text,
    #[error("there is something behind its last part")]
    Rest,
    #[error("a token in it is of no known kind")]
    TokenKind,
    #[error("a token in it is missing")]
    NoToken,
}

/// The body is longer than the largest class holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TooLarge;

/// The binding of a definition. Issuer and token endpoint exactly as configured; empty where they are discovered.
pub fn binding(definition: &Definition) -> Binding {
    let endpoint = definition.endpoints.token_endpoint.as_ref().map_or("", |url| url.as_str());
    let parts = [definition.issuer.as_deref().unwrap_or(""), &definition.client_id, endpoint];
    hash(parts.map(str::as_bytes))
}

/// SHA-256 over parts, each behind its length, so that no two lists of parts hash alike.
pub(super) fn hash<const N: usize>(parts: [&[u8]; N]) -> [u8; 32] {
    Sha256::digest(prefixed(&parts)).into()
}

/// Seals `plaintext` as nonce, ciphertext, tag.
pub(super) fn seal(key: &Key, nonce: [u8; NONCE], context: &Context<'_>, plaintext: &[u8]) -> Vec<u8> {
    let mut blob = Vec::with_capacity(NONCE + plaintext.len() + TAG);
    blob.extend_from_slice(&nonce);
    blob.extend_from_slice(plaintext);
    let tag = cipher(key)
        .encrypt_inout_detached(&XNonce::from(nonce), &context.encode(), blob[NONCE..].as_mut().into())
        .expect("a record is far below the cipher's limit of 256 GiB");
    blob.extend_from_slice(&tag);
    blob
}

/// Opens what [`seal`] made in the same context.
pub(super) fn open(key: &Key, context: &Context<'_>, blob: &[u8]) -> Result<Secret, Unsealable> {
    let (nonce, rest) = blob.split_first_chunk::<NONCE>().ok_or(Unsealable::Short)?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG>().ok_or(Unsealable::Short)?;
    let mut opened = Ok(());
    let plaintext = Secret::locked(ciphertext.len(), |room| {
        room.copy_from_slice(ciphertext);
        opened =
            cipher(key).decrypt_inout_detached(&XNonce::from(*nonce), &context.encode(), room.into(), &(*tag).into());
    });
    opened.map(|()| plaintext).map_err(|_| Unsealable::Seal)
}

/// The class that holds a body of this length.
pub(super) fn class_of(body: usize) -> Result<usize, TooLarge> {
    CLASSES.into_iter().find(|class| body <= class - NONCE - TAG - HEADER).ok_or(TooLarge)
}

/// Version, length, body, zeros up to what `class` holds.
pub(super) fn pad(body: &[u8], class: usize) -> Zeroizing<Vec<u8>> {
    let room = class - NONCE - TAG;
    let mut padded = Zeroizing::new(Vec::with_capacity(room));
    padded.push(VERSION);
    padded.extend_from_slice(&length(body));
    padded.extend_from_slice(body);
    padded.resize(room, 0);
    padded
}

/// The body inside a padded plaintext.
pub(super) fn unpad(padded: &[u8]) -> Result<&[u8], Unsealable> {
    let (&version, rest) = padded.split_first().ok_or(Unsealable::Length)?;
    if version != VERSION {
        return Err(Unsealable::Version);
    }
    let (len, rest) = rest.split_first_chunk::<4>().ok_or(Unsealable::Length)?;
    let len = usize::try_from(u32::from_le_bytes(*len)).map_err(|_| Unsealable::Length)?;
    let (body, padding) = rest.split_at_checked(len).ok_or(Unsealable::Length)?;
    if padding.iter().any(|byte| *byte != 0) {
        return Err(Unsealable::Padding);
    }
    Ok(body)
}

/// Each part behind its length in four bytes, little end first.
pub(super) fn prefixed(parts: &[&[u8]]) -> Zeroizing<Vec<u8>> {
    let mut all = Zeroizing::new(Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum()));
    for part in parts {
        all.extend_from_slice(&length(part));
        all.extend_from_slice(part);
    }
    all
}

/// Takes one length-prefixed part off the front.
pub(super) fn take_part<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (len, rest) = bytes.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let (part, rest) = rest.split_at_checked(len)?;
    *bytes = rest;
    Some(part)
}

fn length(part: &[u8]) -> [u8; 4] {
    u32::try_from(part.len()).expect("parts are bounded far below 4 GiB").to_le_bytes()
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(key.reveal().into())
}

impl Context<'_> {
    fn encode(&self) -> Zeroizing<Vec<u8>> {
        prefixed(&[
            FORMAT,
            self.vault,
            self.kind.as_str().as_bytes(),
            self.account.as_bytes(),
            &self.generation.to_le_bytes(),
            &(self.class as u64).to_le_bytes(),
            self.binding,
        ])
    }
}

impl Kind {
    /// The word in the associated data and in the `kind` column.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Grant => "grant",
            Self::Tokens => "tokens",
            Self::ClientSecret => "client-secret",
            Self::ProofKey => "proof-key",
            Self::Revocations => "revocations",
            Self::Registration => "registration",
            Self::RefreshToken => "refresh-token",
            Self::Meta => "meta",
            Self::Slot => "slot",
        }
    }
}

impl Kind {
    /// The kind of a record in the database.
    pub(super) fn of_record(word: &str) -> Option<Self> {
        let records =
            [Self::Grant, Self::Tokens, Self::ClientSecret, Self::ProofKey, Self::Registration, Self::Revocations];
        records.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl Key {
    /// From exactly 32 bytes.
    pub(super) fn from_slice(bytes: &[u8]) -> Option<Self> {
        (bytes.len() == 32).then(|| Self(Secret::locked_copy_of(bytes)))
    }

    /// From the system's randomness.
    pub(super) fn random() -> Self {
        Self::made(fill)
    }

    /// Made by `fill` where it stays.
    pub(super) fn made(fill: impl FnOnce(&mut [u8])) -> Self {
        Self(Secret::locked(32, fill))
    }

    /// The bytes, to wrap them or to derive them.
    pub(super) fn reveal(&self) -> &[u8; 32] {
        self.0.reveal().try_into().expect("a key has 32 bytes")
    }
}

/// A fresh nonce.
pub(super) fn nonce() -> [u8; NONCE] {
    let mut nonce = [0; NONCE];
    fill(&mut nonce);
    nonce
}

/// Fills with randomness. The kernel's cannot fail once the system has booted; if it does, sealing must not go on.
pub(super) fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the kernel gives randomness");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(binding: &Binding) -> Context<'_> {
        Context { vault: &[7; 16], kind: Kind::Grant, account: "work", generation: 3, class: 3840, binding }
    }

    #[test]
    fn opens_only_where_it_belongs() {
        let key = Key::from_slice(&[1; 32]).expect("32 bytes");
        let blob = seal(&key, [9; NONCE], &context(&[2; 32]), b"rt-1");
        assert_eq!(open(&key, &context(&[2; 32]), &blob).map(|token| token.same_as(b"rt-1")), Ok(true));

        let same = context(&[2; 32]);
        let others = [
            Context { vault: &[8; 16], ..same },
            Context { kind: Kind::Tokens, ..context(&[2; 32]) },
            Context { account: "play", ..context(&[2; 32]) },
            Context { generation: 4, ..context(&[2; 32]) },
            Context { class: 7936, ..context(&[2; 32]) },
            context(&[3; 32]),
        ];
        for other in others {
            assert_eq!(open(&key, &other, &blob).err(), Some(Unsealable::Seal));
        }
        let other_key = Key::from_slice(&[2; 32]).expect("32 bytes");
        assert_eq!(open(&other_key, &context(&[2; 32]), &blob).err(), Some(Unsealable::Seal));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let key = Key::from_slice(&[1; 32]).expect("32 bytes");
        let blob = seal(&key, [9; NONCE], &context(&[2; 32]), b"rt-1");
        for at in 0..blob.len() {
            let mut flipped = blob.clone();
            flipped[at] ^= 1;
            assert_eq!(open(&key, &context(&[2; 32]), &flipped).err(), Some(Unsealable::Seal));
            let cut = if at < NONCE + TAG { Unsealable::Short } else { Unsealable::Seal };
            assert_eq!(open(&key, &context(&[2; 32]), &blob[..at]).err(), Some(cut));
        }
    }

    #[test]
    fn padding_hides_the_length_within_a_class() {
        for (body, class) in [(0, 3840), (3795, 3840), (3796, 7936), (32_467, 32_512)] {
            assert_eq!(class_of(body), Ok(class), "{body}");
            let padded = pad(&vec![5; body], class);
            assert_eq!(padded.len() + NONCE + TAG, class);
            assert_eq!(unpad(&padded).map(<[u8]>::len), Ok(body));
        }
        assert_eq!(class_of(32_468), Err(TooLarge));
    }

    #[test]
    fn odd_paddings_are_no_panic() {
        for (bad, why) in [
            (&[][..], Unsealable::Length),
            (&[1], Unsealable::Length),
            (&[1, 9, 0, 0, 0], Unsealable::Length),
            (&[1, 255, 255, 255, 255, 0], Unsealable::Length),
            (&[2, 0, 0, 0, 0], Unsealable::Version),
            (&[1, 1, 0, 0, 0, 7, 0, 1], Unsealable::Padding),
        ] {
            assert_eq!(unpad(bad), Err(why));
        }
        assert_eq!(take_part(&mut &[4, 0, 0, 0, 1, 2, 3][..]), None);
    }

    #[test]
    fn lists_of_parts_do_not_collide() {
        assert_ne!(hash([b"ab", b"c"]), hash([b"a", b"bc"]));
    }
}
