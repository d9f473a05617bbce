//! Issuer identifiers: compared byte for byte (RFC 8414 §3.3), but for two spellings that real servers force on us: the
//! slash at the end, and Entra's `{tenantid}` template.

/// What stands for a tenant in the issuer of Entra's multi-tenant metadata.
const TENANT: &str = "{tenantid}";

/// The issuer with its trailing slash taken off or put on. Auth0's issuers end with one and people leave it out.
pub(super) fn variant(issuer: &str) -> String {
    issuer.strip_suffix('/').map_or_else(|| format!("{issuer}/"), str::to_owned)
}

/// Whether metadata that call themselves `stated` are those of the issuer that was asked for.
pub(super) fn is_asked(stated: &str, asked: &str) -> bool {
    if stated == asked || stated == variant(asked) {
        return true;
    }
    // `https://login.microsoftonline.com/common/v2.0` has metadata of `…/{tenantid}/v2.0`.
    tenant(stated, asked).is_some_and(is_name)
}

/// Whether a token's or redirect's issuer is the server's own, `tenant` being the token's `tid` where it has one.
pub(super) fn is_own(actual: &str, own: &str, tenant_claim: Option<&str>) -> bool {
    if actual == own {
        return true;
    }
    match (tenant(own, actual), tenant_claim) {
        (Some(tenant), Some(claim)) => tenant == claim && is_name(tenant),
        (Some(tenant), None) => is_name(tenant),
        (None, _) => false,
    }
}

/// What stands in `actual` where `template` has its placeholder.
fn tenant<'a>(template: &str, actual: &'a str) -> Option<&'a str> {
    let (before, after) = template.split_once(TENANT)?;
    // A template whose host is open would match everybody.
    let host_fixed = before.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
    actual.strip_prefix(before)?.strip_suffix(after).filter(|_| host_fixed)
}

fn is_name(tenant: &str) -> bool {
    !tenant.is_empty() && tenant.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slash_at_the_end_is_the_only_freedom() {
        let asked = "https://acme.eu.auth0.com";
        assert!(is_asked("https://acme.eu.auth0.com", asked));
        assert!(is_asked("https://acme.eu.auth0.com/", asked));
        assert!(is_asked("https://acme.eu.auth0.com", "https://acme.eu.auth0.com/"));
        for other in [
            "http://acme.eu.auth0.com",
            "https://ACME.eu.auth0.com",
            "https://acme.eu.auth0.com//",
            "https://acme.eu.auth0.com/x",
            "https://acme.eu.auth0.com.evil.example",
            "",
        ] {
            assert!(!is_asked(other, asked), "{other}");
        }
    }

    #[test]
    fn the_tenant_template_stands_for_one_tenant_of_the_same_host() {
        let template = "https://login.microsoftonline.com/{tenantid}/v2.0";
        assert!(is_asked(template, "https://login.microsoftonline.com/common/v2.0"));
        assert!(is_own("https://login.microsoftonline.com/9188-04/v2.0", template, Some("9188-04")));
        assert!(is_own("https://login.microsoftonline.com/9188-04/v2.0", template, None));
        for other in [
            "https://evil.example/common/v2.0",
            "https://login.microsoftonline.com/a/b/v2.0",
            "https://login.microsoftonline.com//v2.0",
            "https://login.microsoftonline.com/common/v1.0",
        ] {
            assert!(!is_asked(template, other), "{other}");
            assert!(!is_own(other, template, None), "{other}");
        }
        assert!(!is_own("https://login.microsoftonline.com/9188-04/v2.0", template, Some("other")));
        assert!(!is_asked("https://{tenantid}/v2.0", "https://evil.example/v2.0"), "an open host");
    }
}
