//! What the fuzz targets call: bytes as they may lie on a disk, and what must hold whatever they are. Nothing else uses it.

use std::path::Path;

use super::db::{Row, SlotRow};
use super::record::{GrantBody, decode_revocations, decode_tokens, encode_revocations, encode_tokens};
use super::registration::Registration;
use super::seal::{Key, Kind, hash, unpad};
use super::sealer::{Sealer, is_intact, unwrap};
use super::sink::Sink;
use super::slot::{derive, params_are_read};
use crate::secret::{Sealed, Secret};

const VAULT: [u8; 16] = [1; 16];
const BINDING: [u8; 32] = [2; 32];

/// A record: as a stranger wrote it, and as somebody who has the key may have sealed it.
///
/// # Panics
/// When something is taken that must not be.
pub fn record(data: &[u8]) {
    let sealer = Sealer::new(Key::from_slice(&[7; 32]).expect("32 bytes"), VAULT);
    let row = |kind| Row { kind, generation: 1, binding: BINDING, sealed: data.to_vec() };
    assert!(sealer.open_grant("work", &row(Kind::Grant)).is_err(), "nobody has the key");
    assert!(sealer.open_tokens("work", &row(Kind::Tokens)).is_err(), "nobody has the key");
    assert!(sealer.open_client_secret("work", &row(Kind::ClientSecret)).is_err(), "nobody has the key");
    assert!(sealer.open_revocations("work", &row(Kind::Revocations)).is_err(), "nobody has the key");
    assert!(sealer.open_registration("work", &row(Kind::Registration)).is_err(), "nobody has the key");
    assert!(sealer.open_token("work", &BINDING, &Sealed(data.into())).is_err(), "nobody has the key");
    assert!(sealer.open_meta(data).is_err(), "nobody has the key");

    let body = unpad(data).unwrap_or(data);
    if let Ok(read) = GrantBody::decode(body) {
        let again = GrantBody::decode(&read.encode()).expect("what was read can be written");
        assert!(again.facts == read.facts && again.intent == read.intent);
        assert!(again.token == read.token && again.previous == read.previous);
    }
    if let Ok(read) = Registration::decode(body) {
        let again = Registration::decode(&read.encode()).expect("what was read can be written");
        let tokens = [&again, &read].map(|one| one.management.as_ref().map(|it| it.token.reveal().to_vec()));
        assert!(again.client_id == read.client_id && again.issuer == read.issuer && tokens[0] == tokens[1]);
    }
    if let Ok(read) = decode_tokens(body) {
        let borrowed: Vec<_> = read.iter().collect();
        let again = decode_tokens(&encode_tokens(&borrowed)).expect("what was read can be written");
        let same = |(a, b): (&crate::account::StoredToken, &crate::account::StoredToken)| {
            a.token.same_as(b.token.reveal()) && a.expiry == b.expiry && a.scopes == b.scopes && a.key == b.key
        };
        assert!(again.len() == read.len() && again.iter().zip(&read).all(same));
    }
    if let Ok(read) = decode_revocations(body) {
        let again = decode_revocations(&encode_revocations(&read)).expect("what was read can be written");
        let same = |(a, b): (&crate::account::Unrevoked, &crate::account::Unrevoked)| {
            a.revocation == b.revocation
                && a.token.same_as(b.token.reveal())
                && a.client_secret.is_some() == b.client_secret.is_some()
        };
        assert!(again.len() == read.len() && again.iter().zip(&read).all(same));
    }
}

/// A slot: kind, parameters and the rest, each behind a line feed.
///
/// # Panics
/// When something is taken that must not be.
pub fn slot(data: &[u8]) {
    let mut parts = data.splitn(3, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let (kind, params) = (text(), text());
    let rest = parts.next().unwrap_or_default();
    let (salt, wrapped) = rest.split_at(rest.len().min(32));
    let mut row = SlotRow {
        id: "slot".into(),
        kind,
        created: 0,
        params,
        salt: salt.to_vec(),
        wrapped: wrapped.to_vec(),
        sum: Vec::new(),
    };
    assert!(!is_intact(&VAULT, &row), "it has no sum");
    let (id, kind, params) = (row.id.as_bytes(), row.kind.as_bytes(), row.params.as_bytes());
    row.sum = hash([&VAULT, id, kind, params, &row.salt, &row.wrapped]).to_vec();
    let _ = is_intact(&VAULT, &row);
    let key = derive(&VAULT, &row, &Secret::copy_of(b"a secret"));
    assert!(unwrap(&VAULT, &key, &row).is_err(), "nobody has the key");
    if let Err(why) = params_are_read(&row.kind, &row.params) {
        let why = why.to_string();
        assert!(!why.is_empty() && why.len() < row.kind.len() + 4096);
    }
}

/// A sink, with its own sum and with the right one.
///
/// # Panics
/// When something is taken that must not be.
pub fn sink(data: &[u8]) {
    let sink = Sink::of(Some(Path::new("/nowhere")), VAULT).expect("a directory");
    let _ = sink.decode(data);
    let mut whole = data.to_vec();
    whole.extend_from_slice(&hash([data]));
    if let Ok((account, sunk)) = sink.decode(&whole) {
        assert!(!account.contains(['/', '.']), "it would leave its directory");
        let (name, again) = sink.decode(&sink.encode(&account, &sunk)).expect("what was read can be written");
        assert!(name == account && again.rows == sunk.rows && again.replaces == sunk.replaces);
    }
}
