//! How the server behaves until told otherwise. Everything may be changed while it runs.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The server's behaviour. Times in seconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whose manners: plain OAuth or Auth0's.
    pub dialect: Dialect,
    /// Who may ask.
    pub clients: Vec<Client>,
    /// Who signs in.
    pub subject: String,
    /// What happens at the authorization endpoint.
    pub consent: Consent,
    /// When a login brings a refresh token.
    pub offline: Offline,
    /// Whether access tokens are exchanged (RFC 8693) for one of `audiences`, or with fewer scopes.
    pub token_exchange: bool,
    /// Whether access tokens can be introspected (RFC 7662).
    pub introspection: bool,
    /// Audiences that exist; Auth0 silently ignores any other and answers with the default one.
    pub audiences: Vec<String>,
    /// Whether the token endpoint wants proofs.
    pub dpop: Dpop,
    /// Whether refresh tokens rotate.
    pub rotation: Rotation,
    /// How long access and id tokens live.
    pub access_lifetime: f64,
    /// How long a refresh token lives unused; absent = for ever.
    pub idle_lifetime: Option<f64>,
    /// Whether a refresh ends the access token that was handed out before.
    pub refresh_kills_token: bool,
    /// Whether a refresh renews the id token (OpenID Connect Core §12.2 leaves it open).
    pub renew_id_token: bool,
    /// Whether id tokens are signed with ES256 instead of RS256.
    pub es256: bool,
    /// Fields merged into every id token's claims; null takes one out.
    pub id_patch: Map<String, Value>,
    /// What the names of the signing keys end in: another one is another key to who compares names.
    pub key_names: String,
    /// The subject of id tokens at a refresh, if it differs from the login's (it must not: §12.2).
    pub refresh_subject: Option<String>,
    /// An issuer to claim in the metadata in place of the true one.
    pub claimed_issuer: Option<String>,
    /// Whether the authorization response carries `iss` (RFC 9207).
    pub iss_parameter: bool,
    /// An `iss` to send in place of the true one.
    pub claimed_iss: Option<String>,
    /// Whether the authorization endpoint takes only requests that were pushed (RFC 9126 §5).
    pub require_par: bool,
    /// The `acr` of ID tokens; absent = the first that was asked for, if any.
    pub acr: Option<String>,
    /// How many seconds ago people signed in, when they need not do it again.
    pub signed_in_ago: u64,
    /// Whether the person has allowed a device code; absent = not decided yet.
    pub device_consent: Option<bool>,
    /// After how many seconds a device code is no longer taken, whatever the server says of it.
    pub device_lifetime: f64,
    /// Whether a poll after the successful one brings a second pair of tokens, as at some servers.
    pub device_second_pair: bool,
    /// Fields merged into every answer with a device code; null takes one out.
    pub device_patch: Map<String, Value>,
    /// Fields merged into every token answer; null takes one out.
    pub answer_patch: Map<String, Value>,
    /// Fields merged into the metadata; null takes one out.
    pub metadata_patch: Map<String, Value>,
    /// What whoever registers a client has to show (RFC 7591 §3); absent = nothing.
    pub initial_access_token: Option<String>,
    /// Fields merged into what a client asked to be registered as; null takes one out.
    pub registration_patch: Map<String, Value>,
    /// Fields merged into the description of the API (RFC 9728); null takes one out.
    pub resource_patch: Map<String, Value>,
}

/// Whose manners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dialect {
    /// RFC 6749 to the letter.
    Plain,
    /// 403 for `invalid_grant`, `audience`, an issuer that ends in a slash, device polls answered with 403 and 429.
    Auth0,
    /// GitHub's: every refusal comes with 200, and `slow_down` names the new interval.
    GitHub,
}

/// A registered client.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// `client_id`.
    pub id: String,
    /// How it authenticates.
    pub auth: ClientAuth,
    /// Its secret; empty for a public client.
    #[serde(default)]
    pub secret: String,
    /// Exact redirect addresses; empty = any path on any port of a loopback literal (RFC 8252 §7.3).
    #[serde(default)]
    pub redirect_uris: Vec<String>,
}

/// How a client authenticates at the token endpoint (RFC 6749 §2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs, reason = "as in token_endpoint_auth_method")]
pub enum ClientAuth {
    None,
    Basic,
    Post,
}

/// What happens at the authorization endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Consent {
    /// Signed in and allowed at once; no human.
    Auto,
    /// A page with two buttons.
    Page,
    /// The person says no.
    Deny,
    /// An error page and no redirect, ever.
    Silence,
}

/// When a login brings a refresh token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Offline {
    /// With the scope `offline_access`.
    OnScope,
    /// Never, and without a word: Auth0 with "Allow Offline Access" off.
    Never,
}

/// Whether the token endpoint wants proofs (RFC 9449), and which answers tell the nonce of the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Dpop {
    /// No proof is wanted.
    Off,
    /// All of them, as section 8.2 wants it.
    NonceAlways,
    /// Those that refuse: every request has to come twice.
    NonceAtRefusals,
}

/// Whether refresh tokens rotate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rotation {
    /// One token for the life of the login; answers to a refresh carry none.
    None,
    /// Every refresh consumes the token. The previous one works for `window` seconds more (0 = strict); any other
    /// replay ends the whole family.
    Rotating {
        /// Seconds.
        window: f64,
        /// Whether a replay inside the window gives the same successor again (django-oauth-toolkit) or one more.
        same_pair: bool,
    },
}

impl Rotation {
    /// Rotation without any leeway.
    pub const STRICT: Self = Self::Rotating { window: 0.0, same_pair: false };

    /// Rotation with a leeway of so many seconds.
    pub const fn window(seconds: f64) -> Self {
        Self::Rotating { window: seconds, same_pair: false }
    }
}

impl Client {
    /// A native application: no secret (RFC 8252 §8.5).
    pub fn public(id: &str) -> Self {
        Self { id: id.into(), auth: ClientAuth::None, secret: String::new(), redirect_uris: Vec::new() }
    }

    /// A client with a secret.
    pub fn confidential(id: &str, auth: ClientAuth, secret: &str) -> Self {
        Self { id: id.into(), auth, secret: secret.into(), redirect_uris: Vec::new() }
    }
}

impl Settings {
    /// Auth0 as a new tenant is: rotation on, no overlap, one API.
    pub fn auth0() -> Self {
        Self { dialect: Dialect::Auth0, audiences: vec!["https://api.acme.example".into()], ..Self::default() }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            dialect: Dialect::Plain,
            clients: vec![
                Client::public("desktop"),
                Client::confidential("basic", ClientAuth::Basic, "a:b%+ü/c d"),
                Client::confidential("post", ClientAuth::Post, "s3cret&=?"),
            ],
            subject: "auth0|ada".into(),
            consent: Consent::Auto,
            offline: Offline::OnScope,
            token_exchange: false,
            introspection: false,
            audiences: Vec::new(),
            dpop: Dpop::Off,
            rotation: Rotation::STRICT,
            access_lifetime: 3600.0,
            idle_lifetime: None,
            refresh_kills_token: false,
            renew_id_token: true,
            es256: false,
            id_patch: Map::new(),
            key_names: "1".into(),
            refresh_subject: None,
            claimed_issuer: None,
            iss_parameter: true,
            claimed_iss: None,
            require_par: false,
            acr: None,
            signed_in_ago: 0,
            device_consent: Some(true),
            device_lifetime: 900.0,
            device_second_pair: false,
            device_patch: Map::new(),
            answer_patch: Map::new(),
            metadata_patch: Map::new(),
            initial_access_token: None,
            registration_patch: Map::new(),
            resource_patch: Map::new(),
        }
    }
}
