//! What there is to see, as one value: the JSON of `status --json`, and what the table is drawn from.

use std::collections::BTreeMap;

use serde::Serialize;
use tokenkeeper::{AccountStatus, Keeper, Slot};

use crate::fault::Fault;

/// Everything `status` shows. Names as on the bus, times in unix seconds, 0 = none or unknown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct View {
    pub(crate) schema: u32,
    pub(crate) vault: VaultView,
    pub(crate) hardening: BTreeMap<String, String>,
    pub(crate) accounts: Vec<AccountView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct VaultView {
    pub(crate) state: String,
    pub(crate) opened_by: String,
    pub(crate) slots: Vec<SlotView>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SlotView {
    pub(crate) id: String,
    pub(crate) kind: String,
    pub(crate) created: u64,
    pub(crate) opened: bool,
    pub(crate) error: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct AccountView {
    pub(crate) name: String,
    pub(crate) label: String,
    pub(crate) provider: String,
    pub(crate) state: String,
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) scopes: Vec<String>,
    pub(crate) expires_at: u64,
    pub(crate) refresh_at: u64,
    pub(crate) login_ends_at: u64,
    /// The JSON of RFC 9396, as granted; null = nothing.
    pub(crate) authorization_details: serde_json::Value,
    pub(crate) generation: u64,
    pub(crate) last_error: Option<ErrorView>,
}

/// An error of the bus API: its name without prefix, and a sentence.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ErrorView {
    pub(crate) name: String,
    pub(crate) message: String,
}

/// Asks the keeper.
///
/// # Errors
/// When it cannot be asked.
pub(crate) async fn of(keeper: &Keeper) -> Result<View, Fault> {
    let vault = keeper.vault();
    // All at once: a status is one round trip long.
    let (accounts, state, opened_by, slots, hardening) =
        tokio::try_join!(keeper.accounts(), vault.state(), vault.opened_by(), vault.slots(), vault.hardening())?;
    Ok(View {
        schema: 1,
        vault: VaultView {
            state: state.to_string(),
            opened_by,
            slots: slots.into_iter().map(SlotView::from).collect(),
        },
        hardening: hardening.into_iter().collect(),
        accounts: accounts.into_iter().map(AccountView::from).collect(),
    })
}

impl From<Slot> for SlotView {
    fn from(slot: Slot) -> Self {
        Self { id: slot.id, kind: slot.kind, created: slot.created, opened: slot.opened, error: slot.error }
    }
}

impl From<AccountStatus> for AccountView {
    fn from(account: AccountStatus) -> Self {
        Self {
            name: account.name,
            label: account.label,
            provider: account.provider,
            state: account.state.to_string(),
            issuer: account.issuer,
            subject: account.subject,
            scopes: account.scopes,
            expires_at: account.expires_at,
            refresh_at: account.refresh_at,
            login_ends_at: account.login_ends_at,
            authorization_details: serde_json::from_str(&account.authorization_details).unwrap_or_default(),
            generation: account.generation,
            last_error: account.last_error.map(|(name, message)| ErrorView { name, message }),
        }
    }
}
