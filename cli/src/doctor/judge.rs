//! From facts to findings. Reads nothing.

use tokenkeeper::wire::ErrorName;

use super::facts::Facts;
use super::{Finding, Level};
use crate::fault;
use crate::show::view::{AccountView, View};
use crate::span;

/// No clock that is right is before this: 2026-01-01.
const RELEASED: u64 = 1_767_225_600;

pub(super) fn all(facts: &Facts) -> Vec<Finding> {
    let mut findings = vec![bus(facts), keeper(facts)];
    findings.extend(unit(facts));
    findings.extend(linger(facts));
    match &facts.view {
        Some(Ok(view)) => {
            findings.push(vault(view, facts));
            findings.extend(slots(view));
            findings.extend(hardening(view));
        }
        Some(Err(why)) => findings.push(
            Finding::new("vault", Level::Fault, format!("the keeper does not say how it stands: {why}"))
                .remedy("start it anew: `systemctl --user restart tokenkeeper`"),
        ),
        None => {}
    }
    findings.extend(copies(facts));
    findings.extend(state_dir(facts));
    findings.push(clock(facts));
    findings.extend(config(facts));
    if let Some(Ok(view)) = &facts.view {
        findings.extend(view.accounts.iter().enumerate().map(|(at, account)| of_account(at + 1, account)));
    }
    findings
}

fn bus(facts: &Facts) -> Finding {
    match &facts.no_bus {
        None => Finding::new("bus", Level::Ok, "there is a session bus"),
        Some(why) => Finding::named("bus", Level::Fault, format!("no session bus ({why})"), "no session bus")
            .remedy("install dbus-user-session and log in again; with su or sudo use `sudo -iu USER`"),
    }
}

fn keeper(facts: &Facts) -> Finding {
    let own = env!("CARGO_PKG_VERSION");
    match (&facts.keeper_version, facts.runs, facts.startable) {
        (Some(version), ..) if version != own => {
            Finding::new("keeper", Level::Warning, format!("version {version} runs, but this is version {own}"))
                .remedy("start it anew: `systemctl --user restart tokenkeeper`")
        }
        (Some(version), ..) => Finding::new("keeper", Level::Ok, format!("version {version} runs")),
        (None, true, _) => Finding::new("keeper", Level::Fault, "has its name on the bus but does not answer")
            .remedy("start it anew: `systemctl --user restart tokenkeeper`"),
        (None, false, true) => Finding::new("keeper", Level::Fault, "does not start when the bus calls it")
            .remedy("`journalctl --user -u tokenkeeper -n 30`, or run `tokenkeeperd` by hand: it says what is wrong"),
        (None, false, false) if facts.installed => {
            Finding::new("keeper", Level::Fault, "does not run, and the bus does not know how to start it")
                .remedy("run `tokenkeeper setup`")
        }
        (None, false, false) => Finding::new("keeper", Level::Fault, "tokenkeeperd is not installed")
            .remedy("install it beside tokenkeeper, then run `tokenkeeper setup`"),
    }
}

fn unit(facts: &Facts) -> Option<Finding> {
    let (enabled, active) = facts.unit.as_ref()?;
    let what = format!("{enabled}, {active}");
    Some(match (enabled.as_str(), active.as_str()) {
        ("enabled" | "enabled-runtime", "active") => Finding::new("unit", Level::Ok, what),
        (_, "failed") => {
            Finding::new("unit", Level::Fault, what).remedy("`journalctl --user -u tokenkeeper -n 30` says why")
        }
        _ => Finding::new("unit", Level::Warning, what).remedy("run `tokenkeeper setup`"),
    })
}

fn linger(facts: &Facts) -> Option<Finding> {
    Some(match facts.lingers? {
        true => Finding::new("linger", Level::Ok, "the keeper goes on while you are logged out"),
        false => Finding::new("linger", Level::Note, "the keeper ends with your last session")
            .remedy("if logins shall stay fresh while you are logged out: `loginctl enable-linger`"),
    })
}

fn vault(view: &View, facts: &Facts) -> Finding {
    match view.vault.state.as_str() {
        "ready" => {
            let kind = view.vault.slots.iter().find(|slot| slot.opened).map_or("", |slot| slot.kind.as_str());
            Finding::new("vault", Level::Ok, format!("open, by {kind}"))
        }
        "locked" => Finding::new("vault", Level::Fault, "locked").remedy("run `tokenkeeper unlock`"),
        "no-vault" if facts.copied.is_some() => {
            Finding::new("vault", Level::Fault, "there is none, but the daily copy of one")
                .remedy("`tokenkeeper doctor --restore`; or `tokenkeeper setup` for a new one")
        }
        "no-vault" => Finding::new("vault", Level::Fault, "there is none yet").remedy("run `tokenkeeper setup`"),
        other => Finding::new("vault", Level::Warning, other.to_owned()),
    }
}

fn copies(facts: &Facts) -> Vec<Finding> {
    const DAYS: u64 = 3 * 86_400;
    let stale = |at: u64| facts.now.saturating_sub(at) > DAYS;
    let copy = facts.copied.map(|at| match span::when(at, facts.now) {
        when if stale(at) => {
            Finding::new("copy", Level::Warning, format!("the last copy of the vault was made {when}"))
                .remedy("free room on its disk: the keeper's log says why there is no newer one")
        }
        when => Finding::new("copy", Level::Ok, format!("the last copy of the vault was made {when}")),
    });
    let damaged = facts.damaged.iter().map(|name| {
        Finding::new("vault", Level::Note, format!("a vault that could not be read was moved aside as {name}"))
    });
    copy.into_iter().chain(damaged).collect()
}

fn slots(view: &View) -> Vec<Finding> {
    let waits = |kind: &str| view.vault.state == "locked" && kind == "passphrase";
    let failed = view.vault.slots.iter().filter(|slot| !slot.error.is_empty() && !waits(&slot.kind)).map(|slot| {
        let what = format!("{} did not open the vault: {}", slot.kind, slot.error);
        Finding::named("slot", Level::Warning, what, format!("{} did not open the vault", slot.kind))
            .remedy(format!("if it never will again: `tokenkeeper slot remove {}`", slot.id))
    });
    let insecure = view.vault.slots.iter().filter(|slot| slot.kind == "insecure").map(|slot| {
        Finding::new("slot", Level::Warning, "the vault's key lies beside it: whoever reads the disk reads the logins")
            .remedy(format!("`tokenkeeper slot add passphrase`, then `tokenkeeper slot remove {}`", slot.id))
    });
    failed.chain(insecure).collect()
}

/// What the keeper could not protect itself by. The names are its own; each says `yes` where the protection holds, so
/// one that is added later is judged here without a change.
fn hardening(view: &View) -> Vec<Finding> {
    let missing: Vec<&str> =
        view.hardening.iter().filter(|(_, word)| *word == "no").map(|(name, _)| name.as_str()).collect();
    if missing.is_empty() {
        return Vec::new();
    }
    vec![Finding::new("hardening", Level::Note, format!("the keeper is without {}", missing.join(", ")))]
}

fn state_dir(facts: &Facts) -> Option<Finding> {
    let dir = facts.open_state_dir.as_ref()?;
    let what = format!("others may enter {dir}");
    Some(
        Finding::named("files", Level::Warning, what, "others may enter the directory of the vault")
            .remedy(format!("chmod 700 {dir}")),
    )
}

fn clock(facts: &Facts) -> Finding {
    let wrong =
        |what: &str| Finding::new("clock", Level::Fault, what).remedy("set the clock: `timedatectl set-ntp true`");
    match facts.clock_synchronized {
        _ if facts.now < RELEASED => wrong("the clock is years behind: no certificate will be valid"),
        Some(false) => Finding::new("clock", Level::Warning, "is not kept right over the network")
            .remedy("`timedatectl set-ntp true`: servers refuse tokens from another time"),
        Some(true) => Finding::new("clock", Level::Ok, "is kept right over the network"),
        None => Finding::new("clock", Level::Ok, "plausible"),
    }
}

fn config(facts: &Facts) -> Vec<Finding> {
    if facts.faults.is_empty() {
        return vec![Finding::new("config", Level::Ok, "no fault")];
    }
    let count = facts.faults.len();
    let fault = |fault: &String| {
        Finding::named("config", Level::Fault, fault.clone(), format!("one of {count} faults"))
            .remedy("correct it; the keeper notices by itself")
    };
    facts.faults.iter().map(fault).collect()
}

fn of_account(at: usize, account: &AccountView) -> Finding {
    let level = match account.state.as_str() {
        "ready" if account.last_error.is_none() => Level::Ok,
        "ready" | "login-soon" | "unavailable" => Level::Warning,
        "locked" | "logged-out" => Level::Note,
        _ => Level::Fault,
    };
    let name = &account.name;
    let Some(error) = &account.last_error else {
        let finding = Finding::named(
            "account",
            level,
            format!("{name}: {}", account.state),
            format!("account {at}: {}", account.state),
        );
        return match account.state.as_str() {
            "login-required" | "login-soon" => finding.remedy(format!("run `tokenkeeper login {name}`")),
            _ => finding,
        };
    };
    let (message, advice) = fault::advised(&error.message);
    let what = format!("{name}: {}: {message}", account.state);
    let finding = Finding::named("account", level, what, format!("account {at}: {}: {}", account.state, error.name));
    let by_name = || ErrorName::from_short(&error.name).and_then(|error| fault::remedy(error, name));
    match advice.map(str::to_owned).or_else(by_name) {
        Some(remedy) => finding.remedy(remedy),
        None => finding,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::show::view::{ErrorView, SlotView, VaultView};

    fn healthy() -> Facts {
        let slot =
            |kind: &str| SlotView { id: "1".into(), kind: kind.into(), created: 0, opened: true, error: "".into() };
        let vault = VaultView { state: "ready".into(), opened_by: "1".into(), slots: vec![slot("keyfile")] };
        Facts {
            runs: true,
            installed: true,
            keeper_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            view: Some(Ok(View { schema: 1, vault, hardening: BTreeMap::new(), accounts: vec![] })),
            now: RELEASED + 1,
            ..Facts::default()
        }
    }

    fn faults(facts: &Facts) -> Vec<&'static str> {
        all(facts).into_iter().filter(|finding| finding.level == Level::Fault).map(|finding| finding.check).collect()
    }

    #[test]
    fn a_healthy_machine_has_no_fault() {
        assert_eq!(faults(&healthy()), [""; 0]);
        assert!(all(&healthy()).iter().all(|finding| finding.level == Level::Ok));
    }

    #[test]
    fn every_fault_has_a_remedy() {
        let no_bus = Facts { no_bus: Some("none".into()), keeper_version: None, runs: false, view: None, ..healthy() };
        let mut locked = healthy();
        if let Some(Ok(view)) = &mut locked.view {
            view.vault.state = "locked".into();
        }
        let facts = [
            (no_bus, vec!["bus", "keeper"]),
            (Facts { keeper_version: None, ..healthy() }, vec!["keeper"]),
            (Facts { now: 0, ..healthy() }, vec!["clock"]),
            (Facts { faults: vec!["a.toml:1:1: x; y".into()], ..healthy() }, vec!["config"]),
            (Facts { unit: Some(("enabled".into(), "failed".into())), ..healthy() }, vec!["unit"]),
            (locked, vec!["vault"]),
        ];
        for (facts, checks) in facts {
            assert_eq!(faults(&facts), checks);
            for finding in all(&facts).iter().filter(|finding| finding.level >= Level::Warning) {
                assert!(finding.remedy.is_some(), "{finding:?}");
            }
        }
    }

    #[test]
    fn a_protection_that_does_not_hold_is_named_and_one_that_does_is_not() {
        let mut facts = healthy();
        if let Some(Ok(view)) = &mut facts.view {
            view.hardening = [("not_dumpable", "yes"), ("no_core", "no"), ("umask", "077")]
                .map(|(name, word)| (name.to_owned(), word.to_owned()))
                .into();
        }
        let notes: Vec<_> = all(&facts).into_iter().filter(|finding| finding.check == "hardening").collect();
        assert_eq!(notes.len(), 1);
        assert_eq!(notes[0].what, "the keeper is without no_core");
    }

    #[test]
    fn an_account_that_needs_a_login_is_told_with_the_command() {
        let error = ErrorView { name: "LoginRequired".into(), message: "acme ended it".into() };
        let account = AccountView {
            name: "work".into(),
            label: String::new(),
            provider: String::new(),
            state: "login-required".into(),
            issuer: "https://acme.example".into(),
            subject: "ada".into(),
            scopes: vec![],
            expires_at: 0,
            refresh_at: 0,
            login_ends_at: 0,
            authorization_details: serde_json::Value::Null,
            generation: 1,
            last_error: Some(error),
        };
        let finding = of_account(1, &account);
        assert_eq!(finding.remedy.as_deref(), Some("run `tokenkeeper login work`"));
        assert_eq!(finding.public, "account 1: login-required: LoginRequired");
    }
}
