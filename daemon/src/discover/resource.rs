//! Finds out what a protected resource says of itself (RFC 9728): at its well-known address, else where it points to when
//! somebody comes without a token.

use std::time::Duration;

use super::failed;
use crate::account::DiscoveryFailed;
use crate::http::Http;
use crate::oauth::Fault;
use crate::oauth::metadata::{self, DiscoveryProblem};
use crate::oauth::resource::{self, Invitation, ProtectedResource};

/// For each address.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The description of a resource.
///
/// # Errors
/// Why there is none, and whether it would help to try again.
pub async fn resource(http: &Http, asked: &str) -> Result<ProtectedResource, DiscoveryFailed> {
    let address = resource::address(asked).map_err(failed)?;
    let described = ask(http, &address, asked, &resource::well_known(&address)).await;
    let Err(problem @ (DiscoveryProblem::Absent(_) | DiscoveryProblem::NotNow(_))) = described else {
        return described.map_err(failed);
    };
    let invitation = match http.send(resource::knock(&address), TIMEOUT).await {
        Ok(response) => resource::invitation(&response),
        Err(Fault::NotSent { .. } | Fault::Lost { .. } | Fault::Broken { .. }) => Invitation::default(),
    };
    let Some(place) = invitation.metadata else { return Err(failed(problem)) };
    let described = ask(http, &address, asked, &place).await.map_err(failed)?;
    let scopes = if invitation.scopes.is_empty() { described.scopes } else { invitation.scopes };
    Ok(ProtectedResource { scopes, ..described })
}

async fn ask(
    http: &Http,
    resource: &url::Url,
    asked: &str,
    place: &url::Url,
) -> Result<ProtectedResource, DiscoveryProblem> {
    match http.send(metadata::request(place), TIMEOUT).await {
        Ok(response) => resource::read(resource, asked, &response),
        Err(Fault::NotSent { why, .. } | Fault::Lost { why } | Fault::Broken { why, .. }) => {
            Err(DiscoveryProblem::NotNow(why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discover::pages::serve;

    /// A resource at `/mcp` that describes itself at `/meta` only, and says so to whoever comes without a token; `HOST` in
    /// what it says is its own. Every path that it was asked for is in what it gives back.
    async fn described(description: &str) -> (Result<ProtectedResource, DiscoveryFailed>, Vec<String>) {
        let description = description.to_owned();
        let (host, asked) = serve(move |path, host| match path {
            "/mcp" => {
                let challenge = format!("Bearer resource_metadata=\"{host}/meta\", scope=\"read\"");
                (401, format!("WWW-Authenticate: {challenge}\r\n"), String::new())
            }
            "/meta" => (200, String::new(), description.replace("HOST", host)),
            _ => (404, String::new(), String::new()),
        })
        .await;
        let result = resource(&Http::new(None).expect("no proxy"), &format!("{host}/mcp")).await;
        let asked = asked.lock().expect("the log").clone();
        (result, asked)
    }

    /// A34: the description is where the refusal points to, and what the refusal asks for is asked for.
    #[tokio::test]
    async fn a_refusal_leads_to_the_description() {
        let good =
            r#"{"resource":"HOST/mcp","authorization_servers":["https://as.example"],"scopes_supported":["a","b"]}"#;
        let (found, asked) = described(good).await;
        let found = found.expect("described");
        assert_eq!((found.servers, found.scopes), (vec!["https://as.example".to_owned()], vec!["read".to_owned()]));
        assert_eq!(asked, ["/.well-known/oauth-protected-resource/mcp", "/mcp", "/meta"]);
    }

    #[tokio::test]
    async fn a_refusal_that_leads_to_somebody_elses_is_not_followed_further() {
        let foreign = r#"{"resource":"https://bank.example/","authorization_servers":["https://as.example"]}"#;
        let (refused, _) = described(foreign).await;
        let refused = refused.expect_err("it is of another");
        assert!(refused.misconfigured && refused.why.contains("https://bank.example/"), "{}", refused.why);
    }
}
