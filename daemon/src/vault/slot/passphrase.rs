//! `passphrase`: Argon2id (RFC 9106) on the blocking pool. Its parameters lie beside the wrapped key, so whoever can
//! write the vault could ask for a terabyte: they are capped before anything is allocated.

use argon2::{Algorithm, Argon2, Block, Params, Version};
use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Of, Opener, Slot};
use crate::secret::Secret;
use crate::vault::error::SlotError;

/// The slot.
pub(super) struct Passphrase;

/// Cost: memory in KiB, passes, lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// RFC 9106 §4, second recommendation, with one lane because the daemon has one core to spare.
const COST: Cost = Cost { memory_kib: 64 * 1024, passes: 3, lanes: 1 };
/// The most that a reader does.
const CAP: Cost = Cost { memory_kib: 256 * 1024, passes: 16, lanes: 4 };

/// The longest passphrase, in bytes.
const LONGEST: usize = 4096;

impl Slot for Passphrase {
    fn enrol<'a>(&'a self, _: Of<'a>, opener: &'a Opener) -> BoxFuture<'a, Result<String, SlotError>> {
        Box::pin(async {
            passphrase_of(opener)?;
            Ok(serde_json::to_string(&COST).expect("numbers have a JSON form"))
        })
    }

    fn secret<'a>(&'a self, of: Of<'a>, opener: &'a Opener) -> BoxFuture<'a, Result<Secret, SlotError>> {
        Box::pin(async move {
            let cost = cost_of(of.params)?;
            let passphrase = passphrase_of(opener)?.duplicate();
            let salt = of.salt.to_vec();
            let derived = tokio::task::spawn_blocking(move || stretch(&passphrase, &salt, cost)).await;
            derived.unwrap_or_else(|_| Err(SlotError::Temporary("the passphrase could not be stretched".into())))
        })
    }

    fn forget<'a>(&'a self, _: Of<'a>, _: &'a Opener) -> BoxFuture<'a, Result<(), SlotError>> {
        Box::pin(async { Ok(()) })
    }
}

fn passphrase_of(opener: &Opener) -> Result<&Secret, SlotError> {
    let Some(passphrase) = &opener.passphrase else {
        return Err(SlotError::NeedsPerson("a passphrase is needed".into()));
    };
    match passphrase.len() {
        0 => Err(SlotError::NotAllowed("an empty passphrase is none".into())),
        1..=LONGEST => Ok(passphrase),
        _ => Err(SlotError::NotAllowed(format!("a passphrase of over {LONGEST} bytes"))),
    }
}

pub(super) fn cost_of(params: &str) -> Result<Cost, SlotError> {
    let damaged = || SlotError::Permanent("the passphrase slot's parameters are damaged".into());
    let cost: Cost = serde_json::from_str(params).map_err(|_| damaged())?;
    let within = cost.memory_kib <= CAP.memory_kib && cost.passes <= CAP.passes && cost.lanes <= CAP.lanes;
    let too_much =
        || SlotError::Permanent("the passphrase slot asks for more than 256 MiB, 16 passes or 4 lanes".into());
    if within { Ok(cost) } else { Err(too_much()) }
}

fn stretch(passphrase: &Secret, salt: &[u8], cost: Cost) -> Result<Secret, SlotError> {
    let refused = |error: argon2::Error| SlotError::Permanent(format!("cannot stretch the passphrase: {error}"));
    let params = Params::new(cost.memory_kib, cost.passes, cost.lanes, Some(32)).map_err(refused)?;
    let mut memory = Zeroizing::new(vec![Block::default(); params.block_count()]);
    let mut out = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into_with_memory(passphrase.reveal(), salt, out.as_mut_slice(), memory.as_mut_slice())
        .map_err(refused)?;
    Ok(Secret::locked_copy_of(out.as_slice()))
}

/// What a slot of these parameters makes of a passphrase.
#[cfg(test)]
pub(in crate::vault) fn stretch_for_vectors(passphrase: &Secret, salt: &[u8], params: &str) -> Secret {
    stretch(passphrase, salt, cost_of(params).expect("good parameters")).expect("enough memory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_capped_before_anything_is_allocated() {
        assert_eq!(cost_of(r#"{"memory_kib":65536,"passes":3,"lanes":1}"#), Ok(COST));
        for bad in [
            r#"{"memory_kib":4294967295,"passes":3,"lanes":1}"#,
            r#"{"memory_kib":65536,"passes":4000000000,"lanes":1}"#,
            r#"{"memory_kib":65536,"passes":3,"lanes":16777215}"#,
            r#"{"memory_kib":65536,"passes":3}"#,
            "",
        ] {
            assert!(matches!(cost_of(bad), Err(SlotError::Permanent(_))), "{bad}");
        }
        let none = Cost { memory_kib: 0, passes: 0, lanes: 0 };
        assert!(stretch(&Secret::copy_of(b"x"), &[0; 32], none).is_err());
    }

    #[test]
    fn an_empty_passphrase_is_none() {
        let opener = Opener { passphrase: Some(Secret::copy_of(b"")), ..Opener::default() };
        assert!(matches!(passphrase_of(&opener), Err(SlotError::NotAllowed(_))));
    }
}
