//! What an account hears, in the past tense.

use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::{Definition, TokenKind};

use super::effect::Change;
use super::record::{NewToken, Stored};
use crate::oauth::device::Authorization;
use crate::oauth::par::Pushed;
use crate::oauth::{Answer, Metadata};
use crate::secret::{Sealed, Secret};
use crate::time::Boot;

/// A caller that waits for one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaiterId(pub u64);

/// An errand of this account: its result is believed only while the account still waits for this ticket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// An interaction in progress. Random, so nobody guesses another's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u128);

/// Which token: the key of the cache.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TokenKey {
    /// Access or id token.
    pub kind: TokenKind,
    /// `None` = the definition's default.
    pub audience: Option<String>,
    /// `None` = the definition's default.
    pub resource: Option<String>,
    /// Scopes the token must cover, sorted; empty = the default.
    pub scopes: Vec<String>,
}

/// What a caller of GetToken wants.
#[derive(Debug, Clone)]
pub struct TokenAsk {
    /// Which token.
    pub key: TokenKey,
    /// How long it must still be valid.
    pub min_validity: Duration,
    /// The generation of the token that a resource server just answered 401 to.
    pub rejected: Option<u64>,
    /// When the caller stops waiting.
    pub deadline: Boot,
}

/// How to sign in.
#[derive(Debug, Clone, Default)]
pub struct LoginOptions {
    /// `None` = the definition's.
    pub flow: Option<tokenkeeper_config::Flow>,
    /// Scopes beside the definition's.
    pub scopes: Vec<String>,
    /// `login_hint` (OpenID Connect Core §3.1.2.1).
    pub login_hint: Option<String>,
    /// `prompt` (OpenID Connect Core §3.1.2.1).
    pub prompt: Option<String>,
    /// How the person shall sign in, in order of preference (RFC 9470 §4).
    pub acr_values: Option<String>,
    /// The longest time since they signed in, in seconds (RFC 9470 §4).
    pub max_age: Option<u32>,
    /// The refresh token is given (`RefreshTokenGiven`); nobody signs in.
    pub import: bool,
    /// Try the sealed old token once more instead of signing in.
    pub retry: bool,
    /// This machine takes over a copied vault.
    pub adopt: bool,
}

/// Randomness for one login, drawn by the shell: 256 bit each, base64url; and a key.
pub struct Entropy {
    /// `state` (RFC 6749 §10.12).
    pub state: Secret,
    /// `nonce` (OpenID Connect Core §3.1.2.1).
    pub nonce: Secret,
    /// `code_verifier` (RFC 7636 §4.1).
    pub verifier: Secret,
    /// A new key on P-256 (PKCS#8), for tokens that are bound to one (RFC 9449).
    pub proof_key: Secret,
    /// The random path of the redirect URI (RFC 8252 §8.9), without a slash.
    pub path: String,
}

/// Everything that can happen to an account.
#[allow(missing_docs, reason = "the fields are named for their types")]
pub enum Input {
    /// Its definition was read or changed; `Err` = a fault in the config, for people.
    Defined(Result<Arc<Definition>, String>),
    /// The vault was opened and holds this of the account. Also sent when the definition changed in a way that decides
    /// what can be opened; it is ignored while an exchange or a commit is under way.
    Unlocked(Box<Stored>),
    /// The vault is being locked: forget every token. An exchange in flight may still settle.
    Locked,
    /// A caller wants a token.
    TokenWanted { waiter: WaiterId, ask: TokenAsk },
    /// A caller wants a refresh now, whatever the clock says.
    RefreshWanted { waiter: WaiterId, deadline: Boot },
    /// A caller went away; an exchange it started goes on.
    WaiterLeft { waiter: WaiterId },
    /// Somebody wants to sign in.
    LoginWanted { request: RequestId, options: LoginOptions, entropy: Entropy },
    /// Somebody gave a refresh token (import).
    RefreshTokenGiven { request: RequestId, token: Secret },
    /// The request was cancelled or its maker vanished.
    LoginCancelled { request: RequestId },
    /// The loopback listener is ready.
    Listening { request: RequestId, redirect_uri: String },
    /// The loopback listener could not be made; a sentence for people.
    ListenFailed { request: RequestId, why: String },
    /// The browser came back, or the person pasted the redirect URI: its decoded query parameters, in order. The
    /// listener has checked method, host and path, nothing else.
    Redirected { request: RequestId, query: Vec<(String, Secret)> },
    /// Metadata came, or did not (a sentence for people; `final` = retrying will not help).
    Discovered { ticket: Ticket, result: Result<Arc<Metadata>, DiscoveryFailed> },
    /// A key was made: on P-256, in PKCS#8.
    KeyMade { ticket: Ticket, key: Secret },
    /// A token request ended, one way or another.
    Answered { ticket: Ticket, answer: Answer },
    /// There is a code for a person (RFC 8628 §3.2).
    Authorized { ticket: Ticket, authorization: Box<Authorization> },
    /// The pushed authorization request lies at the server.
    Pushed { ticket: Ticket, pushed: Pushed },
    /// A poll was answered with "not yet": the interval from now on, and for how long the server wants no request at all.
    Undecided { ticket: Ticket, interval: Duration, quiet: Option<Duration> },
    /// A commit is durable. `sealed` is the grant's refresh token as sealed by it, if it wrote one.
    Saved { ticket: Ticket, sealed: Option<Sealed> },
    /// A commit failed everywhere it was tried; a sentence for people. The change comes back, so that nothing in it
    /// is lost while the process lives.
    SaveFailed { ticket: Ticket, why: String, change: Box<Change> },
    /// The vault is this machine's now: another account's `Adopt` was saved.
    Adopted,
    /// The grant could not be opened under the present definition or machine; a sentence for people.
    Unopenable { ticket: Ticket, why: String },
    /// When a token expires, as its server says; `None` = it does not.
    Introspected { ticket: Ticket, left: Option<Duration> },
    /// Forget the login.
    LogoutWanted { waiter: WaiterId },
    /// The network came up.
    NetworkUp,
    /// The machine is about to sleep: start no rotation.
    Sleeping,
    /// The machine woke up.
    Woke,
    /// `deadline()` has come.
    Due,
}

/// Why there is no metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiscoveryFailed {
    /// A sentence for people.
    pub why: String,
    /// Whether the configuration has to change (wrong issuer, endpoint not https).
    pub misconfigured: bool,
}

impl LoginOptions {
    /// Whether it is about how or when the person signs in.
    pub(super) fn is_step_up(&self) -> bool {
        self.acr_values.is_some() || self.max_age.is_some()
    }
}

/// [`TokenKey::DEFAULT`] with an address.
pub(super) static DEFAULT_KEY: TokenKey = TokenKey::DEFAULT;

impl TokenKey {
    /// The token that is asked for when nothing is said.
    pub const DEFAULT: Self = Self { kind: TokenKind::Access, audience: None, resource: None, scopes: Vec::new() };
}

impl NewToken {
    /// Whether this is the account's default access or id token, the ones that are sealed on disk.
    pub fn is_default(&self) -> bool {
        self.key.audience.is_none() && self.key.resource.is_none() && self.key.scopes.is_empty()
    }
}
