//! The text of an account's own file, as `tokenkeeper add` has it written. What is rendered is read back before it
//! leaves: nothing gets into the config that would not load.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::fault::Fault;
use crate::keys::account_keys;
use crate::load::Config;
use crate::{AccountName, Places};

/// A value of an account key.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the variants say it")]
pub enum Value {
    Text(String),
    Number(u64),
    Flag(bool),
    /// Texts; of `redirect_ports`, the ports as text.
    List(Vec<String>),
    /// Of `authorize_params` and `token_params`, the parameters; of `token_file`, the keys of one file.
    Table(BTreeMap<String, Value>),
    /// Of `authorization_details`, the list: tables as deep as the server wants them.
    Json(serde_json::Value),
}

/// The text of `config.d/NAME.toml` for an account with these keys.
///
/// # Errors
/// What a reader of the file would say; the fault has no position, as the file does not exist yet.
pub fn render_account(name: &AccountName, keys: &BTreeMap<String, Value>, places: &Places) -> Result<String, Fault> {
    let mut text = format!(
        "# The account \"{name}\", written by `tokenkeeper add {name}`. You may edit it: a change takes effect when the\n\
         # file is saved. `tokenkeeper config check` finds mistakes; no secret belongs in here.\n\n\
         [account.{name}]\n"
    );
    let mut in_order: Vec<_> = keys.iter().filter(|(key, _)| *key != "token_file").collect();
    in_order.sort_by_key(|(key, _)| account_keys().iter().position(|known| known == key));
    for (key, value) in in_order {
        writeln!(text, "{} = {}", key_text(key), value_of(key, value)).expect("memory takes it");
    }
    if let Some(Value::Table(file)) = keys.get("token_file") {
        writeln!(text, "\n[[account.{name}.token_file]]").expect("memory takes it");
        for (key, value) in file {
            writeln!(text, "{} = {}", key_text(key), value_of(key, value)).expect("memory takes it");
        }
    } else if let Some(other) = keys.get("token_file") {
        writeln!(text, "token_file = {}", value_of("token_file", other)).expect("memory takes it");
    }

    let loaded = Config::parse(&text, &places.account_file(name), &places.specifiers);
    match loaded.faults.into_iter().next() {
        Some(fault) => Err(Fault { position: None, ..fault }),
        None => Ok(text),
    }
}

fn value_of(key: &str, value: &Value) -> toml::Value {
    match value {
        Value::Text(text) => text.as_str().into(),
        Value::Number(number) => i64::try_from(*number).map_or_else(|_| number.to_string().into(), toml::Value::from),
        Value::Flag(flag) => (*flag).into(),
        Value::List(entries) if key == "redirect_ports" => entries
            .iter()
            .map(|entry| entry.parse::<u16>().map_or_else(|_| entry.as_str().into(), |port| i64::from(port).into()))
            .collect::<Vec<toml::Value>>()
            .into(),
        Value::List(entries) => entries.clone().into(),
        // What TOML has no word for (null) is left as text, which the reader refuses.
        Value::Json(json) => toml::Value::try_from(json).unwrap_or_else(|_| json.to_string().into()),
        Value::Table(table) => {
            toml::Value::Table(table.iter().map(|(key, value)| (key.clone(), value_of(key, value))).collect())
        }
    }
}

/// A key as TOML wants it: bare where it may be, else quoted.
fn key_text(key: &str) -> String {
    if account_keys().contains(&key) || (!key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'))
    {
        return key.to_owned();
    }
    toml::Value::from(key).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places() -> Places {
        Places::from_env(|key| (key == "HOME").then(|| "/home/ada".into())).expect("a home")
    }

    fn render(keys: &[(&str, Value)]) -> Result<String, Fault> {
        let keys = keys.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        render_account(&name(), &keys, &places())
    }

    fn name() -> AccountName {
        "work".parse().expect("a name")
    }

    fn text(text: &str) -> Value {
        Value::Text(text.to_owned())
    }

    #[test]
    fn what_is_written_loads_and_says_what_it_is() {
        let params = BTreeMap::from([("login_hint".to_owned(), text("ada@acme.example"))]);
        let written = render(&[
            ("provider", text("auth0")),
            ("domain", text("acme.eu.auth0.com")),
            ("client_id", text("quote \" and \\ backslash")),
            ("scopes", Value::List(vec!["openid".into(), "offline_access".into()])),
            ("redirect_ports", Value::List(vec!["8400".into()])),
            ("refresh_kills_token", Value::Flag(true)),
            ("authorize_params", Value::Table(params)),
            ("token_file", Value::Table(BTreeMap::from([("path".to_owned(), text("%h/token"))]))),
        ]);
        insta::assert_snapshot!(written.expect("it loads"));
    }

    #[test]
    fn details_are_written_as_deep_as_they_are() {
        let details = serde_json::json!([{ "type": "payment", "amount": -7, "rate": 0.5, "to": ["a", 1], "by": { "card": [{}] } }]);
        let written = render(&[
            ("issuer", text("https://as.example")),
            ("client_id", text("c")),
            ("authorization_details", Value::Json(details.clone())),
        ]);
        let loaded = Config::parse(&written.expect("it loads"), &places().account_file(&name()), &places().specifiers);
        let definition = loaded.accounts[&name()].definition.as_ref().expect("good");
        let read = definition.authorization_details.as_deref().expect("it is there");
        assert_eq!(serde_json::from_str::<serde_json::Value>(read).expect("JSON"), details);
        for (bad, why) in [
            (serde_json::json!([{ "amount": 7 }]), "has no type; add type"),
            (serde_json::json!(["payment"]), "write a list of tables"),
            (serde_json::json!([]), "is empty"),
            (serde_json::json!([{ "type": "payment", "to": null }]), "is text; write a list of tables"),
        ] {
            let keys = [("issuer", text("https://as.example")), ("client_id", text("c"))];
            let keys = [&keys[..], &[("authorization_details", Value::Json(bad))]].concat();
            let fault = render(&keys).expect_err(why).to_string();
            assert!(fault.contains(why), "{fault}");
        }
    }

    #[test]
    fn nothing_is_written_that_would_not_load() {
        for (key, value) in [
            ("flow", text("broswer")),
            ("lead", Value::Number(u64::MAX)),
            ("client_secret", text("s3cr3t")),
            ("a b\"\n[keeper]", text("x")),
            ("", text("x")),
            ("token_file", text("/x")),
            ("domain", text("x\"\n[account.other]\nissuer = \"https://x.example")),
        ] {
            let fault = render(&[("issuer", text("https://x.example")), ("client_id", text("c")), (key, value)]);
            let fault = fault.expect_err(key).to_string();
            assert!(fault.starts_with("/home/ada/.config/tokenkeeper/config.d/work.toml: "), "{fault}");
            assert!(!fault.contains("s3cr3t"), "{fault}");
        }
    }
}
