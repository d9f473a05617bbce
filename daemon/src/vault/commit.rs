//! Committing: several accounts' changes in one transaction and one sync, and what is done when the disk refuses: the
//! ballast is freed, the files get new inodes, the sink takes what the vault cannot.

use tokenkeeper_config::AccountName;

use super::change::{Owner, Rows, prepare};
use super::db::{Db, Failure, Row, Writer};
use super::error::{CommitFailed, Refused};
use super::registration::Registration;
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

/// One record of one account, to be written or deleted.
type Write<'a> = (&'a str, Kind, Option<&'a Row>);

impl Store {
    /// Commits changes of different accounts together. Each result stands where its change stood.
    pub(super) fn commit(&mut self, group: Vec<Pending>) -> Vec<Committed> {
        let prepared: Vec<_> = group.iter().map(|pending| self.prepare(pending)).collect();
        let both = group.iter().zip(&prepared);
        let good: Vec<_> = both.filter_map(|(of, rows)| Some((of, rows.as_ref().ok()?))).collect();
        let writes: Vec<Write<'_>> =
            good.iter().flat_map(|(of, rows)| writes_of(of.account.as_str(), &rows.rows)).collect();
        let written = self.write(&writes);
        let finish = |(pending, rows): (Pending, Result<Rows, String>)| {
            let result = rows.and_then(|rows| match &written {
                Ok(()) => Ok(rows.token),
                Err(why) => self.sink(&pending, &rows.rows, why).map(|()| rows.token),
            });
            result.map_err(|why| CommitFailed { change: Box::new(pending.change), why })
        };
        group.into_iter().zip(prepared).map(finish).collect()
    }

    fn prepare(&mut self, pending: &Pending) -> Result<Rows, String> {
        match &pending.change {
            Change::Adopt => self.adopt().map_err(|refused| refused.to_string())?,
            Change::Intent { intent: Some(_), .. } => self.must_have_room()?,
            // A login is a person's work; a refresh is not.
            Change::Grant { grant, .. } if grant.facts.refreshes == 0 => self.hurry(),
            Change::Forget { .. } => self.hurry(),
            Change::Intent { .. } | Change::Grant { .. } | Change::Tokens { .. } | Change::Facts { .. } => {}
        }
        let mut present = self.present(pending.account.as_str()).map_err(|refused| refused.to_string())?;
        if let Change::Forget { revocation: Some(_), .. } = &pending.change {
            present.parting = Some(self.parting(pending.account.as_str()).map_err(|refused| refused.to_string())?);
        }
        let sealer = self.sealer().map_err(|refused| refused.to_string())?;
        let owner = Owner { account: pending.account.as_str(), binding: &pending.binding };
        prepare(sealer, &owner, &present, &pending.change)
    }

    /// Before a token is sent that its server may consume: nothing may be waiting to become durable, and the log must
    /// have room for this commit and for the one that brings the next token.
    fn must_have_room(&mut self) -> Result<(), String> {
        if !self.sunk.is_empty() {
            self.write(&[])?;
        }
        let Some(db) = self.db.as_ref() else { return Err(self.cannot("it cannot be opened")) };
        let has_room = || db.has_room();
        if !has_room()
            .and_then(|room| if room { Ok(true) } else { db.checkpoint().and_then(|()| has_room()) })
            .unwrap_or(false)
        {
            return Err(self.cannot("its log has no room for two more commits"));
        }
        Ok(())
    }

    /// Binds the vault to this machine.
    pub(super) fn adopt(&mut self) -> Result<(), Refused> {
        let meta = self.sealer()?.seal_meta(&Meta { machine: self.machine_hash() });
        self.transact(|writer| writer.set_meta(&meta))?;
        self.meta = meta;
        self.foreign = false;
        Ok(())
    }

    /// One transaction about the vault itself, for which there is no sink.
    pub(super) fn transact(&mut self, work: impl FnOnce(&Writer<'_>) -> rusqlite::Result<()>) -> Result<(), Refused> {
        let done = self.heal().and_then(|()| match self.db.as_mut() {
            Some(db) => db.transact(work),
            None => Err(Failure::Other("it cannot be opened".into())),
        });
        done.map_err(|failure| Refused::Disk(self.failed(&failure)))
    }

    pub(super) fn set_client_secret(&mut self, account: &AccountName, secret: &Secret) -> Result<(), Refused> {
        let row = self.sealer()?.seal_client_secret(account.as_str(), secret);
        let row = row.map_err(|_| Refused::Damaged("a client secret of over 32 KiB is none".into()))?;
        self.hurry();
        self.write(&[(account.as_str(), Kind::ClientSecret, Some(&row))]).map_err(Refused::Disk)
    }

    /// Keeps a registration, and its secret or that there is none.
    pub(super) fn set_registration(
        &mut self,
        account: &AccountName,
        registration: &Registration,
        secret: Option<&Secret>,
    ) -> Result<(), Refused> {
        let too_large = |_| Refused::Damaged("a registration of over 32 KiB is none".into());
        let sealer = self.sealer()?;
        let row = sealer.seal_registration(account.as_str(), registration).map_err(too_large)?;
        let secret = secret.map(|secret| sealer.seal_client_secret(account.as_str(), secret)).transpose();
        let secret = secret.map_err(too_large)?;
        self.hurry();
        let of = account.as_str();
        let writes = [(of, Kind::Registration, Some(&row)), (of, Kind::ClientSecret, secret.as_ref())];
        self.write(&writes).map_err(Refused::Disk)
    }

    /// Forgets everything of an account but what its server has still to be told.
    pub(super) fn remove(&mut self, account: &AccountName) -> Result<(), Refused> {
        self.hurry();
        let kinds = [Kind::Grant, Kind::Tokens, Kind::ClientSecret, Kind::ProofKey, Kind::Registration];
        self.write(&kinds.map(|kind| (account.as_str(), kind, None))).map_err(Refused::Disk)
    }

    /// Makes rows durable, and with them all that the sinks hold.
    pub(super) fn write(&mut self, writes: &[Write<'_>]) -> Result<(), String> {
        if writes.is_empty() && self.sunk.is_empty() && !self.suspect {
            return Ok(());
        }
        let done = self.try_write(writes).or_else(|failure| {
            self.ballast.free();
            self.make_way(&failure);
            self.try_write(writes)
        });
        self.tell(done.as_ref().err());
        done.map_err(|failure| self.failed(&failure))?;
        for account in std::mem::take(&mut self.sunk).into_keys() {
            self.sink.iter().for_each(|sink| sink.drop(&account));
        }
        Ok(())
    }

    /// Says in the log when the disk begins to refuse and when it stops, not at every attempt.
    fn tell(&mut self, failure: Option<&Failure>) {
        match (failure, self.refuses) {
            (Some(failure), false) => tracing::error!("{}", self.cannot(&failure.to_string())),
            (None, true) => tracing::info!("{} can be written again", self.path().display()),
            (Some(_), true) | (None, false) => {}
        }
        self.refuses = failure.is_some();
    }

    fn try_write(&mut self, writes: &[Write<'_>]) -> Result<(), Failure> {
        self.heal()?;
        let Some(db) = self.db.as_mut() else { return Err(Failure::Other("it cannot be opened".into())) };
        let sunk = &self.sunk;
        db.transact(|writer| {
            let first = sunk
                .iter()
                .flat_map(|(of, sunk)| sunk.rows.iter().map(|(kind, row)| (of.as_str(), *kind, row.as_ref())));
            for (account, kind, row) in first.chain(writes.iter().copied()) {
                match row {
                    Some(row) => writer.put(account, row)?,
                    None => writer.delete(account, kind)?,
                }
            }
            Ok(())
        })
    }

    /// What may help before a second attempt.
    fn make_way(&mut self, failure: &Failure) {
        match failure {
            Failure::Full(_) => {
                if let Some(Err(failure)) = self.db.as_ref().map(Db::checkpoint) {
                    tracing::warn!("cannot move the vault's log over: {failure}");
                }
            }
            Failure::Io(_) => self.suspect = true,
            Failure::Other(_) => {}
        }
    }

    /// After an I/O error: files on new inodes, or none.
    fn heal(&mut self) -> Result<(), Failure> {
        if !self.suspect {
            return Ok(());
        }
        let path = self.path();
        let drafts = Db::copies(&path).map_err(|error| Failure::Io(error.to_string()))?;
        self.db = None;
        self.db = Some(drafts.take_their_names(&path).map_err(|fault| Failure::Io(fault.to_string()))?);
        self.suspect = false;
        Ok(())
    }

    /// Puts an account's rows where the next start finds them. An intent is refused instead: while the disk fails, no
    /// token is sent that its server may consume.
    fn sink(&mut self, pending: &Pending, rows: &[(Kind, Option<Row>)], why: &str) -> Result<(), String> {
        let account = pending.account.as_str();
        let sink = match &self.sink {
            Some(sink) if !matches!(pending.change, Change::Intent { intent: Some(_), .. }) => sink,
            Some(_) | None => return Err(why.to_owned()),
        };
        if rows.is_empty() {
            return Err(why.to_owned());
        }
        let held = self.present(account).map_err(|refused| refused.to_string())?.grant;
        let mut sunk = self.sunk.get(account).cloned().unwrap_or_default();
        sunk.merge(held.as_ref(), rows);
        sink.put(account, &sunk).map_err(|error| format!("{why}; nor in the runtime directory: {error}"))?;
        tracing::warn!("what the vault's disk refused of `{account}` is kept in the runtime directory for now");
        self.sunk.insert(account.to_owned(), sunk);
        Ok(())
    }

    /// What can be done while nobody waits: takes the sinks back, moves the log's content over when it is half full.
    pub(super) fn tidy(&mut self) {
        if self.write(&[]).is_err() {
            return;
        }
        self.ballast.keep();
        let Some(db) = &self.db else { return };
        let moved = db.is_half_full().and_then(|half_full| if half_full { db.checkpoint() } else { Ok(()) });
        if let Err(failure) = moved {
            tracing::warn!("cannot move the vault's log over: {failure}");
        }
    }

    fn failed(&mut self, failure: &Failure) -> String {
        self.suspect |= matches!(failure, Failure::Io(_));
        self.cannot(&failure.to_string())
    }

    fn cannot(&self, why: &str) -> String {
        format!("cannot write {}: {why}", self.path().display())
    }
}

fn writes_of<'a>(account: &'a str, rows: &'a [(Kind, Option<Row>)]) -> impl Iterator<Item = Write<'a>> {
    rows.iter().map(move |(kind, row)| (account, *kind, row.as_ref()))
}
