//! `tokenkeeperd`: owns your OAuth refresh tokens and serves access tokens over D-Bus.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use tokenkeeper_config::Places;
use tokenkeeperd::wipe::Wiping;
use tokenkeeperd::{dbus, harden, init, run};

#[global_allocator]
static HEAP: Wiping = Wiping;

/// Owns your OAuth refresh tokens, keeps them alive, and hands current access tokens to your programs over D-Bus.
///
/// It serves org.tokenkeeper.Keeper1 on the session bus until SIGTERM, logs to stderr or the journal (TOKENKEEPER_LOG
/// is the filter, for example `debug`), and is normally started by systemd or by the bus itself: see `tokenkeeper setup`.
#[derive(Parser)]
#[command(version, about, long_about)]
struct Args {
    /// Run as root; meant for containers.
    #[arg(long)]
    allow_root: bool,

    /// Create the vault, opened by the slot that --slot names, and exit.
    #[arg(long, requires = "slot")]
    init: bool,

    /// The vault's first slot: secret-service, systemd-creds, load-credential, passphrase, keyfile=PATH or insecure.
    #[arg(long, value_name = "KIND[=PATH]", requires = "init")]
    slot: Option<String>,

    /// Put the daily copy of the vault, or the copy in FILE, in the vault's place, and exit. `tokenkeeper doctor --restore`
    /// does this, with the keeper stopped.
    #[arg(long, value_name = "FILE", num_args = 0..=1, conflicts_with = "init")]
    restore: Option<Option<PathBuf>>,

    /// Read the new passphrase from this file instead of from stdin.
    #[arg(long, value_name = "FILE", requires = "init")]
    passphrase_file: Option<PathBuf>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    // Before any thread, any runtime and any secret.
    let report = match harden::early(args.allow_root) {
        Ok(report) => report,
        Err(why) => return fail(&why),
    };
    let places = match Places::from_env(|name| std::env::var_os(name)) {
        Ok(places) => places,
        Err(error) => return fail(&error.to_string()),
    };
    if let Some(copy) = &args.restore {
        return match init::restore(&places, copy.as_deref()) {
            Ok(line) => {
                let _ = writeln!(std::io::stdout(), "{line}");
                ExitCode::SUCCESS
            }
            Err(why) => fail(&why),
        };
    }
    let log_level = dbus::LogLevel::start();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("could not start: {error}")),
    };
    let ended = match &args.slot {
        Some(slot) => runtime.block_on(init::create(&places, slot, args.passphrase_file.as_deref())),
        None => runtime.block_on(run::serve(places, report, log_level)).map_err(|ended| ended.to_string()),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => fail(&why),
    }
}

fn fail(why: &str) -> ExitCode {
    let _ = writeln!(std::io::stderr(), "tokenkeeperd: {why}");
    ExitCode::FAILURE
}
