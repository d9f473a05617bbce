//! `--set KEY=VALUE`: how a value is read, and how the keeper gets it.

use std::collections::HashMap;

use tokenkeeper::wire::key::register::INITIAL_ACCESS_TOKEN;
use zbus::Variant;

use crate::fault::Fault;

/// `KEY=VALUE` with a TOML value, or a list or table as JSON writes it; anything else is a text, so that `label=My work`
/// needs no second quotes.
pub(super) fn parsed(setting: &str) -> Result<(String, toml::Value), Fault> {
    let wrong = || Fault::usage(format!("--set {setting}: write KEY=VALUE, such as --set 'redirect_ports=[8400]'"));
    let (key, value) = setting.split_once('=').ok_or_else(wrong)?;
    let key = key.trim();
    if key.is_empty() || !key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_') {
        return Err(wrong());
    }
    if key == INITIAL_ACCESS_TOKEN {
        return Err(Fault::usage(format!("{key} is no key of the configuration"))
            .hint("say --initial-access-token-file FILE: a secret belongs in no command line"));
    }
    let read: Result<toml::Table, _> = toml::from_str(&format!("value = {value}"));
    let toml = read.ok().and_then(|mut table| table.remove("value"));
    let json = || serde_json::from_str(value).ok().filter(|read: &toml::Value| read.is_array() || read.is_table());
    let value = toml.or_else(json).unwrap_or_else(|| value.into());
    Ok((key.to_owned(), value))
}

/// As AddAccount takes it.
pub(super) fn on_the_bus(value: &toml::Value) -> Variant<'static> {
    match value {
        toml::Value::String(text) => Variant::from(text.clone()),
        toml::Value::Integer(number) => match u64::try_from(*number) {
            Ok(number) => Variant::from(number),
            Err(_) => Variant::from(number.to_string()),
        },
        toml::Value::Boolean(flag) => Variant::from(*flag),
        toml::Value::Array(entries) if entries.iter().any(toml::Value::is_table) => as_it_is(value),
        toml::Value::Array(entries) => {
            let text = |entry: &toml::Value| entry.as_str().map_or_else(|| entry.to_string(), ToOwned::to_owned);
            Variant::from(entries.iter().map(text).collect::<Vec<String>>())
        }
        toml::Value::Table(table) => {
            let entries = table.iter().map(|(key, value)| (key.clone(), on_the_bus(value)));
            Variant::from(entries.collect::<HashMap<String, Variant<'static>>>())
        }
        toml::Value::Float(_) | toml::Value::Datetime(_) => Variant::from(value.to_string()),
    }
}

/// With every list and number as it stands, however deep: of `authorization_details`.
fn as_it_is(value: &toml::Value) -> Variant<'static> {
    match value {
        toml::Value::String(text) => Variant::from(text.clone()),
        toml::Value::Integer(number) => Variant::from(*number),
        toml::Value::Float(number) => Variant::from(*number),
        toml::Value::Boolean(flag) => Variant::from(*flag),
        toml::Value::Datetime(time) => Variant::from(time.to_string()),
        toml::Value::Array(entries) => Variant::from(entries.iter().map(as_it_is).collect::<Vec<_>>()),
        toml::Value::Table(table) => {
            let entries = table.iter().map(|(key, value)| (key.clone(), as_it_is(value)));
            Variant::from(entries.collect::<HashMap<String, Variant<'static>>>())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_no_setting_and_is_not_repeated() {
        let fault = parsed("initial_access_token=canary").expect_err("it belongs in a file");
        assert!(!format!("{fault:?}").contains("canary"), "{fault:?}");
    }

    #[test]
    fn details_are_said_in_toml_or_json() {
        let said = |details: &str| {
            let (key, value) = parsed(&format!("authorization_details={details}")).expect("a setting");
            assert_eq!(key, "authorization_details");
            on_the_bus(&value)
        };
        let toml = said(r#"[{type="payment",to=["ada",7],by={card=true}}]"#);
        let json = said(r#"[{"type":"payment","to":["ada",7],"by":{"card":true}}]"#);
        let by = HashMap::from([("card".to_owned(), Variant::from(true))]);
        let entry = HashMap::from([
            ("type".to_owned(), Variant::from("payment")),
            ("to".to_owned(), Variant::from(vec![Variant::from("ada"), Variant::from(7_i64)])),
            ("by".to_owned(), Variant::from(by)),
        ]);
        let wanted = Variant::from(vec![Variant::from(entry)]);
        assert_eq!((toml, json), (wanted.try_clone().expect("no descriptor"), wanted));
        assert_eq!(said("[{type]"), Variant::from("[{type]".to_owned()));
    }
}
