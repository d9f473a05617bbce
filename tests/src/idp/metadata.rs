//! Discovery: OpenID Connect Discovery §4 and RFC 8414 §3, and the key set.

use std::sync::Arc;

use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use serde_json::json;

use super::answer::{Answer, patch, through_fault};
use super::fault::Endpoint;
use super::keys::keys;
use super::server::Shared;
use super::settings::Dpop;
use super::token_exchange::TOKEN_EXCHANGE;
use super::wire::Plug;

pub(super) async fn metadata(State(shared): State<Arc<Shared>>, ConnectInfo(plug): ConnectInfo<Plug>) -> Response {
    let work = || {
        let settings = shared.settings();
        let base = shared.base();
        let mut metadata = json!({
            "issuer": settings.claimed_issuer.clone().unwrap_or_else(|| shared.issuer()),
            "authorization_endpoint": format!("{base}/authorize"),
            "token_endpoint": format!("{base}/oauth/token"),
            "revocation_endpoint": format!("{base}/oauth/revoke"),
            "device_authorization_endpoint": format!("{base}/oauth/device/code"),
            "registration_endpoint": format!("{base}/register"),
            "pushed_authorization_request_endpoint": format!("{base}/oauth/par"),
            "require_pushed_authorization_requests": settings.require_par,
            "jwks_uri": format!("{base}/.well-known/jwks.json"),
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "response_types_supported": ["code"],
            "grant_types_supported": [
                "authorization_code", "refresh_token", "client_credentials",
                "urn:ietf:params:oauth:grant-type:device_code",
            ],
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256"],
            "authorization_response_iss_parameter_supported": settings.iss_parameter,
        });
        if settings.dpop != Dpop::Off {
            metadata["dpop_signing_alg_values_supported"] = json!(["ES256"]);
        }
        if settings.introspection {
            metadata["introspection_endpoint"] = format!("{base}/oauth/introspect").into();
        }
        if settings.token_exchange {
            let grants = metadata["grant_types_supported"].as_array_mut().expect("a list");
            grants.push(TOKEN_EXCHANGE.into());
        }
        patch(&mut metadata, &settings.metadata_patch);
        Answer::json(200, &metadata)
    };
    through_fault(&shared, &plug, Endpoint::Metadata, None, work).await
}

pub(super) async fn jwks(State(shared): State<Arc<Shared>>, ConnectInfo(plug): ConnectInfo<Plug>) -> Response {
    through_fault(&shared, &plug, Endpoint::Jwks, None, || Answer::json(200, &keys().jwks(&shared.settings()))).await
}
