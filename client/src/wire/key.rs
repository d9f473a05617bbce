//! The keys of `a{sv}` dictionaries.

/// Options of GetToken and SendToken; `timeout` also of Refresh.
pub mod token {
    /// `as`: scopes the token must cover.
    pub const SCOPES: &str = "scopes";
    /// `s`: one that the definition declares.
    pub const AUDIENCE: &str = "audience";
    /// `s`: one that the definition declares.
    pub const RESOURCE: &str = "resource";
    /// `u`: seconds the token must still be valid.
    pub const MIN_VALIDITY: &str = "min_validity";
    /// `s`: `access` or `id`.
    pub const KIND: &str = "kind";
    /// `t`: the generation of the token that a server just answered 401 to.
    pub const REJECTED: &str = "rejected";
    /// `u`: seconds to wait.
    pub const TIMEOUT: &str = "timeout";
}

/// Options of SignProof. All but the first two choose the token that goes with the request, as for GetToken.
pub mod proof {
    /// `s`: what the server sent in `DPoP-Nonce` last.
    pub const NONCE: &str = "nonce";
    /// `ay`: SHA-256 of the token that goes with the request; else it is the account's current one.
    pub const DIGEST: &str = "digest";
    /// `s`: one that the definition declares.
    pub const AUDIENCE: &str = "audience";
    /// `s`: one that the definition declares.
    pub const RESOURCE: &str = "resource";
    /// `as`: scopes the token must cover.
    pub const SCOPES: &str = "scopes";
    /// `u`: seconds to wait.
    pub const TIMEOUT: &str = "timeout";
}

/// What comes with a token.
pub mod info {
    /// `s`: `Bearer` or as the server says.
    pub const TOKEN_TYPE: &str = "token_type";
    /// `t`: unix seconds, 0 unknown. Also in the answer of Refresh.
    pub const EXPIRES_AT: &str = "expires_at";
    /// `as`: what it covers.
    pub const SCOPES: &str = "scopes";
    /// `t`: the generation that made this token.
    pub const GENERATION: &str = "generation";
    /// `ay`: SHA-256 of the token; SendToken only.
    pub const DIGEST: &str = "digest";
}

/// Options of Login, and what it answers beside the request.
pub mod login {
    /// `s`: `auto`, `browser`, `device` or `import`.
    pub const FLOW: &str = "flow";
    /// `as`: scopes beside the definition's.
    pub const SCOPES: &str = "scopes";
    /// `s`: who is expected to sign in.
    pub const LOGIN_HINT: &str = "login_hint";
    /// `s`: OpenID Connect's `prompt`.
    pub const PROMPT: &str = "prompt";
    /// `s`: how the person shall sign in, in order of preference (RFC 9470).
    pub const ACR_VALUES: &str = "acr_values";
    /// `u`: the longest time since they signed in, in seconds (RFC 9470).
    pub const MAX_AGE: &str = "max_age";
    /// `b`: try the sealed old token once more.
    pub const RETRY: &str = "retry";
    /// `b`: this machine takes over a copied vault.
    pub const ADOPT: &str = "adopt";
    /// `s`: the address to open.
    pub const URI: &str = "uri";
    /// `s`: the code to type there, or at `verification_uri`; empty but in the device flow.
    pub const USER_CODE: &str = "user_code";
    /// `s`: where to type the code, as short as the server makes it (RFC 8628 §3.2). `uri` may have the code in it.
    pub const VERIFICATION_URI: &str = "verification_uri";
}

/// What Register takes beside the definition.
pub mod register {
    /// `b`: the server wants to see an initial access token (RFC 7591 §3). Then Register answers with a request that wants
    /// it, and what it else answers with comes from that request's Wait.
    pub const INITIAL_ACCESS_TOKEN: &str = "initial_access_token";
    /// `o`: in the answer, the request that wants the initial access token.
    pub const REQUEST: &str = "request";
}

/// What Register answers beside the account.
pub mod registered {
    /// `s`: the client.
    pub const CLIENT_ID: &str = "client_id";
    /// `s`: who registered it.
    pub const ISSUER: &str = "issuer";
    /// `as`: what a person should know of it, sentences.
    pub const NOTES: &str = "notes";
    /// `t`: unix seconds; 0 = never, or there is no secret.
    pub const CLIENT_SECRET_EXPIRES_AT: &str = "client_secret_expires_at";
}

/// What Wait answers.
pub mod result {
    /// `o`: the account.
    pub const ACCOUNT: &str = "account";
    /// `s`: who signed in.
    pub const SUBJECT: &str = "subject";
}

/// What a request may want by Input.
pub mod want {
    /// Opens the vault.
    pub const PASSPHRASE: &str = "passphrase";
    /// Shall open the vault from now on.
    pub const NEW_PASSPHRASE: &str = "new_passphrase";
    /// The client secret of an account.
    pub const CLIENT_SECRET: &str = "client_secret";
    /// The refresh token to import.
    pub const REFRESH_TOKEN: &str = "refresh_token";
    /// What a server wants to see before it registers a client.
    pub const INITIAL_ACCESS_TOKEN: &str = "initial_access_token";
    /// The address on which a person's browser ended.
    pub const REDIRECT_URI: &str = "redirect_uri";
}
