//! Whatever the text: reading ends, faults are one line each and point into it, and a good account is not disturbed.

use std::path::Path;

use proptest::prelude::*;
use tokenkeeper_config::{Config, Loaded, Specifiers, account_keys};

fn parse(text: &str) -> Loaded {
    Config::parse(text, Path::new("f"), &Specifiers { home: "/home/ada".into(), ..Specifiers::default() })
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let loaded = parse(text);
    let lines = text.matches('\n').count() + 1;
    for fault in &loaded.faults {
        let shown = fault.to_string();
        prop_assert!(!shown.contains(char::is_control), "{shown:?}");
        let position = fault.position.expect("a text has positions");
        prop_assert!(position.line >= 1 && position.line <= lines && position.column >= 1, "{shown}");
    }
    let faulty = loaded.accounts.values().filter(|account| account.definition.is_err()).count();
    prop_assert!(faulty == 0 || !loaded.faults.is_empty(), "every faulty account is told");
    Ok(())
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        "[ -~]{0,12}".prop_map(|text| format!("{text:?}")),
        any::<String>().prop_map(|text| toml::Value::from(text).to_string()),
        any::<i64>().prop_map(|number| number.to_string()),
        any::<bool>().prop_map(|flag| flag.to_string()),
        "\\[(\"[a-z%]{0,4}\",?){0,3}\\]",
        "\\{ [a-z]{1,4} = \"[a-z]{0,3}\" \\}",
        "[ -~]{0,8}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn of_any_characters(text in any::<String>()) {
        check(&text)?;
    }

    #[test]
    fn of_known_keys_with_any_values(lines in prop::collection::vec((prop::sample::select(account_keys()), value()), 0..6)) {
        let mut text = String::from("[account.a]\n");
        for (key, value) in &lines {
            text.push_str(&format!("{key} = {value}\n"));
        }
        check(&text)?;
    }

    #[test]
    fn of_any_keys(key in any::<String>(), value in value()) {
        let key = toml::Value::from(key);
        for header in ["", "[keeper]", "[account]", "[account.a]", "[account.a.authorize_params]"] {
            check(&format!("{header}\n{key} = {value}\n"))?;
        }
    }

    #[test]
    fn with_a_piece_torn_out(from in 0..400_usize, to in 0..400_usize) {
        let good = "[keeper]\nproxy = \"http://[::1]:1\"\n[account.work]\nprovider = \"auth0\"\ndomain = \"acme.eu.auth0.com\"\nclient_id = \"c\"\n\
            scopes = [\"openid\"]\nauthorize_params = { prompt = \"\" }\n[[account.work.token_file]]\npath = \"%h/t\"\n";
        let (from, to) = (from.min(to).min(good.len()), from.max(to).min(good.len()));
        check(&format!("{}{}", &good[..from], &good[to..]))?;
    }
}
