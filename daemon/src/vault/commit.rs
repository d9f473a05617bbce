//! Committing: several accounts' changes in one transaction and one sync, and what is done when the disk refuses.

use tokenkeeper_config::AccountName;

use super::change::{Owner, Rows, prepare};
use super::db::{Failure, Row};
use super::error::{CommitFailed, Refused};
use super::seal::{Binding, Kind};
use super::sealer::Meta;
use super::store::Store;
use crate::account::Change;
use crate::secret::{Sealed, Secret};

/// One change that waits for its commit.
pub(super) struct Pending {
    pub(super) account: AccountName,
    pub(super) binding: Binding,
    pub(super) change: Change,
}

/// What became of it.
pub(super) type Committed = Result<Option<Sealed>, CommitFailed>;

impl Store {
    /// Commits changes of different accounts together. Each result stands where its change stood.
    pub(super) fn commit(&mut self, group: Vec<Pending>) -> Vec<Committed> {
        let adopt = group.iter().any(|pending| matches!(pending.change, Change::Adopt));
        if let Some(Err(why)) = adopt.then(|| self.adopt()) {
            let refuse = |of: Pending| Err(CommitFailed { change: Box::new(of.change), why: why.to_string() });
            return group.into_iter().map(refuse).collect();
        }
        let prepared: Vec<_> = group.iter().map(|pending| self.prepare(pending)).collect();
        let good: Vec<_> = group
            .iter()
            .zip(&prepared)
            .filter_map(|(of, rows)| Some((of.account.as_str(), rows.as_ref().ok()?)))
            .collect();
        let written = self.write(&good);
        let finish = |(pending, rows): (Pending, Result<Rows, String>)| {
            let result = rows.and_then(|rows| written.clone().map(|()| rows.token));
            result.map_err(|why| CommitFailed { change: Box::new(pending.change), why })
        };
        group.into_iter().zip(prepared).map(finish).collect()
    }

    fn prepare(&self, pending: &Pending) -> Result<Rows, String> {
        let sealer = self.sealer().map_err(|refused| refused.to_string())?;
        let present = self.present(pending.account.as_str()).map_err(|refused| refused.to_string())?;
        let owner = Owner { account: pending.account.as_str(), binding: &pending.binding };
        prepare(sealer, &owner, &present, &pending.change)
    }

    pub(super) fn set_client_secret(&mut self, account: &AccountName, secret: &Secret) -> Result<(), Refused> {
        let row = self.sealer()?.seal_client_secret(account.as_str(), secret);
        let row = row.map_err(|_| Refused::Damaged("a client secret of over 32 KiB is none".into()))?;
        self.write_rows(account, vec![(Kind::ClientSecret, Some(row))])
    }

    /// Forgets everything of an account.
    pub(super) fn remove(&mut self, account: &AccountName) -> Result<(), Refused> {
        let kinds = [Kind::Grant, Kind::Tokens, Kind::ClientSecret];
        self.write_rows(account, kinds.map(|kind| (kind, None)).into())
    }

    /// Binds the vault to this machine.
    pub(super) fn adopt(&mut self) -> Result<(), Refused> {
        let meta = self.sealer()?.seal_meta(&Meta { machine: self.machine_hash() });
        let db = self.db.as_mut().ok_or(Refused::NoVault)?;
        let written = db.transact(|writer| writer.set_meta(&meta));
        written.map_err(|failure| Refused::Disk(format!("cannot write the vault: {failure}")))?;
        self.adopted(meta);
        Ok(())
    }

    fn write_rows(&mut self, account: &AccountName, rows: Vec<(Kind, Option<Row>)>) -> Result<(), Refused> {
        let rows = Rows { base: 0, rows, token: None };
        self.write(&[(account.as_str(), &rows)]).map_err(Refused::Disk)
    }

    fn write(&mut self, all: &[(&str, &Rows)]) -> Result<(), String> {
        let Some(db) = self.db.as_mut() else { return Err("the vault's file cannot be opened".into()) };
        if all.iter().all(|(_, rows)| rows.rows.is_empty()) {
            return Ok(());
        }
        let done = db.transact(|writer| {
            for (account, rows) in all {
                for (kind, row) in &rows.rows {
                    match row {
                        Some(row) => writer.put(account, row)?,
                        None => writer.delete(account, *kind)?,
                    }
                }
            }
            Ok(())
        });
        done.map_err(|failure: Failure| format!("cannot write the vault: {failure}"))
    }

    /// What can be done while nobody waits: moves the log's content over when it is half full.
    pub(super) fn tidy(&mut self) {
        let Some(db) = &self.db else { return };
        let moved = db.is_half_full().and_then(|half_full| if half_full { db.checkpoint() } else { Ok(()) });
        if let Err(failure) = moved {
            tracing::warn!("cannot move the vault's log over: {failure}");
        }
    }
}
