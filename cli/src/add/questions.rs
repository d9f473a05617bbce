//! The questions of a bare `add`: which provider, then what that one needs, beside where to register a client.

use dialoguer::console::Term;
use dialoguer::theme::ColorfulTheme;
use dialoguer::{Input, Select};
use tokenkeeper_config::{AccountName, ClientSecret, Preset, providers};

use super::draft::Draft;
use crate::ask::{self, Hidden};
use crate::fault::Fault;
use crate::say;

/// Asks for the name.
///
/// # Errors
/// When the person gives up.
pub(super) fn name(draft: &mut Draft) -> Result<(), Fault> {
    let name: AccountName = Input::with_theme(&ColorfulTheme::default())
        .with_prompt("Name of the account (such as work)")
        .interact_text()
        .map_err(gave_up)?;
    draft.set_name(name);
    Ok(())
}

/// Asks for whatever else the draft lacks; gives the client secret if there is one.
///
/// # Errors
/// When the person gives up.
pub(super) fn ask(draft: &mut Draft) -> Result<Option<Hidden>, Fault> {
    let theme = ColorfulTheme::default();
    let any_server = ["issuer", "token_endpoint"].iter().any(|key| draft.text(key).is_some());
    if draft.preset().is_none() && !any_server {
        choose_server(draft, &theme)?;
    }
    for key in draft.missing() {
        if key != "client_id" {
            let value = question(&theme, key, draft.preset())?;
            draft.set(key, value);
        }
    }
    if draft.registers() { Ok(None) } else { client(draft) }
}

/// Asks for the client, after saying where one is registered; gives its secret if there is one.
///
/// # Errors
/// When the person gives up.
pub(super) fn client(draft: &mut Draft) -> Result<Option<Hidden>, Fault> {
    let preset = draft.preset();
    if draft.text("client_id").is_none() {
        explain(preset, draft.text("domain"));
        let value = question(&ColorfulTheme::default(), "client_id", preset)?;
        draft.set("client_id", value);
    }
    if draft.has_secret() {
        return Ok(None);
    }
    match preset.map_or(ClientSecret::Optional, |preset| preset.client_secret) {
        ClientSecret::None => Ok(None),
        ClientSecret::Needed => ask::secret("Client secret: ").map(Some),
        ClientSecret::Optional => ask::optional_secret("Client secret (Enter if there is none): "),
    }
}

fn choose_server(draft: &mut Draft, theme: &ColorfulTheme) -> Result<(), Fault> {
    let mut items: Vec<&str> = providers().iter().map(|preset| preset.title.as_str()).collect();
    items.push("Another server");
    let chosen = Select::with_theme(theme)
        .with_prompt("Provider")
        .items(&items)
        .default(0)
        .max_length(12)
        .interact()
        .map_err(gave_up)?;
    match providers().get(chosen) {
        Some(preset) => draft.set("provider", preset.name.as_str()),
        None => {
            let issuer = question(theme, "issuer", None)?;
            draft.set("issuer", issuer);
        }
    }
    Ok(())
}

fn question(theme: &ColorfulTheme, key: &str, preset: Option<&Preset>) -> Result<String, Fault> {
    let example = preset
        .and_then(|preset| preset.needs.iter().find(|need| need.key == key))
        .map_or("", |need| need.example.as_str());
    let words = match key {
        "issuer" => "Issuer of the server",
        "domain" => "Your domain",
        "client_id" => "Client ID",
        other => other,
    };
    let example = if example.is_empty() && key == "issuer" { "https://sso.example.com/realms/main" } else { example };
    let prompt = if example.is_empty() { words.to_owned() } else { format!("{words} (such as {example})") };
    let answer: String = Input::with_theme(theme).with_prompt(prompt).interact_text().map_err(gave_up)?;
    Ok(answer.trim().to_owned())
}

/// Where to register a client, and what to enter there.
fn explain(preset: Option<&Preset>, domain: Option<&str>) {
    say::note("");
    match preset.and_then(|preset| preset.register_page(domain)) {
        Some(page) => say::note(format_args!("Register a client, if you have none yet: {page}")),
        None => say::note("Register a client at the server, if you have none yet: a native or public one."),
    }
    if let Some(hint) = preset.and_then(|preset| preset.register_hint.as_deref()) {
        say::note(format_args!("  {hint}"));
    }
    let uris = match preset {
        Some(preset) => preset.redirect().uris(),
        None => vec!["http://127.0.0.1/callback".to_owned()],
    };
    let any_port = preset.is_none_or(|preset| preset.redirect().ports.is_empty());
    let words = if any_port { "which is used with any port" } else { "exactly" };
    say::note(format_args!("  Redirect address to enter there, {words}:"));
    for uri in uris {
        say::note(format_args!("    {uri}"));
    }
    for note in preset.map_or(&[][..], |preset| &preset.notes) {
        say::note(format_args!("  {note}"));
    }
    say::note("");
}

fn gave_up(error: dialoguer::Error) -> Fault {
    // A list is shown without a cursor, and left so when it is left by Ctrl-C.
    let _ = Term::stderr().show_cursor();
    let dialoguer::Error::IO(error) = error;
    match error.kind() {
        std::io::ErrorKind::Interrupted => Fault::failure("cancelled; nothing was added"),
        _ => Fault::failure(format!("cannot ask on this terminal: {error}")),
    }
}
