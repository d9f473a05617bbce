//! Every preset makes a definition, and says to people what they need.

use std::path::Path;

use tokenkeeper_config::{ClientSecret, Config, Definition, Flow, Preset, Rotation, Specifiers, preset, providers};
use url::Url;

const ALL: [&str; 23] = [
    "auth0",
    "google",
    "google-mail",
    "microsoft",
    "microsoft-mail",
    "github",
    "gitlab",
    "okta",
    "keycloak",
    "slack",
    "atlassian",
    "dropbox",
    "spotify",
    "zoom",
    "salesforce",
    "fastmail",
    "discord",
    "twitch",
    "x",
    "xero",
    "box",
    "strava",
    "hubspot",
];

/// The account that `add` would write after asking for what the preset needs.
fn account_of(preset: &Preset, more: &str) -> Result<Definition, String> {
    let mut text = format!("[account.work]\nprovider = \"{}\"\n", preset.name);
    for need in &preset.needs {
        let value = if need.example.is_empty() { "cli" } else { &need.example };
        text.push_str(&format!("{} = \"{value}\"\n", need.key));
    }
    let mut loaded = Config::parse(&(text + more), Path::new("config.toml"), &Specifiers::default());
    let (_, account) = loaded.accounts.pop_first().expect("the account");
    account.definition.map_err(|fault| fault.to_string())
}

fn definition(name: &str) -> Definition {
    account_of(preset(name).expect("a preset"), "").unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

#[test]
fn all_promised_presets_are_there_in_this_order() {
    let names: Vec<_> = providers().iter().map(|preset| preset.name.as_str()).collect();
    assert_eq!(names, ALL);
}

#[test]
fn every_preset_makes_a_definition_with_what_it_asks_for() {
    for preset in providers() {
        let made = definition(&preset.name);
        assert_eq!(made.provider.as_deref(), Some(preset.name.as_str()));
        assert_eq!(made.scopes, preset.scopes(), "{}", preset.name);
        assert_eq!(made.redirect, preset.redirect(), "{}", preset.name);
        assert!(made.issuer.is_some() || made.endpoints.token_endpoint.is_some(), "{}", preset.name);
        for address in
            made.issuer.iter().map(String::as_str).chain(made.endpoints.token_endpoint.iter().map(Url::as_str))
        {
            assert!(address.starts_with("https://") && !address.contains(['{', '}']), "{}: {address}", preset.name);
        }
    }
}

#[test]
fn every_preset_says_what_is_missing() {
    for preset in providers() {
        let text = format!("[account.work]\nprovider = \"{}\"\n", preset.name);
        let loaded = Config::parse(&text, Path::new("config.toml"), &Specifiers::default());
        let missing: Vec<_> = preset.needs.iter().map(|need| format!("has no {}", need.key)).collect();
        let told = loaded.faults.first().expect("client_id at least is missing").what.clone();
        assert!(missing.iter().any(|missing| told.contains(missing)), "{}: {told}", preset.name);
    }
}

#[test]
fn every_preset_tells_people_how_to_register() {
    for preset in providers() {
        let name = &preset.name;
        assert!(preset.register_hint.is_some(), "{name}");
        assert!(!preset.sources.is_empty() && preset.sources.iter().all(|source| Url::parse(source).is_ok()), "{name}");
        if let Some(page) = preset.register_page(Some("acme.example")) {
            assert!(page.starts_with("https://") && !page.contains('{'), "{name}: {page}");
        }
        let texts = preset.notes.iter().chain(preset.hints.values()).chain(&preset.register_hint);
        for text in texts {
            assert!(text.len() < 400 && !text.contains("{domain}"), "{name}: {text}");
        }
        for need in preset.needs.iter().filter(|need| need.key != "client_id") {
            assert!(!need.example.is_empty(), "{name}: an example of {}", need.key);
        }
    }
}

#[test]
fn a_device_flow_is_offered_only_where_it_can_be_used() {
    for preset in providers() {
        let made = account_of(preset, "flow = \"device\"\n");
        if preset.device {
            let made = made.unwrap_or_else(|fault| panic!("{}: {fault}", preset.name));
            assert!(made.issuer.is_some() || made.endpoints.device_authorization_endpoint.is_some(), "{}", preset.name);
        }
        if preset.flow() == Flow::Device {
            assert!(preset.device, "{}", preset.name);
        }
    }
}

#[test]
fn an_issuer_of_the_account_keeps_the_preset_from_sending_anything_elsewhere() {
    for preset in providers() {
        let text = format!(
            "[account.work]\nprovider = \"{}\"\nissuer = \"https://own.example\"\nclient_id = \"c\"\n",
            preset.name
        );
        let loaded = Config::parse(&text, Path::new("config.toml"), &Specifiers::default());
        let made = loaded.accounts.into_values().next().expect("one").definition.expect("it loads");
        assert_eq!(made.issuer.as_deref(), Some("https://own.example"));
        assert_eq!(made.endpoints, tokenkeeper_config::Endpoints::default(), "{}", preset.name);
    }
}

#[test]
fn offline_access_is_asked_with_consent_unless_the_preset_knows_better() {
    for preset in providers() {
        let made = definition(&preset.name);
        if made.scopes.iter().any(|scope| scope == "offline_access") {
            assert!(made.authorize_params.contains_key("prompt"), "{}", preset.name);
        }
    }
    assert_eq!(definition("fastmail").authorize_params["prompt"], "consent");
    assert_eq!(definition("auth0").authorize_params["prompt"], "");
}

#[test]
fn what_is_known_of_auth0() {
    let preset = preset("auth0").expect("a preset");
    assert_eq!(preset.needs.iter().map(|need| need.key).collect::<Vec<_>>(), ["domain", "client_id"]);
    let made = definition("auth0");
    assert_eq!(made.issuer.as_deref(), Some("https://acme.eu.auth0.com/"), "Auth0's issuers end with a slash");
    assert_eq!(
        made.redirect.uris(),
        ["http://127.0.0.1:18423/callback", "http://127.0.0.1:18424/callback", "http://127.0.0.1:18425/callback"],
        "Auth0 compares to the port"
    );
    let checklist = &preset.hints["no_refresh_token"];
    for condition in ["offline_access", "Allow Offline Access", "audience", "Refresh Token grant", "OIDC-conformant"] {
        assert!(checklist.contains(condition), "{condition}");
    }
}

#[test]
fn what_is_known_of_google() {
    let made = definition("google-mail");
    assert_eq!(made.authorize_params["access_type"], "offline");
    assert_eq!(made.authorize_params["prompt"], "consent");
    assert_eq!(made.rotation, Rotation::None);
    for name in ["google", "google-mail"] {
        let preset = preset(name).expect("a preset");
        assert_eq!(preset.client_secret, ClientSecret::Needed);
        assert!(preset.notes.iter().any(|note| note.contains("7 days")), "add warns of Testing");
        assert!(preset.hints["invalid_grant"].contains("7 days"));
    }
}

#[test]
fn what_is_known_of_microsoft_and_github() {
    let microsoft = definition("microsoft");
    assert_eq!(microsoft.issuer.as_deref(), Some("https://login.microsoftonline.com/common/v2.0"));
    assert_eq!(microsoft.redirect.uris(), ["http://localhost"]);
    let github = account_of(preset("github").expect("a preset"), "domain = \"git.acme.example\"\n").expect("it loads");
    assert_eq!(
        github.endpoints.token_endpoint.map(String::from).as_deref(),
        Some("https://git.acme.example/login/oauth/access_token")
    );
    assert!(github.refresh_kills_token);
    assert_eq!(
        preset("github").expect("a preset").register_page(None).as_deref(),
        Some("https://github.com/settings/apps/new")
    );
}
