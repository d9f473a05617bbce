//! The bodies of records: what is inside the seal. Binary parts stand behind their lengths; the rest is compact JSON.
//! Readers are total: bytes that do not fit are an error, whatever wrote them.

use serde::{Deserialize, Serialize};
use tokenkeeper_config::TokenKind;
use zeroize::Zeroizing;

use super::seal::{Nonsense, prefixed, take_part};
use crate::account::{Facts, Intent, StoredToken, TokenKey, Unrevoked};
use crate::secret::{Sealed, Secret};
use crate::time::{Boot, BootId, Moment, Wall};

/// The body of a `grant` record. Without facts there is no grant: only the generation is remembered.
#[derive(Default)]
pub(super) struct GrantBody {
    pub(super) facts: Option<Facts>,
    pub(super) intent: Option<Intent>,
    pub(super) token: Option<Sealed>,
    pub(super) previous: Option<Sealed>,
}

#[derive(Serialize, Deserialize)]
struct GrantText {
    facts: Option<Facts>,
    intent: Option<Intent>,
}

#[derive(Serialize, Deserialize)]
struct TokenText {
    kind: String,
    token_type: String,
    expiry: Option<MomentText>,
    scopes: Vec<String>,
    generation: u64,
    minted: i64,
}

/// A moment in milliseconds.
#[derive(Serialize, Deserialize)]
struct MomentText {
    boot: u64,
    wall: i64,
    boot_id: [u8; 16],
    noted: i64,
}

impl GrantBody {
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let text = GrantText { facts: self.facts.clone(), intent: self.intent.clone() };
        let text = Zeroizing::new(serde_json::to_vec(&text).expect("plain values have a JSON form"));
        let blob = |sealed: &Option<Sealed>| sealed.as_ref().map_or_else(Vec::new, |sealed| sealed.0.to_vec());
        prefixed(&[&text, &blob(&self.token), &blob(&self.previous)])
    }

    pub(super) fn decode(mut body: &[u8]) -> Result<Self, Nonsense> {
        let mut part = || take_part(&mut body).ok_or(Nonsense::Part);
        let (text, token, previous) = (part()?, part()?, part()?);
        if !body.is_empty() {
            return Err(Nonsense::Rest);
        }
        let text: GrantText = serde_json::from_slice(text).map_err(|_| Nonsense::Text)?;
        let blob = |part: &[u8]| (!part.is_empty()).then(|| Sealed(part.into()));
        Ok(Self { facts: text.facts, intent: text.intent, token: blob(token), previous: blob(previous) })
    }
}

/// The body of a `tokens` record: for each token a text and the token itself.
pub(super) fn encode_tokens(tokens: &[&StoredToken]) -> Zeroizing<Vec<u8>> {
    let texts: Vec<_> = tokens.iter().map(|token| token_text(token)).collect();
    let parts: Vec<&[u8]> =
        tokens.iter().zip(&texts).flat_map(|(token, text)| [text.as_slice(), token.token.reveal()]).collect();
    prefixed(&parts)
}

/// Reads what [`encode_tokens`] wrote.
pub(super) fn decode_tokens(mut body: &[u8]) -> Result<Vec<StoredToken>, Nonsense> {
    let mut tokens = Vec::new();
    while !body.is_empty() {
        let text = take_part(&mut body).ok_or(Nonsense::Part)?;
        if body.is_empty() {
            return Err(Nonsense::NoToken);
        }
        let token = take_part(&mut body).ok_or(Nonsense::Part)?;
        let text: TokenText = serde_json::from_slice(text).map_err(|_| Nonsense::Text)?;
        tokens.push(StoredToken {
            key: TokenKey { kind: kind_of(&text.kind)?, ..TokenKey::DEFAULT },
            token: Secret::copy_of(token).into(),
            token_type: text.token_type,
            expiry: text.expiry.map(Into::into),
            scopes: text.scopes,
            generation: text.generation,
            minted: Wall(text.minted),
        });
    }
    Ok(tokens)
}

/// The body of a `revocations` record: for each a text, the token, and the client's secret or nothing.
pub(super) fn encode_revocations(unrevoked: &[Unrevoked]) -> Zeroizing<Vec<u8>> {
    let text = |one: &Unrevoked| serde_json::to_vec(&one.revocation).expect("plain values have a JSON form");
    let texts: Vec<_> = unrevoked.iter().map(text).collect();
    let parts: Vec<&[u8]> = unrevoked
        .iter()
        .zip(&texts)
        .flat_map(|(one, text)| {
            let secret = one.client_secret.as_ref().map_or(&[][..], |secret| secret.reveal());
            [text.as_slice(), one.token.reveal(), secret]
        })
        .collect();
    prefixed(&parts)
}

/// Reads what [`encode_revocations`] wrote.
pub(super) fn decode_revocations(mut body: &[u8]) -> Result<Vec<Unrevoked>, Nonsense> {
    let mut unrevoked = Vec::new();
    while !body.is_empty() {
        let text = take_part(&mut body).ok_or(Nonsense::Part)?;
        if body.is_empty() {
            return Err(Nonsense::NoToken);
        }
        let token = take_part(&mut body).ok_or(Nonsense::Part)?;
        let secret = take_part(&mut body).ok_or(Nonsense::Part)?;
        unrevoked.push(Unrevoked {
            revocation: serde_json::from_slice(text).map_err(|_| Nonsense::Text)?,
            token: Secret::copy_of(token),
            client_secret: (!secret.is_empty()).then(|| Secret::copy_of(secret)),
        });
    }
    Ok(unrevoked)
}

fn token_text(token: &StoredToken) -> Vec<u8> {
    let text = TokenText {
        kind: word_of(token.key.kind).to_owned(),
        token_type: token.token_type.clone(),
        expiry: token.expiry.as_ref().map(Into::into),
        scopes: token.scopes.clone(),
        generation: token.generation,
        minted: token.minted.0,
    };
    serde_json::to_vec(&text).expect("plain values have a JSON form")
}

const fn word_of(kind: TokenKind) -> &'static str {
    match kind {
        TokenKind::Access => "access",
        TokenKind::Id => "id",
    }
}

fn kind_of(word: &str) -> Result<TokenKind, Nonsense> {
    [TokenKind::Access, TokenKind::Id].into_iter().find(|kind| word_of(*kind) == word).ok_or(Nonsense::TokenKind)
}

impl From<&Moment> for MomentText {
    fn from(moment: &Moment) -> Self {
        let boot = u64::try_from(moment.boot.0.as_millis()).unwrap_or(u64::MAX);
        Self { boot, wall: moment.wall.0, boot_id: moment.boot_id.0, noted: moment.noted.0 }
    }
}

impl From<MomentText> for Moment {
    fn from(text: MomentText) -> Self {
        Self {
            boot: Boot(std::time::Duration::from_millis(text.boot)),
            wall: Wall(text.wall),
            boot_id: BootId(text.boot_id),
            noted: Wall(text.noted),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_goes_both_ways() {
        let facts = Facts { scopes: vec!["openid".into()], rotates: true, ..Facts::default() };
        let body = GrantBody {
            facts: Some(facts.clone()),
            intent: None,
            token: Some(Sealed((*b"sealed").into())),
            previous: None,
        };
        let back = GrantBody::decode(&body.encode()).expect("it was just written");
        assert_eq!(back.facts, Some(facts));
        assert!(back.token == body.token && back.previous.is_none());
    }

    #[test]
    fn cut_bodies_are_nonsense_and_no_panic() {
        let whole = GrantBody { facts: Some(Facts::default()), ..GrantBody::default() }.encode();
        for end in 0..whole.len() {
            assert!(GrantBody::decode(&whole[..end]).is_err());
            assert!(end == 0 || decode_tokens(&whole[..end]).is_err());
        }
        assert!(decode_tokens(&whole).is_err(), "a grant is no list of tokens");
    }

    proptest::proptest! {
        #[test]
        fn whatever_was_sealed_is_read_without_a_panic(bytes: Vec<u8>, text: String) {
            drop((GrantBody::decode(&bytes), decode_tokens(&bytes), decode_revocations(&bytes)));
            let parts = prefixed(&[text.as_bytes(), &bytes, &bytes]);
            drop((GrantBody::decode(&parts), decode_tokens(&parts), decode_revocations(&parts)));
        }
    }
}
