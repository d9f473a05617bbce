//! Commands that hand out a token.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tokenkeeper_config::AccountName;

use super::{account_name, duration};

/// Print a current access token
///
/// Prints the token and a newline. Waits for a refresh if one is needed, never for a person: an account that needs a
/// login ends with exit code 3.
#[derive(Args)]
#[command(after_help = "Examples:
  tokenkeeper token work
  tokenkeeper token work --min-validity 10m
  tokenkeeper token work --audience https://api.example.com --json
  echo \"$REFUSED\" | tokenkeeper token work --rejected -   # the server answered 401: get another")]
pub(crate) struct Token {
    /// The account
    #[arg(value_parser = account_name)]
    pub(crate) name: AccountName,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// A server answered 401 to the token in this file (`-`: standard input): print another
    #[arg(long, value_name = "FILE")]
    pub(crate) rejected: Option<PathBuf>,
    /// Print JSON: the token, its type, expiry, scopes and generation
    #[arg(long)]
    pub(crate) json: bool,
}

/// Which token, and how long to wait for it.
#[derive(Args, Default)]
pub(crate) struct Wanted {
    /// How long the token must still be valid [default: 60s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) min_validity: Option<Duration>,
    /// For this audience, if the account declares it
    #[arg(long, value_name = "URI")]
    pub(crate) audience: Option<String>,
    /// For this resource (RFC 8707), if the account declares it
    #[arg(long, value_name = "URI")]
    pub(crate) resource: Option<String>,
    /// The token must cover this scope (may be given several times)
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// Which token
    #[arg(long, value_enum, default_value_t)]
    pub(crate) kind: KindWord,
    /// How long to wait for a refresh, at most 2m [default: 20s]
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) timeout: Option<Duration>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum KindWord {
    /// The access token
    #[default]
    Access,
    /// The ID token
    Id,
}

/// Print an Authorization header
///
/// Prints `Authorization: Bearer TOKEN`, so that the token stands in no program's arguments.
#[derive(Args)]
#[command(after_help = "Example:\n  tokenkeeper header work | curl -H @- https://api.example.com/me")]
pub(crate) struct Header {
    /// The account
    #[arg(value_parser = account_name)]
    pub(crate) name: AccountName,
    #[command(flatten)]
    pub(crate) wanted: Wanted,
    /// Also print the DPoP header for this request, where the token is bound to a key
    #[arg(long, num_args = 2, value_names = ["METHOD", "URL"])]
    pub(crate) dpop: Option<Vec<String>>,
    /// What the server sent in DPoP-Nonce
    #[arg(long, requires = "dpop")]
    pub(crate) nonce: Option<String>,
}

/// Run a program with a token
///
/// The program finds the token in the environment variable TOKEN, or in VAR. It runs in place of tokenkeeper, so its
/// exit code and signals are its own. With --file it gets the path of a file instead, which lies in memory, only you
/// can read, always holds a current token, and is gone when the program ends.
#[derive(Args)]
#[command(after_help = "Examples:
  tokenkeeper exec work -- ./deploy.sh
  tokenkeeper exec work=GITLAB_TOKEN registry=REGISTRY_TOKEN -- make release
  tokenkeeper exec --file work -- ./a-long-running-sync      # reads $BEARER_TOKEN_FILE")]
pub(crate) struct Exec {
    /// Accounts, each with the variable for its token (one alone: TOKEN)
    #[arg(required = true, value_name = "NAME[=VAR]")]
    pub(crate) accounts: Vec<String>,
    /// Give the path of a file that is kept fresh, not the token [variable: BEARER_TOKEN_FILE]
    #[arg(long)]
    pub(crate) file: bool,
    /// The program and its arguments
    #[arg(required = true, last = true, value_name = "CMD")]
    pub(crate) command: Vec<OsString>,
}

/// Get a new token now
///
/// Refreshes whatever the clock says and prints the new expiry on standard error.
#[derive(Args)]
#[command(after_help = "Example:\n  tokenkeeper refresh work")]
pub(crate) struct Refresh {
    /// The account
    #[arg(value_parser = account_name)]
    pub(crate) name: AccountName,
}
