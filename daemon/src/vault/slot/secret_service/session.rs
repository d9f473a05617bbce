//! The transport encryption of the Secret Service API, `dh-ietf1024-sha256-aes128-cbc-pkcs7`, so that a bus monitor
//! does not see the key. It is not authenticated and does not hide anything from the bus's owner; the vault key's own
//! wrapping does not depend on it. Pure: randomness is an argument.

use aes::Aes128;
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use crypto_bigint::modular::{FixedMontyForm, FixedMontyParams};
use crypto_bigint::{Odd, U1024};
use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::secret::Secret;

/// The algorithm's name in `OpenSession`.
pub(super) const ALGORITHM: &str = "dh-ietf1024-sha256-aes128-cbc-pkcs7";

/// The Second Oakley Group (RFC 2409 §6.2); its generator is 2.
const PRIME: &str = "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74\
                     020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437\
                     4FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED\
                     EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE65381FFFFFFFFFFFFFFFF";
const BYTES: usize = 128;

/// Our half of the key agreement.
pub(super) struct Half {
    exponent: U1024,
}

/// The key of one session.
pub(super) struct SessionKey(Zeroizing<[u8; 16]>);

impl Half {
    pub(super) fn new(random: &[u8; BYTES]) -> Self {
        Self { exponent: U1024::from_be_slice(random) }
    }

    /// What is sent to the service.
    pub(super) fn public(&self) -> Vec<u8> {
        power(U1024::from_u8(2), &self.exponent).to_vec()
    }

    /// The key, from what the service sent; `None` = it sent no member of the group. 0, 1 and p − 1 would make the key
    /// known to everybody.
    pub(super) fn agree(self, theirs: &[u8]) -> Option<SessionKey> {
        let zeros = theirs.len().saturating_sub(BYTES);
        let (padding, theirs) = theirs.split_at(zeros);
        if padding.iter().any(|byte| *byte != 0) {
            return None;
        }
        let mut full = [0; BYTES];
        full[BYTES - theirs.len()..].copy_from_slice(theirs);
        let theirs = U1024::from_be_slice(&full);
        let last = U1024::from_be_hex(PRIME).wrapping_sub(&U1024::ONE);
        if theirs <= U1024::ONE || theirs >= last {
            return None;
        }
        // The shared number goes into the derivation with its leading zeros, as libsecret does it.
        let shared = power(theirs, &self.exponent);
        let mut key = SessionKey(Zeroizing::new([0; 16]));
        Hkdf::<Sha256>::new(None, shared.as_slice()).expand(&[], key.0.as_mut_slice()).ok()?;
        Some(key)
    }
}

impl Drop for Half {
    fn drop(&mut self) {
        self.exponent.zeroize();
    }
}

impl SessionKey {
    pub(super) fn encrypt(&self, iv: [u8; 16], plaintext: &[u8]) -> Vec<u8> {
        cbc::Encryptor::<Aes128>::new((&*self.0).into(), &iv.into()).encrypt_padded_vec::<Pkcs7>(plaintext)
    }

    /// `None` = it was not made with this key.
    pub(super) fn decrypt(&self, iv: &[u8], ciphertext: &[u8]) -> Option<Secret> {
        let iv: [u8; 16] = iv.try_into().ok()?;
        let cipher = cbc::Decryptor::<Aes128>::new((&*self.0).into(), &iv.into());
        let opened = Zeroizing::new(cipher.decrypt_padded_vec::<Pkcs7>(ciphertext).ok()?);
        Some(Secret::locked_copy_of(&opened))
    }
}

fn power(base: U1024, exponent: &U1024) -> Zeroizing<[u8; BYTES]> {
    let prime = Odd::new(U1024::from_be_hex(PRIME)).expect("a prime above 2 is odd");
    let params = FixedMontyParams::new(prime);
    let mut result = FixedMontyForm::new(&base, &params).pow(exponent).retrieve();
    let mut bytes = Zeroizing::new([0; BYTES]);
    bytes.copy_from_slice(result.to_be_bytes().as_ref());
    result.zeroize();
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_halves_agree() {
        let (ours, theirs) = (Half::new(&[7; BYTES]), Half::new(&[9; BYTES]));
        let (our_public, their_public) = (ours.public(), theirs.public());
        let ours = ours.agree(&their_public).expect("a member of the group");
        let theirs = theirs.agree(&our_public).expect("a member of the group");
        let sent = ours.encrypt([3; 16], b"a key of thirty-two bytes, or so");
        let read = theirs.decrypt(&[3; 16], &sent).expect("the same key");
        assert!(read.same_as(b"a key of thirty-two bytes, or so"));
    }

    #[test]
    fn numbers_outside_the_group_are_refused() {
        let prime = U1024::from_be_hex(PRIME);
        let last = prime.wrapping_sub(&U1024::ONE);
        for bad in [
            Vec::new(),
            vec![0],
            vec![1],
            vec![0; 200],
            vec![255; 129],
            vec![255; 128],
            prime.to_be_bytes().as_ref().to_vec(),
            last.to_be_bytes().as_ref().to_vec(),
        ] {
            assert!(Half::new(&[7; BYTES]).agree(&bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_ciphertext_is_no_panic() {
        let key = Half::new(&[7; BYTES]).agree(&[2]).expect("a member of the group");
        assert!(key.decrypt(&[3; 16], &[]).is_none());
        assert!(key.decrypt(&[3; 15], &[0; 16]).is_none());
        assert!(key.decrypt(&[3; 16], &[0; 15]).is_none());
    }
}
