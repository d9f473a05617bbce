//! Requests about what opens the vault and what it holds beside logins: slots, its key, client secrets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use tokenkeeper_config::{AccountName, Value};

use super::errands::Errands;
use super::message::Reply;
use super::requests::Kind;
use super::task::{Keeper, Report};
use super::vaulting::VaultReport;
use super::view::Begun;
use crate::account::{Denied, RequestId};
use crate::secret::Secret;
use crate::vault::{Opener, Refused, SlotError, SlotKind};

impl Keeper {
    pub(super) fn begin_slot(&mut self, kind: String, options: BTreeMap<String, Value>, reply: Reply<Begun>) {
        let (slot, path) = match slot_kind(&kind, &options) {
            Ok(found) => found,
            Err(denied) => return drop(reply.send(Err(denied))),
        };
        if let Some(denied) = self.gate.denial() {
            return drop(reply.send(Err(denied)));
        }
        let wants = if slot == SlotKind::Passphrase { vec!["new_passphrase"] } else { Vec::new() };
        let waits = !wants.is_empty();
        let begun = self.open_request(Kind::AddSlot(slot), wants);
        let id = begun.id;
        let _ = reply.send(Ok(begun));
        if !waits {
            self.enrol(id, slot, Opener { interactive: true, path, ..Opener::default() });
        }
    }

    pub(super) fn enrol(&self, request: RequestId, kind: SlotKind, opener: Opener) {
        self.errands.run(async move |errands| {
            let result = errands.vault.add_slot(kind, opener).await.map(drop).map_err(slot_denied);
            errands.ended(request, result).await
        });
    }

    pub(super) fn remove_slot(&mut self, id: String, reply: Reply<()>) {
        let errands = self.errands.clone();
        tokio::spawn(async move {
            let opener = Opener { interactive: true, ..Opener::default() };
            let result = errands.vault.remove_slot(&id, opener).await.map_err(slot_denied);
            let _ = errands.reports.send(Report::Vault(VaultReport::Slots(errands.vault.slots().await)));
            let _ = reply.send(result);
        });
    }

    pub(super) fn begin_rekey(&mut self, reply: Reply<Begun>) {
        if let Some(denied) = self.gate.denial() {
            return drop(reply.send(Err(denied)));
        }
        let wants = if self.has_slot(SlotKind::Passphrase) { vec!["passphrase"] } else { Vec::new() };
        let waits = !wants.is_empty();
        let begun = self.open_request(Kind::Rekey, wants);
        let id = begun.id;
        let _ = reply.send(Ok(begun));
        if !waits {
            self.rekey(id, Opener { interactive: true, ..Opener::default() });
        }
    }

    pub(super) fn rekey(&self, request: RequestId, opener: Opener) {
        self.errands.run(async move |errands| {
            let result = errands.vault.rekey(opener).await.map_err(slot_denied);
            errands.ended(request, result).await
        });
    }

    pub(super) fn begin_secret(&mut self, account: AccountName, reply: Reply<Begun>) {
        if let Err(denied) = self.admit(&account) {
            return drop(reply.send(Err(denied)));
        }
        let _ = reply.send(Ok(self.open_request(Kind::Secret { account }, vec!["client_secret"])));
    }

    pub(super) fn keep_secret(&mut self, request: RequestId, account: AccountName, secret: Secret) {
        self.errands.run(async move |errands| {
            let kept = errands.vault.set_client_secret(&account, secret).await;
            let result = kept.map_err(|refused| vault_denied(&refused));
            if result.is_ok() {
                let _ = errands.reports.send(Report::SecretChanged { account });
            }
            errands.ended(request, result).await
        });
    }
}

impl Errands {
    /// Whoever hears that the request has ended finds the slots as they are then.
    async fn ended(&self, request: RequestId, result: Result<(), Denied>) -> Report {
        Report::Vault(VaultReport::Ended { request, result, slots: self.vault.slots().await })
    }
}

/// What a slot's refusal is on the bus.
fn slot_denied(error: SlotError) -> Denied {
    let why = error.to_string();
    match error {
        SlotError::NeedsPerson(_) => Denied::InteractiveAuthorizationRequired(why),
        SlotError::WrongKey(_) => Denied::NotOpened(why),
        SlotError::NotSupported(_) => Denied::NotSupported(why),
        SlotError::NotAllowed(_) => Denied::InvalidArgs(why),
        SlotError::Vault(refused) => vault_denied(&refused),
        SlotError::Temporary(_) | SlotError::Permanent(_) => Denied::Failed(why),
    }
}

/// What the vault's own refusal is.
pub(super) fn vault_denied(refused: &Refused) -> Denied {
    match refused {
        Refused::Locked => Denied::Locked,
        Refused::NoVault => Denied::NoVault,
        other => Denied::Failed(other.to_string()),
    }
}

fn slot_kind(kind: &str, options: &BTreeMap<String, Value>) -> Result<(SlotKind, Option<PathBuf>), Denied> {
    let path = match options.get("path") {
        Some(Value::Text(path)) => Some(PathBuf::from(path)),
        Some(_) => return Err(Denied::InvalidArgs("`path` is a string".into())),
        None => None,
    };
    Ok((kind.parse().map_err(|e: SlotError| Denied::InvalidArgs(e.to_string()))?, path))
}
