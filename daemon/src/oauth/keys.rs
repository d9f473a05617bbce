//! A server's JWK set (RFC 7517 §5): fetched as text, used to verify signatures.

use http::StatusCode;
use jsonwebtoken::jwk::{Jwk, KeyAlgorithm, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, crypto};

use super::id_token::IdTokenProblem;
use super::json::Json;
use super::wire::Response;

/// At most this many keys are tried for one signature.
const TRIED: usize = 16;

/// The set as text, if the answer is one.
pub fn read(response: &Response) -> Option<String> {
    if response.status() != StatusCode::OK {
        return None;
    }
    let text = response.body().reveal_str()?;
    matches!(Json::parse(text.as_bytes())?.get("keys"), Some(Json::List(_))).then(|| text.to_owned())
}

/// Verifies a JWS signature by the key it names; by every fitting key where it names none.
pub(super) fn verify(
    set: &str,
    kid: Option<&str>,
    algorithm: Algorithm,
    signed: &str,
    signature: &str,
) -> Result<(), IdTokenProblem> {
    let candidates: Vec<DecodingKey> =
        keys(set).iter().filter_map(|key| usable(key, kid, algorithm)).take(TRIED).collect();
    if candidates.is_empty() {
        return Err(IdTokenProblem::UnknownKey);
    }
    let verified = |key: &DecodingKey| crypto::verify(signature, signed.as_bytes(), key, algorithm).unwrap_or(false);
    match (candidates.iter().any(verified), kid) {
        (true, _) => Ok(()),
        (false, Some(_)) => Err(IdTokenProblem::Signature),
        // No name: the key may be a new one.
        (false, None) => Err(IdTokenProblem::UnknownKey),
    }
}

/// The keys of a set that can be read: one with an unknown type does not spoil the others.
fn keys(set: &str) -> Vec<Jwk> {
    #[derive(serde::Deserialize)]
    struct Set {
        keys: Vec<serde_json::Value>,
    }
    let keys = serde_json::from_str::<Set>(set).map(|set| set.keys).unwrap_or_default();
    keys.into_iter().filter_map(|key| serde_json::from_value(key).ok()).collect()
}

/// A key for signatures, of the right name and algorithm.
fn usable(key: &Jwk, kid: Option<&str>, algorithm: Algorithm) -> Option<DecodingKey> {
    let named = kid.is_none() || key.common.key_id.as_deref() == kid;
    let signs = !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption));
    // An algorithm that jsonwebtoken does not know by name (`Ed25519`) is judged by the key itself.
    let fits = |stated| stated == KeyAlgorithm::UNKNOWN_ALGORITHM || stated == KeyAlgorithm::from(algorithm);
    let fits = key.common.key_algorithm.is_none_or(fits);
    if !(named && signs && fits) {
        return None;
    }
    DecodingKey::from_jwk(key).ok().filter(|key| key.family() == algorithm.family())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::testing::response;

    #[test]
    fn a_set_is_a_good_answer_with_a_list_of_keys() {
        let set = r#"{"keys":[]}"#;
        assert_eq!(read(&response(200, set)).as_deref(), Some(set));
        assert_eq!(read(&response(404, set)), None);
        for other in ["", "<html>", "{}", r#"{"keys":{}}"#] {
            assert_eq!(read(&response(200, other)), None, "{other}");
        }
    }
}
