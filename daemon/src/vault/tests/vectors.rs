//! The vectors that another implementation made from `docs/vault-format.md` (see `vectors/make.py`): the good ones say
//! what they hold, and each bad one is refused with its own error.

use std::path::Path;

use serde::Deserialize;

use crate::oauth::SigningKey;
use crate::secret::{Sealed, Secret};
use crate::vault::db::{Row, SlotRow};
use crate::vault::seal::{Binding, Key, Kind, hash};
use crate::vault::sealer::{Sealer, is_intact, unwrap};
use crate::vault::sink::Sink;
use crate::vault::slot::{self, Opener, derive, stretch_for_vectors};

#[derive(Deserialize)]
struct Vectors {
    key: String,
    vault: String,
    account: String,
    bindings: Vec<BindingVector>,
    grants: Vec<Grant>,
    forgotten: Forgotten,
    tokens: Vec<Tokens>,
    client_secrets: Vec<ClientSecret>,
    proof_keys: Vec<ProofKey>,
    revocations: Vec<Revocations>,
    registrations: Vec<Registered>,
    meta: Meta,
    slots: Vec<GoodSlot>,
    passphrase: Passphrase,
    sinks: Vec<GoodSink>,
    bad_rows: Vec<BadRow>,
    bad_refresh_tokens: Vec<BadToken>,
    bad_metas: Vec<BadMeta>,
    bad_slots: Vec<BadSlot>,
    bad_sinks: Vec<BadSink>,
}

#[derive(Deserialize)]
struct BindingVector {
    issuer: String,
    client_id: String,
    token_endpoint: String,
    binding: String,
}

#[derive(Deserialize)]
struct Grant {
    why: String,
    row: RowText,
    refresh_token: Option<String>,
    previous: Option<String>,
    refreshes: u64,
    attempts: Option<u32>,
    held: Option<bool>,
}

#[derive(Deserialize)]
struct Forgotten {
    row: RowText,
}

#[derive(Deserialize)]
struct Tokens {
    why: String,
    row: RowText,
    tokens: Vec<String>,
}

#[derive(Deserialize)]
struct ClientSecret {
    why: String,
    row: RowText,
    length: usize,
}

#[derive(Deserialize)]
struct Registered {
    why: String,
    row: RowText,
    client_id: String,
    token: Option<String>,
}

#[derive(Deserialize)]
struct ProofKey {
    why: String,
    row: RowText,
    thumbprint: String,
}

#[derive(Deserialize)]
struct Revocations {
    why: String,
    row: RowText,
    tokens: Vec<String>,
    secrets: Vec<Option<String>>,
}

#[derive(Deserialize)]
struct Meta {
    blob: String,
    machine_id: String,
}

#[derive(Deserialize)]
struct GoodSlot {
    slot: SlotText,
    secret: String,
}

#[derive(Deserialize)]
struct Passphrase {
    passphrase: String,
    salt: String,
    params: String,
    secret: String,
}

#[derive(Deserialize)]
struct GoodSink {
    why: String,
    sink: String,
    rows: usize,
    replaces: usize,
}

#[derive(Deserialize)]
struct BadRow {
    why: String,
    error: String,
    row: RowText,
}

#[derive(Deserialize)]
struct BadToken {
    why: String,
    error: String,
    token: String,
}

#[derive(Deserialize)]
struct BadMeta {
    why: String,
    error: String,
    blob: String,
}

#[derive(Deserialize)]
struct BadSlot {
    why: String,
    error: String,
    slot: SlotText,
    /// Without one, the parameters are refused before there is a secret.
    secret: Option<String>,
}

#[derive(Deserialize)]
struct BadSink {
    why: String,
    error: String,
    sink: String,
}

#[derive(Deserialize)]
struct RowText {
    kind: String,
    generation: u64,
    binding: String,
    sealed: String,
}

#[derive(Deserialize)]
struct SlotText {
    id: String,
    kind: String,
    params: String,
    salt: String,
    wrapped: String,
    sum: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../vectors/vectors.json")).expect("the vectors are JSON")
}

fn sealer(vectors: &Vectors) -> Sealer {
    Sealer::new(Key::from_slice(&bytes(&vectors.key)).expect("32 bytes"), array(&vectors.vault))
}

fn sinks(vectors: &Vectors) -> Sink {
    Sink::of(Some(Path::new("/nowhere")), array(&vectors.vault)).expect("a directory")
}

#[test]
fn the_records_that_the_format_describes_are_read() {
    let vectors = vectors();
    let (sealer, of) = (sealer(&vectors), vectors.account.as_str());
    for good in &vectors.grants {
        let row = good.row.row();
        let grant = sealer.open_grant(of, &row).expect(&good.why);
        let shown = |token: &Option<Sealed>| {
            let token = token.as_ref()?;
            let token = sealer.open_token(of, &row.binding, token).expect(&good.why);
            Some(token.reveal_str().expect("text").to_owned())
        };
        assert_eq!(shown(&grant.token), good.refresh_token, "{}", good.why);
        assert_eq!(shown(&grant.previous), good.previous, "{}", good.why);
        let facts = grant.facts.expect(&good.why);
        assert_eq!(facts.refreshes, good.refreshes, "{}", good.why);
        assert_eq!(facts.ended.map(|ended| ended.held), good.held, "{}", good.why);
        assert_eq!(grant.intent.map(|intent| intent.attempts), good.attempts, "{}", good.why);
    }
    let forgotten = sealer.open_grant(of, &vectors.forgotten.row.row()).expect("it opens");
    assert!(forgotten.facts.is_none() && forgotten.token.is_none());

    for good in &vectors.tokens {
        let tokens = sealer.open_tokens(of, &good.row.row()).expect(&good.why);
        let shown: Vec<_> = tokens.iter().map(|token| token.token.reveal_str().expect("text")).collect();
        assert_eq!(shown, good.tokens, "{}", good.why);
    }
    for good in &vectors.client_secrets {
        let secret = sealer.open_client_secret(of, &good.row.row()).expect(&good.why);
        assert_eq!(secret.len(), good.length, "{}", good.why);
    }
    for good in &vectors.registrations {
        let kept = sealer.open_registration(of, &good.row.row()).expect(&good.why);
        assert_eq!(kept.client_id, good.client_id, "{}", good.why);
        let token = kept.management.map(|management| management.token.reveal_str().expect("text").to_owned());
        assert_eq!(token, good.token, "{}", good.why);
    }
    for good in &vectors.proof_keys {
        let key = sealer.open_proof_key(of, &good.row.row()).expect(&good.why);
        let key = SigningKey::from_pkcs8(&key).expect(&good.why);
        assert_eq!(key.thumbprint(), good.thumbprint, "{}", good.why);
    }
    for good in &vectors.revocations {
        let all = sealer.open_revocations(of, &good.row.row()).expect(&good.why);
        let text = |secret: &Secret| secret.reveal_str().expect("text").to_owned();
        assert_eq!(all.iter().map(|one| text(&one.token)).collect::<Vec<_>>(), good.tokens, "{}", good.why);
        let secrets: Vec<_> = all.iter().map(|one| one.client_secret.as_ref().map(text)).collect();
        assert_eq!(secrets, good.secrets, "{}", good.why);
        assert!(all.iter().all(|one| one.revocation.client_id == "cli"), "{}", good.why);
    }
    let meta = sealer.open_meta(&bytes(&vectors.meta.blob)).expect("it opens");
    assert_eq!(meta.machine, hash([b"tokenkeeper machine 1", sealer.vault(), vectors.meta.machine_id.as_bytes()]));
    for good in &vectors.sinks {
        let (account, sunk) = sinks(&vectors).decode(&bytes(&good.sink)).expect(&good.why);
        assert_eq!((account.as_str(), sunk.rows.len(), sunk.replaces.len()), (of, good.rows, good.replaces));
    }
}

#[test]
fn bindings_and_slots_are_those_of_the_format() {
    let vectors = vectors();
    for vector in &vectors.bindings {
        let parts = [&vector.issuer, &vector.client_id, &vector.token_endpoint].map(|part| part.as_bytes());
        assert_eq!(hash(parts), array::<32>(&vector.binding));
    }
    let vault: [u8; 16] = array(&vectors.vault);
    for good in &vectors.slots {
        let slot = good.slot.row();
        assert!(is_intact(&vault, &slot), "{}", slot.id);
        let opened = unwrap(&vault, &derive(&vault, &slot, &Secret::new(bytes(&good.secret))), &slot);
        opened.expect(&slot.id).open_meta(&bytes(&vectors.meta.blob)).expect("under the vault key");
    }
    let vector = &vectors.passphrase;
    let passphrase = Secret::from(vector.passphrase.clone());
    let stretched = stretch_for_vectors(&passphrase, &bytes(&vector.salt), &vector.params);
    assert!(stretched.same_as(&bytes(&vector.secret)));
}

#[test]
fn every_bad_record_is_refused_with_its_own_error() {
    let vectors = vectors();
    let (sealer, of) = (sealer(&vectors), vectors.account.as_str());
    for bad in &vectors.bad_rows {
        let row = bad.row.row();
        let refused = match row.kind {
            Kind::Tokens => sealer.open_tokens(of, &row).err(),
            Kind::Revocations => sealer.open_revocations(of, &row).err(),
            Kind::Registration => sealer.open_registration(of, &row).err(),
            _ => sealer.open_grant(of, &row).err(),
        };
        assert_eq!(said(refused), bad.error, "{}", bad.why);
    }
    let binding: Binding = vectors.grants[0].row.row().binding;
    for bad in &vectors.bad_refresh_tokens {
        let refused = sealer.open_token(of, &binding, &Sealed(bytes(&bad.token).into())).err();
        assert_eq!(said(refused), bad.error, "{}", bad.why);
    }
    for bad in &vectors.bad_metas {
        assert_eq!(said(sealer.open_meta(&bytes(&bad.blob)).err()), bad.error, "{}", bad.why);
    }
    for bad in &vectors.bad_sinks {
        assert_eq!(said(sinks(&vectors).decode(&bytes(&bad.sink)).err()), bad.error, "{}", bad.why);
    }
}

#[tokio::test]
async fn every_bad_slot_is_refused_with_its_own_error() {
    let vectors = vectors();
    let vault: [u8; 16] = array(&vectors.vault);
    let opener = Opener { passphrase: Some(Secret::copy_of(b"correct horse")), ..Opener::default() };
    for bad in &vectors.bad_slots {
        let slot = bad.slot.row();
        let refused = match &bad.secret {
            Some(_) if !is_intact(&vault, &slot) => "damaged".to_owned(),
            Some(secret) => said(unwrap(&vault, &derive(&vault, &slot, &Secret::new(bytes(secret))), &slot).err()),
            None => said(slot::key(&slot, &vault, Path::new("/nowhere"), &opener).await.err()),
        };
        assert_eq!(refused, bad.error, "{}", bad.why);
    }
}

#[test]
fn there_are_as_many_vectors_as_the_format_promises() {
    let vectors = vectors();
    let good = vectors.grants.len() + 1 + vectors.tokens.len() + vectors.client_secrets.len() + 1;
    let good = good + vectors.revocations.len() + vectors.registrations.len() + vectors.proof_keys.len();
    let good = good + vectors.bindings.len() + vectors.slots.len() + 1 + vectors.sinks.len();
    let bad = vectors.bad_rows.len() + vectors.bad_refresh_tokens.len() + vectors.bad_metas.len();
    let bad = bad + vectors.bad_slots.len() + vectors.bad_sinks.len();
    assert_eq!((good, bad), (31, 102));
}

fn said<E: std::fmt::Display>(refused: Option<E>) -> String {
    refused.map_or_else(|| "nothing: it was taken".to_owned(), |why| why.to_string())
}

impl RowText {
    fn row(&self) -> Row {
        let kind = Kind::of_record(&self.kind).expect("a kind");
        let binding: Binding = array(&self.binding);
        Row { kind, generation: self.generation, binding, sealed: bytes(&self.sealed) }
    }
}

impl SlotText {
    fn row(&self) -> SlotRow {
        SlotRow {
            id: self.id.clone(),
            kind: self.kind.clone(),
            created: 0,
            params: self.params.clone(),
            salt: bytes(&self.salt),
            wrapped: bytes(&self.wrapped),
            sum: bytes(&self.sum),
        }
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let byte = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
    (0..hex.len()).step_by(2).map(byte).collect()
}

fn array<const N: usize>(hex: &str) -> [u8; N] {
    bytes(hex).try_into().expect("its length")
}
