//! `org.tokenkeeper.Keeper1` and `org.tokenkeeper.Keeper1.Vault`, on the root object.

use std::collections::HashMap;
use std::sync::Arc;

use tokenkeeper::wire::{KEEPER_INTERFACE, VAULT_INTERFACE, key};
use zbus::{Message, ObjectPath, Variant};

use super::fault::Fault;
use super::object::account_path;
use super::options::{self, Dictionary};
use super::serve::{Call, Face};
use crate::keeper::Enrolled;

pub(super) async fn keeper(face: &Arc<Face>, call: &Call<'_>) -> Result<Message, Fault> {
    match call.member {
        "AddAccount" => {
            let definition = options::table(&call.arguments("a{sv}")?)?;
            let name = face.keeper.add_account(definition).await?;
            call.answer(&ObjectPath::try_from(account_path(&name))?)
        }
        "Register" => {
            let definition = options::table(&call.arguments("a{sv}")?)?;
            let enrolled = face.keeper.register(definition).await?;
            let path = ObjectPath::try_from(account_path(&enrolled.account))?;
            call.answer(&(path, info(&enrolled)))
        }
        "Reload" => {
            call.arguments::<()>("")?;
            face.keeper.reload().await?;
            call.answer(&())
        }
        "RequestAccess" => {
            call.arguments::<Dictionary<'_>>("a{sv}")?;
            Err(Fault::not_built("ask for access"))
        }
        other => Err(Fault::no_method(KEEPER_INTERFACE, other)),
    }
}

fn info(enrolled: &Enrolled) -> HashMap<&'static str, Variant<'_>> {
    use key::registered::{CLIENT_ID, CLIENT_SECRET_EXPIRES_AT, ISSUER, NOTES};
    HashMap::from([
        (CLIENT_ID, Variant::from(enrolled.client_id.as_str())),
        (ISSUER, Variant::from(enrolled.issuer.as_str())),
        (NOTES, Variant::from(enrolled.notes.clone())),
        (CLIENT_SECRET_EXPIRES_AT, Variant::from(enrolled.secret_expires_at.unwrap_or(0))),
    ])
}

pub(super) async fn vault(face: &Arc<Face>, call: &Call<'_>) -> Result<Message, Fault> {
    let begun = match call.member {
        "Lock" => {
            call.arguments::<()>("")?;
            face.keeper.lock().await?;
            return call.answer(&());
        }
        "RemoveSlot" => {
            face.keeper.remove_slot(call.arguments::<&str>("s")?.to_owned()).await?;
            return call.answer(&());
        }
        "Unlock" => {
            options::none(call.arguments("a{sv}")?)?;
            face.keeper.unlock(call.is_interactive()).await?
        }
        "AddSlot" => {
            let (kind, given) = call.arguments::<(&str, Dictionary<'_>)>("sa{sv}")?;
            face.keeper.add_slot(kind.to_owned(), options::table(&given)?).await?
        }
        "Rekey" => {
            options::none(call.arguments("a{sv}")?)?;
            face.keeper.rekey().await?
        }
        other => return Err(Fault::no_method(VAULT_INTERFACE, other)),
    };
    call.answer(&face.begin_request(call, begun))
}
