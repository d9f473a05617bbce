//! `dbus-daemon` with a configuration of its own, so that nothing of the machine's session is seen.

use std::path::Path;
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

/// The limits are those of the distributions' session.conf; the services are the world's.
const CONFIG: &str = r#"<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>{address}</listen>
  <servicedir>{services}</servicedir>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
  <limit name="max_incoming_bytes">1000000000</limit>
  <limit name="max_outgoing_bytes">1000000000</limit>
  <limit name="max_message_size">1000000000</limit>
  <limit name="max_completed_connections">100000</limit>
  <limit name="max_connections_per_user">100000</limit>
  <limit name="max_replies_per_connection">50000</limit>
  <limit name="max_match_rules_per_connection">50000</limit>
</busconfig>
"#;

/// Starts it and waits until it listens.
#[allow(clippy::disallowed_methods, reason = "a test's configuration need not be durable")]
pub(super) async fn start(address: &str, dir: &Path) -> Child {
    let services = dir.join("services");
    std::fs::create_dir_all(&services).expect("the world's directory is ours");
    let config = dir.join("bus.conf");
    let text = CONFIG.replace("{address}", address).replace("{services}", &services.display().to_string());
    std::fs::write(&config, text).expect("the world's directory is ours");
    let mut child = Command::new("dbus-daemon")
        .arg(format!("--config-file={}", config.display()))
        .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("dbus-daemon is installed (package dbus-daemon)");
    let stdout = child.stdout.take().expect("it was piped");
    // It prints the address when it listens.
    let line = BufReader::new(stdout).lines().next_line().await.expect("a pipe can be read");
    assert!(line.is_some(), "dbus-daemon ended at once");
    child
}
