//! What an error code means for a login: the words of RFC 6749 §5.2 and its extensions, and those of vendors (oauth:
//! sections 1.5, 3 and 5). One table, and the few sentences that say more than the code beside them.

/// What a server's error means for the login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Try later; nothing was done.
    NotProcessed,
    /// The server broke; nobody knows what it did.
    Broke,
    /// The grant or code is dead.
    Ended,
    /// The person is wanted.
    Attention,
    /// Somebody decided no.
    AccessDenied,
    /// The client is not set up right.
    Misconfigured,
    /// The request was wrong.
    BadRequest,
    /// The audience or resource was wrong.
    BadTarget,
    /// Another proof is wanted (RFC 9449 §5, §8).
    AnotherProof,
    /// Nobody has decided yet (RFC 8628 §3.5).
    Pending,
    /// Poll less often (RFC 8628 §3.5).
    SlowDown,
    /// A code that says nothing to us, or none.
    Unknown,
}

impl Meaning {
    /// What a code says, however a server spells it.
    pub(super) fn of_code(code: &str) -> Self {
        match normal(code).as_str() {
            "temporarily_unavailable"
            | "too_many_requests"
            | "too_many_attempts"
            | "rate_limited"
            | "ratelimited"
            | "rate_limit"
            | "rate_limit_exceeded"
            | "rate_limit_error"
            | "quota_exceeded"
            | "throttled"
            | "service_unavailable"
            | "e0000047" => Self::NotProcessed,
            "slow_down" => Self::SlowDown,
            "authorization_pending" => Self::Pending,
            "server_error"
            | "internal_error"
            | "internal_server_error"
            | "fatal_error"
            | "request_timeout"
            | "bad_gateway"
            | "gateway_timeout" => Self::Broke,
            "invalid_grant"
            | "invalid_refresh_token"
            | "bad_refresh_token"
            | "refresh_token_expired"
            | "refresh_token_reused"
            | "refresh_token_invalidated"
            | "refresh_token_invalid"
            | "refresh_token_revoked"
            | "expired_refresh_token"
            | "expired_token"
            | "token_expired"
            | "token_revoked"
            | "token_inactive"
            | "token_not_found"
            | "invalid_token"
            | "session_expired"
            | "session_not_found"
            | "account_inactive"
            | "bad_verification_code"
            | "bad_auth_code"
            | "invalid_code"
            | "code_already_used"
            | "code_expired" => Self::Ended,
            "interaction_required"
            | "login_required"
            | "consent_required"
            | "mfa_required"
            | "account_selection_required"
            | "insufficient_user_authentication"
            | "unmet_authentication_requirements"
            | "reauth_required"
            | "reauthentication_required"
            | "unverified_user_email"
            | "password_expired"
            | "user_password_expired"
            | "invalid_rapt"
            | "rapt_required" => Self::Attention,
            "access_denied" | "authorization_declined" => Self::AccessDenied,
            "invalid_client"
            | "unauthorized_client"
            | "unsupported_grant_type"
            | "unsupported_response_type"
            | "incorrect_client_credentials"
            | "bad_client_id"
            | "bad_client_secret"
            | "invalid_client_id"
            | "invalid_client_secret"
            | "disabled_client"
            | "deleted_client"
            | "org_internal"
            | "admin_policy_enforced"
            | "redirect_uri_mismatch"
            | "bad_redirect_uri"
            | "invalid_redirect_uri"
            | "device_flow_disabled" => Self::Misconfigured,
            "invalid_scope"
            | "insufficient_scope"
            | "invalid_authorization_details"
            | "invalid_request"
            | "unsupported_token_type" => Self::BadRequest,
            "invalid_target" | "invalid_resource" => Self::BadTarget,
            "use_dpop_nonce" | "invalid_dpop_proof" => Self::AnotherProof,
            _ => Self::Unknown,
        }
    }

    /// Whether a detail beside the code says that the person is wanted again: the code alone would end the login.
    pub(super) fn detail_wants_person(detail: &str) -> bool {
        matches!(
            normal(detail).as_str(),
            "invalid_rapt"
                | "rapt_required"
                | "basic_action"
                | "additional_action"
                | "message_only"
                | "consent_required"
                | "user_password_expired"
                | "protection_policy_required"
        )
    }

    /// The few sentences that leave no doubt. Texts are no contract, so they only correct codes that would mislead.
    pub(super) fn of_text(text: &str) -> Option<Self> {
        let text = text.to_ascii_lowercase();
        let has = |word: &str| text.contains(word);
        if has("too many requests") || has("rate limit") {
            return Some(Self::NotProcessed);
        }
        // X's whole explanation.
        if has("value passed for the token was invalid") {
            return Some(Self::Ended);
        }
        let names_token = has("refresh token") || has("refresh_token") || has("refreshtoken");
        let says_dead =
            ["invalid", "expired", "revoked", "reuse", "unknown", "not found", "not exist", "already been used"]
                .iter()
                .any(|word| has(word));
        // "Missing or invalid parameter: refresh_token" is about the request.
        let about_request =
            has("missing") || has("required") || has("parameter") || has("grant_type") || has("not allowed");
        (names_token && says_dead && !about_request).then_some(Self::Ended)
    }
}

/// Codes are compared in lower case with `_` for what separates words.
fn normal(code: &str) -> String {
    code.trim().to_ascii_lowercase().replace(['-', ' ', '.'], "_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_its_meaning() {
        use Meaning::*;
        for (codes, expected) in [
            (
                "temporarily_unavailable too_many_requests too_many_attempts rate_limited ratelimited rate_limit rate_limit_exceeded rate_limit_error quota_exceeded throttled service_unavailable E0000047",
                NotProcessed,
            ),
            ("slow_down", SlowDown),
            ("authorization_pending", Pending),
            (
                "server_error internal_error internal_server_error fatal_error request_timeout bad_gateway gateway_timeout",
                Broke,
            ),
            (
                "invalid_grant invalid_refresh_token bad_refresh_token refresh_token_expired refresh_token_reused refresh_token_invalidated refresh_token_invalid refresh_token_revoked expired_refresh_token expired_token token_expired token_revoked token_inactive token_not_found invalid_token session_expired session_not_found account_inactive bad_verification_code BAD_AUTH_CODE BAD_REFRESH_TOKEN invalid_code code_already_used code_expired",
                Ended,
            ),
            (
                "interaction_required login_required consent_required mfa_required account_selection_required insufficient_user_authentication unmet_authentication_requirements reauth_required reauthentication_required unverified_user_email password_expired user_password_expired invalid_rapt rapt_required",
                Attention,
            ),
            ("access_denied authorization_declined", AccessDenied),
            (
                "invalid_client unauthorized_client unsupported_grant_type unsupported_response_type incorrect_client_credentials bad_client_id BAD_CLIENT_SECRET invalid_client_id invalid_client_secret disabled_client deleted_client org_internal admin_policy_enforced redirect_uri_mismatch bad_redirect_uri invalid_redirect_uri device_flow_disabled",
                Misconfigured,
            ),
            (
                "invalid_scope insufficient_scope invalid_authorization_details invalid_request unsupported_token_type",
                BadRequest,
            ),
            ("invalid_target invalid_resource", BadTarget),
            ("use_dpop_nonce invalid_dpop_proof", AnotherProof),
            ("Unauthorized unauthorized Forbidden brand_new_error", Unknown),
        ] {
            for code in codes.split(' ') {
                assert_eq!(Meaning::of_code(code), expected, "{code}");
            }
        }
        assert_eq!(Meaning::of_code("Access Denied"), AccessDenied);
        assert_eq!(Meaning::of_code("Invalid-Grant "), Ended);
    }
}
