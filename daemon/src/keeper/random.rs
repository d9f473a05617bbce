//! The one place that draws randomness for the core.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::account::Entropy;
use crate::oauth::new_proof_key;
use crate::secret::Secret;

/// Random bytes from the kernel.
pub(super) fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("getrandom(2) cannot fail once the kernel's pool is initialised");
    bytes
}

/// What one login needs: 256 bit each (RFC 7636 §7.1, RFC 6749 §10.10), and a key.
pub(super) fn entropy() -> Entropy {
    Entropy { state: token(), nonce: token(), verifier: token(), proof_key: new_proof_key(), path: id() }
}

/// What a client's tokens will be bound to.
pub(super) fn proof_key() -> Secret {
    new_proof_key()
}

/// An id that was never used before: 128 bit.
pub(super) fn id() -> String {
    URL_SAFE_NO_PAD.encode(bytes::<16>())
}

fn token() -> Secret {
    let raw = zeroize::Zeroizing::new(bytes::<32>());
    Secret::from(URL_SAFE_NO_PAD.encode(raw.as_slice()))
}
