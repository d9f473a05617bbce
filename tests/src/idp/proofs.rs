//! DPoP at the token endpoint (RFC 9449), as strict as a server may be: every request needs a proof with the newest nonce,
//! every answer makes another one, no proof works twice, and a login belongs to the key that it was made with.

use std::collections::{HashMap, HashSet};

use aws_lc_rs::digest::{SHA256, digest as sha256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use axum::http::HeaderMap;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::answer::Answer;
use super::params::random;
use super::post::Refused;
use super::settings::Dpop;
use crate::clock;

/// How many seconds a proof's time may be off.
const LEEWAY: u64 = 60;

/// What is remembered of proofs.
#[derive(Default)]
pub(super) struct Proofs {
    /// The only good one; none is at first.
    nonce: Option<String>,
    seen: HashSet<String>,
    /// The thumbprint of each family's key.
    keys: HashMap<u64, String>,
}

impl Proofs {
    /// Checks the proof of a request to an endpoint (§4.3) and gives the thumbprint of its key.
    pub(super) fn check(&mut self, headers: &HeaderMap, endpoint: &str) -> Result<String, Refused> {
        let bad = |why| Refused("invalid_dpop_proof", why);
        let mut proofs = headers.get_all("dpop").iter().map(|value| value.to_str());
        let (Some(Ok(proof)), None) = (proofs.next(), proofs.next()) else { return Err(bad("one proof is wanted")) };
        let (header, claims, key) = verified(proof).ok_or(bad("it is no JWT that its own key signed"))?;
        if header["typ"] != "dpop+jwt" || !header["jwk"]["d"].is_null() {
            return Err(bad("its header is no proof's"));
        }
        if claims["htm"] != "POST" || claims["htu"] != endpoint {
            return Err(bad("it is for another request"));
        }
        if claims["iat"].as_u64().is_none_or(|at| clock::wall().as_secs().abs_diff(at) > LEEWAY) {
            return Err(bad("its time is not this one's"));
        }
        if !claims["jti"].as_str().is_some_and(|id| self.seen.insert(id.to_owned())) {
            return Err(bad("it was here before"));
        }
        match (&self.nonce, claims["nonce"].as_str()) {
            (Some(wanted), Some(nonce)) if wanted == nonce => Ok(key),
            _ => Err(Refused("use_dpop_nonce", "another nonce is wanted")),
        }
    }

    /// Makes another nonce, which the answer tells or the next refusal will.
    pub(super) fn renew(&mut self, dpop: Dpop, answer: &mut Answer) {
        let nonce = self.nonce.insert(random("no"));
        if dpop == Dpop::NonceAlways || answer.status != 200 {
            answer.headers.push(("dpop-nonce".into(), nonce.clone()));
        }
    }

    pub(super) fn bind(&mut self, family: u64, key: String) {
        self.keys.insert(family, key);
    }

    pub(super) fn is_bound(&self, family: u64, key: &str) -> bool {
        self.keys.get(&family).is_some_and(|known| known == key)
    }

    /// From now on every login is some other key's.
    pub(super) fn forget_keys(&mut self) {
        self.keys.clear();
    }
}

/// Header, claims and the key's thumbprint (RFC 7638 §3) of a JWT that is signed with ES256 by the key in its header.
fn verified(jwt: &str) -> Option<(Value, Value, String)> {
    let decode = |text: &str| URL_SAFE_NO_PAD.decode(text).ok();
    let (signed, signature) = jwt.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let header: Value = serde_json::from_slice(&decode(header)?).ok()?;
    let jwk = &header["jwk"];
    if header["alg"] != "ES256" || jwk["kty"] != "EC" || jwk["crv"] != "P-256" {
        return None;
    }
    let (x, y) = (jwk["x"].as_str()?, jwk["y"].as_str()?);
    // An uncompressed point (SEC 1 §2.3.3).
    let point = [vec![4], decode(x)?, decode(y)?].concat();
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(signed.as_bytes(), &decode(signature)?).ok()?;
    let thumbprint = sha256(&SHA256, format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#).as_bytes());
    Some((header, serde_json::from_slice(&decode(claims)?).ok()?, URL_SAFE_NO_PAD.encode(thumbprint)))
}
