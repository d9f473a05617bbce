//! `org.tokenkeeper.Keeper1.Account`.

use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use serde::Serialize;
use tokenkeeper::wire::{ACCOUNT_INTERFACE, key};
use tokenkeeper_config::AccountName;
use zbus::{Message, ObjectPath, Variant, as_variant};

use super::fault::Fault;
use super::options::{self, Dictionary};
use super::proof;
use super::serve::{Call, Face};
use super::sink::Sink;
use crate::account::{Denied, Served};

pub(super) async fn call(face: &Arc<Face>, call: &Call<'_>, name: &AccountName) -> Result<Message, Fault> {
    match call.member {
        "GetToken" => get_token(face, call, name).await,
        "SendToken" => send_token(face, call, name).await,
        "Login" => login(face, call, name).await,
        "Refresh" => {
            let expires_at = face.keeper.refresh(name, options::patience(call.arguments("a{sv}")?)?).await?;
            call.answer(&HashMap::from([(key::info::EXPIRES_AT, Variant::from(expires_at))]))
        }
        "Logout" => {
            options::none(call.arguments("a{sv}")?)?;
            face.keeper.logout(name).await?;
            call.answer(&())
        }
        "Remove" => {
            options::none(call.arguments("a{sv}")?)?;
            face.keeper.remove(name).await?;
            call.answer(&())
        }
        "SetSecret" => {
            options::none(call.arguments("a{sv}")?)?;
            let begun = face.keeper.set_secret(name).await?;
            call.answer(&face.begin_request(call, begun))
        }
        "SignProof" => proof::sign(face, call, name).await,
        "SetPermission" => {
            call.arguments::<(&str, &str, Dictionary<'_>)>("ssa{sv}")?;
            Err(Fault::not_built("remember permissions"))
        }
        other => Err(Fault::no_method(ACCOUNT_INTERFACE, other)),
    }
}

async fn get_token(face: &Face, call: &Call<'_>, name: &AccountName) -> Result<Message, Fault> {
    let wanted = options::wanted(call.arguments("a{sv}")?)?;
    if !face.keeper.settings().tokens_in_messages {
        let message = "tokens are not sent in messages here (tokens_in_messages = false); use SendToken, or \
                       `tokenkeeper token`, which does";
        return Err(Denied::NotPermitted(message.into()).into());
    }
    let served = face.keeper.token(name, wanted).await?;
    let token = served.token.reveal_str().ok_or_else(|| Denied::Failed("the server's token is no text".into()))?;
    call.answer(&(token, Info::of(&served)))
}

async fn send_token(face: &Face, call: &Call<'_>, name: &AccountName) -> Result<Message, Fault> {
    let (sink, given) = call.arguments::<(zbus::Fd<'_>, Dictionary<'_>)>("ha{sv}")?;
    let wanted = options::wanted(given)?;
    // Looked at before the keeper is asked: a sink that will be refused must not cost a refresh.
    let sink = Sink::new(OwnedFd::try_from(sink)?)?;
    let served = face.keeper.token(name, wanted).await?;
    sink.write(&served.token)?;
    call.answer(&Info { digest: Some(&served.digest), ..Info::of(&served) })
}

async fn login(face: &Arc<Face>, call: &Call<'_>, name: &AccountName) -> Result<Message, Fault> {
    let begun = face.keeper.login(name, options::login(call.arguments("a{sv}")?)?).await?;
    let info = {
        let view = begun.view.borrow();
        let mut info = HashMap::from([
            (key::login::URI, Variant::from(view.uri.clone())),
            (key::login::USER_CODE, Variant::from(view.user_code.clone())),
        ]);
        if !view.verification_uri.is_empty() {
            info.insert(key::login::VERIFICATION_URI, Variant::from(view.verification_uri.clone()));
        }
        info
    };
    let path: ObjectPath<'_> = face.begin_request(call, begun);
    call.answer(&(path, info))
}

/// What comes with a token: typed, because this answer is the one that is timed.
#[derive(Serialize, zbus::Type)]
#[zbus(signature = "a{sv}")]
struct Info<'t> {
    #[serde(with = "as_variant")]
    token_type: &'t str,
    #[serde(with = "as_variant")]
    expires_at: u64,
    #[serde(with = "as_variant")]
    scopes: &'t [String],
    #[serde(with = "as_variant")]
    generation: u64,
    #[serde(with = "as_variant::optional", skip_serializing_if = "Option::is_none")]
    digest: Option<&'t [u8]>,
}

impl<'t> Info<'t> {
    fn of(served: &'t Served) -> Self {
        let Served { token_type, expires_at, scopes, generation, .. } = served;
        Self { token_type, expires_at: *expires_at, scopes, generation: *generation, digest: None }
    }
}
