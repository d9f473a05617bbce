//! A definition: everything the config says of one account, preset and overrides merged, specifiers expanded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::AccountName;

/// One account as defined. Complete: whoever reads this needs neither the preset nor the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// The account's name.
    pub name: AccountName,
    /// The preset it was made from, as named in the config.
    pub provider: Option<String>,
    /// What people call it.
    pub label: Option<String>,
    /// The issuer identifier exactly as configured or as the preset's template gives it (RFC 8414 §2). `None` only
    /// when the endpoints are all given.
    pub issuer: Option<String>,
    /// Endpoints that are given; they win over discovered ones.
    pub endpoints: Endpoints,
    /// `client_id` (RFC 6749 §2.2). May be empty where the flow registers one.
    pub client_id: String,
    /// How the client authenticates at the token endpoint. `None` = not stated: `post` or `basic` by metadata when
    /// there is a secret, else none.
    pub client_auth: Option<ClientAuth>,
    /// Where the client secret lies, if not in the vault.
    pub client_secret_file: Option<PathBuf>,
    /// Where the key for `private_key_jwt` lies (PEM).
    pub private_key_file: Option<PathBuf>,
    /// What the server calls that key (`kid`, RFC 7515 §4.1.4). `None` = its thumbprint.
    pub private_key_id: Option<String>,
    /// For whom assertions by that key are made.
    pub assertion_audience: AssertionAudience,
    /// Scopes to ask for.
    pub scopes: Vec<String>,
    /// Nobody wrote these scopes, neither a person nor a preset: `offline_access` among them is asked for only where the
    /// server's metadata do not speak against it.
    pub scopes_are_assumed: bool,
    /// What separates scopes in requests and answers: a space (RFC 6749 §3.3), or a comma for some providers.
    pub scope_separator: char,
    /// The default audience (Auth0's parameter).
    pub audience: Option<String>,
    /// Further audiences that callers may ask for.
    pub audiences: Vec<String>,
    /// The default resource and further resources (RFC 8707): the first is the default.
    pub resources: Vec<String>,
    /// Whether tokens that the login does not give are got by exchanging its access token (RFC 8693).
    pub token_exchange: bool,
    /// What is asked for in detail, a JSON array (RFC 9396 §2).
    pub authorization_details: Option<String>,
    /// Auth0's `organization`.
    pub organization: Option<String>,
    /// How a person signs in.
    pub flow: Flow,
    /// The redirect URI's parts (RFC 8252 §7.3).
    pub redirect: Redirect,
    /// Extra parameters of the authorization request. An empty text = the parameter is not sent, also not by default.
    pub authorize_params: BTreeMap<String, String>,
    /// Extra parameters of every token request. An empty text = not sent.
    pub token_params: BTreeMap<String, String>,
    /// DPoP (RFC 9449).
    pub dpop: Switch,
    /// Pushed authorization requests (RFC 9126).
    pub par: Switch,
    /// Whether the server rotates refresh tokens.
    pub rotation: Rotation,
    /// How long the server accepts the previous refresh token again. `None` = unknown.
    pub replay_window: Option<Duration>,
    /// Whether a refresh ends the access token that was handed out before.
    pub refresh_kills_token: bool,
    /// Whether asking for fewer scopes at a refresh is safe (oauth: at most servers it is permanent).
    pub scope_narrowing: ScopeNarrowing,
    /// How long before its expiry a token is refreshed. `None` = derived from its lifetime.
    pub lead: Option<Duration>,
    /// The longest time between refreshes of an account that nobody asks for. `None` = from the idle limit.
    pub keep_alive: Option<Duration>,
    /// After which time without a refresh the server forgets the login, where a source states it.
    pub idle_limit: Option<Duration>,
    /// Lifetime to assume when an answer has no `expires_in`. `None` = unknown.
    pub assumed_lifetime: Option<Duration>,
    /// Dotted path of the object that holds the tokens in odd answers (Slack: `authed_user`).
    pub token_path: Option<String>,
    /// Hosts for which the git helper answers from this account.
    pub git_hosts: Vec<String>,
    /// Registries for which the docker helper answers from this account.
    pub registries: Vec<String>,
    /// Files that hold a current token.
    pub token_files: Vec<TokenFile>,
}

impl Definition {
    /// A client that nothing else is known of.
    pub fn bare(name: AccountName, client_id: String) -> Self {
        Self {
            name,
            provider: None,
            label: None,
            issuer: None,
            endpoints: Endpoints::default(),
            client_id,
            client_auth: None,
            client_secret_file: None,
            private_key_file: None,
            private_key_id: None,
            assertion_audience: AssertionAudience::Issuer,
            scopes: Vec::new(),
            scopes_are_assumed: false,
            scope_separator: ' ',
            audience: None,
            audiences: Vec::new(),
            resources: Vec::new(),
            token_exchange: false,
            authorization_details: None,
            organization: None,
            flow: Flow::Auto,
            redirect: Redirect { host: "127.0.0.1".to_owned(), ports: Vec::new(), path: None },
            authorize_params: BTreeMap::new(),
            token_params: BTreeMap::new(),
            dpop: Switch::Auto,
            par: Switch::Auto,
            rotation: Rotation::Auto,
            replay_window: None,
            refresh_kills_token: false,
            scope_narrowing: ScopeNarrowing::Permanent,
            lead: None,
            keep_alive: None,
            idle_limit: None,
            assumed_lifetime: None,
            token_path: None,
            git_hosts: Vec::new(),
            registries: Vec::new(),
            token_files: Vec::new(),
        }
    }
}

/// Endpoint addresses: https, or http on a loopback literal.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in RFC 8414 §2")]
pub struct Endpoints {
    pub authorization_endpoint: Option<Url>,
    pub token_endpoint: Option<Url>,
    pub device_authorization_endpoint: Option<Url>,
    pub revocation_endpoint: Option<Url>,
    pub introspection_endpoint: Option<Url>,
    pub jwks_uri: Option<Url>,
}

/// Client authentication at the token endpoint (RFC 6749 §2.3, RFC 7523 §2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Public client: `client_id` in the body.
    None,
    /// HTTP Basic, both parts form-urlencoded first (RFC 6749 §2.3.1).
    Basic,
    /// HTTP Basic with the raw bytes, for servers that never read §2.3.1.
    BasicRaw,
    /// `client_id` and `client_secret` in the body.
    Post,
    /// A signed assertion (RFC 7523).
    PrivateKeyJwt,
}

/// `aud` of a client assertion (RFC 7523 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssertionAudience {
    /// The issuer, as the server spells it.
    Issuer,
    /// The token endpoint.
    TokenEndpoint,
}

/// How a person signs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Browser where there is one, else device.
    Auto,
    /// Authorization code with a loopback redirect.
    Browser,
    /// Device authorization (RFC 8628).
    Device,
    /// Nobody signs in (RFC 6749 §4.4).
    ClientCredentials,
}

/// The loopback redirect URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Redirect {
    /// The host in the URI: `127.0.0.1`, `[::1]` or `localhost`.
    pub host: String,
    /// Ports to try in this order; empty = any free port.
    pub ports: Vec<u16>,
    /// A fixed path; `None` = a random one per login.
    pub path: Option<String>,
}

/// On, off, or as the server's metadata says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum Switch {
    Auto,
    On,
    Off,
}

/// Whether refresh tokens rotate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// Unknown until seen: treated as rotating.
    Auto,
    /// The server never rotates.
    None,
    /// Every refresh consumes the token.
    Rotating,
}

/// What a server makes of a smaller `scope` at a refresh.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScopeNarrowing {
    /// The lineage stays narrow, or nobody knows: never asked.
    Permanent,
    /// Only that answer is narrower (RFC 6749 §6).
    PerRequest,
}

/// Which token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TokenKind {
    /// The access token.
    Access,
    /// The ID token.
    Id,
}

/// A file that is rewritten by rename with every new token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenFile {
    /// Where.
    pub path: PathBuf,
    /// Which token.
    pub kind: TokenKind,
    /// For which audience; `None` = the default.
    pub audience: Option<String>,
    /// Covering which scopes; empty = the default.
    pub scopes: Vec<String>,
    /// In which form.
    pub format: TokenFormat,
}

/// The form of a token file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenFormat {
    /// The token, no newline.
    Raw,
    /// `{"access_token", "expires_at"}`.
    Json,
    /// A netrc line per host.
    Netrc,
}
