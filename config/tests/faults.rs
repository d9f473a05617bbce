//! Every fault, as a person reads it. One case for each line that somebody will write some day.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tokenkeeper_config::{Config, Specifiers};

fn faults(text: &str) -> Vec<String> {
    let home = Specifiers { home: PathBuf::from("/home/ada"), ..Specifiers::default() };
    let loaded = Config::parse(text, Path::new("config.toml"), &home);
    loaded.faults.iter().map(ToString::to_string).collect()
}

/// The lines of a good account, so that a case needs to show only what is wrong.
const ISSUER: &str = "[account.work]\nissuer = \"https://sso.acme.example\"\nclient_id = \"cli\"\n";
const AUTH0: &str = "[account.work]\nprovider = \"auth0\"\ndomain = \"acme.eu.auth0.com\"\nclient_id = \"cli\"\n";

fn snapshot(name: &str, before: &str, cases: &[&str]) {
    let mut shown = String::new();
    for case in cases {
        writeln!(shown, "{case}").expect("to memory");
        let faults = faults(&format!("{before}{case}"));
        assert!(!faults.is_empty(), "no fault: {case}");
        for fault in faults {
            writeln!(shown, "    {fault}").expect("to memory");
        }
        shown.push('\n');
    }
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!(name, shown);
    });
}

#[test]
fn the_file_itself() {
    snapshot(
        "file",
        "",
        &[
            "[account.work",
            "x = 1",
            "[acount.work]",
            "account = 3",
            "[account]\nwork = \"auth0\"",
            "[account.Work]",
            "[account.\"a\\nb\"]",
            "keeper = true",
            "[account.a]\n[account.a]",
            "[account.work]\nclient_secret = s3cr3t",
        ],
    );
}

#[test]
fn the_keeper() {
    snapshot(
        "keeper",
        "[keeper]\n",
        &[
            "host_apps = \"alow\"",
            "host_apps = \"never\"",
            "host_apps = \"ask\"",
            "tokens_in_messages = \"yes\"",
            "on_screen_lock = 1",
            "proxy = \"acme:3128\"",
            "proxy = \"http://ada:s3cr3t@proxy.acme.example:3128\"",
            "hostapps = \"allow\"",
            "colour = \"red\"",
        ],
    );
}

#[test]
fn which_server() {
    snapshot(
        "server",
        "[account.work]\nclient_id = \"cli\"\n",
        &[
            "",
            "provider = \"auth0\"",
            "provider = \"auht0\"\ndomain = \"x.example\"",
            "provider = \"acme\"",
            "provider = \"\"",
            "provider = \"auth0\"\ndomain = \"https://acme.eu.auth0.com/\"",
            "provider = \"auth0\"\ndomain = \"acme eu\"",
            "issuer = \"http://sso.acme.example\"",
            "issuer = \"http://127.0.0.1.acme.example\"",
            "issuer = \"sso.acme.example\"",
            "issuer = \"ftp://sso.acme.example\"",
            "issuer = \"https://sso.acme.example/?a=b\"",
            "issuer = \"https://sso.acme.example/#x\"",
            "issuer = \"https://ada:s3cr3t@sso.acme.example/\"",
            "issuer = [\"https://sso.acme.example\"]",
            "token_endpoint = \"http://sso.acme.example/token\"",
            "token_endpoint = \"https://sso.acme.example/token\"",
            "token_endpoint = \"https://sso.acme.example/token\"\nflow = \"device\"",
        ],
    );
}

#[test]
fn the_client() {
    snapshot(
        "client",
        "[account.work]\nissuer = \"https://sso.acme.example\"\n",
        &[
            "",
            "client_id = \"\"",
            "client_id = 17",
            "client_id = \"schlüssel\"",
            "client_id = \"cli\"\nclient_auth = \"baisc\"",
            "client_id = \"cli\"\nclient_auth = \"private_key_jwt\"",
            "client_id = \"cli\"\nclient_auth = \"none\"\nclient_secret_file = \"/s\"",
            "client_id = \"cli\"\nclient_auth = \"none\"\nflow = \"client-credentials\"",
        ],
    );
    let missing = faults("[account.work]\nprovider = \"auth0\"\ndomain = \"acme.eu.auth0.com\"");
    insta::assert_snapshot!(missing.join("\n"), @"config.toml:1:10: [account.work] has no client_id; add client_id = \"…\"; register a client at https://manage.auth0.com/");
}

#[test]
fn secrets_do_not_belong_here_and_are_never_repeated() {
    let cases = [
        "client_secret = \"s3cr3t\"",
        "client-secret = \"s3cr3t\"",
        "refresh_token = \"s3cr3t\"",
        "password = \"s3cr3t\"",
        "private_key = \"s3cr3t\"",
        "client_secret_file = \"s3cr3t\"",
        "client_secret_file = \"%q/s3cr3t\"",
        "private_key_file = \"s3cr3t\"",
        "authorize_params = { client_secret = \"s3cr3t\" }",
        "token_params = { client_assertion = \"s3cr3t\" }",
        "token_params = { password = \"s3cr3t\" }",
        "client_secret = { value = \"s3cr3t\" }",
    ];
    for case in cases {
        for fault in faults(&format!("{ISSUER}{case}")) {
            assert!(!fault.replace("%q/s3cr3t", "").contains("s3cr3t"), "{fault}");
        }
    }
    snapshot("secrets", ISSUER, &cases);
}

#[test]
fn the_other_keys() {
    snapshot(
        "values",
        ISSUER,
        &[
            "scope = [\"openid\"]",
            "clientid = \"x\"",
            "whatever = 1",
            "scopes = \"openid profile\"",
            "scopes = [\"openid profile\"]",
            "scopes = [1]",
            "flow = \"broswer\"",
            "flow = \"password\"",
            "lead = 60",
            "lead = \"soon\"",
            "keep_alive = \"900y\"",
            "replay_window = \"-1s\"",
            "redirect_host = \"0.0.0.0\"",
            "redirect_host = \"acme.example\"",
            "redirect_ports = 8400",
            "redirect_ports = [80]",
            "redirect_ports = [70000]",
            "redirect_ports = [8400, 8400]",
            "redirect_ports = [99999999999999999999]",
            "redirect_path = \"callback\"",
            "redirect_path = \"/call back?x\"",
            "dpop = true",
            "dpop = \"onn\"",
            "par = \"yes\"",
            "authorization_details = \"payment\"",
            "authorization_details = []",
            "authorization_details = [\"payment\"]",
            "authorization_details = [{ amount = 7 }]",
            "authorization_details = [{ type = \"payment\", on = 2026-11-26 }]",
            "authorization_details = [{ type = \"payment\", amount = inf }]",
            "authorization_details = [{ type = \"payment\", a.b.c.d.e.f.g.h.i = 1 }]",
            "rotation = \"always\"",
            "refresh_kills_token = \"no\"",
            "scope_narrowing = \"fine\"",
            "resource = \"api\"",
            "resources = [\"https://api.acme.example/#x\"]",
            "authorize_params = \"prompt=consent\"",
            "authorize_params = { state = \"x\" }",
            "authorize_params = { max_age = 3 }",
            "authorize_params = { \"a\\nb\" = 3 }",
            "keep_alive = \"0s\"",
            "idle_limit = \"7d\"\nkeep_alive = \"8d\"",
            "git_hosts = \"git.acme.example\"",
            "git_hosts = [\"https://git.acme.example\"]",
            "label = \"\"",
            "label = \"a\\u0007b\"",
        ],
    );
}

#[test]
fn token_files() {
    snapshot(
        "token_files",
        &format!("{ISSUER}[[account.work.token_file]]\n"),
        &[
            "",
            "path = \"token\"",
            "path = \"%t/token\"",
            "path = \"%d/token\"",
            "path = \"%h/../x\"",
            "path = \"/a%\"",
            "path = \"/t\"\nkind = \"refresh\"",
            "path = \"/t\"\nformat = \"xml\"",
            "path = \"/t\"\nmode = 600",
            "path = \"/t\"\n[[account.work.token_file]]\npath = \"/t\"",
        ],
    );
    snapshot("token_file_alone", ISSUER, &["token_file = \"/t\"", "token_file = [\"/t\"]"]);
}

#[test]
fn two_accounts_do_not_write_one_file() {
    let account = |name| {
        let keys = ISSUER.replace("work", name);
        format!("{keys}[[account.{name}.token_file]]\npath = \"/t\"\n")
    };
    insta::assert_snapshot!(
        faults(&format!("{}{}", account("a"), account("b"))).join("\n"),
        @"config.toml:6:10: account a writes the same token_file: /t; give each its own path"
    );
}

#[test]
fn several_faults_are_told_in_file_order() {
    let text = format!("[keeper]\nhost_apps = \"x\"\n{AUTH0}flow = \"x\"\nlead = 1\n[account.b]\n[nonsense]\n");
    let lines: Vec<_> =
        faults(&text).iter().map(|fault| fault.split(':').nth(1).unwrap_or_default().to_owned()).collect();
    assert_eq!(lines, ["2", "7", "8", "9", "10"]);
}
