//! `dbus-broker` without its launcher, which wants systemd's journal: we are the controller that hands the broker its
//! socket and a policy that allows everything, over a private D-Bus connection.

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;

use tokio::process::{Child, Command};
use zbus::conn::{Builder, Connection};
use zbus::{Fd, ObjectPath, Variant};

/// A running broker. It ends with its controller's connection.
pub(super) struct Broker {
    _controller: Connection,
    child: Child,
}

/// Connect, own, send, receive: `bt`, `a(btbs)`, `a(btssssuutt)` twice (dbus-broker, policy.c: POLICY_T_BATCH).
type Batch = (bool, u64, Vec<Own>, Vec<Transmit>, Vec<Transmit>);
type Own = (bool, u64, bool, String);
type Transmit = (bool, u64, String, String, String, String, u32, u32, u64, u64);

impl Broker {
    pub(super) async fn start(socket: &Path) -> Self {
        let (ours, theirs) = UnixStream::pair().expect("descriptors are to be had");
        // The descriptor travels as standard input; the shell gives it the number that the option names.
        let child = Command::new("sh")
            .args([
                "-c",
                "exec 3<&0 </dev/null; exec dbus-broker --controller 3 --machine-id \"$1\" \
                   --max-bytes 1000000000 --max-fds 10000 --max-matches 100000",
                "sh",
            ])
            .arg("0123456789abcdef0123456789abcdef")
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .kill_on_drop(true)
            .spawn()
            .expect("a shell is there");
        let controller = Builder::unix_stream(ours).p2p().build().await.expect("dbus-broker is installed and speaks");
        let listener = UnixListener::bind(socket).expect("the world's directory is ours");
        // The broker accepts until there is nobody left.
        listener.set_nonblocking(true).expect("a socket can be made non-blocking");
        let path = ObjectPath::try_from("/org/bus1/DBus/Listener/0").expect("a path");
        let arguments = (path, Fd::from(OwnedFd::from(listener)), policy());
        controller
            .call_method(None::<&str>, "/org/bus1/DBus/Broker", Some("org.bus1.DBus.Broker"), "AddListener", &arguments)
            .await
            .expect("the broker takes the listener");
        Self { _controller: controller, child }
    }

    pub(super) fn child(&self) -> &Child {
        &self.child
    }
}

/// Everybody may do everything, as on a session bus.
fn policy() -> Variant<'static> {
    let own = (true, 1, true, String::new());
    let transmit =
        || -> Transmit { (true, 1, String::new(), String::new(), String::new(), String::new(), 0, 0, 0, u64::MAX) };
    let everybody: Batch = (true, 1, vec![own], vec![transmit()], vec![transmit()]);
    let by_user: Vec<(u32, Batch)> = vec![(u32::MAX, everybody)];
    let by_range: Vec<(bool, u32, u32, Batch)> = Vec::new();
    let selinux: Vec<(String, String)> = Vec::new();
    Variant::from((by_user, by_range, selinux, false, "session".to_owned()))
}
