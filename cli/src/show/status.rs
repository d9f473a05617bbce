//! `status`: the accounts and the vault, as a table or as JSON, once or as it changes.

use std::io::{IsTerminal, Write};
use std::time::Duration;

use futures_util::StreamExt;
use owo_colors::Style;
use tokenkeeper::wire::ErrorName;

use super::table::{Cell, Table};
use super::view::{self, AccountView, SlotView, VaultView, View};
use crate::args::Status;
use crate::fault::{self, Code, Fault};
use crate::{link, say, span};

/// Shows how things stand.
///
/// # Errors
/// When the keeper cannot be asked, or there is no such account.
pub(crate) async fn run(args: Status) -> Result<(), Fault> {
    let keeper = link::keeper().await?;
    if args.watch {
        return follow(&keeper, &args).await;
    }
    let view = chosen(view::of(&keeper).await?, &args)?;
    if args.json {
        return say::json(&view);
    }
    say::answer(in_words(&view, args.name.is_some(), span::now(), say::colours()).as_bytes())
}

/// Shows it again whenever something changes, and on a terminal every second, in the same place.
async fn follow(keeper: &tokenkeeper::Keeper, args: &Status) -> Result<(), Fault> {
    let mut events = keeper.watch().await?;
    let in_place = std::io::stdout().is_terminal() && !args.json;
    let mut lines_shown = 0;
    let mut view = chosen(view::of(keeper).await?, args)?;
    loop {
        match (args.json, in_place) {
            (true, _) => say::json_line(&view)?,
            (false, true) => {
                let text = in_words(&view, args.name.is_some(), span::now(), say::colours());
                redraw(&text, lines_shown)?;
                lines_shown = text.lines().count();
            }
            (false, false) => {
                say::answer(in_words(&view, args.name.is_some(), span::now(), false).as_bytes())?;
            }
        }
        loop {
            tokio::select! {
                event = events.next() => {
                    if event.is_none() {
                        return Err(Fault::new(Code::NoKeeper, "the session bus went away"));
                    }
                    let now = chosen(view::of(keeper).await?, args)?;
                    if now != view {
                        view = now;
                        break;
                    }
                }
                () = tokio::time::sleep(Duration::from_secs(1)), if in_place => break,
            }
        }
    }
}

/// Draws over what was drawn before. Every line is cleared to its end, so that nothing flickers.
fn redraw(text: &str, lines_before: usize) -> Result<(), Fault> {
    let mut frame = Vec::new();
    if lines_before > 0 {
        let _ = write!(frame, "\x1b[{lines_before}A");
    }
    for line in text.lines() {
        let _ = writeln!(frame, "{line}\x1b[K");
    }
    frame.extend_from_slice(b"\x1b[J");
    say::answer(&frame)
}

fn chosen(mut view: View, args: &Status) -> Result<View, Fault> {
    let Some(name) = &args.name else { return Ok(view) };
    view.accounts.retain(|account| account.name == name.as_str());
    if view.accounts.is_empty() {
        let hint = fault::remedy(ErrorName::UnknownObject, name.as_str()).unwrap_or_default();
        return Err(Fault::new(Code::NoSuchAccount, format!("no account named `{name}`")).hint(hint));
    }
    Ok(view)
}

/// The whole page.
fn in_words(view: &View, details: bool, now: span::Unix, colours: bool) -> String {
    let mut text = of_vault(&view.vault, colours);
    if view.vault.state == "no-vault" && view.accounts.is_empty() {
        return text;
    }
    text.push('\n');
    if view.accounts.is_empty() {
        text += "No accounts yet. Begin with: tokenkeeper add NAME\n";
        return text;
    }
    text += &accounts(&view.accounts, now, colours);
    if details {
        text += &view.accounts.iter().map(|account| of_account(account, now)).collect::<String>();
    }
    text
}

fn of_vault(vault: &VaultView, colours: bool) -> String {
    let paint = |text: &str, style| say::painted(text, style, colours);
    let mut text = match vault.state.as_str() {
        "ready" => {
            let opened_by =
                vault.slots.iter().find(|slot| slot.opened).map_or(vault.opened_by.as_str(), |slot| &slot.kind);
            format!("Vault {}, by {opened_by}\n", paint("open", Style::new().green()))
        }
        "locked" => format!("Vault {}: run `tokenkeeper unlock`\n", paint("locked", Style::new().yellow().bold())),
        "no-vault" => format!("{}: run `tokenkeeper setup`\n", paint("No vault yet", Style::new().yellow().bold())),
        other => format!("Vault {other}\n"),
    };
    // A passphrase that nobody has typed yet is no trouble.
    let waits = |slot: &SlotView| vault.state == "locked" && slot.kind == "passphrase";
    for slot in vault.slots.iter().filter(|slot| !slot.error.is_empty() && !waits(slot)) {
        text += &format!("  {} did not open it: {}\n", slot.kind, slot.error);
    }
    if vault.slots.iter().any(|slot| slot.kind == "insecure") {
        let warning = "Not protected: the vault's key lies beside it.";
        text += &format!(
            "{} Change that with `tokenkeeper slot add passphrase`\n",
            paint(warning, Style::new().red().bold())
        );
    }
    text
}

fn accounts(accounts: &[AccountView], now: span::Unix, colours: bool) -> String {
    let heading = ["ACCOUNT", "STATE", "TOKEN EXPIRES", "NEXT REFRESH", "LOGIN ENDS"];
    let mut table = Table::new(&heading, colours);
    for account in accounts {
        let cells = vec![
            Cell(account.name.clone(), Style::new().bold()),
            Cell(account.state.clone(), colour_of(&account.state)),
            Cell::plain(span::when(account.expires_at, now)),
            Cell::plain(span::when(account.refresh_at, now)),
            Cell::plain(span::when(account.login_ends_at, now)),
        ];
        table.row(cells, trouble(account, colours));
    }
    table.drawn()
}

/// What went wrong with an account and what to do, below its row.
fn trouble(account: &AccountView, colours: bool) -> Vec<String> {
    let arrow = say::painted("→", Style::new().cyan(), colours);
    let Some(error) = &account.last_error else {
        return match account.state.as_str() {
            "login-required" | "logged-out" => vec![format!("{arrow} run `tokenkeeper login {}`", account.name)],
            "login-soon" => vec![format!("{arrow} the login ends soon: run `tokenkeeper login {}`", account.name)],
            _ => Vec::new(),
        };
    };
    let message = if error.message.is_empty() { &error.name } else { &error.message };
    let (message, advice) = fault::advised(message);
    let mut lines = vec![message.to_owned()];
    let by_name = || ErrorName::from_short(&error.name).and_then(|name| fault::remedy(name, &account.name));
    let remedy = advice.map(str::to_owned).or_else(by_name);
    lines.extend(remedy.map(|remedy| format!("{arrow} {remedy}")));
    lines
}

fn colour_of(state: &str) -> Style {
    match state {
        "ready" => Style::new().green(),
        "login-soon" | "unavailable" | "locked" => Style::new().yellow(),
        "logged-out" => Style::new().dimmed(),
        _ => Style::new().red(),
    }
}

/// What a table has no room for.
fn of_account(account: &AccountView, now: span::Unix) -> String {
    let expires = match account.expires_at {
        0 => String::new(),
        at => format!("{} ({})", span::utc(at), span::when(at, now)),
    };
    let rows = [
        ("label", account.label.clone()),
        ("provider", account.provider.clone()),
        ("issuer", account.issuer.clone()),
        ("signed in", account.subject.clone()),
        ("scopes", account.scopes.join(" ")),
        ("expires", expires),
        ("generation", account.generation.to_string()),
    ];
    let filled = rows.iter().filter(|(_, value)| !value.is_empty());
    filled.map(|(name, value)| format!("  {name:<11} {value}\n")).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::view::ErrorView;
    use super::*;

    const NOW: u64 = 1_795_400_000;

    fn account(name: &str, state: &str) -> AccountView {
        AccountView {
            name: name.to_owned(),
            label: String::new(),
            provider: "auth0".to_owned(),
            state: state.to_owned(),
            issuer: "https://as.example/".to_owned(),
            subject: "auth0|7".to_owned(),
            scopes: vec!["openid".to_owned()],
            expires_at: 0,
            refresh_at: 0,
            login_ends_at: 0,
            authorization_details: serde_json::Value::Null,
            generation: 3,
            last_error: None,
        }
    }

    fn view(kind: &str, accounts: Vec<AccountView>) -> View {
        let slot = SlotView { id: "1".into(), kind: kind.into(), created: 0, opened: true, error: String::new() };
        let vault = VaultView { state: "ready".into(), opened_by: "1".into(), slots: vec![slot] };
        View { schema: 1, vault, hardening: BTreeMap::new(), accounts }
    }

    #[test]
    fn a_page_says_what_is_and_what_to_do() {
        let work = AccountView {
            expires_at: NOW + 42 * 60,
            refresh_at: NOW + 37 * 60,
            login_ends_at: NOW + 29 * 86400,
            ..account("work", "ready")
        };
        let message = "the server ended this login".to_owned();
        let ended = AccountView {
            last_error: Some(ErrorView { name: "LoginRequired".into(), message }),
            ..account("my-gitlab", "login-required")
        };
        let page = in_words(&view("passphrase", vec![ended, work]), false, NOW, false);
        let expected = "\
Vault open, by passphrase

ACCOUNT    STATE           TOKEN EXPIRES  NEXT REFRESH  LOGIN ENDS
my-gitlab  login-required  –              –             –
  the server ended this login
  → run `tokenkeeper login my-gitlab`
work       ready           in 42 min      in 37 min     in 29 days
";
        assert_eq!(page, expected);
    }

    #[test]
    fn an_empty_keeper_says_how_to_begin() {
        assert!(in_words(&view("passphrase", vec![]), false, NOW, false).contains("tokenkeeper add NAME"));
        let mut none = view("passphrase", vec![]);
        none.vault = VaultView { state: "no-vault".into(), opened_by: String::new(), slots: vec![] };
        assert_eq!(in_words(&none, false, NOW, false), "No vault yet: run `tokenkeeper setup`\n");
    }

    #[test]
    fn an_insecure_vault_is_called_so_for_ever() {
        let page = in_words(&view("insecure", vec![account("work", "ready")]), false, NOW, false);
        assert!(page.contains("Not protected"), "{page}");
    }

    #[test]
    fn json_has_the_promised_shape() {
        let value = serde_json::to_value(view("keyfile", vec![account("work", "ready")])).expect("JSON");
        assert_eq!(value["schema"], 1);
        assert_eq!(value["vault"]["state"], "ready");
        for key in [
            "name",
            "label",
            "state",
            "issuer",
            "subject",
            "scopes",
            "expires_at",
            "refresh_at",
            "login_ends_at",
            "authorization_details",
            "generation",
            "last_error",
        ] {
            assert!(value["accounts"][0].get(key).is_some(), "{key}");
        }
        for key in ["state", "opened_by", "slots"] {
            assert!(value["vault"].get(key).is_some(), "{key}");
        }
        assert!(value["hardening"].is_object());
    }
}
