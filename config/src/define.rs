//! Keys to a definition: account over preset, templates filled, and the rules that span several keys.

use std::collections::BTreeMap;

use crate::AccountName;
use crate::address::check_address;
use crate::definition::{
    AssertionAudience, ClientAuth, Definition, Endpoints, Flow, Redirect, Rotation, ScopeNarrowing, Switch,
};
use crate::fault::{Fault, Source};
use crate::keys::Keys;
use crate::params::Params;
use crate::preset::{nearest_preset, preset, providers};
use crate::table::Found;
use crate::value::short;

/// Makes the definition of an account whose header stands at `at`.
pub(crate) fn define(name: &AccountName, at: usize, own: Keys, source: &Source<'_>) -> Result<Definition, Fault> {
    let keys = Merged::of(name, at, own, source)?;
    keys.check_client()?;
    let endpoints = keys.endpoints()?;
    let issuer = keys.issuer()?;
    keys.check_reachable(&endpoints)?;
    keys.check_times()?;
    keys.check_token_files()?;

    let flow = or(&keys.all.flow, Flow::Auto);
    let scopes = keys.scopes(flow);
    let scopes_are_assumed = keys.all.scopes.is_none() && !scopes.is_empty();
    let authorize_params = keys.authorize_params(&scopes);
    let client_id = keys.client_id()?;
    let resources = keys.resources()?;
    let redirect = Redirect::of(&keys.all);
    let all = keys.all;
    Ok(Definition {
        name: name.clone(),
        provider: value(all.provider),
        label: value(all.label),
        issuer,
        endpoints,
        client_id,
        client_auth: value(all.client_auth).or(all.private_key_file.as_ref().map(|_| ClientAuth::PrivateKeyJwt)),
        client_secret_file: value(all.client_secret_file),
        private_key_file: value(all.private_key_file),
        private_key_id: value(all.private_key_id),
        assertion_audience: or(&all.assertion_audience, AssertionAudience::Issuer),
        scopes,
        scopes_are_assumed,
        scope_separator: all.scope_separator.map_or(' ', |found| found.value.0),
        audience: value(all.audience),
        audiences: value(all.audiences).unwrap_or_default(),
        resources,
        token_exchange: or(&all.token_exchange, false),
        authorization_details: all.authorization_details.map(|found| found.value.0),
        organization: value(all.organization),
        flow,
        redirect,
        authorize_params,
        token_params: params(all.token_params),
        dpop: or(&all.dpop, Switch::Auto),
        par: or(&all.par, Switch::Auto),
        rotation: or(&all.rotation, Rotation::Auto),
        replay_window: value(all.replay_window),
        refresh_kills_token: or(&all.refresh_kills_token, false),
        scope_narrowing: or(&all.scope_narrowing, ScopeNarrowing::Permanent),
        lead: value(all.lead),
        keep_alive: value(all.keep_alive),
        idle_limit: value(all.idle_limit),
        assumed_lifetime: value(all.assumed_lifetime),
        token_path: value(all.token_path),
        git_hosts: all.git_hosts.map(|found| found.value.0).unwrap_or_default(),
        registries: all.registries.map(|found| found.value.0).unwrap_or_default(),
        token_files: value(all.token_file).unwrap_or_default(),
    })
}

fn value<T>(found: Option<Found<T>>) -> Option<T> {
    found.map(|found| found.value)
}

pub(crate) fn or<T: Copy>(found: &Option<Found<T>>, default: T) -> T {
    found.as_ref().map_or(default, |found| found.value)
}

fn params(found: Option<Found<Params>>) -> BTreeMap<String, String> {
    found.map(|found| found.value.0).unwrap_or_default()
}

/// Account keys over preset keys.
pub(crate) struct Merged<'s> {
    pub(crate) name: &'s AccountName,
    at: usize,
    pub(crate) source: &'s Source<'s>,
    pub(crate) all: Keys,
}

impl<'s> Merged<'s> {
    fn of(name: &'s AccountName, at: usize, own: Keys, source: &'s Source<'s>) -> Result<Self, Fault> {
        let Some(provider) = &own.provider else { return Ok(Self { name, at, source, all: own }) };
        let Some(preset) = preset(&provider.value) else {
            let remedy = match nearest_preset(&provider.value) {
                Some(meant) => format!("did you mean \"{meant}\"? `tokenkeeper providers` lists all"),
                None => {
                    let names: Vec<_> = providers().iter().map(|preset| preset.name.as_str()).collect();
                    format!("write issuer = \"https://…\" instead, or one of: {}", names.join(", "))
                }
            };
            let what = format!("no provider is called \"{}\"", short(&provider.value));
            return Err(source.fault(provider.at, what, remedy));
        };

        let at_provider = provider.at;
        let mut base = preset.keys.clone();
        if own.issuer.is_some() {
            base.forget_addresses();
        }
        base.authorize_params = merged(&own.authorize_params, base.authorize_params);
        base.token_params = merged(&own.token_params, base.token_params);
        let own = Keys { authorize_params: None, token_params: None, ..own };
        Ok(Self { name, at, source, all: own.over(&base, at_provider) })
    }

    pub(crate) fn fault(&self, what: impl Into<String>, write_instead: impl Into<String>) -> Fault {
        self.source.fault(self.at, what, write_instead)
    }

    fn client_id(&self) -> Result<String, Fault> {
        let Some(found) = &self.all.client_id else {
            let page =
                self.all.provider.as_ref().and_then(|provider| preset(&provider.value)?.register_page(self.domain()));
            let remedy = match page {
                Some(page) => format!("add client_id = \"…\"; register a client at {page}"),
                None => "add client_id = \"…\"; the server's operator registers clients".to_owned(),
            };
            return Err(self.fault(format!("[account.{}] has no client_id", self.name), remedy));
        };
        // RFC 6749 appendix A.1: VSCHAR
        if !found.value.bytes().all(|b| (0x20..=0x7e).contains(&b)) {
            return Err(self.source.fault(
                found.at,
                "`client_id` contains other characters than printable ASCII",
                "copy it again from the server's page",
            ));
        }
        Ok(found.value.clone())
    }

    fn domain(&self) -> Option<&str> {
        self.all.domain.as_ref().map(|found| found.value.0.as_str())
    }

    /// The template with `{domain}` filled in.
    fn filled(&self, template: &str) -> Result<String, Fault> {
        if !template.contains("{domain}") {
            return Ok(template.to_owned());
        }
        let Some(domain) = self.domain() else {
            let provider = self.all.provider.as_ref().map_or("the provider", |found| &found.value);
            return Err(self.fault(
                format!("[account.{}] has no domain, which provider \"{provider}\" needs", self.name),
                format!("add domain = \"{}\"", self.example("domain")),
            ));
        };
        Ok(template.replace("{domain}", domain))
    }

    pub(crate) fn example(&self, key: &str) -> String {
        let preset = self.all.provider.as_ref().and_then(|provider| preset(&provider.value));
        let need = preset.and_then(|preset| preset.needs.iter().find(|need| need.key == key));
        need.map(|need| need.example.clone())
            .filter(|text| !text.is_empty())
            .unwrap_or_else(|| "login.acme.example".into())
    }

    fn address(&self, key: &str, found: &Found<String>) -> Result<(url::Url, String), Fault> {
        let text = self.filled(&found.value)?;
        let url = check_address(key, &text).map_err(|(what, remedy)| self.source.fault(found.at, what, remedy))?;
        Ok((url, text))
    }

    /// Kept byte for byte: it is compared with what the server says (RFC 8414 §3.3), not resolved.
    fn issuer(&self) -> Result<Option<String>, Fault> {
        let Some(found) = &self.all.issuer else { return Ok(None) };
        let (url, text) = self.address("issuer", found)?;
        if url.query().is_some() {
            return Err(self.source.fault(
                found.at,
                "`issuer` contains a query",
                "write the address without `?` and what follows",
            ));
        }
        Ok(Some(text))
    }

    fn endpoints(&self) -> Result<Endpoints, Fault> {
        let endpoint = |key, found: &Option<Found<String>>| {
            found.as_ref().map(|found| self.address(key, found).map(|(url, _)| url)).transpose()
        };
        let all = &self.all;
        Ok(Endpoints {
            authorization_endpoint: endpoint("authorization_endpoint", &all.authorization_endpoint)?,
            token_endpoint: endpoint("token_endpoint", &all.token_endpoint)?,
            device_authorization_endpoint: endpoint(
                "device_authorization_endpoint",
                &all.device_authorization_endpoint,
            )?,
            revocation_endpoint: endpoint("revocation_endpoint", &all.revocation_endpoint)?,
            introspection_endpoint: endpoint("introspection_endpoint", &all.introspection_endpoint)?,
            jwks_uri: endpoint("jwks_uri", &all.jwks_uri)?,
        })
    }

    /// As written; else the preset's; else what a server needs to hear to give an ID token and a refresh token. Where
    /// nobody signs in, neither exists.
    fn scopes(&self, flow: Flow) -> Vec<String> {
        let own = self.all.scopes.as_ref();
        if flow == Flow::ClientCredentials && own.is_none_or(|found| self.is_of_preset(found)) {
            return Vec::new();
        }
        match own {
            Some(found) => found.value.0.clone(),
            None if self.all.provider.is_none() => vec!["openid".to_owned(), OFFLINE.to_owned()],
            None => Vec::new(),
        }
    }

    fn is_of_preset<T>(&self, found: &Found<T>) -> bool {
        self.all.provider.as_ref().is_some_and(|provider| provider.at == found.at)
    }

    /// Servers drop `offline_access` silently unless consent is asked for (OpenID Connect Core §11). Where the scope is
    /// only assumed, the login knows whether it asks for it.
    fn authorize_params(&self, scopes: &[String]) -> BTreeMap<String, String> {
        let mut params = params(self.all.authorize_params.clone());
        if self.all.scopes.is_some() && scopes.iter().any(|scope| scope == OFFLINE) {
            params.entry("prompt".to_owned()).or_insert_with(|| "consent".to_owned());
        }
        params
    }

    /// The default first (RFC 8707 §2: absolute, no fragment).
    fn resources(&self) -> Result<Vec<String>, Fault> {
        let default = self.all.resource.iter().map(|found| (found.at, &found.value));
        let further = self.all.resources.iter().flat_map(|found| found.value.iter().map(|text| (found.at, text)));
        let mut resources = Vec::new();
        for (at, text) in default.chain(further) {
            if url::Url::parse(text).map_or(true, |url| url.fragment().is_some()) {
                let what = format!("\"{}\" is no resource", short(text));
                return Err(self.source.fault(
                    at,
                    what,
                    "write an absolute address without `#`, like \"https://api.acme.example\"",
                ));
            }
            if !resources.contains(text) {
                resources.push(text.clone());
            }
        }
        Ok(resources)
    }
}

/// The scope that asks for a refresh token (OpenID Connect Core §11).
const OFFLINE: &str = "offline_access";

/// Per parameter: the account's, else the preset's.
fn merged(own: &Option<Found<Params>>, preset: Option<Found<Params>>) -> Option<Found<Params>> {
    let (Some(own), Some(preset)) = (own, &preset) else { return own.clone().or(preset) };
    let mut params = preset.value.0.clone();
    params.extend(own.value.0.clone());
    Some(Found { value: Params(params), at: own.at })
}

impl Keys {
    /// The addresses as written.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &str> {
        let all = [
            &self.issuer,
            &self.authorization_endpoint,
            &self.token_endpoint,
            &self.device_authorization_endpoint,
            &self.revocation_endpoint,
            &self.introspection_endpoint,
            &self.jwks_uri,
        ];
        all.into_iter().flatten().map(|found| found.value.as_str())
    }

    /// An account that names its own issuer must not be sent to the preset's endpoints.
    fn forget_addresses(&mut self) {
        self.issuer = None;
        self.authorization_endpoint = None;
        self.token_endpoint = None;
        self.device_authorization_endpoint = None;
        self.revocation_endpoint = None;
        self.introspection_endpoint = None;
        self.jwks_uri = None;
    }
}
