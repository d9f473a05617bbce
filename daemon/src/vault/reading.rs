//! What the vault holds of an account, unsealed for those who may have it. A record that cannot be read is said, not
//! forgotten.

use tokenkeeper_config::AccountName;

use super::change::{Owner, Present};
use super::db::Row;
use super::error::{Refused, Unopenable};
use super::registration::Registration;
use super::seal::{Binding, Kind};
use super::sealer::Sealer;
use super::store::Store;
use crate::account::{Stored, StoredGrant};
use crate::secret::{Sealed, Secret};

impl Store {
    /// Everything that is kept of these accounts.
    pub(super) fn load(&self, accounts: Vec<(AccountName, Binding)>) -> Result<Vec<(AccountName, Stored)>, Refused> {
        let sealer = self.sealer()?;
        let load = |(name, binding): (AccountName, Binding)| {
            let present = self.present(name.as_str())?;
            let owner = Owner { account: name.as_str(), binding: &binding };
            let stored = Stored { foreign: self.foreign, ..stored(sealer, &owner, &present) };
            Ok((name, stored))
        };
        accounts.into_iter().map(load).collect()
    }

    /// What is stored of one account now.
    pub(super) fn present(&self, account: &str) -> Result<Present, Refused> {
        Ok(Present {
            grant: self.newest(account, Kind::Grant)?,
            tokens: self.newest(account, Kind::Tokens)?,
            proof_key: self.newest(account, Kind::ProofKey)?,
            parting: None,
        })
    }

    /// A record as it is in the sink, else in the vault.
    pub(super) fn newest(&self, account: &str, kind: Kind) -> Result<Option<Row>, Refused> {
        match self.sunk.get(account).and_then(|sunk| sunk.rows.get(&kind)) {
            Some(newer) => Ok(newer.clone()),
            None => self.row(account, kind),
        }
    }

    pub(super) fn row(&self, account: &str, kind: Kind) -> Result<Option<Row>, Refused> {
        self.db()?.row(account, kind).map_err(|fault| self.disk("read", &fault))
    }

    pub(super) fn every_row(&self) -> Result<Vec<(String, Row)>, Refused> {
        self.db()?.every_row().map_err(|fault| self.disk("read", &fault))
    }

    pub(super) fn reveal(&self, account: &str, binding: &Binding, token: &Sealed) -> Result<Secret, Unopenable> {
        self.sealer()?.open_token(account, binding, token).map_err(|_| Unopenable::Sealed)
    }

    pub(super) fn proof_key(&self, account: &str, binding: &Binding) -> Result<Secret, Unopenable> {
        let sealer = self.sealer()?;
        let row = self.present(account)?.proof_key.filter(|row| row.binding == *binding);
        let key = row.and_then(|row| sealer.open_proof_key(account, &row).ok());
        key.ok_or(Unopenable::ProofKey)
    }

    pub(super) fn client_secret(&self, account: &str) -> Result<Option<Secret>, Refused> {
        let sealer = self.sealer()?;
        let Some(row) = self.row(account, Kind::ClientSecret)? else { return Ok(None) };
        let secret = sealer.open_client_secret(account, &row);
        let damaged = |_| Refused::Damaged(format!("the client secret of `{account}` is damaged: put it in again"));
        secret.map(Some).map_err(damaged)
    }

    pub(super) fn registration(&self, account: &str) -> Result<Option<Registration>, Refused> {
        let sealer = self.sealer()?;
        let Some(row) = self.row(account, Kind::Registration)? else { return Ok(None) };
        let damaged = |_| Refused::Damaged(format!("the registration of `{account}` is damaged"));
        sealer.open_registration(account, &row).map(Some).map_err(damaged)
    }
}

/// Reads rows under a binding.
fn stored(sealer: &Sealer, owner: &Owner<'_>, present: &Present) -> Stored {
    let Some(row) = &present.grant else { return Stored::default() };
    let generation = row.generation;
    if row.binding != *owner.binding {
        let why = format!(
            "the login of `{}` belongs to another issuer, client id or token endpoint: undo that edit, or sign in again",
            owner.account
        );
        return Stored { generation, grant: Some(Err(why)), ..Stored::default() };
    }
    let body = match sealer.open_grant(owner.account, row) {
        Ok(body) => body,
        Err(why) => {
            let why = format!("the stored login of `{}` is damaged ({why}): sign in again", owner.account);
            return Stored { generation, grant: Some(Err(why)), ..Stored::default() };
        }
    };
    let tokens = present.tokens.as_ref().filter(|row| row.binding == *owner.binding);
    Stored {
        generation,
        grant: body
            .facts
            .map(|facts| Ok(StoredGrant { generation, token: body.token, previous: body.previous, facts })),
        intent: body.intent,
        tokens: tokens.and_then(|row| sealer.open_tokens(owner.account, row).ok()).unwrap_or_default(),
        foreign: false,
    }
}
