//! The opened vault key and what it seals: whole records, padded; refresh tokens, inside them; the vault's own facts;
//! the vault key itself, wrapped for a slot.

use serde::{Deserialize, Serialize};

use super::db::{Row, SlotRow};
use super::record::{GrantBody, decode_revocations, decode_tokens, encode_revocations, encode_tokens};
use super::registration::Registration;
use super::seal::{
    Binding, CLASSES, Context, Key, Kind, NONCE, Nonsense, TooLarge, Unsealable, class_of, hash, nonce, open, pad,
    seal, unpad,
};
use crate::account::{StoredToken, Unrevoked};
use crate::secret::{Sealed, Secret};

/// Refresh tokens of other formats would begin with another byte.
const TOKEN_VERSION: u8 = 1;

/// Holds the vault key while the vault is open.
pub(super) struct Sealer {
    key: Key,
    vault: [u8; 16],
    /// The key before a new one was given, for refresh tokens that accounts hold sealed under it.
    former: Option<Box<Sealer>>,
}

/// Facts about the vault itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// Which machine it belongs to.
    pub(super) machine: [u8; 32],
}

impl Sealer {
    pub(super) fn new(key: Key, vault: [u8; 16]) -> Self {
        Self { key, vault, former: None }
    }

    pub(super) fn seal_grant(
        &self,
        account: &str,
        generation: u64,
        binding: &Binding,
        body: &GrantBody,
    ) -> Result<Row, TooLarge> {
        self.seal_row(Kind::Grant, account, generation, binding, &body.encode())
    }

    pub(super) fn open_grant(&self, account: &str, row: &Row) -> Result<GrantBody, Unsealable> {
        Ok(GrantBody::decode(self.open_row(account, row)?.reveal())?)
    }

    pub(super) fn seal_tokens(
        &self,
        account: &str,
        generation: u64,
        binding: &Binding,
        tokens: &[&StoredToken],
    ) -> Result<Row, TooLarge> {
        self.seal_row(Kind::Tokens, account, generation, binding, &encode_tokens(tokens))
    }

    pub(super) fn open_tokens(&self, account: &str, row: &Row) -> Result<Vec<StoredToken>, Unsealable> {
        Ok(decode_tokens(self.open_row(account, row)?.reveal())?)
    }

    /// A client secret belongs to its account and to no endpoint: it may be put in before the definition is complete.
    pub(super) fn seal_client_secret(&self, account: &str, secret: &Secret) -> Result<Row, TooLarge> {
        self.seal_row(Kind::ClientSecret, account, 0, &[0; 32], secret.reveal())
    }

    pub(super) fn open_client_secret(&self, account: &str, row: &Row) -> Result<Secret, Unsealable> {
        self.open_row(account, row)
    }

    /// What is to be revoked belongs to its account's name and to no definition: that may be another by then, or gone.
    pub(super) fn seal_revocations(&self, account: &str, unrevoked: &[Unrevoked]) -> Result<Row, TooLarge> {
        self.seal_row(Kind::Revocations, account, 0, &[0; 32], &encode_revocations(unrevoked))
    }

    pub(super) fn open_revocations(&self, account: &str, row: &Row) -> Result<Vec<Unrevoked>, Unsealable> {
        Ok(decode_revocations(self.open_row(account, row)?.reveal())?)
    }

    /// A registration belongs to its account: it is there before the definition is.
    pub(super) fn seal_registration(&self, account: &str, registration: &Registration) -> Result<Row, TooLarge> {
        self.seal_row(Kind::Registration, account, 0, &[0; 32], &registration.encode())
    }

    pub(super) fn open_registration(&self, account: &str, row: &Row) -> Result<Registration, Unsealable> {
        Ok(Registration::decode(self.open_row(account, row)?.reveal())?)
    }

    /// A proof key belongs to the grant whose tokens are bound to it.
    pub(super) fn seal_proof_key(
        &self,
        account: &str,
        generation: u64,
        binding: &Binding,
        key: &Secret,
    ) -> Result<Row, TooLarge> {
        self.seal_row(Kind::ProofKey, account, generation, binding, key.reveal())
    }

    pub(super) fn open_proof_key(&self, account: &str, row: &Row) -> Result<Secret, Unsealable> {
        self.open_row(account, row)
    }

    /// Version, generation, then the sealed token. It is not padded: it lies inside a padded record.
    pub(super) fn seal_token(&self, account: &str, generation: u64, binding: &Binding, token: &Secret) -> Sealed {
        let context = self.context(Kind::RefreshToken, account, generation, 0, binding);
        let blob = seal(&self.key, nonce(), &context, token.reveal());
        let mut sealed = Vec::with_capacity(9 + blob.len());
        sealed.push(TOKEN_VERSION);
        sealed.extend_from_slice(&generation.to_le_bytes());
        sealed.extend_from_slice(&blob);
        Sealed(sealed.into())
    }

    pub(super) fn open_token(&self, account: &str, binding: &Binding, sealed: &Sealed) -> Result<Secret, Unsealable> {
        let (&version, rest) = sealed.0.split_first().ok_or(Unsealable::Short)?;
        if version != TOKEN_VERSION {
            return Err(Unsealable::Version);
        }
        let (generation, blob) = rest.split_first_chunk::<8>().ok_or(Unsealable::Short)?;
        let context = self.context(Kind::RefreshToken, account, u64::from_le_bytes(*generation), 0, binding);
        match (open(&self.key, &context, blob), &self.former) {
            (Ok(token), _) => Ok(token),
            (Err(_), Some(former)) => former.open_token(account, binding, sealed),
            (Err(unsealable), None) => Err(unsealable),
        }
    }

    /// A token that goes on as it is; one that was sealed under the former key is sealed anew.
    pub(super) fn keep_token(&self, account: &str, binding: &Binding, sealed: &Sealed) -> Result<Sealed, Unsealable> {
        let token = self.open_token(account, binding, sealed)?;
        if self.former.is_none() {
            return Ok(sealed.clone());
        }
        let generation = Self::generation_of(sealed).ok_or(Unsealable::Short)?;
        Ok(self.seal_token(account, generation, binding, &token))
    }

    /// The generation that a sealed token says it has.
    pub(super) fn generation_of(sealed: &Sealed) -> Option<u64> {
        sealed.0.get(1..9)?.try_into().ok().map(u64::from_le_bytes)
    }

    /// Seals a record as it is under this key.
    pub(super) fn seal_again(&self, old: &Self, account: &str, row: &Row) -> Option<Row> {
        let body = old.open_row(account, row).ok()?;
        self.seal_row(row.kind, account, row.generation, &row.binding, body.reveal()).ok()
    }

    /// Takes the place of `former`.
    pub(super) fn succeed(mut self, former: Option<Self>) -> Self {
        self.former = former.map(Box::new);
        self
    }

    pub(super) const fn vault(&self) -> &[u8; 16] {
        &self.vault
    }

    pub(super) fn seal_meta(&self, meta: &Meta) -> Vec<u8> {
        let text = serde_json::to_vec(meta).expect("plain values have a JSON form");
        seal(&self.key, nonce(), &self.context(Kind::Meta, "", 0, 0, &[0; 32]), &text)
    }

    /// Opens only under the right vault key: this is the key check.
    pub(super) fn open_meta(&self, blob: &[u8]) -> Result<Meta, Unsealable> {
        let text = open(&self.key, &self.context(Kind::Meta, "", 0, 0, &[0; 32]), blob)?;
        Ok(serde_json::from_slice(text.reveal()).map_err(|_| Nonsense::Text)?)
    }

    /// Wraps the vault key under a slot's key.
    pub(super) fn wrap(&self, slot_key: &Key, slot: &mut SlotRow) {
        let binding = slot_binding(slot);
        let context = Context { account: &slot.id, ..self.context(Kind::Slot, "", 0, 0, &binding) };
        slot.wrapped = seal(slot_key, nonce(), &context, self.key.reveal());
        slot.sum = sum_of(&self.vault, slot).to_vec();
    }

    fn seal_row(
        &self,
        kind: Kind,
        account: &str,
        generation: u64,
        binding: &Binding,
        body: &[u8],
    ) -> Result<Row, TooLarge> {
        let class = class_of(body.len())?;
        let context = self.context(kind, account, generation, class, binding);
        let sealed = seal(&self.key, nonce(), &context, &pad(body, class));
        Ok(Row { kind, generation, binding: *binding, sealed })
    }

    fn open_row(&self, account: &str, row: &Row) -> Result<Secret, Unsealable> {
        if !CLASSES.contains(&row.sealed.len()) {
            return Err(Unsealable::Class);
        }
        let context = self.context(row.kind, account, row.generation, row.sealed.len(), &row.binding);
        let padded = open(&self.key, &context, &row.sealed)?;
        unpad(padded.reveal()).map(Secret::locked_copy_of)
    }

    fn context<'a>(
        &'a self,
        kind: Kind,
        account: &'a str,
        generation: u64,
        class: usize,
        binding: &'a Binding,
    ) -> Context<'a> {
        Context { vault: &self.vault, kind, account, generation, class, binding }
    }
}

/// Unwraps the vault key; [`Unsealable::Seal`] = the slot's key is not the one.
pub(super) fn unwrap(vault: &[u8; 16], slot_key: &Key, slot: &SlotRow) -> Result<Sealer, Unsealable> {
    let binding = slot_binding(slot);
    let context = Context { vault, kind: Kind::Slot, account: &slot.id, generation: 0, class: 0, binding: &binding };
    let key = open(slot_key, &context, &slot.wrapped)?;
    Ok(Sealer::new(Key::from_slice(key.reveal()).ok_or(Unsealable::NoKey)?, *vault))
}

/// A plain checksum of a slot: it tells a damaged slot from a wrong passphrase, which the cipher alone cannot.
pub(super) fn is_intact(vault: &[u8; 16], slot: &SlotRow) -> bool {
    slot.sum == sum_of(vault, slot) && slot.wrapped.len() > NONCE
}

fn sum_of(vault: &[u8; 16], slot: &SlotRow) -> [u8; 32] {
    hash([vault, slot.id.as_bytes(), slot.kind.as_bytes(), slot.params.as_bytes(), &slot.salt, &slot.wrapped])
}

/// What a wrapped key is bound to beside the slot's id: nobody swaps a slot's kind or parameters under it.
fn slot_binding(slot: &SlotRow) -> Binding {
    hash([slot.kind.as_bytes(), slot.params.as_bytes(), &slot.salt])
}
