//! The properties of every interface, read from the published snapshot, never from the keeper's mailbox.

use std::collections::HashMap;

use tokenkeeper::wire::{ACCOUNT_INTERFACE, KEEPER_INTERFACE, REQUEST_INTERFACE, VAULT_INTERFACE};
use zbus::{Message, Variant};

use super::fault::Fault;
use super::object::{Object, request_path};
use super::serve::{Call, Face};
use super::trace::IDENTIFIER;
use crate::account::Status;
use crate::keeper::{RequestState, RequestView, SlotView, VaultView};
use tokenkeeper_config::Value;

/// One property.
pub(super) struct Property<'v> {
    pub(super) name: &'static str,
    pub(super) value: Variant<'v>,
    /// What PropertiesChanged tells of it.
    pub(super) told: Told,
}

/// What a change signal says (the contract's EmitsChangedSignal).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    /// The new value.
    Value,
    /// Only that it changed: signals reach every process, and these are personal.
    Change,
    /// Nothing, it never changes.
    Nothing,
}

fn property<'v>(name: &'static str, told: Told, value: impl Into<Variant<'v>>) -> Property<'v> {
    Property { name, value: value.into(), told }
}

/// The properties of `org.tokenkeeper.Keeper1`.
pub(super) fn of_keeper() -> Vec<Property<'static>> {
    vec![property("Version", Told::Nothing, env!("CARGO_PKG_VERSION"))]
}

/// The properties of `org.tokenkeeper.Keeper1.Vault`; all are told by value.
pub(super) fn of_vault<'v>(
    vault: &'v VaultView,
    hardening: &'v std::collections::BTreeMap<String, Value>,
) -> Vec<Property<'v>> {
    let slots: Vec<HashMap<&str, Variant<'_>>> = vault.slots.iter().map(slot).collect();
    let hardening: HashMap<&str, Variant<'_>> =
        hardening.iter().map(|(key, value)| (key.as_str(), variant_of(value))).collect();
    vec![
        property("State", Told::Value, vault.state.as_str()),
        property("Slots", Told::Value, slots),
        property("OpenedBy", Told::Value, vault.opened_by.as_str()),
        property("Hardening", Told::Value, hardening),
    ]
}

fn slot(slot: &SlotView) -> HashMap<&str, Variant<'_>> {
    HashMap::from([
        ("id", Variant::from(slot.id.as_str())),
        ("kind", Variant::from(slot.kind.as_str())),
        ("created", Variant::from(slot.created)),
        ("opened", Variant::from(slot.opened)),
        ("error", Variant::from(slot.error.as_str())),
    ])
}

/// The properties of `org.tokenkeeper.Keeper1.Account`.
pub(super) fn of_account(status: &Status) -> Vec<Property<'_>> {
    let (error, sentence) = &status.last_error;
    // Nobody is asked for permission yet, so there is none to list.
    let permissions: HashMap<&str, HashMap<&str, Variant<'_>>> = HashMap::new();
    vec![
        property("Name", Told::Nothing, status.name.as_str()),
        property("Provider", Told::Value, status.provider.as_str()),
        property("Issuer", Told::Change, status.issuer.as_str()),
        property("Scopes", Told::Change, &status.scopes),
        property("Label", Told::Change, status.label.as_str()),
        property("Subject", Told::Change, status.subject.as_str()),
        property("LastError", Told::Change, (error.as_str(), sentence.as_str())),
        property("Permissions", Told::Change, permissions),
        property("State", Told::Value, status.state.as_str()),
        property("Generation", Told::Value, status.generation),
        property("ExpiresAt", Told::Value, status.expires_at),
        property("RefreshAt", Told::Value, status.refresh_at),
        property("LoginEndsAt", Told::Value, status.login_ends_at),
        property("AuthorizationDetails", Told::Change, status.authorization_details.as_str()),
    ]
}

/// The properties of `org.tokenkeeper.Keeper1.Request`.
pub(super) fn of_request(view: &RequestView) -> Vec<Property<'_>> {
    vec![
        property("State", Told::Value, word(&view.state)),
        property("Wants", Told::Value, view.wants.as_slice()),
        property("Uri", Told::Value, view.uri.as_str()),
        property("UserCode", Told::Value, view.user_code.as_str()),
        property("ExpiresAt", Told::Value, view.expires_at),
    ]
}

fn word(state: &RequestState) -> &'static str {
    use tokenkeeper::wire::word;
    match state {
        RequestState::Pending => word::PENDING,
        RequestState::Done(_) => word::DONE,
        RequestState::Failed(_) => word::FAILED,
        RequestState::Cancelled => word::CANCELLED,
    }
}

fn variant_of(value: &Value) -> Variant<'_> {
    match value {
        Value::Text(text) => Variant::from(text.as_str()),
        Value::Number(number) => Variant::from(*number),
        Value::Flag(flag) => Variant::from(*flag),
        Value::List(list) => Variant::from(list),
        Value::Json(json) => Variant::from(json.to_string()),
        Value::Table(table) => {
            let table: HashMap<&str, Variant<'_>> =
                table.iter().map(|(key, value)| (key.as_str(), variant_of(value))).collect();
            Variant::from(table)
        }
    }
}

/// As GetAll answers them.
pub(super) fn dictionary<'v>(properties: Vec<Property<'v>>) -> HashMap<&'static str, Variant<'v>> {
    properties.into_iter().map(|property| (property.name, property.value)).collect()
}

const INTERFACE: &str = "org.freedesktop.DBus.Properties";
const LOG_CONTROL: &str = "org.freedesktop.LogControl1";

/// `org.freedesktop.DBus.Properties` of every object.
pub(super) fn call(face: &Face, call: &Call<'_>, object: &Object) -> Result<Message, Fault> {
    match call.member {
        "Get" => {
            let (interface, name) = call.arguments::<(&str, &str)>("ss")?;
            with_properties(face, call, object, interface, |properties| {
                let found = properties.into_iter().find(|property| property.name == name);
                call.answer(&found.ok_or_else(|| Fault::no_property(name))?.value)
            })
        }
        "GetAll" => {
            let interface = call.arguments::<&str>("s")?;
            with_properties(face, call, object, interface, |properties| call.answer(&dictionary(properties)))
        }
        "Set" => {
            let (interface, name, value) = call.arguments::<(&str, &str, Variant<'_>)>("ssv")?;
            if interface == LOG_CONTROL && *object == Object::LogControl {
                set_log(face, name, &value)?;
                return call.answer(&());
            }
            with_properties(face, call, object, interface, |properties| {
                let exists = properties.iter().any(|property| property.name == name);
                Err(if exists { Fault::read_only(name) } else { Fault::no_property(name) })
            })
        }
        other => Err(Fault::no_method(INTERFACE, other)),
    }
}

fn with_properties(
    face: &Face,
    call: &Call<'_>,
    object: &Object,
    interface: &str,
    then: impl FnOnce(Vec<Property<'_>>) -> Result<Message, Fault>,
) -> Result<Message, Fault> {
    let view = face.keeper.view();
    match (object, interface) {
        (Object::Root, KEEPER_INTERFACE) => then(of_keeper()),
        (Object::Root, VAULT_INTERFACE) => then(of_vault(&view.vault, &view.hardening)),
        (Object::Account(name), ACCOUNT_INTERFACE) => match view.accounts.get(name) {
            Some(status) => then(of_account(status)),
            None => Err(Fault::no_account(name.as_str())),
        },
        (Object::Request(id), REQUEST_INTERFACE) => match face.requests.find(*id, call.sender) {
            Some(held) => then(of_request(&held.view.borrow())),
            None => Err(Fault::no_object(&request_path(*id))),
        },
        (Object::LogControl, LOG_CONTROL) => then(vec![
            property("LogLevel", Told::Nothing, face.log.level()),
            property("LogTarget", Told::Nothing, face.log.target()),
            property("SyslogIdentifier", Told::Nothing, IDENTIFIER),
        ]),
        (_, other) => Err(Fault::no_interface(other)),
    }
}

fn set_log(face: &Face, name: &str, value: &Variant<'_>) -> Result<(), Fault> {
    let word = <&str>::try_from(value).map_err(|_| Fault::invalid_args(format!("{name} is a string (s)")))?;
    match name {
        "LogLevel" if face.log.set_level(word) => Ok(()),
        "LogLevel" => Err(Fault::invalid_args("LogLevel is `emerg` to `debug`, in syslog's words")),
        "LogTarget" if word == face.log.target() => Ok(()),
        "LogTarget" => Err(Fault::not_built("change where it logs to while it runs")),
        "SyslogIdentifier" => Err(Fault::read_only(name)),
        other => Err(Fault::no_property(other)),
    }
}
