//! Finds a server's metadata and keys: the codec's addresses, asked one after the other.

#[cfg(test)]
mod pages;
mod resource;

use std::time::Duration;

use tokenkeeper_config::Definition;
use url::Url;

use crate::account::DiscoveryFailed;
use crate::http::Http;
use crate::oauth::metadata::{self, DiscoveryProblem};
use crate::oauth::{Fault, Metadata, documents, keys};

pub use resource::resource;

/// For each address.
const TIMEOUT: Duration = Duration::from_secs(20);
/// For a further document: a login can do without it.
const FURTHER: Duration = Duration::from_secs(5);

/// The metadata of a definition's server, with its keys where they could be fetched: without them the caller decides
/// what an ID token is worth.
///
/// # Errors
/// Why there is none, and whether the configuration has to change.
pub async fn discover(http: &Http, definition: &Definition) -> Result<Metadata, DiscoveryFailed> {
    let (mut metadata, unread) = find(http, definition).await?;
    let (keys, further) =
        tokio::join!(keys_at(http, metadata.jwks_uri.as_ref()), read_further(http, definition, &metadata, unread));
    let had_keys = metadata.jwks_uri.is_some();
    for more in further {
        metadata = documents::filled(metadata, more);
    }
    metadata.keys = if had_keys { keys } else { keys_at(http, metadata.jwks_uri.as_ref()).await };
    Ok(metadata)
}

async fn keys_at(http: &Http, address: Option<&Url>) -> Option<String> {
    keys::read(&http.send(metadata::request(address?), TIMEOUT).await.ok()?)
}

/// The server's other documents, where the first one lacks an endpoint that matters: servers state some endpoints in one
/// only (django-oauth-toolkit its revocation). What cannot be had is no fault.
async fn read_further(http: &Http, definition: &Definition, found: &Metadata, unread: Vec<Url>) -> Vec<Metadata> {
    let mut further = Vec::new();
    let mut all = found.clone();
    for address in unread {
        if !documents::lacks(&all, definition) {
            break;
        }
        let Ok(response) = http.send(metadata::request(&address), FURTHER).await else { break };
        let issuer = found.issuer.as_deref().unwrap_or_default();
        match metadata::read(definition, issuer, &response) {
            Ok(more) if more.issuer == found.issuer => {
                all = documents::filled(all, more.clone());
                further.push(more);
            }
            Ok(_) | Err(_) => {}
        }
    }
    further
}

/// The first good document, and the addresses that were not asked.
async fn find(http: &Http, definition: &Definition) -> Result<(Metadata, Vec<Url>), DiscoveryFailed> {
    let given = metadata::given_only(definition);
    let Some(issuer) = definition.issuer.as_deref() else {
        let failed = || DiscoveryFailed {
            why: "the account has neither an issuer nor every endpoint that its flow needs".to_owned(),
            misconfigured: true,
        };
        return given.map(|given| (given, Vec::new())).ok_or_else(failed);
    };
    let mut worst: Option<DiscoveryProblem> = None;
    let mut addresses = metadata::urls(issuer).map_err(failed)?.into_iter();
    while let Some(address) = addresses.next() {
        let problem = match http.send(metadata::request(&address), TIMEOUT).await {
            Ok(response) => match metadata::read(definition, issuer, &response) {
                Ok(metadata) => return Ok((metadata, addresses.collect())),
                Err(problem) => problem,
            },
            // The other addresses are on the same host.
            Err(Fault::NotSent { why, .. }) => return Err(failed(DiscoveryProblem::NotNow(why))),
            Err(Fault::Lost { why } | Fault::Broken { why, .. }) => DiscoveryProblem::NotNow(why),
        };
        worst = Some(match worst {
            Some(before) if before.outweighs(&problem) => before,
            _ => problem,
        });
    }
    match (worst, given) {
        // A server without metadata whose endpoints are all given needs none.
        (Some(DiscoveryProblem::Absent(_)) | None, Some(given)) => Ok((given, Vec::new())),
        (Some(problem), _) => Err(failed(problem)),
        (None, None) => Err(failed(DiscoveryProblem::Absent(format!("`{issuer}` has no metadata")))),
    }
}

fn failed(problem: DiscoveryProblem) -> DiscoveryFailed {
    match problem {
        DiscoveryProblem::NotNow(why) => DiscoveryFailed { why, misconfigured: false },
        DiscoveryProblem::Absent(why) | DiscoveryProblem::Wrong(why) => DiscoveryFailed { why, misconfigured: true },
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::net::TcpListener;

    use super::pages::{Asked, serve};
    use super::*;
    use crate::oauth::testing;

    const OPENID: &str = "/t/.well-known/openid-configuration";
    const OAUTH: &str = "/.well-known/oauth-authorization-server/t";

    /// A server of fixed pages, and the paths it was asked for. `ISSUER` in a page is its own issuer.
    async fn server(pages: &[(&'static str, u16, &str)]) -> (String, Asked) {
        let pages: BTreeMap<_, _> =
            pages.iter().map(|(path, status, body)| (*path, (*status, (*body).to_owned()))).collect();
        let (origin, asked) = serve(move |path, origin| match pages.get(path) {
            Some((status, body)) => (*status, String::new(), body.replace("ISSUER", &format!("{origin}/t"))),
            None => (404, String::new(), String::new()),
        })
        .await;
        (format!("{origin}/t"), asked)
    }

    fn account(issuer: &str) -> Definition {
        Definition { issuer: Some(issuer.to_owned()), ..testing::definition() }
    }

    async fn found(pages: &[(&'static str, u16, &str)]) -> (Result<Metadata, DiscoveryFailed>, Vec<String>) {
        let (issuer, asked) = server(pages).await;
        let result = discover(&Http::new(None).expect("no proxy"), &account(&issuer)).await;
        let asked = asked.lock().expect("the log").clone();
        (result, asked)
    }

    const DOCUMENT: &str = r#"{"issuer":"ISSUER","token_endpoint":"ISSUER/token","jwks_uri":"ISSUER/jwks",
        "authorization_endpoint":"ISSUER/authorize","revocation_endpoint":"ISSUER/revoke"}"#;
    /// What django-oauth-toolkit's OpenID document leaves out.
    const UNREVOKED: &str = r#"{"issuer":"ISSUER","token_endpoint":"ISSUER/token","jwks_uri":"ISSUER/jwks",
        "authorization_endpoint":"ISSUER/authorize"}"#;

    #[tokio::test]
    async fn the_document_and_the_keys_are_fetched() {
        let (metadata, asked) = found(&[(OPENID, 200, DOCUMENT), ("/t/jwks", 200, r#"{"keys":[]}"#)]).await;
        assert_eq!(metadata.expect("found").keys.as_deref(), Some(r#"{"keys":[]}"#));
        assert_eq!(asked, [OPENID, "/t/jwks"]);
    }

    #[tokio::test]
    async fn what_one_document_lacks_is_taken_from_the_others() {
        let oauth = r#"{"issuer":"ISSUER","token_endpoint":"ISSUER/other","revocation_endpoint":"ISSUER/revoke",
            "introspection_endpoint":"ISSUER/introspect","scopes_supported":["read"]}"#;
        let (metadata, _) = found(&[(OPENID, 200, UNREVOKED), (OAUTH, 200, oauth)]).await;
        let metadata = metadata.expect("found");
        let path = |url: &Option<Url>| url.as_ref().map(|url| url.path().to_owned());
        assert_eq!(path(&metadata.revocation_endpoint).as_deref(), Some("/t/revoke"));
        assert_eq!(path(&metadata.introspection_endpoint).as_deref(), Some("/t/introspect"));
        assert_eq!(path(&metadata.token_endpoint).as_deref(), Some("/t/token"), "what the first one says stands");
        assert_eq!(metadata.scopes_supported, Some(vec!["read".to_owned()]));
    }

    #[tokio::test]
    async fn keys_that_only_another_document_names_are_fetched() {
        let plain = r#"{"issuer":"ISSUER","token_endpoint":"ISSUER/token"}"#;
        let pages = [(OPENID, 200, plain), (OAUTH, 200, DOCUMENT), ("/t/jwks", 200, r#"{"keys":[]}"#)];
        assert_eq!(found(&pages).await.0.expect("found").keys.as_deref(), Some(r#"{"keys":[]}"#));
    }

    #[tokio::test]
    async fn gaps_are_filled_by_the_same_issuer_only_and_else_they_stay() {
        let foreign =
            r#"{"issuer":"https://evil.example","token_endpoint":"ISSUER/token","revocation_endpoint":"ISSUER/r"}"#;
        let slash = r#"{"issuer":"ISSUER/","token_endpoint":"ISSUER/token","revocation_endpoint":"ISSUER/r"}"#;
        for (status, body) in [(200, foreign), (200, slash), (200, "<html>"), (500, ""), (404, "")] {
            let (metadata, _) = found(&[(OPENID, 200, UNREVOKED), (OAUTH, status, body)]).await;
            assert_eq!(metadata.expect("the first one will do").revocation_endpoint, None, "{status} {body}");
        }
    }

    #[tokio::test]
    async fn missing_keys_do_not_matter() {
        for (status, body) in [(404, ""), (500, ""), (200, "<html>"), (200, "{}")] {
            let (metadata, _) = found(&[(OPENID, 200, DOCUMENT), ("/t/jwks", status, body)]).await;
            assert_eq!(metadata.expect("found").keys, None, "{status} {body}");
        }
    }

    #[tokio::test]
    async fn the_next_place_is_tried_where_one_has_no_document() {
        let (metadata, asked) = found(&[(OPENID, 404, ""), (OAUTH, 200, DOCUMENT)]).await;
        assert!(metadata.is_ok());
        assert_eq!(asked[..2], [OPENID, OAUTH]);
        let (metadata, _) = found(&[(OPENID, 500, ""), (OAUTH, 200, DOCUMENT)]).await;
        assert!(metadata.is_ok(), "some servers answer 500 to paths they do not know");
    }

    #[tokio::test]
    async fn wrong_for_good_and_not_now_are_told_apart() {
        let foreign = r#"{"issuer":"https://evil.example","token_endpoint":"ISSUER/token"}"#;
        for (pages, misconfigured) in [
            (&[][..], true),
            (&[(OPENID, 200, foreign)], true),
            (&[(OPENID, 200, foreign), (OAUTH, 503, "")], true),
            (&[(OPENID, 503, "")], false),
            (&[(OPENID, 200, "<html>")], false),
        ] {
            let (result, _) = found(pages).await;
            assert_eq!(result.err().map(|failed| failed.misconfigured), Some(misconfigured), "{pages:?}");
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let gone = format!("http://{}", listener.local_addr().expect("an address"));
        drop(listener);
        let offline = discover(&Http::new(None).expect("no proxy"), &account(&gone)).await;
        assert_eq!(
            offline.err().map(|failed| failed.misconfigured),
            Some(false),
            "being offline is no fault of anybody"
        );
    }

    #[tokio::test]
    async fn given_endpoints_need_no_document() {
        let http = Http::new(None).expect("no proxy");
        let (issuer, asked) = server(&[]).await;
        let mut definition = account(&issuer);
        definition.endpoints.authorization_endpoint = Some(testing::url("https://as.example/authorize"));
        definition.endpoints.token_endpoint = Some(testing::url("https://as.example/token"));
        let metadata = discover(&http, &definition).await.expect("all given");
        assert_eq!(metadata.token_endpoint, definition.endpoints.token_endpoint);
        assert_eq!(asked.lock().expect("the log").len(), 3, "but where there is an issuer, it is asked for more");

        definition.issuer = None;
        assert!(discover(&http, &definition).await.is_ok());
        definition.endpoints.token_endpoint = None;
        let failed = discover(&http, &definition).await.expect_err("incomplete");
        assert!(failed.misconfigured && failed.why.contains("endpoint"), "{}", failed.why);
    }
}
