//! A definition on its way to its client: what its person said, what its server and resource know, what the server
//! registered. It does no I/O.

use std::collections::BTreeMap;

use tokenkeeper_config::{AccountName, ClientAuth, Config, Definition, Fault, Flow, Places, Value};

use crate::account::Denied;
use crate::oauth::Metadata;
use crate::oauth::registration::Registered;

/// The keys so far.
pub(super) struct Draft {
    pub(super) name: AccountName,
    keys: BTreeMap<String, Value>,
    places: Places,
    /// What the resource that was asked for a server knows; `None` = the server was named.
    offered: Option<Vec<String>>,
    /// Whether the scopes are of our choosing.
    chose_scopes: bool,
    /// What a person should know: sentences.
    pub(super) notes: Vec<String>,
}

/// Stands where the client ID will, while a definition is checked.
const UNKNOWN: &str = "unknown";

/// What comes with a registration.
const GIVEN: [&str; 4] = ["client_id", "client_secret_file", "client_auth", "private_key_file"];

/// How many ports are registered: another program may hold one or two when somebody signs in.
const PORTS: usize = 3;
/// They are above those that Linux gives to connections by itself (32768 to 60999), and none of these is anybody's.
const FIRST_PORT: u16 = 61_000;

impl Draft {
    pub(super) fn new(name: AccountName, mut keys: BTreeMap<String, Value>, places: Places) -> Self {
        keys.remove("name");
        Self { name, keys, places, offered: None, chose_scopes: false, notes: Vec::new() }
    }

    pub(super) fn names_a_server(&self) -> bool {
        ["provider", "issuer", "token_endpoint"].iter().any(|key| self.keys.contains_key(*key))
    }

    /// The resource by which a server may be found.
    pub(super) fn resource(&self) -> Option<&str> {
        match self.keys.get("resource") {
            Some(Value::Text(resource)) => Some(resource),
            _ => None,
        }
    }

    /// The server that a resource names.
    pub(super) fn name_server(&mut self, issuer: &str) {
        self.set("issuer", Value::Text(issuer.to_owned()));
    }

    /// The scopes that the resource knows.
    pub(super) fn offer_scopes(&mut self, scopes: Vec<String>) {
        self.offered = Some(scopes);
    }

    /// What the keys say so far.
    ///
    /// # Errors
    /// What the configuration would say of them.
    pub(super) fn definition(&self) -> Result<Definition, Denied> {
        if let Some(key) = GIVEN.iter().find(|key| self.keys.contains_key(**key)) {
            let why =
                format!("`{key}` comes with the registration; leave it out, or add the account without registering");
            return Err(Denied::InvalidArgs(why));
        }
        let mut keys = self.keys.clone();
        keys.insert("client_id".to_owned(), Value::Text(UNKNOWN.to_owned()));
        let invalid = |fault: Fault| Denied::InvalidArgs(format!("{}; {}", fault.what, fault.write_instead));
        let text = tokenkeeper_config::render_account(&self.name, &keys, &self.places).map_err(invalid)?;
        let file = self.places.account_file(&self.name);
        let mut loaded = Config::parse(&text, &file, &self.places.specifiers);
        let account = loaded.accounts.remove(&self.name).expect("what was rendered was read back");
        let definition = account.definition.map_err(invalid)?;
        if definition.flow == Flow::ClientCredentials {
            let why = "a client that nobody signs in to is not registered by itself; ask the server's operator for one";
            return Err(Denied::InvalidArgs(why.into()));
        }
        Ok(definition)
    }

    /// What to ask for where the person did not say: what the resource knows, and what gives an ID token and a refresh
    /// token, as far as the server says that it has them.
    pub(super) fn choose_scopes(&mut self, metadata: &Metadata) {
        if ["scopes", "provider"].iter().any(|key| self.keys.contains_key(*key)) {
            return;
        }
        let mut scopes = self.offered.clone().unwrap_or_default();
        let supported = metadata.scopes_supported.as_deref();
        for scope in ["openid", "offline_access"] {
            let has = supported.map_or(self.offered.is_none(), |listed| listed.iter().any(|one| one == scope));
            if has && !scopes.iter().any(|one| one == scope) {
                scopes.push(scope.to_owned());
            }
        }
        self.set("scopes", Value::List(scopes));
        self.chose_scopes = true;
    }

    /// Fixed ports, because there are servers that compare the whole redirect URI (RFC 8252 §7.3 says not to).
    pub(super) fn choose_ports(&mut self, definition: &Definition, random: [u8; 2 * PORTS]) {
        // A preset without ports, but with a path, is of a server that lets the port vary.
        let varies = definition.provider.is_some() && definition.redirect.path.is_some();
        if varies || !definition.redirect.ports.is_empty() {
            return;
        }
        let span = u16::MAX - FIRST_PORT - PORTS as u16;
        let mut ports: Vec<u16> = Vec::new();
        for pair in random.chunks_exact(2) {
            let mut port = FIRST_PORT + u16::from_ne_bytes([pair[0], pair[1]]) % span;
            while ports.contains(&port) {
                port += 1;
            }
            ports.push(port);
        }
        self.set("redirect_ports", Value::List(ports.iter().map(u16::to_string).collect()));
        if definition.redirect.path.is_none() {
            self.set("redirect_path", Value::Text("/callback".to_owned()));
        }
    }

    /// The client as it was registered at `host`, whatever was asked for.
    pub(super) fn take_client(&mut self, client: &Registered, definition: &Definition, host: &str) {
        self.set("client_id", Value::Text(client.client_id.clone()));
        let auth = match client.auth {
            Some(ClientAuth::None) => Some("none"),
            Some(ClientAuth::Basic) => Some("basic"),
            Some(ClientAuth::Post) => Some("post"),
            Some(ClientAuth::BasicRaw | ClientAuth::PrivateKeyJwt) | None => None,
        };
        if let Some(auth) = auth {
            self.set("client_auth", Value::Text(auth.to_owned()));
        }
        if let Some(redirect) = &client.redirect {
            self.set("redirect_host", Value::Text(redirect.host.clone()));
            self.set("redirect_ports", Value::List(redirect.ports.iter().map(u16::to_string).collect()));
            if let Some(path) = &redirect.path {
                self.set("redirect_path", Value::Text(path.clone()));
            }
        }
        if !client.refreshes {
            self.notes
                .push(format!("{host} gives this client no refresh tokens: you will have to sign in again and again."));
        }
        self.drop_scopes(client, definition, host);
        let provider = definition.provider.as_deref().or_else(|| host.ends_with(".auth0.com").then_some("auth0"));
        let preset = provider.and_then(tokenkeeper_config::preset);
        self.notes.extend(preset.and_then(|preset| preset.hints.get("registered")).cloned());
    }

    /// Scopes of our choosing that the server does not allow the client. `openid` is never among them: some servers do not
    /// list what every client has. What the person asked for is asked for.
    fn drop_scopes(&mut self, client: &Registered, definition: &Definition, host: &str) {
        let Some(allowed) = client.scopes.as_ref().filter(|_| self.chose_scopes) else { return };
        let is_allowed = |scope: &String| scope == "openid" || allowed.contains(scope);
        let (kept, dropped): (Vec<String>, Vec<String>) = definition.scopes.iter().cloned().partition(is_allowed);
        if dropped.is_empty() || kept.is_empty() {
            return;
        }
        self.notes.push(format!("{host} does not allow this client the scopes {}.", dropped.join(", ")));
        self.set("scopes", Value::List(kept));
    }

    /// The keys with the name, as they are written.
    pub(super) fn whole(mut self) -> BTreeMap<String, Value> {
        let name = Value::Text(self.name.to_string());
        self.set("name", name);
        self.keys
    }

    fn set(&mut self, key: &str, value: Value) {
        self.keys.insert(key.to_owned(), value);
    }
}
