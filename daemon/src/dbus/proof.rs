//! SignProof: a program has a token that is bound to a key, and gets the proof for one request.

use tokenkeeper::wire::key;
use tokenkeeper_config::{AccountName, TokenKind};
use zbus::{Message, Variant};

use super::fault::Fault;
use super::options::{Dictionary, Options};
use super::serve::{Call, Face};
use crate::account::{Denied, TokenKey};
use crate::keeper::{ProofWanted, Wanted};
use crate::oauth::dpop::{Target, is_nonce};

pub(super) async fn sign(face: &Face, call: &Call<'_>, name: &AccountName) -> Result<Message, Fault> {
    let (method, address, given) = call.arguments::<(&str, &str, Dictionary<'_>)>("ssa{sv}")?;
    let target = Target::new(method, address).map_err(|bad| Fault::invalid_args(bad.to_string()))?;
    let given = read(given)?;
    // A token that is cached is taken as it is: the one that the caller got a moment ago.
    let digest = match given.digest {
        Some(digest) => digest,
        None => face.keeper.token(name, given.wanted).await?.digest,
    };
    let wanted = ProofWanted { target, nonce: given.nonce, digest };
    let proof = face.keeper.sign_proof(name, wanted).await?;
    let proof = proof.reveal_str().ok_or_else(|| Denied::Failed("the proof is no text".into()))?;
    call.answer(&proof)
}

struct Given {
    nonce: Option<String>,
    digest: Option<[u8; 32]>,
    wanted: Wanted,
}

fn read(given: Dictionary<'_>) -> Result<Given, Fault> {
    use key::proof::{AUDIENCE, DIGEST, NONCE, RESOURCE, SCOPES, TIMEOUT};
    let options = Options::read(given, &[AUDIENCE, DIGEST, NONCE, RESOURCE, SCOPES, TIMEOUT])?;
    let nonce = options.text(NONCE)?;
    if nonce.as_deref().is_some_and(|nonce| !is_nonce(nonce)) {
        return Err(Fault::invalid_args("`nonce` is not what a server sends in DPoP-Nonce (RFC 9449 §8.1)"));
    }
    let mut scopes = options.list(SCOPES)?;
    scopes.sort_unstable();
    scopes.dedup();
    let key = TokenKey {
        kind: TokenKind::Access,
        audience: options.text(AUDIENCE)?,
        resource: options.text(RESOURCE)?,
        scopes,
    };
    let wanted = Wanted { key, min_validity: std::time::Duration::ZERO, rejected: None, timeout: options.timeout()? };
    Ok(Given { nonce, digest: digest(&options)?, wanted })
}

fn digest(options: &Options<'_>) -> Result<Option<[u8; 32]>, Fault> {
    let Some(value) = options.value(key::proof::DIGEST) else { return Ok(None) };
    let refused = || Fault::invalid_args("`digest` is the SHA-256 of the token, 32 bytes (ay)");
    let Variant::Array(bytes) = value else { return Err(refused()) };
    let byte = |element: &Variant<'_>| match element {
        Variant::U8(byte) => Some(*byte),
        _ => None,
    };
    // No longer than it has to be, before it is read at all.
    let bytes: Option<Vec<u8>> = if bytes.len() == 32 { bytes.iter().map(byte).collect() } else { None };
    Ok(Some(bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(refused)?))
}
