//! `authorization_details` (RFC 9396): tables of the account, passed to the server as the JSON that they stand for.

use serde_json::{Map, Number, Value};
use toml::de::DeValue;

use crate::fault::Fault;
use crate::table::{Item, Read};

/// The whole list, as JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Details(pub(crate) String);

/// The longest JSON that goes into an address.
const LIMIT: usize = 4096;
/// How deep tables may lie in tables.
const DEPTH: usize = 8;

const WANTED: &str = "a list of tables, each with a type: [{ type = \"payment_initiation\" }]";

impl Read for Details {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let entries: Vec<Value> =
            item.list(WANTED)?.map(|entry| entry_of(&item, entry)).collect::<Result<_, Fault>>()?;
        if entries.is_empty() {
            return Err(item.fault("`authorization_details` is empty", "add a table, or remove the line"));
        }
        let text = Value::Array(entries).to_string();
        if text.len() > LIMIT {
            return Err(
                item.fault(format!("`authorization_details` is longer than {LIMIT} bytes as JSON"), "write less")
            );
        }
        Ok(Self(text))
    }
}

/// Each has a type (RFC 9396 §2); the server knows the rest.
fn entry_of(list: &Item<'_>, entry: Item<'_>) -> Result<Value, Fault> {
    match json(list, entry.raw(), 0)? {
        Value::Object(map)
            if map.get("type").is_some_and(|kind| kind.as_str().is_some_and(|kind| !kind.is_empty())) =>
        {
            Ok(Value::Object(map))
        }
        Value::Object(_) => Err(entry.fault("an entry of `authorization_details` has no type", "add type = \"…\"")),
        _ => Err(entry.fault("an entry of `authorization_details` is no table", format!("write {WANTED}"))),
    }
}

fn json(list: &Item<'_>, value: &DeValue<'_>, depth: usize) -> Result<Value, Fault> {
    if depth > DEPTH {
        return Err(list.fault(format!("`authorization_details` is nested deeper than {DEPTH}"), "write it flatter"));
    }
    let number = |text: Option<Number>| {
        text.map(Value::Number).ok_or_else(|| {
            list.fault(
                "`authorization_details` has a number that JSON does not know",
                "write a whole or decimal number",
            )
        })
    };
    match value {
        DeValue::String(text) => Ok(Value::from(text.as_ref())),
        DeValue::Boolean(flag) => Ok(Value::from(*flag)),
        DeValue::Integer(integer) => {
            number(i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(Number::from))
        }
        DeValue::Float(float) => number(float.as_str().parse().ok().and_then(Number::from_f64)),
        DeValue::Datetime(_) => {
            Err(list.fault("`authorization_details` has a date, which JSON has not", "write it as text in quotes"))
        }
        DeValue::Array(items) => items
            .iter()
            .map(|item| json(list, item.get_ref(), depth + 1))
            .collect::<Result<Vec<_>, _>>()
            .map(Value::Array),
        DeValue::Table(table) => {
            let entry = |(name, value): (&toml::Spanned<std::borrow::Cow<'_, str>>, &toml::Spanned<DeValue<'_>>)| {
                Ok((name.get_ref().to_string(), json(list, value.get_ref(), depth + 1)?))
            };
            table.iter().map(entry).collect::<Result<Map<_, _>, Fault>>().map(Value::Object)
        }
    }
}
