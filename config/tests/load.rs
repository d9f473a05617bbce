//! From files to definitions: what a good config means, and what a bad one leaves standing.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokenkeeper_config::{
    AccountName, ClientAuth, Config, Definition, Flow, HostApps, KeeperSettings, Loaded, OnScreenLock, Places,
    Rotation, ScopeNarrowing, Specifiers, Switch, TokenFile, TokenFormat, TokenKind,
};

struct Home {
    dir: tempfile::TempDir,
    places: Places,
}

impl Home {
    fn new() -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let home = dir.path().to_owned();
        let places = Places::from_env(|key| match key {
            "HOME" => Some(home.clone().into()),
            "XDG_RUNTIME_DIR" => Some("/run/user/7".into()),
            _ => None,
        });
        Self { dir, places: places.expect("a home") }
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        let file = self.places.config_dir.join(name);
        fs::create_dir_all(file.parent().expect("below the config directory")).expect("directories");
        fs::File::create(&file).expect("a file").write_all(text.as_ref()).expect("written");
        file
    }

    fn load(&self) -> Loaded {
        Config::load(&self.places)
    }
}

fn name(text: &str) -> AccountName {
    text.parse().expect("a good name")
}

fn parse(text: &str) -> Loaded {
    Config::parse(text, Path::new("config.toml"), &Specifiers { home: "/home/ada".into(), ..Specifiers::default() })
}

fn definition(loaded: &Loaded, account: &str) -> Definition {
    let account = loaded.accounts.get(&name(account)).expect("the account");
    account.definition.clone().unwrap_or_else(|fault| panic!("{fault}"))
}

fn account(keys: &str) -> Definition {
    definition(&parse(&format!("[account.work]\n{keys}")), "work")
}

const GOOD: &str = "issuer = \"https://sso.acme.example\"\nclient_id = \"cli\"\n";

#[test]
fn no_config_is_an_empty_one() {
    assert_eq!(Home::new().load(), Loaded::default());
}

#[test]
fn the_example_of_the_documentation_means_what_it_says() {
    let loaded = parse(
        r#"
        [keeper]
        host_apps = "allow"
        tokens_in_messages = false
        on_screen_lock = "keep"
        proxy = "http://proxy.acme.example:3128"

        [account.work]
        provider = "auth0"
        domain = "acme.eu.auth0.com"
        client_id = "8hJ"
        audience = "https://api.acme.example"

        [account.ci]
        issuer = "https://sso.acme.example/realms/main"
        client_id = "cli"
        flow = "client-credentials"
        client_secret_file = "%h/ci-secret"
        [[account.ci.token_file]]
        path = "/run/ci.jwt"
        kind = "id"
        "#,
    );
    assert_eq!(loaded.faults, []);
    assert_eq!(
        loaded.keeper,
        Ok(KeeperSettings {
            host_apps: HostApps::Allow,
            tokens_in_messages: false,
            on_screen_lock: OnScreenLock::Keep,
            proxy: Some("http://proxy.acme.example:3128".parse().expect("an address")),
        })
    );
    let work = definition(&loaded, "work");
    assert_eq!(work.issuer.as_deref(), Some("https://acme.eu.auth0.com/"));
    assert_eq!(work.scopes, ["openid", "profile", "offline_access"]);
    assert_eq!(work.audience.as_deref(), Some("https://api.acme.example"));
    let ci = definition(&loaded, "ci");
    assert_eq!(ci.flow, Flow::ClientCredentials);
    assert_eq!(ci.scopes, [""; 0], "nobody signs in, so there is nothing to stay signed in to");
    assert_eq!(ci.client_secret_file.as_deref(), Some(Path::new("/home/ada/ci-secret")));
    let file = TokenFile {
        path: "/run/ci.jwt".into(),
        kind: TokenKind::Id,
        audience: None,
        scopes: Vec::new(),
        format: TokenFormat::Raw,
    };
    assert_eq!(ci.token_files, [file]);
}

#[test]
fn a_bare_issuer_asks_for_offline_access_with_consent_where_the_server_takes_it() {
    let work = account(GOOD);
    assert_eq!(work.scopes, ["openid", "offline_access"]);
    assert!(work.scopes_are_assumed);
    assert_eq!(work.authorize_params.get("prompt"), None, "the login says it, if it asks for offline access");
    assert_eq!(work.redirect.uris(), ["http://127.0.0.1/callback"]);
    let written = account(&format!("{GOOD}scopes = [\"offline_access\"]"));
    assert!(!written.scopes_are_assumed);
    assert_eq!(written.authorize_params["prompt"], "consent");
    assert_eq!(account(&format!("{GOOD}scopes = [\"openid\"]")).authorize_params.get("prompt"), None);
}

#[test]
fn a_prompt_of_the_account_wins_and_an_empty_one_says_that_none_is_sent() {
    let with = |prompt| account(&format!("{GOOD}authorize_params = {{ prompt = \"{prompt}\" }}")).authorize_params;
    assert_eq!(with("login")["prompt"], "login");
    assert_eq!(with("")["prompt"], "");
}

#[test]
fn the_issuer_is_kept_byte_for_byte() {
    for issuer in [
        "https://sso.acme.example",
        "https://sso.acme.example/",
        "https://SSO.acme.example:443/a/../b",
        "http://127.0.0.1:8080/x/",
        "http://127.9.9.9",
        "http://[::1]:80",
    ] {
        let work = account(&format!("issuer = \"{issuer}\"\nclient_id = \"cli\""));
        assert_eq!(work.issuer.as_deref(), Some(issuer));
    }
}

#[test]
fn keys_of_the_account_override_those_of_the_preset_one_by_one() {
    let work = account(
        "provider = \"auth0\"\nissuer = \"http://127.0.0.1:8080/\"\nclient_id = \"c\"\nredirect_ports = []\nidle_limit = \"1h\"",
    );
    assert_eq!(work.issuer.as_deref(), Some("http://127.0.0.1:8080/"), "and no domain is asked for");
    assert_eq!(work.redirect.ports, [0; 0]);
    assert_eq!(work.idle_limit, Some(Duration::from_secs(3600)));
    assert_eq!(work.scopes, ["openid", "profile", "offline_access"], "the preset's, as nothing else is said");
}

#[test]
fn every_key_is_understood() {
    let work = account(
        r#"
        issuer = "https://sso.acme.example"
        authorization_endpoint = "https://sso.acme.example/authorize"
        token_endpoint = "https://sso.acme.example/token"
        device_authorization_endpoint = "https://sso.acme.example/device"
        revocation_endpoint = "https://sso.acme.example/revoke"
        jwks_uri = "https://sso.acme.example/jwks"
        client_id = "cli"
        client_secret_file = "/secret"
        client_auth = "basic-raw"
        private_key_file = "/key"
        private_key_id = "2026-11"
        assertion_audience = "token-endpoint"
        scopes = ["a", "b", "a"]
        scope_separator = ","
        audience = "one"
        audiences = ["two"]
        resource = "https://a.example"
        resources = ["https://b.example", "https://a.example"]
        authorization_details = [{ type = "payment", amount = 0x10, rate = 0.5, to = ["ada"], by = { card = true } }]
        organization = "org"
        flow = "device"
        redirect_host = "[::1]"
        redirect_ports = [8400, 8401]
        redirect_path = "/cb"
        authorize_params = { acr_values = "x" }
        token_params = { y = "z" }
        dpop = "auto"
        par = "off"
        rotation = "rotating"
        replay_window = "30s"
        refresh_kills_token = true
        scope_narrowing = "per-request"
        lead = "2m"
        keep_alive = "1day"
        idle_limit = "7d"
        assumed_lifetime = "1h"
        token_path = "authed_user"
        label = "Work"
        git_hosts = ["git.acme.example"]
        registries = ["registry.acme.example:5000"]
        [[account.work.token_file]]
        path = "/t"
        audience = "two"
        scopes = ["a"]
        format = "netrc"
        "#,
    );
    assert_eq!(work.client_auth, Some(ClientAuth::BasicRaw));
    assert_eq!((work.scopes, work.scope_separator), (vec!["a".to_owned(), "b".to_owned()], ','));
    assert_eq!(work.resources, ["https://a.example", "https://b.example"]);
    let details = r#"[{"amount":16,"by":{"card":true},"rate":0.5,"to":["ada"],"type":"payment"}]"#;
    assert_eq!(work.authorization_details.as_deref(), Some(details));
    assert_eq!(work.redirect.uris(), ["http://[::1]:8400/cb", "http://[::1]:8401/cb"]);
    assert_eq!((work.dpop, work.par), (Switch::Auto, Switch::Off));
    assert_eq!((work.rotation, work.replay_window), (Rotation::Rotating, Some(Duration::from_secs(30))));
    assert_eq!(work.scope_narrowing, ScopeNarrowing::PerRequest);
    assert!(work.refresh_kills_token);
    assert_eq!((work.lead, work.keep_alive), (Some(Duration::from_secs(120)), Some(Duration::from_secs(86400))));
    assert_eq!(work.token_files[0].format, TokenFormat::Netrc);
    assert_eq!(work.registries, ["registry.acme.example:5000"]);
    assert_eq!(work.endpoints.jwks_uri.expect("given").as_str(), "https://sso.acme.example/jwks");
}

#[test]
fn a_random_path_is_for_servers_that_take_any() {
    assert_eq!(account(&format!("{GOOD}redirect_path = \"random\"")).redirect.path, None);
}

#[test]
fn a_key_file_means_private_key_jwt() {
    assert_eq!(account(&format!("{GOOD}private_key_file = \"/k\"")).client_auth, Some(ClientAuth::PrivateKeyJwt));
}

#[test]
fn a_fault_inside_an_account_leaves_the_others() {
    let loaded = parse(&format!("[account.a]\n{GOOD}flow = 3\n[account.b]\n{GOOD}[keeper]\nproxy = 1\n"));
    assert!(loaded.accounts[&name("a")].definition.is_err());
    definition(&loaded, "b");
    assert_eq!(loaded.faults.len(), 2);
}

#[test]
fn drop_ins_are_read_in_name_order_after_the_main_file() {
    let home = Home::new();
    home.write("config.toml", format!("[keeper]\ntokens_in_messages = false\n[account.a]\n{GOOD}"));
    home.write("config.d/20.toml", "[keeper]\ntokens_in_messages = true\n");
    home.write("config.d/10.toml", format!("[keeper]\ntokens_in_messages = false\n[account.b]\n{GOOD}"));
    home.write("config.d/.hidden.toml", "nonsense");
    home.write("config.d/notes.txt", "nonsense");
    let loaded = home.load();
    assert_eq!(loaded.faults, []);
    assert_eq!(loaded.keeper.map(|keeper| keeper.tokens_in_messages), Ok(true));
    assert_eq!(loaded.accounts[&name("b")].source, home.places.drop_in_dir().join("10.toml"));
    assert_eq!(loaded.accounts.len(), 2);
}

#[test]
fn an_account_in_two_files_is_faulty_because_nobody_knows_which_is_meant() {
    let home = Home::new();
    let first = home.write("config.toml", format!("[account.work]\n{GOOD}"));
    let second = home.write("config.d/work.toml", format!("[account.work]\n{GOOD}"));
    let loaded = home.load();
    let fault = loaded.accounts[&name("work")].definition.as_ref().expect_err("defined twice");
    assert_eq!(fault.file, second);
    assert!(fault.what.contains(&first.display().to_string()), "{fault}");
    assert_eq!(loaded.faults, std::slice::from_ref(fault));
}

#[test]
fn a_file_that_does_not_parse_is_told_apart_from_one_that_is_gone() {
    let home = Home::new();
    home.write("config.toml", format!("[account.a]\n{GOOD}"));
    let file = home.write("config.d/b.toml", format!("[account.b]\n{GOOD}label = \"half a"));
    let loaded = home.load();
    assert_eq!(loaded.accounts.keys().collect::<Vec<_>>(), [&name("a")]);
    assert_eq!(loaded.unparsed.keys().collect::<Vec<_>>(), [&name("b")], "so a first start knows of it");
    assert!(loaded.unreadable_files.contains(&file));

    fs::remove_file(file).expect("removed");
    let loaded = home.load();
    assert!(loaded.unparsed.is_empty() && loaded.unreadable_files.is_empty());
}

#[test]
fn a_mistake_never_loosens_a_setting() {
    let strict = "[keeper]\ntokens_in_messages = false\n";
    assert!(parse(&format!("{strict}proxy = 1")).keeper.is_err());
    let home = Home::new();
    home.write("config.toml", strict);
    home.write("config.d/x.toml", "[keeper");
    assert!(home.load().keeper.is_err());
}

#[test]
fn files_that_cannot_be_read_are_told_and_read_no_further() {
    let home = Home::new();
    let big = home.write("config.toml", vec![b'#'; (tokenkeeper_config::MAX_FILE + 1) as usize]);
    let latin1 = home.write("config.d/a.toml", b"# caf\xe9");
    let directory = home.places.drop_in_dir().join("b.toml");
    fs::create_dir(&directory).expect("a directory");
    let told: Vec<_> = home.load().faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            format!("{}: is larger than 1 MiB; split it into files in config.d/", big.display()),
            format!("{}: is not UTF-8; save it as UTF-8 text", latin1.display()),
            format!("{}: is no file; replace it by a text file", directory.display()),
        ]
    );
    assert_eq!(home.load().unreadable_files.len(), 3);
    drop(home.dir);
}

#[test]
fn a_pipe_in_place_of_a_file_does_not_hang() {
    let home = Home::new();
    let pipe = home.write("config.d/x", "").with_file_name("pipe.toml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
    assert!(made.success());
    assert!(home.load().unreadable_files.contains(&pipe));
}
