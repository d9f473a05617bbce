//! A definition in the making: the keys of the configuration, as far as they are known.

use std::collections::BTreeMap;
use std::path::Path;

use tokenkeeper::wire;
use tokenkeeper_config::{AccountName, ClientSecret, Preset};
use zbus::Variant;

use super::setting;
use crate::args::Add;
use crate::fault::Fault;
use crate::show::providers;

/// What is known of the new account.
pub(super) struct Draft {
    name: Option<AccountName>,
    keys: BTreeMap<String, toml::Value>,
    /// Whether the server is to register a client, come what may.
    register: bool,
    /// Whether the login is one that was made elsewhere: then its client was, too.
    imports: bool,
    /// Whether an option gave the client's secret, in a file or on standard input.
    has_secret: bool,
    /// Whether nobody is to sign in yet: what only that needs may come later.
    waits: bool,
}

impl Draft {
    /// What the command line says.
    ///
    /// # Errors
    /// When it names a provider that is not known, or a setting that is none.
    pub(super) fn from_args(args: &Add) -> Result<Self, Fault> {
        let mut draft = Self {
            name: args.name.clone(),
            keys: BTreeMap::new(),
            register: args.register || args.initial_access_token_file.is_some(),
            imports: args.refresh_token_file.is_some(),
            has_secret: args.client_secret_file.is_some(),
            waits: args.no_login,
        };
        if let Some(provider) = &args.provider {
            providers::find(provider)?;
        }
        let texts = [
            ("provider", &args.provider),
            ("domain", &args.domain),
            ("issuer", &args.issuer),
            ("client_id", &args.client_id),
            ("label", &args.label),
        ];
        for (key, text) in texts {
            if let Some(text) = text {
                draft.set(key, text.as_str());
            }
        }
        if let Some(flow) = args.flow {
            draft.set("flow", flow.as_str());
        }
        if let Some(file) = args.client_secret_file.as_deref().filter(|file| file.as_os_str() != "-") {
            draft.set("client_secret_file", whole(file)?);
        }
        draft.set_several("scopes", "scopes", &args.scopes);
        draft.set_several("audience", "audiences", &args.audiences);
        draft.set_several("resource", "resources", &args.resources);
        for setting in &args.settings {
            let (key, value) = setting::parsed(setting)?;
            draft.keys.insert(key, value);
        }
        Ok(draft)
    }

    pub(super) fn set(&mut self, key: &str, value: impl Into<toml::Value>) {
        self.keys.insert(key.to_owned(), value.into());
    }

    pub(super) fn set_name(&mut self, name: AccountName) {
        self.name = Some(name);
    }

    /// The preset it is made from.
    pub(super) fn preset(&self) -> Option<&'static Preset> {
        tokenkeeper_config::preset(self.text("provider")?)
    }

    pub(super) fn text(&self, key: &str) -> Option<&str> {
        self.keys.get(key)?.as_str()
    }

    /// The name.
    ///
    /// # Errors
    /// When none was said.
    pub(super) fn name(&self) -> Result<&str, Fault> {
        let missing = || Fault::usage("the new account has no name").hint("run `tokenkeeper add NAME …`");
        self.name.as_ref().map(AccountName::as_str).ok_or_else(missing)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.check_complete().is_ok()
    }

    /// Whether a server and a client are named.
    ///
    /// # Errors
    /// The options that are missing.
    pub(super) fn check_complete(&self) -> Result<(), Fault> {
        self.name()?;
        let by_resource = self.registers() && self.keys.contains_key("resource");
        if !(self.names_a_server() || by_resource) {
            return Err(Fault::usage("which server?")
                .hint("say --provider PROVIDER (see `tokenkeeper providers`), --issuer URL or --resource URL"));
        }
        let mut missing = self.missing();
        if self.lacks_secret() && !self.waits {
            missing.push("client_secret_file");
        }
        if missing.is_empty() {
            return Ok(());
        }
        let options: Vec<String> = missing.iter().map(|key| format!("--{}", key.replace('_', "-"))).collect();
        let hint = match self.preset() {
            Some(preset) => format!("`tokenkeeper providers {}` shows where to register a client", preset.name),
            None if !self.signs_in() => {
                "the server's operator gives you a client ID and a secret; say --client-secret-file too".to_owned()
            }
            None => "register a native or public client at the server; it gives you a client ID".to_owned(),
        };
        Err(Fault::usage(format!("still needed: {}", options.join(", "))).hint(hint))
    }

    pub(super) fn names_a_server(&self) -> bool {
        ["provider", "issuer", "token_endpoint"].iter().any(|key| self.keys.contains_key(*key))
    }

    /// Whether the server is asked to register a client: where it was said, or no client is named and it may do so.
    pub(super) fn registers(&self) -> bool {
        let named = ["client_id", "client_secret_file", "client_auth", "private_key_file", "token_endpoint"];
        let own = self.imports || named.iter().any(|key| self.keys.contains_key(*key));
        let may = self.preset().map_or(!self.keys.contains_key("provider"), |preset| preset.registers);
        self.register || may && self.signs_in() && !own
    }

    /// Whether nothing but a client that the server registers will do.
    pub(super) fn must_register(&self) -> bool {
        self.register
    }

    /// Whether a person signs in, and not the client alone.
    pub(super) fn signs_in(&self) -> bool {
        self.text("flow") != Some("client-credentials")
    }

    /// Whether the client's secret was given.
    pub(super) fn has_secret(&self) -> bool {
        self.has_secret || self.keys.contains_key("client_secret_file")
    }

    /// Whether the provider's clients all have a secret, and none was given.
    pub(super) fn lacks_secret(&self) -> bool {
        let signs = ["private_key_file", "client_auth"].iter().any(|key| self.keys.contains_key(*key));
        let wants = self.preset().map(|preset| preset.client_secret);
        wants == Some(ClientSecret::Needed) && !(self.has_secret() || signs || self.registers())
    }

    /// The keys that the preset, or any server, needs and that are not known yet.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        let needs = match self.preset() {
            Some(preset) => preset.needs.iter().map(|need| need.key).collect(),
            None => vec!["client_id"],
        };
        // An account that names its own issuer needs no domain to make one from.
        let needless = |key: &str| key == "domain" && self.keys.contains_key("issuer");
        let registered = |key: &str| key == "client_id" && self.registers();
        needs.into_iter().filter(|key| !self.keys.contains_key(*key) && !needless(key) && !registered(key)).collect()
    }

    /// The definition as AddAccount takes it.
    pub(super) fn definition(&self) -> tokenkeeper::Definition {
        let mut definition: tokenkeeper::Definition =
            self.keys.iter().map(|(key, value)| (key.clone(), setting::on_the_bus(value))).collect();
        if let Some(name) = &self.name {
            definition.insert("name".to_owned(), Variant::from(name.to_string()));
        }
        debug_assert!(self.name.as_ref().is_none_or(|name| wire::is_account_name(name.as_str())));
        definition
    }

    /// The first value is the default under one key; further ones stand under another.
    fn set_several(&mut self, first: &str, further: &str, values: &[String]) {
        let (head, tail) =
            if first == further { (None, values) } else { (values.first(), values.get(1..).unwrap_or(&[])) };
        if let Some(head) = head {
            self.set(first, head.as_str());
        }
        if !tail.is_empty() {
            self.set(further, tail.to_vec());
        }
    }
}

/// A path that means the same to the keeper, which has another working directory. Specifiers are the keeper's to read.
fn whole(path: &Path) -> Result<String, Fault> {
    let text = path.to_str().ok_or_else(|| Fault::usage(format!("{} is not UTF-8", path.display())))?;
    if text.starts_with('%') || path.is_absolute() {
        return Ok(text.to_owned());
    }
    let whole = std::path::absolute(path).map_err(|error| Fault::failure(format!("cannot resolve {text}: {error}")))?;
    Ok(whole.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    fn draft(line: &str) -> Result<Draft, Fault> {
        let words = ["tokenkeeper", "add"].into_iter().chain(line.split(' '));
        let cli = crate::args::Cli::try_parse_from(words).expect("a good command line");
        let crate::args::Command::Add(args) = cli.command else { panic!("not add") };
        Draft::from_args(&args)
    }

    #[test]
    fn options_become_keys_of_the_configuration() {
        let draft = draft(
            "work --issuer https://as.example --client-id c --audience a --audience b --scope openid --scope x \
             --client-secret-file %d/s --flow device --set redirect_ports=[8400] --set label=Work",
        )
        .expect("a draft");
        let text = |key| draft.text(key);
        assert_eq!((text("issuer"), text("audience")), (Some("https://as.example"), Some("a")));
        assert_eq!((text("client_secret_file"), text("label")), (Some("%d/s"), Some("Work")));
        assert_eq!(draft.keys["audiences"], toml::Value::from(vec!["b"]));
        assert_eq!(draft.keys["scopes"], toml::Value::from(vec!["openid", "x"]));
        assert_eq!(draft.definition()["redirect_ports"], Variant::from(vec!["8400".to_owned()]));
        assert!(draft.is_complete());
    }

    #[test]
    fn what_is_missing_is_named_as_an_option() {
        let missing = |line| draft(line).and_then(|draft| draft.check_complete()).expect_err("incomplete").to_string();
        assert_eq!(missing("work"), "which server?");
        assert_eq!(missing("work --issuer https://as.example --refresh-token-file f"), "still needed: --client-id");
        assert_eq!(missing("work --issuer https://as.example --flow client-credentials"), "still needed: --client-id");
        assert_eq!(missing("work --provider auth0"), "still needed: --domain, --client-id");
        assert_eq!(missing("work --provider auth0 --register"), "still needed: --domain");
        assert_eq!(missing("work --provider google"), "still needed: --client-id, --client-secret-file");
        assert_eq!(missing("work --provider google --client-id c"), "still needed: --client-secret-file");
        assert_eq!(missing("work --provider nobody --client-id c"), "no provider named `nobody`");
        assert!(draft("work --set nonsense").is_err());
    }

    #[test]
    fn a_secret_that_every_client_there_has_may_come_later_or_be_another_proof() {
        let complete =
            |line| draft(&format!("work --provider google --client-id c {line}")).expect("a draft").is_complete();
        assert!(complete("--client-secret-file -"));
        assert!(complete("--client-secret-file s"));
        assert!(complete("--set client_secret_file=s"));
        assert!(complete("--no-login"));
        assert!(complete("--set private_key_file=k"));
    }

    #[test]
    fn a_client_is_registered_where_none_is_named_and_somebody_signs_in() {
        let registers = |line| draft(line).is_ok_and(|draft| draft.registers() && draft.is_complete());
        for line in [
            "work --issuer https://as.example",
            "work --resource https://mcp.example/mcp",
            "work --provider fastmail",
            "work --provider okta --domain acme.okta.com --register",
            "work --provider okta --domain acme.okta.com --initial-access-token-file f",
        ] {
            assert!(registers(line), "{line}");
        }
        for line in [
            "work",
            "work --issuer https://as.example --client-id c",
            "work --provider okta --domain acme.okta.com",
            "work --resource https://mcp.example/mcp --client-id c",
            "work --issuer https://as.example --client-secret-file /s",
        ] {
            assert!(!registers(line), "{line}");
        }
    }

    #[test]
    fn a_relative_secret_file_is_made_whole() {
        let draft = draft("work --issuer https://as.example --client-id c --client-secret-file s").expect("a draft");
        assert!(Path::new(draft.text("client_secret_file").expect("set")).is_absolute());
    }
}
