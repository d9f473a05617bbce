//! What is kept of a login that was forgotten here until its server has been told (RFC 7009): all that the request
//! needs, since the definition may be gone by then. The secrets beside it are the vault's. A client that was registered for
//! an account that is gone is kept the same way, until it is deleted (RFC 7592).

use serde::{Deserialize, Serialize};
use tokenkeeper_config::{AccountName, AssertionAudience, ClientAuth, Definition};
use url::Url;

use crate::oauth::Metadata;
use crate::secret::Secret;

/// Whom to tell, and as which client.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Revocation {
    /// When the login was forgotten, unix milliseconds: its name among those of its account.
    pub at: i64,
    /// As the server spells it, or as configured while that is not known: then its metadata are read.
    pub issuer: Option<String>,
    /// Given, or known at that time.
    pub token_endpoint: Option<String>,
    /// The same.
    pub revocation_endpoint: Option<String>,
    /// `token_endpoint_auth_methods_supported`, if it was known.
    pub auth_methods: Option<Vec<String>>,
    /// The client.
    pub client_id: String,
    /// How it authenticates, in the word of the configuration, if that says.
    pub client_auth: Option<String>,
    /// Where its secret lies, if not beside this.
    pub client_secret_file: Option<String>,
    /// Where its key lies.
    pub private_key_file: Option<String>,
    /// How the key is named.
    pub private_key_id: Option<String>,
    /// For whom its assertions are made, in the word of the configuration.
    pub assertion_audience: Option<String>,
    /// Where the client's registration lies, if that is what has to end (RFC 7592 §2.3): then the token is its key, and
    /// nothing but this counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration: Option<String>,
}

/// A token that is to be revoked, and the client's secret as it was when the login was forgotten.
pub struct Unrevoked {
    /// Whom to tell.
    pub revocation: Revocation,
    /// The refresh token, or the key of the registration.
    pub token: Secret,
    /// The secret that the vault had.
    pub client_secret: Option<Secret>,
}

impl Revocation {
    /// `None` = the server has no way to be told.
    pub(super) fn of(definition: &Definition, metadata: Option<&Metadata>, at: i64) -> Option<Self> {
        let given = &definition.endpoints;
        let address = |url: &Option<Url>| url.as_ref().map(|url| url.as_str().to_owned());
        let path = |path: &Option<std::path::PathBuf>| path.as_ref()?.to_str().map(str::to_owned);
        let known = metadata.and_then(|metadata| address(&metadata.revocation_endpoint));
        let revocation_endpoint = address(&given.revocation_endpoint).or(known);
        let may_be_discovered = metadata.is_none() && definition.issuer.is_some();
        (revocation_endpoint.is_some() || may_be_discovered).then(|| Self {
            at,
            issuer: metadata.and_then(|known| known.issuer.clone()).or_else(|| definition.issuer.clone()),
            token_endpoint: address(&given.token_endpoint).or_else(|| address(&metadata?.token_endpoint)),
            revocation_endpoint,
            auth_methods: metadata.and_then(|known| known.token_endpoint_auth_methods_supported.clone()),
            client_id: definition.client_id.clone(),
            client_auth: definition.client_auth.map(|way| way.word().to_owned()),
            client_secret_file: path(&definition.client_secret_file),
            private_key_file: path(&definition.private_key_file),
            private_key_id: definition.private_key_id.clone(),
            assertion_audience: Some(definition.assertion_audience.word().to_owned()),
            registration: None,
        })
    }

    /// Of a client that is to be deleted where it was registered.
    pub fn of_registration(client_id: String, uri: &Url, at: i64) -> Self {
        Self { at, client_id, registration: Some(uri.as_str().to_owned()), ..Self::default() }
    }

    /// The client, as a definition: the one of the account may be another by now, or gone.
    pub fn client(&self, account: &AccountName) -> Definition {
        let mut definition = Definition::bare(account.clone(), self.client_id.clone());
        definition.issuer.clone_from(&self.issuer);
        definition.client_auth = self.client_auth.as_deref().and_then(ClientAuth::of_word);
        definition.client_secret_file = self.client_secret_file.as_ref().map(Into::into);
        definition.private_key_file = self.private_key_file.as_ref().map(Into::into);
        definition.private_key_id.clone_from(&self.private_key_id);
        if let Some(audience) = self.assertion_audience.as_deref().and_then(AssertionAudience::of_word) {
            definition.assertion_audience = audience;
        }
        definition.endpoints.token_endpoint = self.token_endpoint.as_ref().and_then(|text| text.parse().ok());
        definition.endpoints.revocation_endpoint = self.revocation_endpoint.as_ref().and_then(|text| text.parse().ok());
        definition
    }

    /// What was known of the server; `None` = its metadata have to be read first.
    pub fn metadata(&self, client: &Definition) -> Option<Metadata> {
        client.endpoints.revocation_endpoint.is_some().then(|| Metadata {
            issuer: self.issuer.clone(),
            token_endpoint: client.endpoints.token_endpoint.clone(),
            revocation_endpoint: client.endpoints.revocation_endpoint.clone(),
            token_endpoint_auth_methods_supported: self.auth_methods.clone(),
            ..Metadata::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::account::testing;

    #[test]
    fn what_is_noted_down_makes_the_same_client_again() {
        let mut definition = testing::definition();
        definition.client_auth = Some(ClientAuth::BasicRaw);
        definition.client_secret_file = Some("/run/secret".into());
        definition.private_key_id = Some("k1".into());
        definition.assertion_audience = AssertionAudience::TokenEndpoint;
        let noted = Revocation::of(&definition, Some(&testing::metadata(false)), 7).expect("it can be told");
        let text = serde_json::to_vec(&noted).expect("plain values");
        let noted: Revocation = serde_json::from_slice(&text).expect("it was just written");
        let client = noted.client(&definition.name);
        assert_eq!(client.client_auth, definition.client_auth);
        assert_eq!(client.client_secret_file, definition.client_secret_file);
        assert_eq!(client.private_key_id, definition.private_key_id);
        assert_eq!(client.assertion_audience, definition.assertion_audience);
        let metadata = noted.metadata(&client).expect("nothing has to be discovered");
        assert_eq!(metadata.revocation_endpoint, testing::metadata(false).revocation_endpoint);
    }

    #[test]
    fn without_metadata_it_is_discovered_later_and_without_an_endpoint_there_is_nobody_to_tell() {
        let definition = testing::definition();
        let unread = Revocation::of(&definition, None, 7).expect("it may have an endpoint");
        assert_eq!(unread.metadata(&unread.client(&definition.name)), None);
        assert_eq!(Revocation::of(&definition, Some(&Metadata::default()), 7), None);
        assert_eq!(Revocation::of(&Definition { issuer: None, ..definition }, None, 7), None);
    }
}
