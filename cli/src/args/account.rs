//! Commands that make, sign in to and end an account.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};
use tokenkeeper_config::AccountName;

use super::account_name;

/// Add an account and sign in
///
/// Without any option, on a terminal, it asks step by step: the provider, what that provider needs, and where to
/// register a client. Where no client ID is given, the server is asked to register one; not all do. Makes the vault first
/// if there is none. The definition is written to config.d/NAME.toml.
#[derive(Args)]
#[command(after_help = "Examples:
  tokenkeeper add work
  tokenkeeper add work --issuer https://sso.acme.example
  tokenkeeper add work --issuer https://sso.acme.example --initial-access-token-file token.txt
  tokenkeeper add tools --resource https://mcp.acme.example/mcp
  tokenkeeper add work --provider auth0 --domain acme.eu.auth0.com --client-id 8hJ --audience https://api.acme.example
  tokenkeeper add ci --issuer https://sso.acme.example/realms/main --client-id cli --flow client-credentials \\
      --client-secret-file %d/ci-secret --no-login")]
pub(crate) struct Add {
    /// The new account's name (asked for if left out)
    #[arg(value_parser = account_name)]
    pub(crate) name: Option<AccountName>,
    /// The provider, from `tokenkeeper providers`
    #[arg(long, value_name = "PROVIDER")]
    pub(crate) provider: Option<String>,
    /// Your domain or tenant at the provider
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) domain: Option<String>,
    /// The server's issuer identifier, for any server with discovery
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    pub(crate) issuer: Option<String>,
    /// The client you registered [default: the server is asked to register one]
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,
    /// Have the server register a client (RFC 7591), even where it is not known to register any; for an account that
    /// exists, register a new client in the place of the old one
    #[arg(long, conflicts_with_all = ["client_id", "client_secret_file", "refresh_token_file"])]
    pub(crate) register: bool,
    /// The initial access token that the server wants to see before it registers a client (RFC 7591 section 3), in this
    /// file (`-`: standard input). It is used once and not kept
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    #[arg(conflicts_with_all = ["client_id", "client_secret_file", "refresh_token_file"])]
    pub(crate) initial_access_token_file: Option<PathBuf>,
    /// Where the client secret lies (`-`: read it from standard input into the vault)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// Sign in with the refresh token in this file (`-`: standard input)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) refresh_token_file: Option<PathBuf>,
    /// A scope to ask for (may be given several times) [default: the provider's]
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// The audience of the tokens; further ones may be asked for later
    #[arg(long = "audience", value_name = "URI")]
    pub(crate) audiences: Vec<String>,
    /// The resource of the tokens (RFC 8707); further ones may be asked for later. Where no server is named, it is the
    /// one that the resource names (RFC 9728)
    #[arg(long = "resource", value_name = "URI")]
    pub(crate) resources: Vec<String>,
    /// How to sign in
    #[arg(long, value_enum)]
    pub(crate) flow: Option<FlowWord>,
    /// What to call the account
    #[arg(long, value_name = "TEXT")]
    pub(crate) label: Option<String>,
    /// Any other key of the configuration, with its value in TOML or JSON, such as `redirect_ports=[8400]` or
    /// `authorization_details=[{type="payment_initiation"}]`
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(crate) settings: Vec<String>,
    /// Do not sign in now
    #[arg(long)]
    pub(crate) no_login: bool,
    /// Print the address to open instead of opening a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
}

/// Sign in to an account
///
/// Opens your browser and waits. Where no browser can be shown it says what to do instead.
#[derive(Args)]
#[command(after_help = "Examples:
  tokenkeeper login work
  tokenkeeper login work --acr phr --max-age 5m    # as an API's 401 asked for: RFC 9470
  tokenkeeper login work --no-browser    # prints the address; over SSH, paste back where the browser ended")]
pub(crate) struct Login {
    /// The account
    #[arg(value_parser = account_name)]
    pub(crate) name: AccountName,
    /// How to sign in [default: the account's]
    #[arg(long, value_enum)]
    pub(crate) flow: Option<FlowWord>,
    /// Print the address to open instead of opening a browser
    #[arg(long)]
    pub(crate) no_browser: bool,
    /// Ask for this scope too (may be given several times)
    #[arg(long = "scope", value_name = "SCOPE")]
    pub(crate) scopes: Vec<String>,
    /// How to sign in, in the server's words, in order of preference (may be given several times)
    #[arg(long = "acr", value_name = "ACR")]
    pub(crate) acr: Vec<String>,
    /// Sign in again if the last time is longer ago, such as `5m`
    #[arg(long, value_name = "TIME", value_parser = super::duration)]
    pub(crate) max_age: Option<Duration>,
    /// Try the login that was given up once more instead of signing in
    #[arg(long)]
    pub(crate) retry: bool,
    /// Take over a vault that was copied from another machine, with all its logins
    #[arg(long)]
    pub(crate) adopt: bool,
}

/// How a person signs in, in the words of the configuration.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FlowWord {
    /// By the browser where there is one, else by a code
    Auto,
    /// In a browser on this machine
    Browser,
    /// By a short code typed on any machine (RFC 8628)
    Device,
    /// Nobody signs in: the client itself is trusted (RFC 6749 section 4.4)
    ClientCredentials,
}

impl FlowWord {
    /// The word of the configuration and of the bus.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Browser => "browser",
            Self::Device => "device",
            Self::ClientCredentials => "client-credentials",
        }
    }
}

/// One account.
#[derive(Args)]
pub(crate) struct Named {
    /// The account
    #[arg(value_parser = account_name)]
    pub(crate) name: AccountName,
}

/// Put an account's client secret into the vault
///
/// Asks for it on a terminal, else reads standard input.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  tokenkeeper secret work\n  pass show work/client-secret | tokenkeeper secret work"
)]
pub(crate) struct Secret {
    /// The account
    #[arg(value_parser = account_name)]
    pub(crate) name: AccountName,
}
