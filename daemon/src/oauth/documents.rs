//! A server may describe itself in several documents: what is still missing after one of them, how another fills the
//! gaps, and which scopes they allow a login to assume.

use tokenkeeper_config::{Definition, Flow};

use super::wire::Metadata;

/// The scope that asks for a refresh token (OpenID Connect Core §11).
const OFFLINE: &str = "offline_access";

/// Whether an endpoint is missing that the account may need, and that another of the server's documents may name.
pub fn lacks(metadata: &Metadata, definition: &Definition) -> bool {
    let lacks_browser = metadata.authorization_endpoint.is_none();
    let lacks_device = metadata.device_authorization_endpoint.is_none();
    let lacks_sign_in = match definition.flow {
        // Nobody signs in, so there is nothing to revoke either.
        Flow::ClientCredentials => return false,
        Flow::Browser => lacks_browser,
        Flow::Device => lacks_device,
        Flow::Auto => lacks_browser || lacks_device,
    };
    let verifies = definition.scopes.iter().any(|scope| scope == "openid");
    lacks_sign_in || metadata.revocation_endpoint.is_none() || verifies && metadata.jwks_uri.is_none()
}

/// One document's metadata with the gaps filled by another's of the same issuer. What the first one says stands.
pub fn filled(first: Metadata, more: Metadata) -> Metadata {
    Metadata {
        authorization_endpoint: first.authorization_endpoint.or(more.authorization_endpoint),
        token_endpoint: first.token_endpoint.or(more.token_endpoint),
        device_authorization_endpoint: first.device_authorization_endpoint.or(more.device_authorization_endpoint),
        revocation_endpoint: first.revocation_endpoint.or(more.revocation_endpoint),
        introspection_endpoint: first.introspection_endpoint.or(more.introspection_endpoint),
        pushed_authorization_request_endpoint: first
            .pushed_authorization_request_endpoint
            .or(more.pushed_authorization_request_endpoint),
        jwks_uri: first.jwks_uri.or(more.jwks_uri),
        scopes_supported: first.scopes_supported.or(more.scopes_supported),
        grant_types_supported: first.grant_types_supported.or(more.grant_types_supported),
        token_endpoint_auth_methods_supported: first
            .token_endpoint_auth_methods_supported
            .or(more.token_endpoint_auth_methods_supported),
        id_token_signing_alg_values_supported: first
            .id_token_signing_alg_values_supported
            .or(more.id_token_signing_alg_values_supported),
        ..first
    }
}

/// The scopes that a login asks for where nobody wrote any: `offline_access` only if the server does not list its scopes
/// without it, since some answer `invalid_scope` (django-oauth-toolkit, which gives refresh tokens unasked).
pub fn askable<'a>(definition: &'a Definition, metadata: &Metadata) -> impl Iterator<Item = &'a String> {
    let lists_others = |listed: &Vec<String>| !listed.is_empty() && !listed.iter().any(|scope| scope == OFFLINE);
    let refused = definition.scopes_are_assumed && metadata.scopes_supported.as_ref().is_some_and(lists_others);
    definition.scopes.iter().filter(move |scope| !refused || *scope != OFFLINE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oauth::testing::{definition, metadata, url};

    #[test]
    fn what_is_missing_is_what_the_flow_needs() {
        let flowing = |flow| Definition { flow, ..definition() };
        let complete = Metadata { jwks_uri: Some(url("https://as.example/jwks")), ..metadata() };
        assert!(!lacks(&complete, &flowing(Flow::Browser)));
        assert!(lacks(&complete, &flowing(Flow::Device)));
        assert!(lacks(&complete, &flowing(Flow::Auto)));
        let mut bare = complete.clone();
        bare.revocation_endpoint = None;
        assert!(lacks(&bare, &flowing(Flow::Browser)));
        assert!(!lacks(&bare, &flowing(Flow::ClientCredentials)), "there is no refresh token to revoke");
        let mut unverified = complete;
        unverified.jwks_uri = None;
        assert!(lacks(&unverified, &flowing(Flow::Browser)));
        assert!(!lacks(&unverified, &Definition { scopes: vec!["read".into()], ..definition() }));
    }

    #[test]
    fn offline_access_is_assumed_only_where_the_server_does_not_list_its_scopes_without_it() {
        let asked = |assumed: bool, listed: Option<&[&str]>| {
            let definition = Definition { scopes_are_assumed: assumed, ..definition() };
            let scopes_supported = listed.map(|listed| listed.iter().map(|scope| (*scope).to_owned()).collect());
            let metadata = Metadata { scopes_supported, ..Metadata::default() };
            askable(&definition, &metadata).cloned().collect::<Vec<_>>().join(" ")
        };
        assert_eq!(asked(true, Some(&["openid", "read"])), "openid");
        assert_eq!(asked(true, Some(&["openid", "offline_access"])), "openid offline_access");
        assert_eq!(asked(true, Some(&[])), "openid offline_access", "an empty list says nothing");
        assert_eq!(asked(true, None), "openid offline_access");
        assert_eq!(asked(false, Some(&["openid"])), "openid offline_access", "what a person wrote is asked for");
    }
}
