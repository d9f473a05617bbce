//! Finds a server's metadata and keys: the codec's addresses, asked one after the other.

use std::time::Duration;

use tokenkeeper_config::Definition;

use crate::account::DiscoveryFailed;
use crate::http::Http;
use crate::oauth::metadata::{self, DiscoveryProblem};
use crate::oauth::{Fault, Metadata, keys};

/// For each address.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The metadata of a definition's server, with its keys where they could be fetched: without them the caller decides
/// what an ID token is worth.
///
/// # Errors
/// Why there is none, and whether the configuration has to change.
pub async fn discover(http: &Http, definition: &Definition) -> Result<Metadata, DiscoveryFailed> {
    let mut metadata = find(http, definition).await?;
    if let Some(address) = &metadata.jwks_uri
        && let Ok(response) = http.send(metadata::request(address), TIMEOUT).await
    {
        metadata.keys = keys::read(&response);
    }
    Ok(metadata)
}

async fn find(http: &Http, definition: &Definition) -> Result<Metadata, DiscoveryFailed> {
    let given = metadata::given_only(definition);
    let Some(issuer) = definition.issuer.as_deref() else {
        return given.ok_or_else(|| DiscoveryFailed {
            why: "the account has neither an issuer nor every endpoint that its flow needs".to_owned(),
            misconfigured: true,
        });
    };
    let mut worst: Option<DiscoveryProblem> = None;
    for address in metadata::urls(issuer).map_err(failed)? {
        let problem = match http.send(metadata::request(&address), TIMEOUT).await {
            Ok(response) => match metadata::read(definition, issuer, &response) {
                Ok(metadata) => return Ok(metadata),
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
        (Some(DiscoveryProblem::Absent(_)) | None, Some(given)) => Ok(given),
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
