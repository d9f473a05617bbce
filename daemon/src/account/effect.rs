//! What an account asks for, in the imperative. The keeper carries effects out in order and reports back by `Input`.

use std::sync::Arc;
use std::time::Duration;

use tokenkeeper_config::{Definition, Redirect};

use super::denied::Denied;
use super::input::{RequestId, Ticket, TokenKey, WaiterId};
use super::record::{Facts, Intent, NewGrant, NewToken};
use super::revocation::Revocation;
use crate::oauth::Metadata;
use crate::oauth::authorize::Parameters;
use crate::secret::{Sealed, Secret};

/// One thing to do.
#[allow(missing_docs, reason = "the fields are named for their types")]
pub enum Effect {
    /// Answer a caller of GetToken. Every waiter gets exactly one `Reply`, `ReplyDone` or `Deny`.
    Reply { waiter: WaiterId, served: Served },
    /// Tell a caller of Refresh or Logout that it is done.
    ReplyDone { waiter: WaiterId, expires_at: u64 },
    /// Refuse a caller.
    Deny { waiter: WaiterId, denied: Denied },
    /// Fetch the server's metadata and keys. Reports `Discovered`.
    Discover { ticket: Ticket, definition: Arc<Definition> },
    /// Make a key that tokens will be bound to (RFC 9449). Reports `KeyMade`.
    MakeKey { ticket: Ticket },
    /// Send one token request, once. Reports `Answered` (or `Unopenable`).
    Ask { ticket: Ticket, definition: Arc<Definition>, metadata: Arc<Metadata>, exchange: Exchange, timeout: Duration },
    /// Commit and sync. Reports `Saved` or `SaveFailed`, which hands the change back.
    Save { ticket: Ticket, change: Change },
    /// Open the loopback listener for a login. Reports `Listening` or `ListenFailed`, then `Redirected`.
    Listen { request: RequestId, redirect: Redirect, path: String },
    /// Show this page to the browser that came back, then close the listener.
    Show { request: RequestId, page: Page },
    /// A request moved on.
    Report { request: RequestId, progress: Progress },
    /// Ask when a token expires (RFC 7662). Reports `Introspected`.
    Introspect { ticket: Ticket, definition: Arc<Definition>, metadata: Arc<Metadata>, token: Arc<Secret> },
    /// Tell the server of a login that was forgotten (RFC 7009), until it has heard: what it takes is stored, under the
    /// time at which it was forgotten. Nothing is reported.
    Revoke { at: i64 },
    /// Tell the person, once for each cause.
    Notify(Notice),
    /// Say this in the log: a sentence for people.
    Log { warning: bool, message: String },
}

/// A request to the server, without the parts that the vault keeps.
#[allow(missing_docs, reason = "the fields are named for their types")]
pub enum Exchange {
    /// RFC 6749 §4.1.3 with RFC 7636 §4.5. With a proof by this key, if there is one.
    Code { code: Secret, verifier: Secret, redirect_uri: String, proof_key: Option<Secret> },
    /// RFC 6749 §6. With a proof by the key of this thumbprint, which the vault keeps, if there is one.
    Refresh { token: Sealed, key: TokenKey, proof_key: Option<String> },
    /// RFC 6749 §4.4. With a proof, if there is a key.
    ClientCredentials { key: TokenKey, proof_key: Option<ProofKey> },
    /// RFC 8693 §2.1. With a proof as at a refresh.
    TokenExchange { subject: Arc<Secret>, key: TokenKey, proof_key: Option<String> },
    /// RFC 9126 §2.1: the authorization request. Reports `Pushed`, or `Answered` with what came instead.
    Push { parameters: Box<Parameters> },
    /// RFC 8628 §3.1: a code for a person. Reports `Authorized`, or `Answered` with what came instead.
    DeviceAuthorization { scopes: Vec<String> },
    /// RFC 8628 §3.4: one poll; `interval` is the one kept so far. Reports `Undecided` or `Answered`.
    DeviceCode { code: Secret, interval: Duration, proof_key: Option<Secret> },
}

/// By which key a client that nobody signs in to proves its requests (RFC 9449).
pub enum ProofKey {
    /// The one of this thumbprint, which the vault keeps.
    Stored(String),
    /// One that is stored with the first token it brings.
    New(Secret),
}

/// What a commit changes: all of it or nothing, compared and swapped on the generation that is stored now.
#[allow(missing_docs, reason = "the fields are named for their types")]
pub enum Change {
    /// Note down that a rotating token is about to be sent (P1), or that it was not.
    Intent { generation: u64, intent: Option<Intent> },
    /// A grant of the next generation; clears the intent (P4). `tokens` are all the default tokens that are valid after
    /// it: those stored before and not named here are deleted.
    Grant { replaces: u64, grant: NewGrant, tokens: Vec<NewToken> },
    /// All default tokens that are valid, of the stored grant: one of them is known better now.
    Tokens { generation: u64, tokens: Vec<NewToken> },
    /// New facts about the stored grant, mostly that it ended; clears the intent.
    Facts { generation: u64, facts: Facts },
    /// Forget the grant, its tokens and its intent; the generation is remembered. With a revocation the refresh token is
    /// kept beside that, out of every account's reach, until the server has been told.
    Forget { generation: u64, revocation: Option<Revocation> },
    /// Bind the whole vault to this machine. Once it is saved, every other account hears `Adopted`.
    Adopt,
}

/// A token as served to a caller. Cheap to clone.
#[derive(Clone)]
pub struct Served {
    /// The token.
    pub token: Arc<Secret>,
    /// `Bearer` or as the server says.
    pub token_type: Arc<str>,
    /// Unix seconds; 0 = unknown.
    pub expires_at: u64,
    /// What it covers.
    pub scopes: Arc<[String]>,
    /// The generation that made this token.
    pub generation: u64,
    /// SHA-256 of the token.
    pub digest: [u8; 32],
}

/// How a login goes.
#[allow(missing_docs, reason = "the fields are named for their types")]
pub enum Progress {
    /// Open this address; `user_code` only in the device flow. `expires_in` until the request fails.
    Uri { uri: String, user_code: Option<UserCode>, expires_in: Duration },
    /// Signed in, and durable.
    Done { subject: Option<String> },
    /// It failed; the old login, if any, is as it was.
    Failed(Denied),
    /// It was cancelled.
    Cancelled,
}

/// What a person types elsewhere (RFC 8628 §3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserCode {
    /// The code.
    pub code: String,
    /// The address of the page that wants it, without the code.
    pub place: String,
}

/// What the person's browser shows at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are named for their types")]
pub enum Page {
    /// The refresh token is durable.
    Stored { account: String, subject: Option<String>, issuer: String },
    /// What went wrong and what to do.
    Failed { account: String, what: String, remedy: String },
}

/// Something a person should hear of.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are named for their types")]
pub enum Notice {
    /// A login is needed; the cause, a sentence.
    LoginNeeded { why: String },
    /// The server wants the person.
    Attention { why: String },
    /// The server ends the login soon; a sentence.
    LoginEndsSoon { why: String },
    /// A token is served that is not durable.
    Unsaved { why: String },
    /// The login is back, or durable again.
    Recovered,
}
