//! The model disk: one transaction at a time, compared and swapped on the generation, all of it or nothing.

use super::super::codec;
use super::super::testing::seal;
use super::super::*;
use crate::secret::Sealed;

#[derive(Default)]
pub(super) struct Disk {
    pub(super) generation: u64,
    pub(super) token: Option<Sealed>,
    pub(super) facts: Option<Facts>,
    pub(super) intent: Option<Intent>,
    tokens: Vec<NewToken>,
    /// Thumbprint of the stored key.
    pub(super) key: Option<String>,
    pub(super) foreign: bool,
    /// Tokens of forgotten logins.
    pub(super) unrevoked: Vec<Sealed>,
}

impl Disk {
    /// Applies a change; gives the refresh token as sealed.
    pub(super) fn commit(&mut self, change: &Change) -> Result<Option<Sealed>, String> {
        match change {
            Change::Intent { generation, intent } => {
                self.compare(*generation)?;
                self.intent.clone_from(intent);
                Ok(None)
            }
            Change::Grant { replaces, grant, tokens } => {
                self.compare(*replaces)?;
                match (&grant.facts.proof_key, &grant.new_key) {
                    (Some(_), Some(new)) => self.key = codec::thumbprint(new),
                    (Some(_), None) => {}
                    (None, _) => self.key = None,
                }
                if self.key != grant.facts.proof_key {
                    return Err("the grant names a key that is not stored".to_owned());
                }
                self.generation += 1;
                self.token = match &grant.token {
                    Some(RefreshToken::Fresh(token)) => Some(seal(token)),
                    Some(RefreshToken::Kept(sealed)) => Some(sealed.clone()),
                    None => None,
                };
                self.facts = Some(grant.facts.clone());
                self.intent = None;
                self.tokens.clone_from(tokens);
                Ok(self.token.clone())
            }
            Change::Tokens { generation, tokens } => {
                self.compare(*generation)?;
                self.tokens.clone_from(tokens);
                Ok(None)
            }
            Change::Facts { generation, facts } => {
                self.compare(*generation)?;
                self.facts = Some(facts.clone());
                self.intent = None;
                Ok(None)
            }
            Change::Forget { generation, revocation } => {
                self.compare(*generation)?;
                self.unrevoked.extend(self.token.take().filter(|_| revocation.is_some()));
                self.key = None;
                self.facts = None;
                self.intent = None;
                self.tokens.clear();
                Ok(None)
            }
            Change::Adopt => {
                self.foreign = false;
                Ok(None)
            }
        }
    }

    fn compare(&self, expected: u64) -> Result<(), String> {
        if expected == self.generation {
            return Ok(());
        }
        Err(format!("the change is for generation {expected}, stored is {}", self.generation))
    }

    pub(super) fn read(&self) -> Stored {
        let grant = self.facts.clone().map(|facts| {
            Ok(StoredGrant { generation: self.generation, token: self.token.clone(), previous: None, facts })
        });
        Stored {
            generation: self.generation,
            grant,
            intent: self.intent.clone(),
            tokens: self.tokens.clone(),
            foreign: self.foreign,
        }
    }
}
