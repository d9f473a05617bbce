//! `setup`: the unit, the activation file, the vault, the running keeper; and taking them back. Each step finds what is
//! there already, so it may be run again at any time.

pub(crate) mod daemon;
pub(crate) mod files;
pub(crate) mod machine;
mod slot;
mod system;

use std::path::Path;

use owo_colors::Style;
use tokenkeeper::wire::BUS_NAME;
use tokenkeeper::{Keeper, VaultState};
use tokenkeeper_config::Places;

use crate::args::{Setup, SlotKind, SlotSpec};
use crate::ask::{self, Hidden};
use crate::fault::{Code, Fault};
use crate::{link, say, vault};
use files::{Dirs, Installed, Kind};

/// The name of the vault's file in the state directory.
pub(crate) const VAULT: &str = "vault.db";

/// Sets up the keeper for this user, or takes that back.
///
/// # Errors
/// The first step that did not work.
pub(crate) async fn run(args: Setup) -> Result<(), Fault> {
    let places = Places::from_env(|key| std::env::var_os(key)).map_err(|error| Fault::failure(error.to_string()))?;
    let dirs = Dirs::of_this_process(&places.specifiers.home);
    if args.undo {
        return undo(&dirs, &places);
    }
    let daemon = daemon::find()?;
    if args.system {
        return system::print(&dirs, &places, &daemon);
    }
    let keeper = link::keeper().await;
    let passphrase = make_vault(&args, &places, &daemon, keeper.as_ref().ok()).await?;
    install(&dirs, &daemon)?;
    if args.no_start {
        step("keeper", "not started, as you wished");
        return Ok(());
    }
    let keeper = keeper?;
    start(&keeper, passphrase).await?;
    offer_linger();
    Ok(())
}

/// Makes the vault if there is none; gives the passphrase that opens it, if it has one.
async fn make_vault(
    args: &Setup,
    places: &Places,
    daemon: &Path,
    keeper: Option<&Keeper>,
) -> Result<Option<Hidden>, Fault> {
    if places.state_dir.join(VAULT).exists() {
        step("vault", "there already; `tokenkeeper slot list` shows how it is opened");
        return Ok(None);
    }
    if let Some(made) = crate::doctor::copied(&places.state_dir) {
        let when = crate::span::when(made, crate::span::now());
        more(&format!(
            "There is a copy of an earlier vault, made {when}: `tokenkeeper doctor --restore` brings it back."
        ));
    }
    let slots = match (&args.slot, args.insecure) {
        (_, true) => vec![SlotSpec { kind: SlotKind::Insecure, path: None }],
        (Some(slot), false) => vec![slot.clone()],
        (None, false) => slot::choose(around(args, keeper).await)?,
    };
    if let Some(keeper) = keeper {
        make_room(keeper).await?;
    }
    let (made, passphrase) = first_that_works(&slots, args, daemon)?;
    step("vault", &format!("made; opened by {}", slot::named(made)));
    for line in slot::protection(made) {
        more(line);
    }
    Ok(passphrase)
}

/// A keeper that runs without a vault holds the place where one is to be made: it ends, and is started afterwards.
async fn make_room(keeper: &Keeper) -> Result<(), Fault> {
    if !machine::has_owner(keeper.connection(), BUS_NAME).await {
        return Ok(());
    }
    if keeper.vault().state().await? != VaultState::NoVault {
        return Err(Fault::failure("the keeper that runs has a vault, but not where this program looks for it")
            .hint("run setup with the same TOKENKEEPER_STATE_DIR and XDG_STATE_HOME as the keeper"));
    }
    machine::end_keeper(keeper.connection()).await.map_err(|why| {
        Fault::failure(format!("cannot end the keeper that runs without a vault: {why}"))
            .hint("end it by hand, then run `tokenkeeper setup` again")
    })
}

async fn around(args: &Setup, keeper: Option<&Keeper>) -> slot::Around {
    let (secret_service, secret_service_open) = match keeper {
        Some(keeper) => machine::secret_service(keeper.connection()).await,
        None => (false, false),
    };
    slot::Around {
        graphical: machine::has_display(),
        secret_service,
        secret_service_open,
        systemd_creds: machine::has_systemd_creds(),
        person: ask::person(),
        passphrase_given: args.passphrase_file.is_some(),
    }
}

/// Makes the vault with the first slot that works; says why one did not.
fn first_that_works(slots: &[SlotSpec], args: &Setup, daemon: &Path) -> Result<(SlotKind, Option<Hidden>), Fault> {
    let mut failed = slot::nothing_fits();
    for slot in slots {
        let passphrase = match (slot.kind, &args.passphrase_file) {
            (SlotKind::Passphrase, None) => Some(ask::new_secret("New passphrase for the vault: ")?),
            (SlotKind::Passphrase, Some(file)) => Some(ask::secret_file(file)?),
            _ => None,
        };
        match daemon::init(daemon, slot, passphrase.as_ref(), machine::is_root()) {
            Ok(()) => return Ok((slot.kind, passphrase)),
            Err(fault) => failed = fault,
        }
        if slots.len() > 1 {
            more(&format!("{} did not work: {failed}", slot::named(slot.kind)));
        }
    }
    match &args.slot {
        Some(_) => Err(failed),
        None => Err(Fault::usage(failed.what()).hint(slot::NOBODY_NEEDED)),
    }
}

fn install(dirs: &Dirs, daemon: &Path) -> Result<(), Fault> {
    for kind in Kind::ALL {
        if kind.is_unit() && !machine::booted_with_systemd() {
            continue;
        }
        let name = kind.word();
        let installed = files::install(dirs, kind, daemon, machine::is_root())
            .map_err(|error| Fault::failure(format!("cannot install {}: {error}", dirs.own(kind).display())))?;
        match installed {
            Installed::ByPackage(path) => step(name, &format!("{} (your system's package)", path.display())),
            Installed::Already(path) => step(name, &format!("{} (as it was)", path.display())),
            Installed::Written(path) => step(name, &path.display().to_string()),
            Installed::Foreign(path) => {
                step(name, &format!("{} is not from setup and stays as it is", path.display()));
            }
        }
    }
    Ok(())
}

/// Starts the keeper: by systemd where there is one, else by the bus. Whoever has just said the passphrase need not say
/// it again.
async fn start(keeper: &Keeper, passphrase: Option<Hidden>) -> Result<(), Fault> {
    if machine::has_user_systemd() {
        let by_systemd = |args: &[&str]| {
            machine::run("systemctl", args).map_err(|why| {
                Fault::failure(format!("cannot start the keeper: systemctl {}: {why}", args.join(" ")))
                    .hint("`journalctl --user -u tokenkeeper -n 30` shows what it said")
            })
        };
        by_systemd(&["--user", "daemon-reload"])?;
        by_systemd(&["--user", "enable", "--now", files::UNIT_NAME])?;
    } else {
        machine::reload_bus(keeper.connection()).await;
    }
    let runs_since = machine::has_owner(keeper.connection(), BUS_NAME).await;
    let state = keeper.vault().state().await.map_err(|error| match Fault::from(error) {
        fault if fault.code() == Code::NoKeeper => Fault::new(Code::NoKeeper, fault.what())
            .hint("start `tokenkeeperd` on this session bus by hand; it says on standard error what is wrong"),
        fault => fault,
    })?;
    step("keeper", if runs_since { "running" } else { "running; the bus starts it when it is needed" });
    if state == VaultState::NoVault {
        return Err(Fault::failure("the keeper does not find the vault that was made")
            .hint("TOKENKEEPER_STATE_DIR and XDG_STATE_HOME have to be the same here and for the keeper"));
    }
    match (state, passphrase) {
        (VaultState::Locked, Some(passphrase)) => vault::open_with(keeper, passphrase).await,
        (VaultState::Locked, None) => {
            more("The vault is locked: run `tokenkeeper unlock`.");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Without lingering, the user's manager and with it the keeper end with the last session.
fn offer_linger() {
    if !machine::booted_with_systemd() || machine::lingers() != Some(false) {
        return;
    }
    if machine::has_display() || !ask::person() {
        more("To keep logins fresh while you are logged out: `loginctl enable-linger`");
        return;
    }
    if !ask::yes("Keep the keeper running while you are logged out (loginctl enable-linger)?") {
        return;
    }
    match machine::run("loginctl", &["enable-linger"]) {
        Ok(()) => step("linger", "on: the keeper goes on while you are logged out"),
        Err(why) => more(&format!("loginctl enable-linger: {why}")),
    }
}

fn undo(dirs: &Dirs, places: &Places) -> Result<(), Fault> {
    if machine::has_user_systemd() && dirs.own(Kind::Unit).exists() {
        // A unit that never ran cannot be stopped; what matters is that it is gone afterwards.
        let _ = machine::run("systemctl", &["--user", "disable", "--now", files::UNIT_NAME]);
        step("keeper", "stopped");
    }
    for kind in Kind::ALL {
        let removed = files::remove(dirs, kind)
            .map_err(|error| Fault::failure(format!("cannot remove {}: {error}", dirs.own(kind).display())))?;
        if let Some(path) = removed {
            step(kind.word(), &format!("removed {}", path.display()));
        }
    }
    if machine::has_user_systemd() {
        let _ = machine::run("systemctl", &["--user", "daemon-reload"]);
    }
    more(&format!("Your logins stay in {}", places.state_dir.display()));
    more(&format!("and your configuration in {}.", places.config_dir.display()));
    Ok(())
}

fn step(name: &str, what: &str) {
    let done = say::paint("✓", Style::new().green().bold());
    say::note(format_args!("{done} {name:<11} {what}"));
}

fn more(line: &str) {
    say::note(format_args!("  {:<11} {line}", ""));
}
