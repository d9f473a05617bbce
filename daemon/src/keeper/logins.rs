//! Logins: from the call that begins one to what a person pastes. What is right or wrong about an answer is decided in
//! the account.

use tokenkeeper_config::AccountName;

use super::message::Reply;
use super::random;
use super::requests::{Kind, Login};
use super::task::Keeper;
use super::view::Begun;
use crate::account::{Denied, Input, LoginOptions, RequestId};
use crate::secret::Secret;

impl Keeper {
    pub(super) fn begin_login(&mut self, account: AccountName, options: LoginOptions, reply: Reply<Begun>) {
        if let Err(denied) = self.admit(&account) {
            return drop(reply.send(Err(denied)));
        }
        let wants = vec![if options.import { "refresh_token" } else { "redirect_uri" }];
        // No time limit of the keeper's own: an account ends its login itself.
        let waits_for_input = options.import;
        let login = Login { account: account.clone(), begun: None };
        let begun = self.requests.open(Kind::Login(login), wants, None);
        let id = begun.id;
        if waits_for_input {
            let _ = reply.send(Ok(begun));
        } else if let Some(Kind::Login(login)) = self.requests.find(id).map(|open| &mut open.kind) {
            login.begun = Some(reply);
        }
        self.step(&account, Input::LoginWanted { request: id, options, entropy: random::entropy() });
    }

    pub(super) fn login_input(
        &mut self,
        request: RequestId,
        account: &AccountName,
        key: &str,
        value: Secret,
    ) -> Result<(), Denied> {
        let input = match key {
            "refresh_token" => Input::RefreshTokenGiven { request, token: value },
            _ => Input::Redirected { request, query: pasted_query(&value)? },
        };
        self.step(account, input);
        Ok(())
    }
}

/// The query of a redirect URI that a person copied from the address bar.
fn pasted_query(pasted: &Secret) -> Result<Vec<(String, Secret)>, Denied> {
    let not_it = || {
        Denied::InvalidArgs("that is not the address of the page where the browser ended; copy the whole of it".into())
    };
    let text = pasted.reveal_str().ok_or_else(not_it)?.trim();
    let address = url::Url::parse(text).map_err(|_| not_it())?;
    let query: Vec<_> =
        address.query_pairs().map(|(key, value)| (key.into_owned(), Secret::from(value.into_owned()))).collect();
    if query.is_empty() { Err(not_it()) } else { Ok(query) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_address_gives_its_query_in_order() {
        let pasted = Secret::from(String::from(" http://127.0.0.1:7/cb?state=s%20t&code=c&code=d \n"));
        let query = pasted_query(&pasted).expect("an address with a query");
        let read: Vec<_> = query.iter().map(|(k, v)| (k.as_str(), v.reveal_str().expect("text"))).collect();
        assert_eq!(read, [("state", "s t"), ("code", "c"), ("code", "d")]);
    }

    #[test]
    fn anything_else_is_refused_without_being_repeated() {
        for bad in ["", "hello", "http://127.0.0.1:7/cb", "code=canary"] {
            let denied = pasted_query(&Secret::from(bad.to_owned())).err().expect("refused");
            assert!(!denied.to_string().contains("canary"));
        }
    }
}
