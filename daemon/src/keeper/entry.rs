//! One account in the keeper's hands: the pure machine, and what the shell must know beside it.

use std::sync::Arc;

use tokenkeeper_config::{AccountName, Definition};
use url::Url;

use crate::account::{Account, Effect, Input, Status};
use crate::time::{Boot, Now};
use crate::vault::Binding;

/// A definition, or what is wrong with it.
pub(super) type Defined = Result<Arc<Definition>, String>;

/// One account.
pub(super) struct Entry {
    /// Always there, but for the moment of a step, which consumes it. Boxed: a map of entries is half full, and this is large.
    account: Option<Box<Account>>,
    pub(super) definition: Defined,
    /// A definition that came while an exchange was in flight under the present one.
    pub(super) next_definition: Option<Defined>,
    /// To what its grant is bound: the one of the definition that is in force.
    pub(super) binding: Binding,
    /// Its definition is gone; it stays until its exchange is saved.
    pub(super) leaving: bool,
    /// Generation and expiry of the token that its token files hold.
    pub(super) in_files: Option<(u64, u64)>,
}

impl Entry {
    pub(super) fn new(name: AccountName, seed: u64, definition: Defined) -> Self {
        let binding = binding(&definition);
        Self {
            account: Some(Box::new(Account::new(name, seed))),
            definition,
            next_definition: None,
            binding,
            leaving: false,
            in_files: None,
        }
    }

    /// Puts another definition in force; tells whether grants are bound to something else now.
    pub(super) fn redefine(&mut self, definition: Defined) -> bool {
        let before = self.binding;
        // A faulty definition says nothing about endpoints: what is bound stays bound.
        if definition.is_ok() {
            self.binding = binding(&definition);
        }
        self.definition = definition;
        self.binding != before
    }

    pub(super) fn step(&mut self, now: &Now, input: Input) -> Vec<Effect> {
        let mut effects = Vec::new();
        let account = self.account.take().expect("a step puts the account back");
        self.account = Some(Box::new(account.step(now, input, &mut effects)));
        effects
    }

    pub(super) fn deadline(&self) -> Option<Boot> {
        self.machine().deadline()
    }

    pub(super) fn status(&self, now: &Now) -> Status {
        self.machine().status(now)
    }

    pub(super) fn is_settled(&self) -> bool {
        self.machine().is_settled()
    }

    pub(super) fn has_unsaved(&self) -> bool {
        self.machine().has_unsaved()
    }

    /// Thumbprint of the key that its tokens are bound to.
    pub(super) fn proof_key(&self) -> Option<&str> {
        self.machine().proof_key()
    }

    /// Where its authorization server is.
    pub(super) fn issuer(&self) -> Option<Url> {
        let definition = self.definition.as_ref().ok()?;
        let stated = definition.issuer.as_deref().and_then(|issuer| issuer.parse().ok());
        stated.or_else(|| definition.endpoints.token_endpoint.clone())
    }

    fn machine(&self) -> &Account {
        self.account.as_ref().expect("a step puts the account back")
    }
}

fn binding(definition: &Defined) -> Binding {
    definition.as_ref().map_or([0; 32], |definition| crate::vault::binding(definition))
}
