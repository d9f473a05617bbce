//! `org.freedesktop.DBus.ObjectManager`: our own, because an answer depends on who asks, and because zbus's broadcasts
//! every value with InterfacesAdded.

use std::collections::HashMap;

use tokenkeeper::wire::{ACCOUNT_INTERFACE, KEEPER_INTERFACE};
use zbus::{Message, ObjectPath, Variant};

use super::fault::Fault;
use super::object::account_path;
use super::properties::{dictionary, of_account};
use super::serve::{Call, Face, off_the_runtime};
use crate::keeper::View;

/// `a{oa{sa{sv}}}`.
pub(super) type Objects<'v> = HashMap<ObjectPath<'v>, HashMap<&'v str, HashMap<&'v str, Variant<'v>>>>;

/// From this many accounts on an answer is built off the runtime thread.
const MANY: usize = 64;

pub(super) async fn call(face: &Face, call: &Call<'_>) -> Result<Message, Fault> {
    call.must_be("GetManagedObjects", KEEPER_INTERFACE)?;
    call.arguments::<()>("")?;
    let view = face.keeper.view();
    if view.accounts.len() < MANY {
        return call.answer(&objects(&view));
    }
    // The header borrows from the message; a message that answers the same call is built from what it says of it.
    let reply = Message::method_return(call.header);
    off_the_runtime(move || reply.build(&objects(&view))).await?.map_err(Fault::from)
}

fn objects(view: &View) -> Objects<'_> {
    let object = |status| HashMap::from([(ACCOUNT_INTERFACE, dictionary(of_account(status)))]);
    view.accounts.iter().map(|(name, status)| (path(&account_path(name)), object(&**status))).collect()
}

fn path(text: &str) -> ObjectPath<'static> {
    ObjectPath::try_from(text.to_owned()).expect("an account's name makes a path element")
}
