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
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A resource at `/mcp` that describes itself at `/meta` only, and says so to whoever comes without a token; `HOST` in
    /// what it says is its own. Every path that it was asked for is in what it gives back.
    async fn described(description: &str) -> (Result<ProtectedResource, DiscoveryFailed>, Vec<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = format!("http://{}", listener.local_addr().expect("an address"));
        let description = description.replace("HOST", &host);
        let challenge = format!("WWW-Authenticate: Bearer resource_metadata=\"{host}/meta\", scope=\"read\"\r\n");
        let asking = async {
            let http = Http::new(None).expect("no proxy");
            resource(&http, &format!("{host}/mcp")).await
        };
        let mut asked = Vec::new();
        let serving = async {
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    assert!(stream.read_buf(&mut request).await.expect("a request") > 0);
                }
                let path = String::from_utf8_lossy(&request).split(' ').nth(1).expect("a path").to_owned();
                let (status, header, body) = match path.as_str() {
                    "/mcp" => (401, challenge.as_str(), ""),
                    "/meta" => (200, "", description.as_str()),
                    _ => (404, "", ""),
                };
                let head = format!("HTTP/1.1 {status} S\r\n{header}Content-Length: {}\r\n\r\n", body.len());
                asked.push(path);
                stream.write_all((head + body).as_bytes()).await.expect("written");
            }
        };
        let result = tokio::select! {
            result = asking => result,
            () = serving => unreachable!("it serves for ever"),
        };
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
