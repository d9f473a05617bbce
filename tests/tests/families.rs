//! Machines with one kind of address only: the whole of a login in a network of its own, server and browser included. Each
//! test starts itself once more inside that network.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use tokenkeeper::LoginOptions;
use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::sweep::say;
use tokenkeeper_tests::world::{World, account_as, text};
use tokenkeeper_tests::{person, programs};

/// Says inside which network a test runs.
const INSIDE: &str = "TOKENKEEPER_TEST_NETWORK";

/// A10: 127.0.0.1 does not exist: the redirect address is `[::1]`.
#[tokio::test]
async fn a_login_on_a_machine_with_only_ipv6() {
    if inside("a_login_on_a_machine_with_only_ipv6", "ip addr del 127.0.0.1/8 dev lo") {
        a_login(Ipv6Addr::LOCALHOST.into(), "", "http://[::1]:").await;
    }
}

/// A10: [::1] does not exist, although the account asks for it: the redirect address is `127.0.0.1`.
#[tokio::test]
async fn a_login_on_a_machine_with_only_ipv4() {
    if inside("a_login_on_a_machine_with_only_ipv4", "ip addr del ::1/128 dev lo") {
        a_login(Ipv4Addr::LOCALHOST.into(), "redirect_host = \"[::1]\"\n", "http://127.0.0.1:").await;
    }
}

async fn a_login(server: IpAddr, more: &str, redirect: &str) {
    let idp = Idp::start_on(Settings::default(), server).await;
    let world = World::with(&account_as("work", &idp, &format!("client_id = \"desktop\"\n{more}"))).await;
    let account = world.account("work").await;
    let login = account.login(LoginOptions::new().flow("browser")).await.expect("it begins");
    let page =
        person::open(&login.uri.expect("a browser login has an address")).await.expect("server and keeper answer");
    assert!(page.address.starts_with(redirect), "{}", page.address);
    login.request.wait().await.unwrap_or_else(|why| panic!("{why}\n{}\n{}", page.body, world.keeper().log()));
    account.refresh().await.expect("the server grants");
}

/// Whether this is the test inside its network; outside, makes the network and runs the test there.
fn inside(test: &str, set_up: &str) -> bool {
    if std::env::var(INSIDE).is_ok_and(|name| name == test) {
        return true;
    }
    let prepare = format!("ip link set lo up && {set_up}");
    let apart = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", script, "sh"]);
        command
    };
    if !programs::has("ip") || !apart(&prepare).output().is_ok_and(|done| done.status.success()) {
        say(
            "skipped: networks of one family: `unshare` cannot make a network here, or `ip` is not installed (iproute2)",
        );
        return false;
    }
    let own = std::env::current_exe().expect("a program knows where it lies");
    let done = apart(&format!("{prepare} && exec \"$@\""))
        .arg(own)
        .args(["--exact", test, "--nocapture"])
        .env(INSIDE, test)
        .output();
    let done = done.expect("it can be started");
    let (out, err) = text(&done);
    let said = out + &err;
    assert!(done.status.success() && said.contains("1 passed"), "in the network: {said}");
    false
}
