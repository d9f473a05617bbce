//! What a call asks of the keeper task, on its way there.

use std::collections::BTreeMap;
use std::time::Duration;

use tokenkeeper_config::{AccountName, Value};
use tokio::sync::oneshot;

use super::registering::Enrolled;
use super::view::Begun;
use crate::account::{Denied, LoginOptions, RequestId, Served, TokenKey};
use crate::oauth::dpop;
use crate::secret::Secret;

/// What a call asks of the keeper; each carries where the one answer goes.
pub(super) enum Message {
    Hello { reply: Reply<()> },
    Token { account: AccountName, ask: Wanted, reply: Reply<Served> },
    Refresh { account: AccountName, timeout: Duration, reply: Reply<u64> },
    Login { account: AccountName, options: LoginOptions, reply: Reply<Begun> },
    SignProof { account: AccountName, wanted: ProofWanted, reply: Reply<Secret> },
    Logout { account: AccountName, reply: Reply<()> },
    Remove { account: AccountName, reply: Reply<()> },
    SetSecret { account: AccountName, reply: Reply<Begun> },
    AddAccount { definition: BTreeMap<String, Value>, reply: Reply<AccountName> },
    Register { definition: BTreeMap<String, Value>, reply: Reply<Enrolled> },
    RegisterByToken { definition: BTreeMap<String, Value>, reply: Reply<(AccountName, Begun)> },
    Reload { reply: Reply<()> },
    Unlock { interactive: bool, reply: Reply<Begun> },
    Lock { reply: Reply<()> },
    AddSlot { kind: String, options: BTreeMap<String, Value>, reply: Reply<Begun> },
    RemoveSlot { id: String, reply: Reply<()> },
    Rekey { reply: Reply<Begun> },
    Input { request: RequestId, values: Vec<(String, Secret)>, reply: Reply<()> },
    Cancel { request: RequestId, reply: Reply<()> },
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, Denied>>;

/// The options of GetToken and SendToken, checked.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Which token.
    pub key: TokenKey,
    /// How long it must still be valid.
    pub min_validity: Duration,
    /// The generation that a resource server rejected.
    pub rejected: Option<u64>,
    /// How long the caller waits.
    pub timeout: Duration,
}

/// The options of SignProof, checked.
#[derive(Debug, Clone)]
pub struct ProofWanted {
    /// The request that is proved.
    pub target: dpop::Target,
    /// What its server wants to see; `None` = what it wanted last, as far as callers told.
    pub nonce: Option<String>,
    /// SHA-256 of the token that goes with it.
    pub digest: [u8; 32],
}

impl Message {
    /// Whether the answer depends on what the vault holds of an account.
    pub(super) fn is_about_an_account(&self) -> bool {
        match self {
            Self::Token { .. }
            | Self::Refresh { .. }
            | Self::Login { .. }
            | Self::SignProof { .. }
            | Self::Logout { .. }
            | Self::Remove { .. }
            | Self::SetSecret { .. } => true,
            Self::Hello { .. }
            | Self::AddAccount { .. }
            | Self::Register { .. }
            | Self::RegisterByToken { .. }
            | Self::Reload { .. }
            | Self::Unlock { .. }
            | Self::Lock { .. }
            | Self::AddSlot { .. }
            | Self::RemoveSlot { .. }
            | Self::Rekey { .. }
            | Self::Input { .. }
            | Self::Cancel { .. } => false,
        }
    }

    /// Answers with a refusal.
    pub(super) fn refuse(self, denied: Denied) {
        match self {
            Self::Token { reply, .. } => drop(reply.send(Err(denied))),
            Self::Refresh { reply, .. } => drop(reply.send(Err(denied))),
            Self::AddAccount { reply, .. } => drop(reply.send(Err(denied))),
            Self::Register { reply, .. } => drop(reply.send(Err(denied))),
            Self::RegisterByToken { reply, .. } => drop(reply.send(Err(denied))),
            Self::SignProof { reply, .. } => drop(reply.send(Err(denied))),
            Self::Login { reply, .. }
            | Self::SetSecret { reply, .. }
            | Self::Unlock { reply, .. }
            | Self::AddSlot { reply, .. }
            | Self::Rekey { reply } => drop(reply.send(Err(denied))),
            Self::Hello { reply }
            | Self::Logout { reply, .. }
            | Self::Remove { reply, .. }
            | Self::Reload { reply }
            | Self::Lock { reply }
            | Self::RemoveSlot { reply, .. }
            | Self::Input { reply, .. }
            | Self::Cancel { reply, .. } => drop(reply.send(Err(denied))),
        }
    }
}
