//! The rules that span several keys: each says what two lines together would lead to.

use crate::define::{Merged, or};
use crate::definition::{ClientAuth, Endpoints, Flow, TokenFile};
use crate::fault::Fault;

impl Merged<'_> {
    /// Without an issuer there is no discovery, so what the flow needs must be given.
    pub(crate) fn check_reachable(&self, endpoints: &Endpoints) -> Result<(), Fault> {
        if self.all.issuer.is_some() {
            return Ok(());
        }
        let name = self.name;
        if endpoints.token_endpoint.is_none() {
            let (what, remedy) = match &self.all.provider {
                Some(provider) => (
                    format!("[account.{name}] has no issuer, which provider \"{}\" needs", provider.value),
                    format!("add issuer = \"{}\"", self.example("issuer")),
                ),
                None => (
                    format!("[account.{name}] names no server"),
                    "add provider = \"…\" or issuer = \"https://…\" (or the endpoints one by one)".to_owned(),
                ),
            };
            return Err(self.fault(what, remedy));
        }
        let browser = endpoints.authorization_endpoint.is_some();
        let device = endpoints.device_authorization_endpoint.is_some();
        let missing = match or(&self.all.flow, Flow::Auto) {
            Flow::Browser if !browser => "authorization_endpoint",
            Flow::Device if !device => "device_authorization_endpoint",
            Flow::Auto if !browser && !device => "authorization_endpoint",
            Flow::Browser | Flow::Device | Flow::Auto | Flow::ClientCredentials => return Ok(()),
        };
        let what = format!("[account.{name}] has no {missing}, and without an issuer it cannot be discovered");
        Err(self.fault(what, format!("add {missing} = \"https://…\", or an issuer, or another flow")))
    }

    pub(crate) fn check_client(&self) -> Result<(), Fault> {
        let all = &self.all;
        let Some(auth) = &all.client_auth else { return Ok(()) };
        match auth.value {
            ClientAuth::None => {
                let secret = all.client_secret_file.as_ref().map(|found| ("client_secret_file", found.at));
                let key = all.private_key_file.as_ref().map(|found| ("private_key_file", found.at));
                if let Some((key, at)) = secret.or(key) {
                    let what = format!("`{key}` is never used, because client_auth is \"none\"");
                    return Err(self.source.fault(at, what, "remove one of the two"));
                }
                if or(&all.flow, Flow::Auto) == Flow::ClientCredentials {
                    let what =
                        "flow \"client-credentials\" needs a client that authenticates, but client_auth is \"none\"";
                    return Err(self.source.fault(
                        auth.at,
                        what,
                        "write client_auth = \"basic\", \"post\" or \"private_key_jwt\"",
                    ));
                }
                Ok(())
            }
            ClientAuth::PrivateKeyJwt if all.private_key_file.is_none() => Err(self.source.fault(
                auth.at,
                "client_auth \"private_key_jwt\" needs a key",
                "add private_key_file = \"/path/to/key.pem\"",
            )),
            ClientAuth::PrivateKeyJwt | ClientAuth::Basic | ClientAuth::BasicRaw | ClientAuth::Post => Ok(()),
        }
    }

    pub(crate) fn check_times(&self) -> Result<(), Fault> {
        let all = &self.all;
        let lasting = [
            ("keep_alive", &all.keep_alive),
            ("idle_limit", &all.idle_limit),
            ("assumed_lifetime", &all.assumed_lifetime),
        ];
        for (key, found) in lasting {
            if let Some(found) = found.as_ref().filter(|found| found.value.is_zero()) {
                return Err(self.source.fault(
                    found.at,
                    format!("`{key}` is no time at all"),
                    "write a longer one, or remove the line",
                ));
            }
        }
        if let (Some(keep_alive), Some(idle_limit)) = (&all.keep_alive, &all.idle_limit)
            && keep_alive.value >= idle_limit.value
        {
            let limit = humantime::format_duration(idle_limit.value);
            let what = format!("`keep_alive` is not below idle_limit ({limit}), so the server would forget the login");
            return Err(self.source.fault(keep_alive.at, what, "write a shorter time, or remove the line"));
        }
        Ok(())
    }

    /// Two writers of one file would take turns.
    pub(crate) fn check_token_files(&self) -> Result<(), Fault> {
        let Some(files) = &self.all.token_file else { return Ok(()) };
        let twice = |(at, file): (usize, &TokenFile)| files.value[..at].iter().any(|other| other.path == file.path);
        if files.value.iter().enumerate().any(twice) {
            return Err(self.source.fault(files.at, "two token_files have the same path", "give each its own path"));
        }
        Ok(())
    }
}
