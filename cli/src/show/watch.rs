//! `watch`: a line per event, and a command to run for each. The hook for people without a notification daemon.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::process::Stdio;

use futures_util::StreamExt;
use serde::Serialize;
use tokenkeeper::Keeper;

use super::view::AccountView;
use crate::args::Watch;
use crate::fault::{Code, Fault};
use crate::{link, say, span};

/// What happened to an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Happening {
    schema: u32,
    /// Unix seconds.
    at: u64,
    event: &'static str,
    account: String,
    state: String,
    message: String,
}

/// Accounts by name, as last seen.
type Seen = BTreeMap<String, AccountView>;

/// Prints what happens until it is interrupted.
///
/// # Errors
/// When the bus goes away.
pub(crate) async fn run(args: Watch) -> Result<(), Fault> {
    let keeper = link::keeper().await?;
    let mut events = keeper.watch().await?;
    let mut seen = look(&keeper).await?;
    while events.next().await.is_some() {
        // A keeper that is just ending or starting has no accounts to compare: the next event will.
        let Ok(now) = look(&keeper).await else { continue };
        for happening in happenings(&seen, &now, span::now()) {
            tell(&happening, args.json)?;
            hook(&args.exec, &happening);
        }
        seen = now;
    }
    Err(Fault::new(Code::NoKeeper, "the session bus went away"))
}

async fn look(keeper: &Keeper) -> Result<Seen, Fault> {
    let accounts = keeper.accounts().await?;
    Ok(accounts.into_iter().map(AccountView::from).map(|account| (account.name.clone(), account)).collect())
}

/// What lies between two looks.
fn happenings(before: &Seen, after: &Seen, at: u64) -> Vec<Happening> {
    let mut happened = Vec::new();
    for (name, now) in after {
        let was = before.get(name);
        for event in events_between(was, now) {
            happened.push(Happening {
                schema: 1,
                at,
                event,
                account: name.clone(),
                state: now.state.clone(),
                message: message(event, now),
            });
        }
    }
    for (name, was) in before.iter().filter(|(name, _)| !after.contains_key(*name)) {
        let (state, message) = (was.state.clone(), "the account was removed".to_owned());
        happened.push(Happening { schema: 1, at, event: "removed", account: name.clone(), state, message });
    }
    happened
}

fn events_between(was: Option<&AccountView>, now: &AccountView) -> Vec<&'static str> {
    let Some(was) = was else { return vec!["added"] };
    let works = |account: &AccountView| matches!(account.state.as_str(), "ready" | "login-soon");
    let needs_login = |account: &AccountView| matches!(account.state.as_str(), "login-required" | "held");
    let unsaved = |account: &AccountView| account.last_error.as_ref().is_some_and(|error| error.name == "Unsaved");
    let mut events = Vec::new();
    match (was.state == now.state, needs_login(now), works(now), needs_login(was) || was.state == "logged-out") {
        (true, ..) => {}
        (false, true, ..) => events.push("login-needed"),
        (false, false, true, true) => events.push("login-back"),
        (false, false, ..) => events.push("state"),
    }
    if unsaved(now) && !unsaved(was) {
        events.push("unsaved");
    }
    let renewed = now.expires_at > was.expires_at || now.generation > was.generation;
    if works(now) && renewed && !events.contains(&"login-back") {
        events.push("refreshed");
    }
    events
}

fn message(event: &str, account: &AccountView) -> String {
    let error = account.last_error.as_ref().map(|error| error.message.clone()).filter(|text| !text.is_empty());
    match (event, error) {
        ("refreshed", _) => "a new token".to_owned(),
        ("login-back", _) => "signed in".to_owned(),
        ("added", _) => "a new account".to_owned(),
        ("login-needed", None) => format!("run `tokenkeeper login {}`", account.name),
        (_, Some(error)) => error,
        (_, None) => format!("now {}", account.state),
    }
}

fn tell(happening: &Happening, json: bool) -> Result<(), Fault> {
    if json {
        return say::json_line(happening);
    }
    let Happening { at, event, account, message, .. } = happening;
    say::line(format_args!("{} {account} {event}: {message}", span::utc(*at)))
}

/// Runs the person's command beside us: a slow one must not hold the next event back.
fn hook(command: &[OsString], happening: &Happening) {
    let Some((program, args)) = command.split_first() else { return };
    let child = tokio::process::Command::new(program)
        .args(args)
        .env("TOKENKEEPER_ACCOUNT", &happening.account)
        .env("TOKENKEEPER_STATE", &happening.state)
        .env("TOKENKEEPER_MESSAGE", &happening.message)
        .stdin(Stdio::null())
        .spawn();
    match child {
        Ok(mut child) => drop(tokio::spawn(async move { child.wait().await })),
        Err(error) => say::fault(&format!("cannot run {}: {error}", program.to_string_lossy()), None),
    }
}

#[cfg(test)]
mod tests {
    use super::super::view::ErrorView;
    use super::*;

    fn seen(state: &str, generation: u64, error: Option<&str>) -> Seen {
        let account = AccountView {
            name: "work".into(),
            label: String::new(),
            provider: String::new(),
            state: state.into(),
            issuer: String::new(),
            subject: String::new(),
            scopes: vec![],
            expires_at: 0,
            refresh_at: 0,
            login_ends_at: 0,
            authorization_details: serde_json::Value::Null,
            generation,
            last_error: error.map(|name| ErrorView { name: name.into(), message: "why".into() }),
        };
        BTreeMap::from([("work".to_owned(), account)])
    }

    fn events(before: &Seen, after: &Seen) -> Vec<&'static str> {
        happenings(before, after, 0).into_iter().map(|happening| happening.event).collect()
    }

    #[test]
    fn each_change_is_told_once_in_its_own_word() {
        let ready = seen("ready", 1, None);
        assert_eq!(events(&ready, &ready), [""; 0]);
        assert_eq!(events(&ready, &seen("ready", 2, None)), ["refreshed"]);
        assert_eq!(events(&ready, &seen("login-required", 1, Some("LoginRequired"))), ["login-needed"]);
        assert_eq!(events(&seen("login-required", 1, None), &seen("ready", 2, None)), ["login-back"]);
        assert_eq!(events(&ready, &seen("ready", 2, Some("Unsaved"))), ["unsaved", "refreshed"]);
        assert_eq!(events(&ready, &seen("unavailable", 1, Some("Unavailable"))), ["state"]);
        assert_eq!(events(&Seen::new(), &ready), ["added"]);
        assert_eq!(events(&ready, &Seen::new()), ["removed"]);
    }
}
