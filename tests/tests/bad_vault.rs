//! A vault that cannot be opened, or not by everybody: each case has its own clear error and its remedy.

use std::os::unix::fs::PermissionsExt as _;

use tokenkeeper::VaultState;
use tokenkeeper::wire::ErrorName;
use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::world::{PATIENCE, World, account, files_below, text};

fn says(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.to_lowercase().contains(&word.to_lowercase()), "`{word}` is missing in: {text}");
    }
}

#[tokio::test]
async fn a_damaged_vault_is_told_and_never_deleted() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::signed_in(&idp).await;
    world.take_keeper().kill().await;
    let file = world.state_dir().join("vault.db");
    let before = std::fs::read(&file).expect("it is there");
    let garbage: Vec<u8> = before.iter().map(|byte| byte ^ 0x5a).collect();
    #[allow(clippy::disallowed_methods, reason = "damage need not be durable")]
    std::fs::write(&file, &garbage).expect("the file is ours");
    for ending in ["-wal", "-shm"] {
        drop(std::fs::remove_file(world.state_dir().join(format!("vault.db{ending}"))));
    }
    world.start_keeper().await;
    let kept = files_below(&world.state_dir());
    assert!(kept.iter().any(|(_, bytes)| *bytes == garbage), "the damaged vault was kept aside");
    let refused = world.token("work").await.expect_err("nothing can be read");
    assert!(matches!(refused.name(), Some(ErrorName::NoVault | ErrorName::Locked)), "{refused}");
    says(&world.keeper().log(), &["vault", "damaged"]);
}

#[tokio::test]
async fn a_wrong_passphrase_opens_nothing_and_the_right_one_does() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::bare().await;
    world.write_config(&account("work", &idp));
    world.write("home/passphrase", "correct horse\n");
    let file = world.path("home/passphrase");
    let mut init = world.daemon();
    init.args(["--init", "--slot", "passphrase", "--passphrase-file"]).arg(file);
    let made = init.output().await.expect("it can be started");
    assert!(made.status.success(), "{}", text(&made).1);
    world.start_keeper().await;
    let vault = world.client().await.vault();
    assert_eq!(vault.state().await.expect("the keeper answers"), VaultState::Locked);

    let request = vault.unlock().await.expect("it begins");
    request.input(&[("passphrase", b"battery staple")]).await.expect("it is taken");
    let refused = tokio::time::timeout(PATIENCE, request.wait()).await.expect("it ends").expect_err("wrong");
    says(&refused.to_string(), &["passphrase"]);
    assert_eq!(vault.state().await.expect("the keeper answers"), VaultState::Locked);

    let request = vault.unlock().await.expect("it begins");
    request.input(&[("passphrase", b"correct horse")]).await.expect("it is taken");
    tokio::time::timeout(PATIENCE, request.wait()).await.expect("it ends").expect("right");
    assert_eq!(vault.state().await.expect("the keeper answers"), VaultState::Ready);
}

#[tokio::test]
async fn no_secret_service_is_said_with_what_else_there_is() {
    let world = World::bare().await;
    let tried = world.daemon().args(["--init", "--slot", "secret-service"]).output().await.expect("it can be started");
    assert!(!tried.status.success());
    says(&text(&tried).1, &["secret service"]);
    assert!(!world.state_dir().join("vault.db").exists(), "no half-made vault");
    let setup = world.run("tokenkeeper", &["setup", "--no-start"]).await;
    assert_eq!(setup.status.code(), Some(2), "{}", text(&setup).1);
    says(&text(&setup).1, &["--slot keyfile="]);
}

#[tokio::test]
async fn no_vault_says_setup() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = World::bare().await;
    world.write_config(&account("work", &idp));
    world.start_keeper().await;
    let cli = world.run("tokenkeeper", &["token", "work"]).await;
    assert_eq!(cli.status.code(), Some(5), "{}", text(&cli).1);
    says(&text(&cli).1, &["tokenkeeper setup"]);
}

#[tokio::test]
async fn a_key_file_that_others_can_read_is_refused() {
    let mut world = World::new().await;
    world.take_keeper().kill().await;
    std::fs::set_permissions(world.key_file(), std::fs::Permissions::from_mode(0o644)).expect("ours");
    world.start_keeper().await;
    let vault = world.client().await.vault();
    assert_eq!(vault.state().await.expect("the keeper answers"), VaultState::Locked);
    let slots = vault.slots().await.expect("the keeper answers");
    says(&slots[0].error, &["others"]);
}
