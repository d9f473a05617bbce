//! `[keeper]`: what holds for the whole keeper.

use url::Url;

use crate::fault::Fault;
use crate::table::{Found, Item, Read};
use crate::value::Words;

/// What `[keeper]` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeeperSettings {
    /// Programs outside a sandbox.
    pub host_apps: HostApps,
    /// Whether GetToken answers on the bus beside SendToken.
    pub tokens_in_messages: bool,
    /// What a locked screen means for the vault.
    pub on_screen_lock: OnScreenLock,
    /// The proxy for every request to a server; the environment's is ignored.
    pub proxy: Option<Url>,
}

/// Whether programs outside a sandbox get tokens without being asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum HostApps {
    Allow,
    Ask,
}

/// What a locked screen means for the vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the words say it")]
pub enum OnScreenLock {
    Keep,
    Lock,
}

impl Default for KeeperSettings {
    fn default() -> Self {
        Self { host_apps: HostApps::Allow, tokens_in_messages: true, on_screen_lock: OnScreenLock::Keep, proxy: None }
    }
}

impl Words for HostApps {
    const WORDS: &'static [(&'static str, Self)] = &[("allow", Self::Allow), ("ask", Self::Ask)];
    const NOT_YET: &'static [&'static str] = &["ask"];
}

impl Words for OnScreenLock {
    const WORDS: &'static [(&'static str, Self)] = &[("keep", Self::Keep), ("lock", Self::Lock)];
}

impl KeeperSettings {
    /// Takes what one file says; a later file wins per key.
    pub(crate) fn read(&mut self, item: Item<'_>) -> Vec<Fault> {
        let mut table = match item.table("keeper".to_owned(), "[keeper]") {
            Ok(table) => table,
            Err(fault) => return vec![fault],
        };
        set(&mut self.host_apps, table.take("host_apps"));
        set(&mut self.tokens_in_messages, table.take("tokens_in_messages"));
        set(&mut self.on_screen_lock, table.take("on_screen_lock"));
        if let Some(Found { value: ProxyAddress(proxy), .. }) = table.take("proxy") {
            self.proxy = Some(proxy);
        }
        table.finish()
    }
}

fn set<T>(setting: &mut T, found: Option<Found<T>>) {
    if let Some(found) = found {
        *setting = found.value;
    }
}

/// The proxy: http or https, any host, no password.
struct ProxyAddress(Url);

impl Read for ProxyAddress {
    fn read(item: Item<'_>) -> Result<Self, Fault> {
        let wanted = "write it like \"http://proxy.acme.example:3128\"";
        let text = item.text("an address in quotes, like \"http://proxy.acme.example:3128\"")?;
        let url = Url::parse(text).map_err(|_| item.fault("`proxy` is no address", wanted))?;
        if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
            return Err(item.fault("`proxy` is no http address", wanted));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(item.fault("`proxy` contains a user name or password", wanted));
        }
        Ok(Self(url))
    }
}
