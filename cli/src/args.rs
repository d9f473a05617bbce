//! The command line as clap sees it: one file per group of commands, one list of groups for people.
//!
//! Nothing here acts. A name that is wrong is refused here, before a bus is looked for.

mod account;
mod keeper;
mod show;
mod token;

use clap::{CommandFactory, Parser, Subcommand};
use tokenkeeper_config::AccountName;

pub(crate) use account::{Add, FlowWord, Login, Named, Secret};
pub(crate) use keeper::{Completions, Man, Setup, Slot, SlotCommand, SlotKind, SlotSpec};
pub(crate) use show::{ConfigCommand, Doctor, Providers, Status, Watch};
pub(crate) use token::{Exec, Header, KindWord, Refresh, Token, Wanted};

/// The commands by what a person wants, as `tokenkeeper help` prints them. A test holds it against the real list.
const GROUPS: &str = "\
Start:
  setup        Make the vault and start the keeper
  add          Add an account and sign in
  login        Sign in to an account

Use:
  token        Print a current access token
  header       Print an Authorization header, for `curl -H @-`
  exec         Run a program with a token
  refresh      Get a new token now

Look:
  status       Show the accounts and the vault
  watch        Print a line whenever something happens
  doctor       Look for what is wrong, and say what to do
  providers    List the providers that need little configuration
  config       Check the configuration

Change:
  logout       Sign out of an account
  remove       Sign out of an account and delete it
  secret       Put an account's client secret into the vault
  lock         Lock the vault
  unlock       Unlock the vault
  slot         List and change the ways to open the vault
  reload       Read the configuration again

Shell:
  completions  Print a completion script
  man          Print the manual pages
  help         Explain a command: `tokenkeeper help token`
";

const TEMPLATE: &str = "{about}\n\n{usage-heading} {usage}\n\n{before-help}{tab}Options:\n{options}{after-help}";

/// Your OAuth logins, kept alive. Any program gets a current token.
#[derive(Parser)]
#[command(
    name = "tokenkeeper",
    version,
    help_template = TEMPLATE.replace("{tab}", ""),
    before_help = GROUPS,
    after_help = "Examples:\n  tokenkeeper add work\n  tokenkeeper token work\n  \
                  tokenkeeper header work | curl -H @- https://api.example.com/me\n\n\
                  Exit codes: 0 done, 1 failed, 2 usage, 3 login required, 4 unavailable for now, 5 vault locked or\n\
                  missing, 6 not permitted, 7 misconfigured, 8 insufficient scope, 9 no such account, 10 no keeper",
    max_term_width = 100,
    propagate_version = false,
    arg_required_else_help = true,
    subcommand_required = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    Setup(Setup),
    Add(Box<Add>),
    Login(Login),
    Token(Token),
    Header(Header),
    Exec(Exec),
    Refresh(Refresh),
    Status(Status),
    Watch(Watch),
    Doctor(Doctor),
    Providers(Providers),
    /// Check the configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Sign out of an account
    ///
    /// The login is revoked at the server, or as soon as the server can be reached, and forgotten here at once.
    #[command(after_help = "Example:\n  tokenkeeper logout work")]
    Logout(Named),
    /// Sign out of an account and delete it
    ///
    /// Like `logout`; the account's definition is deleted too.
    #[command(after_help = "Example:\n  tokenkeeper remove work")]
    Remove(Named),
    Secret(Secret),
    /// Lock the vault
    ///
    /// Nobody gets a token until `tokenkeeper unlock`. Ends when the keeper holds no secret any more.
    Lock,
    /// Unlock the vault
    ///
    /// Asks for the passphrase where the vault needs one; without a terminal it is read from standard input.
    #[command(after_help = "Examples:\n  tokenkeeper unlock\n  pass show tokenkeeper | tokenkeeper unlock")]
    Unlock,
    Slot(Slot),
    /// Read the configuration again
    ///
    /// The keeper also notices changes by itself; this waits until they are read and reports the first fault.
    Reload,
    Completions(Completions),
    Man(Man),
}

/// An account's name, checked.
fn account_name(text: &str) -> Result<AccountName, String> {
    text.parse().map_err(|_| "use 1 to 63 of a-z, 0-9 and `-`, not beginning with `-`".to_owned())
}

/// A time such as `30s` or `10m`.
fn duration(text: &str) -> Result<std::time::Duration, String> {
    humantime::parse_duration(text).map_err(|_| "write a time such as 30s, 10m or 1h 30m".to_owned())
}

/// The definition of the command line, for completions and manual pages.
pub(crate) fn definition() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clap_accepts_the_definition() {
        definition().debug_assert();
    }

    #[test]
    fn the_list_for_people_names_every_command_once() {
        let listed: Vec<&str> = GROUPS
            .lines()
            .filter_map(|line| line.strip_prefix("  "))
            .filter_map(|line| line.split_whitespace().next())
            .collect();
        let mut command = definition();
        command.build();
        let mut real: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let mut sorted = listed.clone();
        real.sort_unstable();
        sorted.sort_unstable();
        assert_eq!(sorted, real);
    }

    #[test]
    fn every_command_says_what_it_does() {
        for command in definition().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
