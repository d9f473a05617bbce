//! The vectors that another implementation made from `docs/vault-format.md` (see `vectors/make.py`).

use serde::Deserialize;

use crate::secret::Secret;
use crate::vault::db::{Row, SlotRow};
use crate::vault::seal::{Binding, Key, Kind, hash};
use crate::vault::sealer::{Sealer, is_intact, unwrap};
use crate::vault::slot::{derive, stretch_for_vectors};

#[derive(Deserialize)]
struct Vectors {
    key: String,
    vault: String,
    account: String,
    bindings: Vec<BindingVector>,
    good: Good,
    bad: Vec<BadRow>,
    bad_slots: Vec<BadSlot>,
}

#[derive(Deserialize)]
struct BindingVector {
    issuer: String,
    client_id: String,
    token_endpoint: String,
    binding: String,
}

#[derive(Deserialize)]
struct Good {
    grant: GrantVector,
    forgotten: RowVector,
    tokens: TokensVector,
    large: LargeVector,
    client_secret: SecretVector,
    meta: MetaVector,
    slot: SlotVector,
    passphrase: PassphraseVector,
}

#[derive(Deserialize)]
struct GrantVector {
    row: RowText,
    refresh_token: String,
    refreshes: u64,
    attempts: u32,
}

#[derive(Deserialize)]
struct RowVector {
    row: RowText,
}

#[derive(Deserialize)]
struct TokensVector {
    row: RowText,
    access_token: String,
}

#[derive(Deserialize)]
struct LargeVector {
    row: RowText,
    length: usize,
}

#[derive(Deserialize)]
struct SecretVector {
    row: RowText,
    secret: String,
}

#[derive(Deserialize)]
struct MetaVector {
    blob: String,
    machine_id: String,
}

#[derive(Deserialize)]
struct SlotVector {
    slot: SlotText,
    secret: String,
}

#[derive(Deserialize)]
struct PassphraseVector {
    passphrase: String,
    salt: String,
    params: String,
    secret: String,
}

#[derive(Deserialize)]
struct BadRow {
    why: String,
    row: RowText,
}

#[derive(Deserialize)]
struct BadSlot {
    why: String,
    intact: bool,
    slot: SlotText,
    secret: String,
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

#[test]
fn what_the_format_describes_is_read() {
    let vectors = vectors();
    let (sealer, of, good) = (sealer(&vectors), vectors.account.as_str(), &vectors.good);

    let row = good.grant.row.row();
    let grant = sealer.open_grant(of, &row).expect("it opens");
    assert_eq!(grant.facts.expect("a grant").refreshes, good.grant.refreshes);
    assert_eq!(grant.intent.expect("an intent").attempts, good.grant.attempts);
    let token = sealer.open_token(of, &row.binding, &grant.token.expect("a token")).expect("it opens");
    assert!(token.same_as(good.grant.refresh_token.as_bytes()) && grant.previous.is_none());

    let forgotten = sealer.open_grant(of, &good.forgotten.row.row()).expect("it opens");
    assert!(forgotten.facts.is_none() && forgotten.token.is_none());

    let tokens = sealer.open_tokens(of, &good.tokens.row.row()).expect("it opens");
    assert!(tokens.len() == 1 && tokens[0].token.same_as(good.tokens.access_token.as_bytes()));
    assert!(tokens[0].expiry.is_some());

    let large = sealer.open_client_secret(of, &good.large.row.row()).expect("it opens");
    assert_eq!(large.len(), good.large.length);
    let secret = sealer.open_client_secret(of, &good.client_secret.row.row()).expect("it opens");
    assert!(secret.same_as(good.client_secret.secret.as_bytes()));

    let meta = sealer.open_meta(&bytes(&good.meta.blob)).expect("it opens");
    assert_eq!(meta.machine, hash([b"tokenkeeper machine 1", sealer.vault(), good.meta.machine_id.as_bytes()]));
}

#[test]
fn what_the_format_forbids_is_refused() {
    let vectors = vectors();
    let sealer = sealer(&vectors);
    for bad in &vectors.bad {
        let row = bad.row.row();
        let opened = match row.kind {
            Kind::Tokens => sealer.open_tokens(&vectors.account, &row).is_ok(),
            _ => sealer.open_grant(&vectors.account, &row).is_ok(),
        };
        assert!(!opened, "{}", bad.why);
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
    let open = |slot: &SlotRow, secret: &str| unwrap(&vault, &derive(&vault, slot, &Secret::new(bytes(secret))), slot);

    let slot = vectors.good.slot.slot.row();
    assert!(is_intact(&vault, &slot));
    let opened = open(&slot, &vectors.good.slot.secret).expect("it opens");
    opened.open_meta(&bytes(&vectors.good.meta.blob)).expect("under the vault key");
    for bad in &vectors.bad_slots {
        let slot = bad.slot.row();
        assert_eq!(is_intact(&vault, &slot), bad.intact, "{}", bad.why);
        assert!(open(&slot, &bad.secret).is_err(), "{}", bad.why);
    }

    let vector = &vectors.good.passphrase;
    let passphrase = Secret::from(vector.passphrase.clone());
    let stretched = stretch_for_vectors(&passphrase, &bytes(&vector.salt), &vector.params);
    assert!(stretched.same_as(&bytes(&vector.secret)));
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
