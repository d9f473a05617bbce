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
