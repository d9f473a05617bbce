//! A token in the hands of the program that asked for it.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

/// An access or ID token. Cheap to clone; wiped from memory with its last clone; never printed by `Debug`.
#[derive(Clone)]
pub struct Token(Arc<Inner>);

struct Inner {
    text: Zeroizing<Box<str>>,
    token_type: String,
    expires_at: u64,
    scopes: Vec<String>,
    generation: u64,
}

impl Token {
    pub(crate) fn new(
        text: Zeroizing<Box<str>>,
        token_type: String,
        expires_at: u64,
        scopes: Vec<String>,
        generation: u64,
    ) -> Self {
        Self(Arc::new(Inner { text, token_type, expires_at, scopes, generation }))
    }

    /// The token itself. Whoever calls this answers for where it goes.
    pub fn as_str(&self) -> &str {
        &self.0.text
    }

    /// `Bearer`, or as the server says.
    pub fn token_type(&self) -> &str {
        &self.0.token_type
    }

    /// When it ends, unix seconds; 0 = unknown.
    pub fn expires_at(&self) -> u64 {
        self.0.expires_at
    }

    /// What it covers.
    pub fn scopes(&self) -> &[String] {
        &self.0.scopes
    }

    /// The generation of the login that made this token: what to pass to
    /// [`TokenOptions::rejected`](crate::TokenOptions::rejected) when a server answers 401 to it.
    pub fn generation(&self) -> u64 {
        self.0.generation
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("token_type", &self.0.token_type)
            .field("expires_at", &self.0.expires_at)
            .field("scopes", &self.0.scopes)
            .field("generation", &self.0.generation)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_does_not_show_the_token() {
        let text = Zeroizing::new(Box::from("canary"));
        let token = Token::new(text, "Bearer".into(), 0, Vec::new(), 1);
        assert!(!format!("{token:?}").contains("canary"));
    }
}
