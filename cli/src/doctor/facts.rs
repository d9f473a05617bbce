//! What `doctor` reads of the machine, the bus, the configuration and the keeper. It changes nothing, and whatever
//! cannot be read is simply not known.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tokenkeeper::Keeper;
use tokenkeeper::wire::BUS_NAME;
use tokenkeeper_config::{Config, Places};

use crate::fault::Fault;
use crate::setup::{daemon, files, machine};
use crate::show::view::{self, View};
use crate::span;

/// The daily copy of the vault, in the state directory.
pub(super) const COPY: &str = "vault.db.backup";

/// What is known.
#[derive(Default)]
pub(super) struct Facts {
    /// Distribution and kernel.
    pub(super) system: String,
    /// Why there is no session bus.
    pub(super) no_bus: Option<String>,
    /// The keeper has its name on the bus.
    pub(super) runs: bool,
    /// The bus knows how to start it.
    pub(super) startable: bool,
    /// `tokenkeeperd` was found.
    pub(super) installed: bool,
    /// How the unit is enabled and active, in systemd's words; `None` without a user manager.
    pub(super) unit: Option<(String, String)>,
    pub(super) lingers: Option<bool>,
    pub(super) keeper_version: Option<String>,
    /// What the keeper shows, or why it shows nothing.
    pub(super) view: Option<Result<View, String>>,
    /// Faults of the configuration, as told.
    pub(super) faults: Vec<String>,
    /// Others may enter the directory of the vault.
    pub(super) open_state_dir: Option<String>,
    /// When the daily copy of the vault was made.
    pub(super) copied: Option<span::Unix>,
    /// Vaults that could not be read and were moved aside.
    pub(super) damaged: Vec<String>,
    pub(super) now: span::Unix,
    /// The clock is kept right over the network.
    pub(super) clock_synchronized: Option<bool>,
}

pub(super) async fn gather() -> Facts {
    let mut facts = Facts {
        system: system(),
        installed: daemon::find().is_ok(),
        unit: unit(),
        lingers: machine::booted_with_systemd().then(machine::lingers).flatten(),
        now: span::now(),
        clock_synchronized: clock_synchronized(),
        ..Facts::default()
    };
    if let Ok(places) = Places::from_env(|key| std::env::var_os(key)) {
        facts.faults = Config::load(&places).faults.iter().map(ToString::to_string).collect();
        let others = std::fs::metadata(&places.state_dir).is_ok_and(|dir| dir.permissions().mode() & 0o077 != 0);
        facts.copied = copied(&places.state_dir.join(COPY));
        facts.damaged = damaged(&places.state_dir);
        facts.open_state_dir = others.then(|| places.state_dir.display().to_string());
    }
    match Keeper::connect().await {
        Ok(keeper) => ask(&keeper, &mut facts).await,
        Err(error) => facts.no_bus = Some(error.to_string()),
    }
    facts
}

/// When a file was written.
pub(super) fn copied(copy: &Path) -> Option<span::Unix> {
    let written = std::fs::metadata(copy).and_then(|meta| meta.modified()).ok()?;
    written.duration_since(std::time::UNIX_EPOCH).ok().map(|since| since.as_secs())
}

fn damaged(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.starts_with("vault.db.damaged-") && !name.ends_with("-wal")).collect()
}

async fn ask(keeper: &Keeper, facts: &mut Facts) {
    facts.runs = machine::has_owner(keeper.connection(), BUS_NAME).await;
    facts.startable = machine::can_be_started(keeper.connection(), BUS_NAME).await;
    if !facts.runs && !facts.startable {
        return;
    }
    facts.keeper_version = keeper.version().await.ok();
    facts.view = Some(view::of(keeper).await.map_err(|fault: Fault| fault.to_string()));
}

fn unit() -> Option<(String, String)> {
    if !machine::has_user_systemd() {
        return None;
    }
    // Both answer with a word and a failure for anything but "yes".
    let word = |question| machine::said("systemctl", &["--user", question, files::UNIT_NAME]);
    Some((word("is-enabled")?, word("is-active")?))
}

fn clock_synchronized() -> Option<bool> {
    let answer = machine::ask("timedatectl", &["show", "--property=NTPSynchronized", "--value"])?;
    match answer.as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

fn system() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name =
        release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown").trim_matches('"');
    let kernel = rustix::system::uname();
    format!("{name}, Linux {}", kernel.release().to_string_lossy())
}
