//! The real binary against a keeper that stands in, on a bus of its own: what is printed, what is sent, and each exit
//! code.

mod setup;
mod sign_in;
mod stand_in;

use std::process::{Command, Output, Stdio};

use stand_in::World;

#[tokio::test]
async fn a_token_is_printed_with_a_newline_and_nothing_else() {
    let world = World::begin().await;
    let output = world.tokenkeeper(&["token", "work"]).await;
    assert_eq!(texts(&output), ("token-1\n".into(), String::new()));
    assert_eq!(output.status.code(), Some(0));
    let output = world.tokenkeeper(&["header", "work"]).await;
    assert_eq!(texts(&output).0, "Authorization: Bearer token-1\n");
    let output = world.tokenkeeper(&["token", "work", "--json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&json["schema"], &json["token"], &json["generation"]), (&1.into(), &"token-1".into(), &1.into()));
}

#[tokio::test]
async fn every_refusal_has_its_exit_code_and_says_what_to_do() {
    let world = World::begin().await;
    let codes = [
        ("failed", 1),
        ("busy", 1),
        ("login-required", 3),
        ("held", 3),
        ("unavailable", 4),
        ("locked", 5),
        ("no-vault", 5),
        ("not-permitted", 6),
        ("misconfigured", 7),
        ("insufficient-scope", 8),
        ("nobody", 9),
    ];
    for (account, code) in codes {
        let output = world.tokenkeeper(&["token", account]).await;
        let (out, err) = texts(&output);
        assert_eq!((output.status.code(), out.as_str()), (Some(code), ""), "{account}: {err}");
        assert!(err.starts_with("tokenkeeper: "), "{err}");
        assert_eq!(err.lines().count(), if account == "failed" { 1 } else { 2 }, "{err}");
    }
}

#[tokio::test]
async fn a_rejected_token_is_replaced_and_an_older_one_costs_no_refresh() {
    let world = World::begin().await;
    let rejected = world.path("rejected");
    for (held, printed) in [("token-1\n", "token-2\n"), ("token-0", "token-1\n")] {
        std::fs::File::create(&rejected)
            .and_then(|mut file| std::io::Write::write_all(&mut file, held.as_bytes()))
            .expect("written");
        let output = world.tokenkeeper(&["token", "work", "--rejected", &rejected]).await;
        assert_eq!(texts(&output).0, printed, "{}", texts(&output).1);
    }
}

#[tokio::test]
async fn exec_hands_over_the_token_and_ends_as_the_program_ends() {
    let world = World::begin().await;
    let output = world.tokenkeeper(&["exec", "work", "--", "sh", "-c", "printf %s \"$TOKEN\"; exit 42"]).await;
    assert_eq!((texts(&output).0.as_str(), output.status.code()), ("token-1", Some(42)));
    let script = "printf '%s %s' \"$A\" \"$B\"";
    let output = world.tokenkeeper(&["exec", "work=A", "other=B", "--", "sh", "-c", script]).await;
    assert_eq!(texts(&output).0, "token-1 token-1");
    let output = world.tokenkeeper(&["exec", "work", "--", "/nonexistent/program"]).await;
    assert_eq!(output.status.code(), Some(127));
}

#[tokio::test]
async fn exec_keeps_a_file_fresh_and_takes_it_away_at_the_end() {
    let world = World::begin().await;
    // The program says that it looked, then waits until the file holds the next token.
    let script = "f=$BEARER_TOKEN_FILE; echo \"$f\"; cat \"$f\"; echo; stat -c %a \"$f\"; \
                  until [ \"$(cat \"$f\")\" = token-2 ]; do :; done; exit 7";
    let mut command = world.command(&["exec", "--file", "work", "--", "sh", "-c", script]);
    let mut child = tokio::process::Command::from(command_piped(&mut command)).spawn().expect("started");
    let mut lines = tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(child.stdout.take().expect("piped")));
    let path = lines.next_line().await.expect("read").expect("a path");
    assert_eq!(lines.next_line().await.expect("read").as_deref(), Some("token-1"));
    assert_eq!(lines.next_line().await.expect("read").as_deref(), Some("600"));
    world.renew("work").await;
    assert_eq!(child.wait().await.expect("ended").code(), Some(7));
    assert!(!std::path::Path::new(&path).exists());
}

#[tokio::test]
async fn status_shows_accounts_and_vault() {
    let world = World::begin().await;
    let output = world.tokenkeeper(&["status"]).await;
    let (out, err) = texts(&output);
    assert!(out.starts_with("Vault open, by passphrase\n"), "{out}{err}");
    assert!(out.contains("work") && out.contains("ready"), "{out}");
    let output = world.tokenkeeper(&["status", "--json"]).await;
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["accounts"][0]["name"], "other");
    assert_eq!(json["accounts"][1]["state"], "ready");
    assert_eq!(json["vault"]["slots"][0]["kind"], "passphrase");
    let output = world.tokenkeeper(&["status", "nobody"]).await;
    assert_eq!(output.status.code(), Some(9));
}

#[tokio::test]
async fn a_reader_that_went_away_is_no_fault() {
    let world = World::begin().await;
    let output = world.sh("\"$TOKENKEEPER\" man | head -n 1").await;
    assert_eq!(texts(&output).1, "");
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

fn command_piped(command: &mut Command) -> Command {
    command.stdout(Stdio::piped());
    std::mem::replace(command, Command::new("true"))
}
