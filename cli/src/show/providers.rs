//! `providers`: the presets, and what to enter where to register a client with one.

use serde::Serialize;
use tokenkeeper_config::{ClientSecret, Flow, Preset, preset, providers};

use super::table::{Cell, Table};
use crate::args::Providers;
use crate::fault::Fault;
use crate::say;

/// Lists the presets, or explains one.
///
/// # Errors
/// When there is no such preset.
pub(crate) fn run(args: &Providers) -> Result<(), Fault> {
    let Some(name) = &args.provider else {
        if args.json {
            let all: Vec<_> = providers().iter().map(PresetView::from).collect();
            return say::json(&serde_json::json!({ "schema": 1, "providers": all }));
        }
        return say::answer(listed().as_bytes());
    };
    let found = find(name)?;
    if args.json {
        return say::json(&serde_json::json!({ "schema": 1, "providers": [PresetView::from(found)] }));
    }
    say::answer(explained(found).as_bytes())
}

/// The preset of this name.
///
/// # Errors
/// When there is none.
pub(crate) fn find(name: &str) -> Result<&'static Preset, Fault> {
    preset(name).ok_or_else(|| {
        Fault::usage(format!("no provider named `{name}`"))
            .hint("`tokenkeeper providers` lists them; any other server: `tokenkeeper add NAME --issuer URL`")
    })
}

fn listed() -> String {
    let mut table = Table::new(&["PROVIDER", "", "SIGN IN", "ASKS FOR"], say::colours());
    for preset in providers() {
        let flows = if preset.device { "browser, device" } else { "browser" };
        let registers = |key: &&str| *key == "client_id" && preset.registers;
        let needs = preset.needs.iter().map(|need| need.key).filter(|key| !registers(key));
        let asks: Vec<&str> = needs.chain(secret_word(preset)).collect();
        table.row(
            vec![
                Cell(preset.name.clone(), owo_colors::Style::new().bold()),
                Cell::plain(preset.title.clone()),
                Cell::plain(flows),
                Cell::plain(asks.join(", ")),
            ],
            Vec::new(),
        );
    }
    table.drawn()
}

fn secret_word(preset: &Preset) -> Option<&'static str> {
    (preset.client_secret == ClientSecret::Needed).then_some("client secret")
}

/// One preset, for a person who is about to register a client.
pub(crate) fn explained(preset: &Preset) -> String {
    let mut text = format!("{} ({})\n", preset.title, preset.name);
    let mut row = |name: &str, value: &str| {
        if !value.is_empty() {
            text += &format!("  {name:<10} {value}\n");
        }
    };
    for need in &preset.needs {
        let example = if need.example.is_empty() { String::new() } else { format!(", such as {}", need.example) };
        row("needs", &format!("{}{example}", need.key));
    }
    if preset.registers {
        row("client", "the server registers one by itself where no client_id is given");
    }
    let secret = match preset.client_secret {
        ClientSecret::Needed => "needed",
        ClientSecret::Optional => "only if the client was registered with one",
        ClientSecret::None => "none",
    };
    row("secret", secret);
    row("scopes", &preset.scopes().join(" "));
    row("register", &preset.register_page(None).unwrap_or_default());
    row("", preset.register_hint.as_deref().unwrap_or_default());
    for uri in preset.redirect().uris() {
        row("redirect", &uri);
    }
    for note in &preset.notes {
        row("note", note);
    }
    for source in &preset.sources {
        row("source", source);
    }
    text
}

/// A preset in JSON.
#[derive(Serialize)]
struct PresetView<'p> {
    name: &'p str,
    title: &'p str,
    needs: Vec<&'static str>,
    client_secret: &'static str,
    scopes: &'p [String],
    device: bool,
    registers: bool,
    flow: &'static str,
    register: Option<String>,
    redirect_uris: Vec<String>,
    notes: &'p [String],
}

impl<'p> From<&'p Preset> for PresetView<'p> {
    fn from(preset: &'p Preset) -> Self {
        Self {
            name: &preset.name,
            title: &preset.title,
            needs: preset.needs.iter().map(|need| need.key).collect(),
            client_secret: match preset.client_secret {
                ClientSecret::Needed => "needed",
                ClientSecret::Optional => "optional",
                ClientSecret::None => "none",
            },
            scopes: preset.scopes(),
            device: preset.device,
            registers: preset.registers,
            flow: match preset.flow() {
                Flow::Auto => "auto",
                Flow::Browser => "browser",
                Flow::Device => "device",
                Flow::ClientCredentials => "client-credentials",
            },
            register: preset.register_page(None),
            redirect_uris: preset.redirect().uris(),
            notes: &preset.notes,
        }
    }
}
