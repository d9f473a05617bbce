//! What is durable of an account. The vault seals it; these are the values.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::input::TokenKey;
use crate::oauth::IdClaims;
use crate::secret::{Sealed, Secret};
use crate::time::{Boot, BootId, Moment, Wall};

/// A refresh token to be stored.
pub enum RefreshToken {
    /// From an answer.
    Fresh(Secret),
    /// The answer had none: the stored one goes on (RFC 6749 §6).
    Kept(Sealed),
}

/// A grant to be stored. Its generation is one more than that of the grant it replaces.
pub struct NewGrant {
    /// The refresh token; `None` = the server gave none and the account can live without (client credentials).
    pub token: Option<RefreshToken>,
    /// Keep the token of the previous generation sealed beside it until this one has worked once (P6).
    pub keep_previous: bool,
    /// The key that its tokens are bound to, if it is a new one (PKCS#8); else the stored one goes on where
    /// [`Facts::proof_key`] names one.
    pub new_key: Option<Secret>,
    /// What is known of it.
    pub facts: Facts,
}

/// What is known of a grant. Sealed with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// Claims of the login's ID token: later ones must agree (OpenID Connect Core §12.2).
    pub claims: Option<Box<IdClaims>>,
    /// Granted scopes.
    pub scopes: Vec<String>,
    /// What was granted in detail, JSON (RFC 9396 §7).
    pub authorization_details: Option<String>,
    /// When the person signed in, unix milliseconds.
    pub signed_in_at: i64,
    /// When the grant last worked, unix milliseconds.
    pub refreshed_at: i64,
    /// When somebody last asked for a token before the grant was stored, unix milliseconds.
    pub asked_at: i64,
    /// When the login itself ends, unix milliseconds; `None` = unknown.
    pub login_ends_at: Option<i64>,
    /// When the refresh token ends if nobody uses it, as the last answer says, unix milliseconds.
    pub token_ends_at: Option<i64>,
    /// That end moves on with each refresh: it limits idleness only.
    pub slides: bool,
    /// The person was told that the login ends.
    pub end_announced: bool,
    /// Whether a refresh was ever answered with another refresh token.
    pub rotates: bool,
    /// How many refreshes this lineage has seen.
    pub refreshes: u64,
    /// Thumbprint (RFC 7638) of the key that the tokens are bound to (RFC 9449); `None` = whoever has them may use them.
    pub proof_key: Option<String>,
    /// Set when the lineage is no longer usable; the token stays sealed for seven days.
    pub ended: Option<Ended>,
}

/// Why and when a lineage ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// Unix milliseconds.
    pub at: i64,
    /// A sentence for people.
    pub why: String,
    /// `held` rather than `login-required`: a person has to decide.
    pub held: bool,
}

/// Written before a rotating token is sent, so that a crash is understood afterwards (P1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// How often this token was sent.
    pub attempts: u32,
    /// The generation of the token that is sent.
    pub generation: u64,
    /// SHA-256 of that token's sealed form.
    pub token_hash: [u8; 32],
    /// When, unix milliseconds.
    pub wall: i64,
    /// When, milliseconds on the boot clock.
    pub boot: u64,
    /// In which boot.
    pub boot_id: [u8; 16],
}

/// A token to be kept. Cloning it shares the token.
#[derive(Clone)]
pub struct NewToken {
    /// Which.
    pub key: TokenKey,
    /// The token.
    pub token: Arc<Secret>,
    /// `Bearer` or as the server says.
    pub token_type: String,
    /// `None` = unknown.
    pub expiry: Option<Moment>,
    /// What it covers.
    pub scopes: Vec<String>,
    /// The generation that made it.
    pub generation: u64,
    /// When it was asked for, wall clock.
    pub minted: Wall,
}

/// A token as it was stored.
pub type StoredToken = NewToken;

/// A grant as it was stored.
pub struct StoredGrant {
    /// Counts the lineage.
    pub generation: u64,
    /// The refresh token, sealed.
    pub token: Option<Sealed>,
    /// The one before it, sealed, while the present one has not worked yet.
    pub previous: Option<Sealed>,
    /// What is known of it.
    pub facts: Facts,
}

/// All that the vault holds of one account.
#[derive(Default)]
pub struct Stored {
    /// The last generation ever given, so that a new login goes on counting.
    pub generation: u64,
    /// The grant; `Err` = it is there and cannot be opened (other endpoint, other machine): a sentence for people.
    pub grant: Option<Result<StoredGrant, String>>,
    /// An exchange that was under way when the keeper ended.
    pub intent: Option<Intent>,
    /// Default access and id token.
    pub tokens: Vec<StoredToken>,
    /// Set when the vault belongs to another machine: nothing is refreshed until it is adopted.
    pub foreign: bool,
}

impl Intent {
    /// The instant it was written, on the boot clock of its boot.
    pub fn moment(&self) -> (Boot, BootId) {
        (Boot(std::time::Duration::from_millis(self.boot)), BootId(self.boot_id))
    }
}
