//! The values that travel between the codec and its neighbours.

use std::time::Duration;

use url::Url;

use crate::secret::Secret;

/// One HTTP request to an authorization server. The body may hold secrets and is wiped.
pub type Request = http::Request<Secret>;

/// One complete answer, its body bounded by whoever received it.
pub type Response = http::Response<Secret>;

/// What came of sending a request once.
pub type Sent = Result<Response, Fault>;

/// How far a request got that brought no complete answer. The reasons name the host and the step, never a query or
/// a body.
pub enum Fault {
    /// Nothing reached the server: name resolution, connection, proxy or TLS.
    NotSent {
        /// What failed, for people.
        why: String,
        /// Whether the server's certificate was refused.
        certificate: bool,
    },
    /// The request, or part of it, went out and no complete answer came back.
    Lost {
        /// What failed, for people.
        why: String,
    },
    /// An answer that broke its bounds (over 1 MiB, or cut in the middle of its body).
    Broken {
        /// The status that came.
        status: http::StatusCode,
        /// What came of the body: a whole refresh token in it is still taken out and stored.
        partial: Secret,
        /// What failed, for people.
        why: String,
    },
}

/// Authorization server metadata (RFC 8414 §2, OpenID Connect Discovery §3), checked, with given endpoints applied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as in RFC 8414 §2")]
pub struct Metadata {
    pub issuer: Option<String>,
    pub authorization_endpoint: Option<Url>,
    pub token_endpoint: Option<Url>,
    pub device_authorization_endpoint: Option<Url>,
    pub revocation_endpoint: Option<Url>,
    pub introspection_endpoint: Option<Url>,
    pub pushed_authorization_request_endpoint: Option<Url>,
    pub registration_endpoint: Option<Url>,
    /// `require_pushed_authorization_requests` (RFC 9126 §5).
    pub require_pushed_authorization_requests: bool,
    pub jwks_uri: Option<Url>,
    /// `authorization_response_iss_parameter_supported` (RFC 9207 §3).
    pub iss_parameter_supported: bool,
    /// `None` where the metadata does not say.
    pub scopes_supported: Option<Vec<String>>,
    pub grant_types_supported: Option<Vec<String>>,
    pub code_challenge_methods_supported: Option<Vec<String>>,
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    pub token_endpoint_auth_signing_alg_values_supported: Option<Vec<String>>,
    pub id_token_signing_alg_values_supported: Option<Vec<String>>,
    /// RFC 9449 §5.1.
    pub dpop_signing_alg_values_supported: Option<Vec<String>>,
    /// The JWK set at `jwks_uri` (RFC 7517 §5) as JSON text, if it was fetched.
    pub keys: Option<String>,
}

impl Metadata {
    /// Whether the server says that it takes proofs by our keys.
    pub fn takes_proofs(&self) -> bool {
        let listed = self.dpop_signing_alg_values_supported.as_deref().unwrap_or_default();
        listed.iter().any(|name| name == super::dpop::ALGORITHM)
    }
}

/// A token endpoint's answer, read tolerantly.
pub struct Answer {
    /// The refresh token, taken out before anything else was judged: whatever the outcome, if it is here it is
    /// stored first (refresh.md: "raw-first").
    pub refresh_token: Option<Secret>,
    /// What the answer means.
    pub outcome: Outcome,
}

/// What an answer means: judged by how far the request got, status *and* body, never by status alone. Every `why` is a
/// sentence for people without any secret in it.
pub enum Outcome {
    /// Tokens.
    Granted(Box<Granted>),
    /// Nothing reached the server: try again when the network is back.
    NotSent {
        #[allow(missing_docs)]
        why: String,
        /// A refused certificate is shown to people.
        certificate: bool,
    },
    /// The server says it did nothing, and when to come back.
    NotProcessed {
        #[allow(missing_docs)]
        why: String,
        /// `Retry-After`, `x-ratelimit-reset`, else 60 s.
        retry_after: Duration,
    },
    /// The server may have acted: the refresh token may be spent.
    Ambiguous {
        #[allow(missing_docs)]
        why: String,
    },
    /// Somebody else answered: a captive portal, a proxy's login page.
    Portal {
        #[allow(missing_docs)]
        why: String,
    },
    /// `invalid_grant` and its vendor synonyms.
    Ended {
        #[allow(missing_docs)]
        why: String,
    },
    /// The server wants the person: `interaction_required`, `mfa_required` and the like.
    Attention {
        #[allow(missing_docs)]
        why: String,
    },
    /// `access_denied`.
    AccessDenied {
        #[allow(missing_docs)]
        why: String,
    },
    /// `invalid_client`, `unauthorized_client`, `unsupported_grant_type`.
    Misconfigured {
        #[allow(missing_docs)]
        why: String,
    },
    /// `invalid_scope`, `invalid_request`.
    BadRequest {
        #[allow(missing_docs)]
        why: String,
    },
    /// `invalid_target` (RFC 8707 §2): the refresh token may be spent all the same.
    BadTarget {
        #[allow(missing_docs)]
        why: String,
    },
    /// A refusal that gives no reason.
    Unexplained {
        #[allow(missing_docs)]
        why: String,
    },
    /// `use_dpop_nonce`, `invalid_dpop_proof` (RFC 9449 §5, §8): nothing was done, another proof is wanted.
    AnotherProof {
        #[allow(missing_docs)]
        why: String,
    },
    /// 404, 405, 410: the endpoint has moved.
    Drift {
        #[allow(missing_docs)]
        why: String,
    },
}

/// A successful answer (RFC 6749 §5.1).
pub struct Granted {
    /// The access token.
    pub access_token: Secret,
    /// `token_type` as the server spelt it; `Bearer` where it is absent.
    pub token_type: String,
    /// Lifetime of the access token: as the answer says, else as the definition assumes; `None` = unknown.
    pub lifetime: Option<Duration>,
    /// Granted scopes, at least one; `None` = as requested (RFC 6749 §5.1).
    pub scopes: Option<Vec<String>>,
    /// The ID token, unverified.
    pub id_token: Option<Secret>,
    /// `aud` of the access token where it is a JWT (RFC 9068 §2.2); empty = opaque or absent.
    pub audience: Vec<String>,
    /// `issued_token_type` of a token exchange (RFC 8693 §2.2.1).
    pub issued_token_type: Option<String>,
    /// When the server wants to be asked again (`refresh_in`).
    pub refresh_in: Option<Duration>,
    /// For how long the person's authorization holds (`authorization_expires_in`).
    pub login_lifetime: Option<Duration>,
    /// For how long the refresh token lives unless it is used, in any of the names that servers use for it.
    pub refresh_lifetime: Option<Duration>,
    /// `authorization_details` as granted, a JSON array (RFC 9396 §7); `None` = the answer has none.
    pub authorization_details: Option<String>,
}

/// The claims of a validated ID token that we keep (OpenID Connect Core §2).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct IdClaims {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`, in the server's order.
    pub audience: Vec<String>,
    /// `exp`, unix seconds.
    pub expires_at: u64,
    /// `auth_time`, unix seconds.
    pub auth_time: Option<u64>,
    /// SHA-256 of `nonce`: a refresh that repeats one must repeat this one (§12.2).
    #[serde(default)]
    pub nonce_hash: Option<[u8; 32]>,
    /// `acr`: how the person signed in, in the server's words.
    #[serde(default)]
    pub acr: Option<String>,
    /// `email` or `preferred_username`, to show people.
    pub display_name: Option<String>,
}
