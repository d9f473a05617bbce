//! `org.tokenkeeper.Keeper1` and `org.tokenkeeper.Keeper1.Vault`, on the root object.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use tokenkeeper::wire::{KEEPER_INTERFACE, VAULT_INTERFACE, key};
use tokenkeeper_config::Value;
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
            let mut definition = options::table(&call.arguments("a{sv}")?)?;
            if asks_for_token(&mut definition)? {
                let (name, begun) = face.keeper.register_by_token(definition).await?;
                let request = Variant::from(face.begin_request(call, begun));
                let path = ObjectPath::try_from(account_path(&name))?;
                return call.answer(&(path, HashMap::from([(key::register::REQUEST, request)])));
            }
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

/// Whether the token that the server wants to see comes by a request of its own: no secret stands in a message.
fn asks_for_token(definition: &mut BTreeMap<String, Value>) -> Result<bool, Fault> {
    let key = key::register::INITIAL_ACCESS_TOKEN;
    match definition.remove(key) {
        None => Ok(false),
        Some(Value::Flag(asks)) => Ok(asks),
        Some(Value::Text(_) | Value::Number(_) | Value::List(_) | Value::Table(_) | Value::Json(_)) => Err(
            Fault::invalid_args(format!("`{key}` is true or false (b): the token itself comes by the request's Input")),
        ),
    }
}

/// What a registration came to.
pub(super) fn info(enrolled: &Enrolled) -> HashMap<&'static str, Variant<'static>> {
    use key::registered::{CLIENT_ID, CLIENT_SECRET_EXPIRES_AT, ISSUER, NOTES};
    HashMap::from([
        (CLIENT_ID, Variant::from(enrolled.client_id.clone())),
        (ISSUER, Variant::from(enrolled.issuer.clone())),
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
