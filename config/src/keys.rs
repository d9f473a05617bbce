//! The keys of an account as written, before anything is made of them. A preset is written in the same keys.

use std::path::PathBuf;
use std::time::Duration;

use crate::definition::{
    AssertionAudience, ClientAuth, Flow, Rotation, ScopeNarrowing, Switch, TokenFile, TokenFormat, TokenKind,
};
use crate::details::Details;
use crate::fault::Fault;
use crate::params::Params;
use crate::table::{Found, Item, Read, Table};
use crate::value::{Domain, Domains, LoopbackHost, Ports, RedirectPath, Scopes, Separator};

/// Every key that `[account.NAME]` may have, in the order of the documentation.
pub fn account_keys() -> &'static [&'static str] {
    Keys::NAMES
}

/// One list makes the struct, the reader, the precedence and the table of names, so that none of them forgets a key.
macro_rules! keys {
    ($($key:ident: $kind:ty,)*) => {
        /// What was written, and where. `None` = not written, or written wrongly and noted as a fault.
        #[derive(Debug, Clone, Default)]
        pub(crate) struct Keys { $(pub(crate) $key: Option<Found<$kind>>,)* }

        impl Keys {
            const NAMES: &'static [&'static str] = &[$(stringify!($key)),*];

            pub(crate) fn read(table: &mut Table<'_>) -> Self {
                Self { $($key: table.take(stringify!($key)),)* }
            }

            /// These keys, and those of the preset where there is none; a fault in a preset's value shows at `at`.
            pub(crate) fn over(self, preset: &Keys, at: usize) -> Self {
                Self { $($key: self.$key.or_else(|| preset.$key.as_ref().map(|found| Found { value: found.value.clone(), at })),)* }
            }
        }
    };
}

keys! {
    provider: String,
    issuer: String,
    domain: Domain,
    authorization_endpoint: String,
    token_endpoint: String,
    device_authorization_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    jwks_uri: String,
    client_id: String,
    client_secret_file: PathBuf,
    client_auth: ClientAuth,
    private_key_file: PathBuf,
    private_key_id: String,
    assertion_audience: AssertionAudience,
    scopes: Scopes,
    scope_separator: Separator,
    audience: String,
    audiences: Vec<String>,
    resource: String,
    resources: Vec<String>,
    token_exchange: bool,
    authorization_details: Details,
    organization: String,
    flow: Flow,
    redirect_host: LoopbackHost,
    redirect_ports: Ports,
    redirect_path: RedirectPath,
    authorize_params: Params,
    token_params: Params,
    dpop: Switch,
    par: Switch,
    rotation: Rotation,
    replay_window: Duration,
    refresh_kills_token: bool,
    scope_narrowing: ScopeNarrowing,
    lead: Duration,
    keep_alive: Duration,
    idle_limit: Duration,
    assumed_lifetime: Duration,
    token_path: String,
    label: String,
    git_hosts: Domains,
    registries: Domains,
    token_file: Vec<TokenFile>,
}

impl Read for Vec<TokenFile> {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        item.list("it as [[account.NAME.token_file]], once for each file")?.map(TokenFile::read).collect()
    }
}

impl Read for TokenFile {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let mut table = item.table("token_file".to_owned(), "a table: [[account.NAME.token_file]]")?;
        let path = table.take::<PathBuf>("path");
        let kind = table.take("kind");
        let audience = table.take("audience");
        let scopes = table.take::<Scopes>("scopes");
        let format = table.take("format");
        if let Some(first) = table.finish().into_iter().next() {
            return Err(first);
        }
        let Some(path) = path else {
            return Err(item.fault("a token_file has no path", "add path = \"%t/tokenkeeper/NAME.token\""));
        };
        Ok(Self {
            path: path.value,
            kind: kind.map_or(TokenKind::Access, |found| found.value),
            audience: audience.map(|found| found.value),
            scopes: scopes.map(|found| found.value.0).unwrap_or_default(),
            format: format.map_or(TokenFormat::Raw, |found| found.value),
        })
    }
}
