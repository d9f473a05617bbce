//! Tokens of forgotten logins of which their servers have not been told: they go in with the commit that forgets the
//! login, and out when the server has heard, or nobody will tell it any more. No account can have them back. Keys of clients
//! that are to be deleted (RFC 7592) wait among them.

use tokenkeeper_config::AccountName;

use super::change::{Parting, seal_unrevoked};
use super::error::Refused;
use super::seal::Kind;
use super::store::Store;
use crate::account::{RevocationId, Unrevoked};

impl Store {
    /// What a revocation of this account is made of, beside its grant.
    pub(super) fn parting(&self, account: &str) -> Result<Parting, Refused> {
        Ok(Parting {
            revocations: self.newest(account, Kind::Revocations)?,
            client_secret: self.newest(account, Kind::ClientSecret)?,
        })
    }

    /// All that wait, of accounts that are defined or not.
    pub(super) fn unrevoked(&self) -> Result<Vec<RevocationId>, Refused> {
        let stored = self.db()?.accounts_with(Kind::Revocations).map_err(|fault| self.disk("read", &fault))?;
        let mut names: Vec<String> = stored.into_iter().chain(self.sunk.keys().cloned()).collect();
        names.sort();
        names.dedup();
        let mut ids = Vec::new();
        for account in names.iter().filter_map(|name| name.parse::<AccountName>().ok()) {
            // A damaged record is no reason to keep silent about the others.
            let all = self.unrevoked_of(&account).unwrap_or_default();
            ids.extend(all.iter().map(|one| RevocationId { account: account.clone(), at: one.revocation.at }));
        }
        Ok(ids)
    }

    /// One of them, with its secrets.
    pub(super) fn unrevoked_one(&self, id: &RevocationId) -> Result<Option<Unrevoked>, Refused> {
        let all = self.unrevoked_of(&id.account)?;
        Ok(all.into_iter().find(|one| one.revocation.at == id.at))
    }

    /// One more, which no login leaves behind: durable when this returns. Gives its name.
    pub(super) fn add_unrevoked(&mut self, account: &AccountName, mut new: Unrevoked) -> Result<RevocationId, Refused> {
        let mut waiting = self.unrevoked_of(account)?;
        while waiting.iter().any(|one| one.revocation.at == new.revocation.at) {
            new.revocation.at += 1;
        }
        let id = RevocationId { account: account.clone(), at: new.revocation.at };
        waiting.push(new);
        let row = seal_unrevoked(self.sealer()?, account.as_str(), waiting);
        let row = row.ok_or_else(|| Refused::Damaged(format!("what is to be ended of `{account}` does not fit")))?;
        self.hurry();
        self.write(&[(account.as_str(), Kind::Revocations, Some(&row))]).map_err(Refused::Disk)?;
        Ok(id)
    }

    /// The server knows, or never will.
    pub(super) fn revoked(&mut self, id: &RevocationId) -> Result<(), Refused> {
        let mut left = self.unrevoked_of(&id.account)?;
        left.retain(|one| one.revocation.at != id.at);
        let fits = |_| Refused::Damaged(format!("what is to be revoked of `{}` does not fit", id.account));
        let row = match left.as_slice() {
            [] => None,
            left => Some(self.sealer()?.seal_revocations(id.account.as_str(), left).map_err(fits)?),
        };
        self.write(&[(id.account.as_str(), Kind::Revocations, row.as_ref())]).map_err(Refused::Disk)
    }

    fn unrevoked_of(&self, account: &AccountName) -> Result<Vec<Unrevoked>, Refused> {
        let sealer = self.sealer()?;
        let Some(row) = self.newest(account.as_str(), Kind::Revocations)? else { return Ok(Vec::new()) };
        let damaged = |why| Refused::Damaged(format!("what is to be revoked of `{account}` is damaged: {why}"));
        sealer.open_revocations(account.as_str(), &row).map_err(damaged)
    }
}
