//! Where the lifecycle meets the OAuth codec: ID tokens as evidence of who signed in, keys that tokens are bound to.

use std::time::Duration;

use tokenkeeper_config::Definition;

use crate::oauth::id_token::{self, Expected, IdTokenProblem};
use crate::oauth::{IdClaims, Metadata, SigningKey};
use crate::secret::Secret;
use crate::time::Wall;

/// Why a refresh's ID token is not served.
pub(super) enum IdProblem {
    /// It speaks of somebody else, or of another server or client (OpenID Connect Core §12.2).
    Mismatch(String),
    /// It could not be verified with the keys at hand, which may be old.
    UnknownKey,
    /// It proves nothing.
    Other(String),
}

/// Checks the ID token of a login; `None` = there is no issuer to check it against.
pub(super) fn id_token_at_login(
    token: &Secret,
    login: AtLogin<'_>,
    access_token: &Secret,
    definition: &Definition,
    metadata: &Metadata,
    now: Wall,
) -> Result<Option<IdClaims>, IdTokenProblem> {
    check(token, login, access_token, definition, metadata, now)
}

/// What a login asked of its ID token.
#[derive(Default)]
pub(super) struct AtLogin<'a> {
    /// `None` = the flow sends none.
    pub(super) nonce: Option<&'a Secret>,
    /// The longest time since somebody signed in.
    pub(super) max_age: Option<Duration>,
}

/// Checks the ID token of a refresh against the login's claims.
pub(super) fn id_token_at_refresh(
    token: &Secret,
    login: Option<&IdClaims>,
    access_token: &Secret,
    definition: &Definition,
    metadata: &Metadata,
    now: Wall,
) -> Result<IdClaims, IdProblem> {
    let mismatch = |what: &dyn std::fmt::Display| {
        IdProblem::Mismatch(format!("the server's new ID token is not of the login that was made here: {what}"))
    };
    match check(token, AtLogin::default(), access_token, definition, metadata, now) {
        Ok(Some(claims)) => match login {
            Some(login) if !id_token::same_person(login, &claims) => Err(mismatch(&"another person, server or client")),
            Some(login) => match id_token::differs_from_login(login, &claims) {
                Some(what) => Err(IdProblem::Other(what.to_owned())),
                None => Ok(claims),
            },
            None => Ok(claims),
        },
        Ok(None) => Err(IdProblem::Other("there is no issuer to check it against".to_owned())),
        Err(problem @ (IdTokenProblem::Issuer(_) | IdTokenProblem::Audience)) => Err(mismatch(&problem)),
        Err(IdTokenProblem::UnknownKey) => Err(IdProblem::UnknownKey),
        Err(problem) => Err(IdProblem::Other(problem.to_string())),
    }
}

/// The thumbprint of a proof key (RFC 7638); `None` = it is none.
pub(super) fn thumbprint(proof_key: &Secret) -> Option<String> {
    SigningKey::from_pkcs8(proof_key).ok().map(|key| key.thumbprint())
}

fn check(
    token: &Secret,
    AtLogin { nonce, max_age }: AtLogin<'_>,
    access_token: &Secret,
    definition: &Definition,
    metadata: &Metadata,
    now: Wall,
) -> Result<Option<IdClaims>, IdTokenProblem> {
    let Some(issuer) = metadata.issuer.as_deref().or(definition.issuer.as_deref()) else { return Ok(None) };
    let expected = Expected {
        issuer,
        client_id: &definition.client_id,
        nonce,
        access_token: Some(access_token),
        now,
        max_age,
        keys: metadata.keys.as_deref(),
        algorithms: metadata.id_token_signing_alg_values_supported.as_deref().unwrap_or_default(),
    };
    id_token::check(token, &expected).map(Some)
}
