//! Commands that look and change nothing, but for `doctor --restore`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use tokenkeeper_config::AccountName;

use super::account_name;

/// Show the accounts and the vault
///
/// Who is signed in, until when the token and the login last, when the next refresh is, and what went wrong with what
/// to do about it.
#[derive(Args)]
#[command(after_help = "Examples:\n  tokenkeeper status\n  tokenkeeper status work\n  tokenkeeper status --watch
  tokenkeeper status --json | jq '.accounts[] | select(.state != \"ready\")'")]
pub(crate) struct Status {
    /// Only this account, with its details
    #[arg(value_parser = account_name)]
    pub(crate) name: Option<AccountName>,
    /// Print JSON; times are unix seconds, 0 is none or unknown
    #[arg(long)]
    pub(crate) json: bool,
    /// Go on showing it as it changes
    #[arg(long)]
    pub(crate) watch: bool,
}

/// Print a line whenever something happens
///
/// A login is needed, a login is back, a token was refreshed, a refresh could not be saved. With --exec a command is
/// run for each: it finds TOKENKEEPER_ACCOUNT, TOKENKEEPER_STATE and TOKENKEEPER_MESSAGE in its environment.
#[derive(Args)]
#[command(after_help = "Examples:\n  tokenkeeper watch\n  tokenkeeper watch --json
  tokenkeeper watch --exec sh -c 'notify-send \"$TOKENKEEPER_ACCOUNT\" \"$TOKENKEEPER_MESSAGE\"'")]
pub(crate) struct Watch {
    /// Print a JSON object per line
    #[arg(long)]
    pub(crate) json: bool,
    /// Run this for each event; everything after it belongs to the command
    #[arg(long, value_name = "CMD", num_args = 1.., allow_hyphen_values = true)]
    pub(crate) exec: Vec<OsString>,
}

/// Look for what is wrong, and say what to do
///
/// Looks at the session bus, the keeper's unit and activation file, the vault and its slots, the clock, the
/// configuration and every account. Ends with exit code 1 if something needs you.
#[derive(Args)]
#[command(after_help = "Examples:
  tokenkeeper doctor
  tokenkeeper doctor --report > report.txt   # names no account, server or person
  tokenkeeper doctor --restore               # after a damage: the vault as it was yesterday")]
pub(crate) struct Doctor {
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Print a report for a bug report: without names of accounts, servers, people or files of yours
    #[arg(long, conflicts_with = "json")]
    pub(crate) report: bool,
    /// Put the daily copy of the vault in its place, or the copy in FILE. What is there is moved aside; logins whose
    /// tokens rotate are held until you say what to do
    #[arg(long, value_name = "FILE", num_args = 0..=1, value_hint = ValueHint::FilePath, conflicts_with_all = ["json", "report"])]
    pub(crate) restore: Option<Option<PathBuf>>,
}

/// List the providers that need little configuration
///
/// Any other server works too, with `tokenkeeper add NAME --issuer URL`.
#[derive(Args)]
#[command(after_help = "Examples:\n  tokenkeeper providers\n  tokenkeeper providers auth0")]
pub(crate) struct Providers {
    /// Only this one, with where to register a client and which redirect address to enter there
    pub(crate) provider: Option<String>,
    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Subcommand)]
pub(crate) enum ConfigCommand {
    /// Read the configuration and name every fault
    ///
    /// Each fault with its file, line and column, what is wrong and what to write instead. Needs no keeper. Ends with
    /// exit code 7 if there is a fault.
    #[command(after_help = "Example:\n  tokenkeeper config check")]
    Check,
}
