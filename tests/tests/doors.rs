//! One token, every door: busctl, gdbus, two Python bindings, the client crate, the command line.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use tokenkeeper::{TokenKind, TokenOptions};
use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::programs;
use tokenkeeper_tests::world::{World, text};

const PATH: &str = "/org/tokenkeeper/Keeper1/account/work";
const ACCOUNT: &str = "org.tokenkeeper.Keeper1.Account";
const NAME: &str = "org.tokenkeeper.Keeper1";

async fn signed_in() -> (Idp, World, String) {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    let token = world.token("work").await.expect("signed in").as_str().to_owned();
    (idp, world, token)
}

async fn prints(world: &World, program: &str, words: &[&str]) -> String {
    let output = world.command(program).args(words).output().await.expect("it can be started");
    let (out, err) = text(&output);
    assert!(output.status.success(), "{program}: {err}");
    out
}

#[tokio::test]
async fn busctl() {
    if !programs::has("busctl") {
        return eprintln!("skipped: busctl is not installed (package systemd)");
    }
    let (_idp, world, token) = signed_in().await;
    let out = prints(&world, "busctl", &["--user", "call", NAME, PATH, ACCOUNT, "GetToken", "a{sv}", "0"]).await;
    assert!(out.contains(&format!("\"{token}\"")), "{out}");
}

#[tokio::test]
async fn gdbus() {
    if !programs::has("gdbus") {
        return eprintln!("skipped: gdbus is not installed (package libglib2.0-bin)");
    }
    let (_idp, world, token) = signed_in().await;
    let method = format!("{ACCOUNT}.GetToken");
    let call = ["call", "--session", "--dest", NAME, "--object-path", PATH, "--method", &method, "{}"];
    let out = prints(&world, "gdbus", &call).await;
    assert!(out.contains(&format!("'{token}'")), "{out}");
}

#[tokio::test]
async fn python_dbus() {
    if !programs::python_has("dbus") {
        return eprintln!("skipped: Python has no dbus (package python3-dbus)");
    }
    let (_idp, world, token) = signed_in().await;
    let script = format!(
        "import dbus\naccount = dbus.Interface(dbus.SessionBus().get_object('{NAME}', '{PATH}'), '{ACCOUNT}')\n\
         token, info = account.GetToken(dbus.Dictionary({{}}, signature='sv'))\nprint(token, info['token_type'])"
    );
    assert_eq!(prints(&world, programs::python(), &["-c", &script]).await, format!("{token} Bearer\n"));
}

#[tokio::test]
async fn python_gi() {
    if !programs::python_has("gi.repository.Gio") {
        return eprintln!("skipped: Python has no gi (package python3-gi)");
    }
    let (_idp, world, token) = signed_in().await;
    let script = format!(
        "from gi.repository import Gio, GLib\n\
         account = Gio.DBusProxy.new_for_bus_sync(Gio.BusType.SESSION, 0, None, '{NAME}', '{PATH}', '{ACCOUNT}', None)\n\
         token, info = account.GetToken('(a{{sv}})', {{}})\nprint(token, info['token_type'])"
    );
    assert_eq!(prints(&world, programs::python(), &["-c", &script]).await, format!("{token} Bearer\n"));
}

#[tokio::test]
async fn python_receives_the_token_by_a_socket_of_its_own() {
    if !programs::python_has("gi.repository.Gio") {
        return eprintln!("skipped: Python has no gi (package python3-gi)");
    }
    let (_idp, world, token) = signed_in().await;
    let script = format!(
        "import socket\nfrom gi.repository import Gio, GLib\n\
         reader, writer = socket.socketpair()\n\
         fds = Gio.UnixFDList.new()\nfds.append(writer.fileno())\nwriter.close()\n\
         bus = Gio.bus_get_sync(Gio.BusType.SESSION, None)\n\
         bus.call_with_unix_fd_list_sync('{NAME}', '{PATH}', '{ACCOUNT}', 'SendToken', \
           GLib.Variant('(ha{{sv}})', (0, {{}})), None, 0, -1, fds, None)\n\
         print(reader.makefile().read())"
    );
    assert_eq!(prints(&world, programs::python(), &["-c", &script]).await, format!("{token}\n"));
}

#[tokio::test]
async fn the_client_crate() {
    let (_idp, world, token) = signed_in().await;
    let account = world.account("work").await;
    let sent = account.token(TokenOptions::new()).await.expect("by SendToken");
    let said = account.token_in_message(TokenOptions::new()).await.expect("by GetToken");
    assert_eq!((sent.as_str(), said.as_str()), (token.as_str(), token.as_str()));
    let id = account.token(TokenOptions::new().kind(TokenKind::Id)).await.expect("openid was asked");
    assert_eq!(id.as_str().split('.').count(), 3);
}

#[test]
fn the_blocking_client_crate() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let (_idp, world, token) = runtime.block_on(signed_in());
    // The blocking client takes the bus of its environment; a process of its own has one.
    let out = runtime.block_on(prints(
        &world,
        programs::ours("blocking-token").to_str().expect("a path in plain text"),
        &["work"],
    ));
    assert_eq!(out, format!("{token}\n"));
}

#[tokio::test]
async fn the_command_line() {
    let (_idp, world, token) = signed_in().await;
    assert_eq!(text(&world.run("tokenkeeper", &["token", "work"]).await).0, format!("{token}\n"));
    assert_eq!(
        text(&world.run("tokenkeeper", &["header", "work"]).await).0,
        format!("Authorization: Bearer {token}\n")
    );
    let exec = world.run("tokenkeeper", &["exec", "work", "--", "sh", "-c", "printf %s \"$TOKEN\""]).await;
    assert_eq!(text(&exec).0, token);
    let status = text(&world.run("tokenkeeper", &["status", "--json"]).await).0;
    let status: serde_json::Value = serde_json::from_str(&status).expect("JSON");
    assert_eq!(status["accounts"][0]["state"], "ready");
    assert_eq!(status["vault"]["opened_by"], "keyfile");
}

#[tokio::test]
async fn the_command_line_adds_an_account_and_signs_in() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::new().await;
    let mut add = world.command(programs::ours("tokenkeeper"));
    add.args(["add", "work", "--issuer", &idp.issuer(), "--client-id", "desktop", "--no-browser"]);
    for scope in ["openid", "offline_access"] {
        add.args(["--scope", scope]);
    }
    let mut child = add.spawn().expect("it can be started");
    let address = printed_address(&mut child).await;
    tokenkeeper_tests::person::open(&address).await.expect("server and keeper answer");
    let done = child.wait_with_output().await.expect("it ends");
    assert!(done.status.success(), "{}", text(&done).1);
    assert!(world.token("work").await.is_ok());
}

/// The line on stderr that is an address.
async fn printed_address(child: &mut tokio::process::Child) -> String {
    use tokio::io::AsyncBufReadExt as _;
    let mut lines = tokio::io::BufReader::new(child.stderr.take().expect("it was piped")).lines();
    let mut said = String::new();
    while let Some(line) = lines.next_line().await.expect("a pipe can be read") {
        if line.trim().starts_with("http://") {
            let address = line.trim().to_owned();
            tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
            return address;
        }
        said.push_str(&line);
        said.push('\n');
    }
    panic!("no address was printed:\n{said}");
}
