//! A new vault key: everything is opened under the old one, sealed under the new one and committed at once.

use super::db::{Db, Row, SlotRow};
use super::error::Refused;
use super::seal::{Key, Kind};
use super::sealer::{Sealer, is_intact, unwrap};
use super::store::Store;
use crate::secret::Sealed;

impl Store {
    /// Seals everything anew. `keys` are all slots with their keys. The old key is kept in memory until the vault is
    /// locked: accounts still hold refresh tokens that were sealed under it.
    pub(super) fn rekey(&mut self, keys: Vec<(SlotRow, Key)>) -> Result<(), Refused> {
        self.write(&[]).map_err(Refused::Disk)?;
        let old = self.sealer()?;
        let new = Sealer::new(Key::random(), *old.vault());
        let mut slots = Vec::new();
        for (mut slot, key) in keys {
            let is_ours = is_intact(old.vault(), &slot) && unwrap(old.vault(), &key, &slot).is_ok();
            if !is_ours {
                return Err(Refused::Damaged(format!("slot `{}` does not open: remove it first", slot.id)));
            }
            new.wrap(&key, &mut slot);
            slots.push(slot);
        }
        let rows = self.every_row()?;
        let rows: Vec<_> =
            rows.iter().map(|(of, row)| Ok((of, reseal(old, &new, of, row)?))).collect::<Result<_, Refused>>()?;
        let meta =
            new.seal_meta(&old.open_meta(&self.meta).map_err(|_| Refused::Damaged("the vault is damaged".into()))?);

        self.transact(|writer| {
            writer.set_meta(&meta)?;
            slots.iter().try_for_each(|slot| writer.put_slot(slot))?;
            rows.iter().try_for_each(|(account, row)| writer.put(account, row))
        })?;
        if let Some(Err(failure)) = self.db.as_ref().map(Db::clear_log) {
            tracing::warn!("cannot clear the vault's log of what the old key sealed: {failure}");
        }
        self.sealer = Some(new.succeed(self.sealer.take()));
        self.meta = meta;
        self.replace_backup();
        Ok(())
    }
}

fn reseal(old: &Sealer, new: &Sealer, account: &str, row: &Row) -> Result<Row, Refused> {
    let damaged = || Refused::Damaged(format!("a record of `{account}` is damaged: log out of it or remove it first"));
    let too_large = |_| Refused::Damaged(format!("a record of `{account}` does not fit"));
    match row.kind {
        Kind::Grant => {
            let mut body = old.open_grant(account, row).map_err(|_| damaged())?;
            if body.intent.is_some() {
                return Err(Refused::Disk(format!("`{account}` is being refreshed: try again in a moment")));
            }
            for token in [&mut body.token, &mut body.previous].into_iter().flatten() {
                *token = reseal_token(old, new, account, row, token).ok_or_else(damaged)?;
            }
            new.seal_grant(account, row.generation, &row.binding, &body).map_err(too_large)
        }
        Kind::Tokens | Kind::ClientSecret | Kind::ProofKey | Kind::Registration | Kind::Revocations => {
            new.seal_again(old, account, row).ok_or_else(damaged)
        }
        Kind::RefreshToken | Kind::Meta | Kind::Slot => Err(damaged()),
    }
}

fn reseal_token(old: &Sealer, new: &Sealer, account: &str, row: &Row, token: &Sealed) -> Option<Sealed> {
    let secret = old.open_token(account, &row.binding, token).ok()?;
    Some(new.seal_token(account, Sealer::generation_of(token)?, &row.binding, &secret))
}
