//! Clients that prove who they are, at a server of somebody else: `oidc-provider` checks every assertion, takes none twice,
//! and decodes Basic as RFC 6749 says.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tokenkeeper::LoginOptions;
use tokenkeeper::wire::ErrorName;
use tokenkeeper_tests::programs;
use tokenkeeper_tests::provider::{Make, Provider};
use tokenkeeper_tests::world::World;

/// A20: five algorithms, three tokens each; the server remembers every `jti` and refuses one that comes again.
#[tokio::test]
async fn a_client_signs_who_it_is_by_every_algorithm() {
    let Some(provider) = provider().await else { return };
    let robots = ["ES256", "ES384", "RS256", "EdDSA"].map(|algorithm| format!("robot-{algorithm}"));
    let mut world = World::bare().await;
    for robot in &robots {
        write_key(&world, robot, &provider);
    }
    let accounts: String = robots.iter().map(|robot| account(&world, robot, &provider, "")).collect();
    world.write_config(&accounts);
    world.init_vault().await;
    world.start_keeper().await;
    for robot in &robots {
        let name = robot.to_lowercase();
        let mut tokens = vec![world.token(&name).await.unwrap_or_else(|why| panic!("{robot}: {why}"))];
        for _ in 0..2 {
            world.account(&name).await.refresh().await.unwrap_or_else(|why| panic!("{robot}: {why}"));
            tokens.push(world.token(&name).await.expect("refreshed"));
        }
        assert!(tokens.windows(2).all(|two| two[0].as_str() != two[1].as_str()), "{robot}");
    }
    let events = provider.events();
    assert_eq!(provider.count("grant.success"), 3 * robots.len(), "{events:?}");
    assert_eq!(provider.count("grant.error"), 0, "{events:?}");
}

/// A person signs in at a client with a key; code, refresh and revocation are all signed.
#[tokio::test]
async fn a_person_signs_in_at_a_client_that_has_a_key() {
    let Some(provider) = provider().await else { return };
    let mut world = World::bare().await;
    write_key(&world, "robot-ES256", &provider);
    let key = world.path("home/robot-ES256.pem");
    world.write_config(&format!(
        "[account.work]\nissuer = \"{}\"\nclient_id = \"robot-ES256\"\nprivate_key_file = \"{}\"\n\
         assertion_audience = \"token-endpoint\"\nredirect_path = \"/callback\"\n",
        provider.issuer(),
        key.display()
    ));
    world.init_vault().await;
    world.start_keeper().await;
    let account = world.account("work").await;
    let login = account.login(LoginOptions::new().flow("browser")).await.expect("it begins");
    let address = login.uri.clone().expect("a browser login has an address");
    let seen = provider.sign_in(&address, &programs::directory().join("pictures/client-with-key")).await;
    assert_eq!(seen.heading, "You are signed in", "{}", seen.text);
    login.request.wait().await.expect("signed in");
    for _ in 0..2 {
        account.refresh().await.expect("the server grants");
    }
    let token = world.token("work").await.expect("refreshed");
    assert_eq!(provider.userinfo(token.as_str()).await, 200);
    account.logout().await.expect("revoked");
    let events = provider.events();
    assert!(!events.iter().any(|event| event.ends_with("error")), "{events:?}");
}

/// A3: a colon, a space, a per cent sign, a plus and a slash in a secret arrive as they are.
#[tokio::test]
async fn a_secret_full_of_signs_works_in_a_basic_header() {
    let Some(provider) = provider().await else { return };
    let mut world = World::bare().await;
    world.write("home/secret", "a:b %+/c\n");
    let secret = world.path("home/secret");
    let of = |client_auth: &str| {
        let name = client_auth.replace('-', "");
        format!(
            "[account.{name}]\nissuer = \"{}\"\nclient_id = \"robot-basic\"\nflow = \"client-credentials\"\n\
             client_auth = \"{client_auth}\"\nclient_secret_file = \"{}\"\n",
            provider.issuer(),
            secret.display()
        )
    };
    world.write_config(&[of("basic"), of("post"), of("basic-raw")].concat());
    world.init_vault().await;
    world.start_keeper().await;
    for name in ["basic", "post"] {
        world.token(name).await.unwrap_or_else(|why| panic!("{name}: {why}"));
    }
    // This server is one of those that decode, so the raw one is another secret to it.
    let refused = world.token("basicraw").await.expect_err("it decodes");
    assert_eq!(refused.name(), Some(ErrorName::Misconfigured), "{refused}");
}

/// A key that others can read, one with a passphrase, one that is none: the account says so, and is as it was when the
/// file is right.
#[tokio::test]
async fn a_key_that_cannot_be_used_says_why_and_loses_nothing() {
    let Some(provider) = provider().await else { return };
    let mut world = World::bare().await;
    write_key(&world, "robot-ES256", &provider);
    let key = world.path("home/robot-ES256.pem");
    world.write_config(&account(&world, "robot-ES256", &provider, ""));
    world.init_vault().await;
    world.start_keeper().await;
    let name = "robot-es256";
    world.token(name).await.expect("the key is good");

    for (mode, text, said) in [
        (0o644, provider.key("robot-ES256"), "can be read by others (mode 0644): chmod 0600"),
        (0o600, "nothing\n", "has no private key in PEM"),
        (0o600, "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n", "is encrypted"),
    ] {
        write_private(&key, text, mode);
        let refused = world.account(name).await.refresh().await.expect_err("no key");
        assert_eq!(refused.name(), Some(ErrorName::Misconfigured), "{said}: {refused}\n{}", world.keeper().log());
        assert!(refused.to_string().contains(said), "{said}: {refused}");
        world.run("tokenkeeper", &["reload"]).await;
    }
    write_private(&key, provider.key("robot-ES256"), 0o600);
    world.account(name).await.refresh().await.expect("the key is good again");
}

async fn provider() -> Option<Provider> {
    if let Some(why) = Make::OidcProvider.missing() {
        eprintln!("skipped: {why}");
        return None;
    }
    Some(Provider::start(Make::OidcProvider).await)
}

fn account(world: &World, robot: &str, provider: &Provider, more: &str) -> String {
    format!(
        "[account.{}]\nissuer = \"{}\"\nclient_id = \"{robot}\"\nflow = \"client-credentials\"\n\
         private_key_file = \"{}\"\n{more}\n",
        robot.to_lowercase(),
        provider.issuer(),
        world.path(&format!("home/{robot}.pem")).display()
    )
}

fn write_key(world: &World, robot: &str, provider: &Provider) {
    write_private(&world.path(&format!("home/{robot}.pem")), provider.key(robot), 0o600);
}

#[allow(clippy::disallowed_methods, reason = "a test's file need not be durable")]
fn write_private(path: &Path, text: &str, mode: u32) {
    std::fs::write(path, text).expect("the directory is ours");
    std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("the file is ours");
}
