//! What a person typed or pasted, on its way to the request that wants it.

use super::requests::Kind;
use super::task::Keeper;
use crate::account::{Denied, RequestId};
use crate::secret::Secret;
use crate::vault::Opener;

impl Keeper {
    /// Several values are taken one by one: the first that does not fit ends it.
    pub(super) fn input(&mut self, request: RequestId, values: Vec<(String, Secret)>) -> Result<(), Denied> {
        for (key, value) in values {
            let open = self.requests.find(request).ok_or(Denied::Cancelled)?;
            if !open.wants(&key) {
                return Err(Denied::InvalidArgs(format!("this request does not want `{}`", plain(&key))));
            }
            match &open.kind {
                Kind::Unlock => {
                    self.try_to_open(Some(request), Opener { passphrase: Some(value), ..Opener::default() })
                }
                Kind::AddSlot(slot) => {
                    let slot = *slot;
                    self.enrol(request, slot, Opener { passphrase: Some(value), ..Opener::default() });
                }
                Kind::Rekey => self.rekey(request, Opener { passphrase: Some(value), ..Opener::default() }),
                Kind::Secret { account } => {
                    let account = account.clone();
                    self.keep_secret(request, account, value);
                }
                Kind::Registration { definition } => {
                    let (definition, view) = (definition.clone(), open.watch());
                    self.register_by_token((request, view), definition, value)?;
                }
                Kind::Login(login) => {
                    let account = login.account.clone();
                    self.login_input(request, &account, &key, value)?;
                }
            }
        }
        Ok(())
    }
}

/// A key as it may be said in an error: short and printable.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic()).take(40).collect()
}
