//! `setup` and its undoing, in a home of their own.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use crate::stand_in::World;

const ACTIVATION: &str = "data/dbus-1/services/org.tokenkeeper.Keeper1.service";

#[tokio::test]
async fn setup_installs_makes_the_vault_and_takes_back_only_what_it_installed() {
    let world = World::begin().await;
    let home = home(&world).await;
    let secret = home.join("passphrase");
    fs::File::create(&secret).and_then(|mut file| file.write_all(b"canary\n")).expect("written");
    let secret = secret.to_string_lossy();

    let setup = ["setup", "--slot", "passphrase", "--passphrase-file", &secret, "--no-start"];
    let said = run(&world, &setup, 0).await;
    assert!(said.contains("✓ vault       made; opened by a passphrase"), "{said}");
    assert!(said.contains("After each reboot run `tokenkeeper unlock`."), "{said}");
    let ran = fs::read_to_string(home.join("ran")).expect("it was run");
    assert!(ran.starts_with("--init --slot passphrase") && ran.ends_with("\ncanary"), "{ran}");
    let activation = fs::read_to_string(home.join(ACTIVATION)).expect("installed");
    assert!(activation.contains(&format!("Exec=\"{}/tokenkeeperd\"", home.display())), "{activation}");

    let said = run(&world, &["setup", "--no-start"], 0).await;
    assert!(said.contains("✓ vault       there already"), "{said}");
    assert!(said.contains("(as it was)"), "{said}");

    run(&world, &["setup", "--undo"], 0).await;
    assert!(!home.join(ACTIVATION).exists());
    assert!(home.join("state/vault.db").exists(), "the logins stay");
}

#[tokio::test]
async fn with_nobody_to_ask_setup_says_which_slot_to_name() {
    if std::path::Path::new("/run/systemd/io.systemd.Credentials").exists() {
        return eprintln!("skipped: the systemd of this machine keeps a key without asking anybody");
    }
    let world = World::begin().await;
    home(&world).await;
    let said = run(&world, &["setup", "--no-start"], 2).await;
    assert!(said.contains("use --slot keyfile=PATH"), "{said}");
}

#[tokio::test]
async fn a_keeper_with_a_vault_elsewhere_is_left_alone() {
    let world = World::begin().await;
    let home = home(&world).await;
    world.keeper_returns().await;
    let said = run(&world, &["setup", "--insecure"], 1).await;
    assert!(said.contains("the same TOKENKEEPER_STATE_DIR"), "{said}");
    assert!(!home.join("ran").exists());
}

#[tokio::test]
async fn a_slot_that_does_not_work_is_told_and_nothing_is_installed() {
    let world = World::begin().await;
    let home = home(&world).await;
    let said = run(&world, &["setup", "--slot", "keyfile=/nonexistent/key"], 1).await;
    assert_eq!(said, "tokenkeeper: cannot make the vault: the key file is too short\n");
    assert!(!home.join(ACTIVATION).exists());
}

/// The world's directory as a home, without a keeper, in which the two programs lie beside each other.
async fn home(world: &World) -> PathBuf {
    world.keeper_leaves().await;
    let home = PathBuf::from(world.path(""));
    fs::create_dir(home.join("state")).expect("made");
    fs::hard_link(env!("CARGO_BIN_EXE_tokenkeeper"), home.join("tokenkeeper"))
        .or_else(|_| fs::copy(env!("CARGO_BIN_EXE_tokenkeeper"), home.join("tokenkeeper")).map(drop))
        .expect("linked");
    let daemon = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/stand-in/tokenkeeperd");
    std::os::unix::fs::symlink(daemon, home.join("tokenkeeperd")).expect("linked");
    home.components().collect()
}

async fn run(world: &World, args: &[&str], code: i32) -> String {
    let line = "exec \"$HOME/tokenkeeper\" \"$@\"";
    let output = world
        .sh_with(line, args, |command| {
            command.env("XDG_DATA_HOME", world.path("data")).env("XDG_CONFIG_HOME", world.path("config"));
            command.env("TOKENKEEPER_STATE_DIR", world.path("state")).env_remove("XDG_RUNTIME_DIR");
        })
        .await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}
