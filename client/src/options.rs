//! What a program asks for.

use std::time::Duration;

use sha2::{Digest, Sha256};
use zbus::Variant;

use crate::token::Token;
use crate::wire::door::Lines;
use crate::wire::proxy::Options;
use crate::wire::{DEFAULT_MIN_VALIDITY, DEFAULT_TIMEOUT, MAX_TIMEOUT, key, word};

/// Which token of an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TokenKind {
    /// The access token: authorizes requests.
    #[default]
    Access,
    /// The ID token: says who signed in.
    Id,
}

/// What token is wanted. The default is the account's access token, valid for another minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenOptions {
    pub(crate) which: Which,
    pub(crate) min_validity: u32,
    pub(crate) rejected: Option<u64>,
    pub(crate) timeout: u32,
}

/// The part that tells one token of an account from another.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Which {
    kind: TokenKind,
    audience: Option<String>,
    resource: Option<String>,
    scopes: Vec<String>,
}

impl Default for TokenOptions {
    fn default() -> Self {
        Self { which: Which::default(), min_validity: DEFAULT_MIN_VALIDITY, rejected: None, timeout: DEFAULT_TIMEOUT }
    }
}

impl TokenOptions {
    /// The account's access token, valid for another minute.
    pub fn new() -> Self {
        Self::default()
    }

    /// The access token or the ID token.
    #[must_use]
    pub fn kind(mut self, kind: TokenKind) -> Self {
        self.which.kind = kind;
        self
    }

    /// A token for this audience; the account's definition must declare it.
    #[must_use]
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.which.audience = Some(audience.into());
        self
    }

    /// A token for this resource (RFC 8707); the account's definition must declare it.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<String>) -> Self {
        self.which.resource = Some(resource.into());
        self
    }

    /// The token must cover this scope. May be called more than once.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        let scope = scope.into();
        if let Err(place) = self.which.scopes.binary_search(&scope) {
            self.which.scopes.insert(place, scope);
        }
        self
    }

    /// How long the token must still be valid; whole seconds, a minute when nothing is said.
    #[must_use]
    pub fn min_validity(mut self, span: Duration) -> Self {
        self.min_validity = u32::try_from(span.as_secs()).unwrap_or(u32::MAX);
        self
    }

    /// A server answered 401 to the token of this generation: another is wanted.
    #[must_use]
    pub fn rejected(mut self, generation: u64) -> Self {
        self.rejected = Some(generation);
        self
    }

    /// How long to wait for a refresh; whole seconds, 20 when nothing is said, at most 120.
    #[must_use]
    pub fn timeout(mut self, span: Duration) -> Self {
        self.timeout = u32::try_from(span.as_secs()).unwrap_or(MAX_TIMEOUT).clamp(1, MAX_TIMEOUT);
        self
    }

    /// Only what differs from the default, so that an older keeper understands as much as possible.
    pub(crate) fn to_wire(&self) -> Options<'_> {
        let mut options = Options::new();
        if self.which.kind == TokenKind::Id {
            options.insert(key::token::KIND, Variant::from(word::ID));
        }
        if let Some(audience) = &self.which.audience {
            options.insert(key::token::AUDIENCE, Variant::from(audience.as_str()));
        }
        if let Some(resource) = &self.which.resource {
            options.insert(key::token::RESOURCE, Variant::from(resource.as_str()));
        }
        if !self.which.scopes.is_empty() {
            options.insert(key::token::SCOPES, Variant::from(&self.which.scopes));
        }
        if self.min_validity != DEFAULT_MIN_VALIDITY {
            options.insert(key::token::MIN_VALIDITY, Variant::from(self.min_validity));
        }
        if let Some(generation) = self.rejected {
            options.insert(key::token::REJECTED, Variant::from(generation));
        }
        if self.timeout != DEFAULT_TIMEOUT {
            options.insert(key::token::TIMEOUT, Variant::from(self.timeout));
        }
        options
    }
}

impl TokenOptions {
    /// The same for the keeper's own socket; `None` when something in it cannot stand in a line.
    pub(crate) fn to_lines(&self, lines: &mut Lines) -> Option<()> {
        let mut options: Vec<_> = self.to_wire().into_iter().collect();
        options.sort_unstable_by_key(|(key, _)| *key);
        for (key, value) in options {
            match value {
                Variant::Str(text) => lines.add(key, text.as_str())?,
                Variant::U32(number) => lines.add(key, number)?,
                Variant::U64(number) => lines.add(key, number)?,
                // The one list there is.
                _ => self.which.scopes.iter().try_for_each(|scope| lines.add(key, scope))?,
            }
        }
        Some(())
    }
}

/// What a proof is made with (RFC 9449). The default is for the account's current access token, without a nonce.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ProofOptions {
    nonce: Option<String>,
    digest: Option<[u8; 32]>,
}

impl ProofOptions {
    /// For the account's current access token.
    pub fn new() -> Self {
        Self::default()
    }

    /// For this token: the proof fits it, also when the keeper has a newer one meanwhile.
    #[must_use]
    pub fn token(mut self, token: &Token) -> Self {
        self.digest = Some(Sha256::digest(token.as_str()).into());
        self
    }

    /// What the server sent in `DPoP-Nonce` last. The keeper remembers it for that server.
    #[must_use]
    pub fn nonce(mut self, nonce: impl Into<String>) -> Self {
        self.nonce = Some(nonce.into());
        self
    }

    pub(crate) fn to_wire(&self) -> Options<'_> {
        let mut options = Options::new();
        if let Some(nonce) = &self.nonce {
            options.insert(key::proof::NONCE, Variant::from(nonce.as_str()));
        }
        if let Some(digest) = &self.digest {
            options.insert(key::proof::DIGEST, Variant::from(digest.as_slice()));
        }
        options
    }
}

/// How to sign in. The default is as the account's definition says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LoginOptions {
    flow: Option<String>,
    scopes: Vec<String>,
    login_hint: Option<String>,
    prompt: Option<String>,
    acr_values: Option<String>,
    max_age: Option<u32>,
    retry: bool,
    adopt: bool,
}

impl LoginOptions {
    /// As the account's definition says.
    pub fn new() -> Self {
        Self::default()
    }

    /// `auto`, `browser`, `device`, or `import` (the refresh token comes through [`Request::input`]).
    ///
    /// [`Request::input`]: crate::Request::input
    #[must_use]
    pub fn flow(mut self, flow: impl Into<String>) -> Self {
        self.flow = Some(flow.into());
        self
    }

    /// Ask for this scope beside the definition's. May be called more than once.
    #[must_use]
    pub fn scope(mut self, scope: impl Into<String>) -> Self {
        self.scopes.push(scope.into());
        self
    }

    /// Who is expected to sign in (OpenID Connect's `login_hint`).
    #[must_use]
    pub fn login_hint(mut self, hint: impl Into<String>) -> Self {
        self.login_hint = Some(hint.into());
        self
    }

    /// OpenID Connect's `prompt`.
    #[must_use]
    pub fn prompt(mut self, prompt: impl Into<String>) -> Self {
        self.prompt = Some(prompt.into());
        self
    }

    /// How the person shall sign in, in order of preference: what an API's 401 `insufficient_user_authentication` names
    /// (RFC 9470). May be called more than once.
    #[must_use]
    pub fn acr(mut self, acr: impl AsRef<str>) -> Self {
        let values = self.acr_values.get_or_insert_default();
        if !values.is_empty() {
            values.push(' ');
        }
        values.push_str(acr.as_ref());
        self
    }

    /// The longest time since the person signed in (RFC 9470).
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.max_age = Some(u32::try_from(age.as_secs()).unwrap_or(u32::MAX));
        self
    }

    /// Try the sealed old refresh token once more instead of signing in.
    #[must_use]
    pub fn retry(mut self) -> Self {
        self.retry = true;
        self
    }

    /// This machine takes over a copied vault, whole.
    #[must_use]
    pub fn adopt(mut self) -> Self {
        self.adopt = true;
        self
    }

    pub(crate) fn to_wire(&self) -> Options<'_> {
        let mut options = Options::new();
        let texts = [
            (key::login::FLOW, &self.flow),
            (key::login::LOGIN_HINT, &self.login_hint),
            (key::login::PROMPT, &self.prompt),
            (key::login::ACR_VALUES, &self.acr_values),
        ];
        for (name, text) in texts {
            if let Some(text) = text {
                options.insert(name, Variant::from(text.as_str()));
            }
        }
        if !self.scopes.is_empty() {
            options.insert(key::login::SCOPES, Variant::from(&self.scopes));
        }
        if let Some(age) = self.max_age {
            options.insert(key::login::MAX_AGE, Variant::from(age));
        }
        for (name, flag) in [(key::login::RETRY, self.retry), (key::login::ADOPT, self.adopt)] {
            if flag {
                options.insert(name, Variant::from(true));
            }
        }
        options
    }
}
