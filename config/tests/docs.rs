//! The user's reference says what the schema says: no key too many, none too few, every word, and examples that load.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use tokenkeeper_config::{ClientSecret, Config, Preset, Specifiers, account_keys, preset, providers};

fn docs(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name)
}

fn text(name: &str) -> String {
    fs::read_to_string(docs(name)).unwrap_or_else(|error| panic!("docs/{name}: {error}"))
}

fn faults(text: &str) -> Vec<String> {
    let everywhere = Specifiers {
        home: "/home/ada".into(),
        runtime: Some("/run/user/7".into()),
        credentials: Some("/run/credentials".into()),
        config: "/home/ada/.config".into(),
        state: "/home/ada/.local/state".into(),
    };
    Config::parse(text, Path::new("docs"), &everywhere).faults.iter().map(ToString::to_string).collect()
}

/// The keys of the tables below a heading, with their rows.
fn rows<'t>(reference: &'t str, heading: &str) -> Vec<(&'t str, &'t str)> {
    let (_, section) = reference.split_once(&format!("\n## `{heading}`\n")).expect("the heading");
    let section = section.split("\n## ").next().unwrap_or(section);
    let key = |row: &'t str| Some((row.strip_prefix("| `")?.split_once('`')?.0, row));
    section.lines().filter_map(key).collect()
}

/// The keys that a table knows, as the fault about an unknown one lists them.
fn known_in(header: &str) -> BTreeSet<String> {
    let fault = faults(&format!("{header}\nqqqqqqqqqqqqqqqq = 1")).pop().expect("a fault");
    let (_, known) = fault.split_once("known here: ").unwrap_or_else(|| panic!("{fault}"));
    known.split(", ").map(str::to_owned).collect()
}

fn keys(rows: &[(&str, &str)]) -> BTreeSet<String> {
    let keys: BTreeSet<String> = rows.iter().map(|(key, _)| (*key).to_owned()).collect();
    assert_eq!(keys.len(), rows.len(), "a key is documented twice");
    keys
}

const ACCOUNT: &str = "[account.a]\nissuer = \"https://a.example\"\nclient_id = \"c\"\n";

#[test]
fn the_reference_has_every_key_and_no_other() {
    let reference = text("configuration.md");
    assert_eq!(keys(&rows(&reference, "[keeper]")), known_in("[keeper]"));
    let account: BTreeSet<String> = account_keys().iter().map(|key| (*key).to_owned()).collect();
    assert_eq!(keys(&rows(&reference, "[account.NAME]")), account);
    let token_file = known_in(&format!("{ACCOUNT}[[account.a.token_file]]"));
    assert_eq!(keys(&rows(&reference, "[[account.NAME.token_file]]")), token_file);
}

#[test]
fn the_reference_has_every_word_of_keys_that_take_words() {
    let reference = text("configuration.md");
    let tables = [("[keeper]", "[keeper]\n"), ("[account.NAME]", ACCOUNT)];
    let mut worded = 0;
    for (heading, header) in tables {
        for (key, row) in rows(&reference, heading) {
            let fault = faults(&format!("{header}{key} = \"qqqqqqqqqqqqqqqq\"\n")).join("\n");
            let Some((_, words)) = fault.split_once("write one of ") else { continue };
            let shown: Vec<_> = words.split(", ").map(|word| format!("`{word}`")).collect();
            assert!(row.contains(&format!("| {} |", shown.join(", "))), "{key}: {row}");
            worded += 1;
        }
    }
    assert!(worded >= 8, "{worded}");
}

#[test]
fn every_example_loads() {
    let mut examples = 0;
    for name in ["configuration.md", "guide/auth0.md", "guide/google.md", "guide/microsoft.md", "guide/github.md"] {
        for block in text(name).split("```toml\n").skip(1) {
            let example = block.split("```").next().unwrap_or_default();
            assert_eq!(faults(example), [""; 0], "{name}:\n{example}");
            examples += 1;
        }
    }
    assert!(examples >= 5, "{examples}");
}

#[test]
fn the_guides_tell_to_register_what_will_be_sent() {
    for name in ["auth0", "microsoft", "github"] {
        let guide = text(&format!("guide/{name}.md"));
        for uri in preset(name).expect("a preset").redirect().uris() {
            assert!(guide.contains(&uri), "{name}: {uri}");
        }
    }
}

/// Set UPDATE_DOCS=1 to write it anew.
#[test]
fn the_page_of_providers_is_made_of_the_presets() {
    let page = providers_page();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let mut file = fs::File::create(docs("providers.md")).expect("docs/ can be written");
        file.write_all(page.as_bytes()).expect("written");
    }
    assert!(text("providers.md") == page, "docs/providers.md is stale: run this test with UPDATE_DOCS=1");
}

fn providers_page() -> String {
    let mut page = String::from(
        "# Providers\n\n\
         <!-- Made of config/providers.toml by a test: UPDATE_DOCS=1 cargo test -p tokenkeeper-config --test docs -->\n\n\
         What `provider = \"…\"` brings along. Any other server with OpenID Connect or RFC 8414 discovery needs no preset:\n\
         write its `issuer`. Every key can be overridden in an account ([configuration.md](configuration.md)). The client is\n\
         your own: none is shipped.\n\n\
         | provider | for | you need |\n|---|---|---|\n",
    );
    for preset in providers() {
        let needs: Vec<_> = preset.needs.iter().map(|need| format!("`{}`", need.key)).collect();
        let secret = if preset.client_secret == ClientSecret::Needed { ", a client secret" } else { "" };
        let (name, title) = (&preset.name, &preset.title);
        writeln!(page, "| [{name}](#{name}) | {title} | {}{secret} |", needs.join(", ")).expect("memory");
    }
    for preset in providers() {
        section(&mut page, preset).expect("memory");
    }
    page
}

fn section(page: &mut String, preset: &Preset) -> std::fmt::Result {
    let name = &preset.name;
    writeln!(page, "\n## {name}\n\n{}\n\n```toml\n[account.work]\nprovider = \"{name}\"", preset.title)?;
    for need in &preset.needs {
        let value = if need.example.is_empty() { "YOUR-CLIENT-ID" } else { &need.example };
        writeln!(page, "{} = \"{value}\"", need.key)?;
    }
    writeln!(page, "```\n")?;
    if let Some(hint) = &preset.register_hint {
        let place = preset
            .register
            .as_ref()
            .map(|page| format!(" at <{}>", page.replace("{domain}", preset.domain().unwrap_or("DOMAIN"))));
        writeln!(page, "- **Register** a client{}. {hint}", place.unwrap_or_default())?;
    }
    if preset.registers {
        writeln!(
            page,
            "- **No client ID is needed**: `tokenkeeper add NAME --provider {name}` has the server register a client"
        )?;
    }
    let uris: Vec<_> = preset.redirect().uris().iter().map(|uri| format!("`{uri}`")).collect();
    let any = if preset.redirect().ports.is_empty() { " (with any port)" } else { "" };
    writeln!(page, "- **Redirect URIs**: {}{any}", uris.join(", "))?;
    if !preset.scopes().is_empty() {
        let scopes: Vec<_> = preset.scopes().iter().map(|scope| format!("`{scope}`")).collect();
        writeln!(page, "- **Scopes** by default: {}", scopes.join(", "))?;
    }
    match preset.client_secret {
        ClientSecret::Needed => writeln!(page, "- **Client secret**: needed, `tokenkeeper secret NAME`")?,
        ClientSecret::Optional => writeln!(page, "- **Client secret**: only if the client was registered with one")?,
        ClientSecret::None => {}
    }
    for note in &preset.notes {
        writeln!(page, "- {note}")?;
    }
    if !preset.hints.is_empty() {
        writeln!(page, "\n| when it says | what helps |\n|---|---|")?;
        for (failure, hint) in &preset.hints {
            writeln!(page, "| `{failure}` | {hint} |")?;
        }
    }
    let sources: Vec<_> = preset.sources.iter().map(|source| format!("<{source}>")).collect();
    writeln!(page, "\nSources: {}", sources.join(", "))
}
