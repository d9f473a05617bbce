//! A real GNOME Keyring on a world's bus, to be killed, stopped, locked and emptied.

use std::collections::HashMap;
use std::process::Stdio;
use std::time::Duration;

use futures_util::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;
use zbus::fdo::DBusProxy;
use zbus::{ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

use crate::world::World;

const NAME: &str = "org.freedesktop.secrets";
const SERVICE: &str = "/org/freedesktop/secrets";
const INTERFACE: &str = "org.freedesktop.Secret.Service";
const LOGIN: &str = "/org/freedesktop/secrets/collection/login";
const PASSWORD: &[u8] = b"login password";

/// The daemon; it is killed when this is dropped.
pub struct Keyring {
    child: Child,
}

impl Keyring {
    /// Starts it, opened as a desktop's login opens it, and waits until it has its name.
    pub async fn start(world: &World) -> Self {
        let bus = DBusProxy::new(world.connection()).await.expect("the bus answers");
        let mut owned = bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await.expect("the bus answers");
        let mut command = world.command("gnome-keyring-daemon");
        command.args(["--foreground", "--unlock", "--components=secrets"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut keyring = Self { child: command.spawn().expect("gnome-keyring is installed") };
        let mut stdin = keyring.child.stdin.take().expect("it was piped");
        stdin.write_all(PASSWORD).await.expect("it reads its password");
        drop(stdin);
        let named = async {
            while let Some(change) = owned.next().await {
                if change.args().is_ok_and(|args| args.new_owner().is_some()) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), named).await.expect("the keyring takes its name");
        keyring
    }

    /// kill -9, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it is ours to kill");
    }

    /// It takes calls and answers none.
    pub fn stop(&self) {
        self.signal(Signal::STOP);
    }

    /// It goes on.
    pub fn go_on(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).expect("it runs");
        kill_process(pid, signal).expect("it is ours to signal");
    }

    /// What a desktop does when its person leaves.
    pub async fn lock(&self, world: &World) {
        let login = ObjectPath::try_from(LOGIN).expect("a path");
        call(world, SERVICE, INTERFACE, "Lock", &(vec![login],)).await;
    }

    /// What a desktop's prompt does when its person has typed the password.
    pub async fn unlock(&self, world: &World) {
        const PROMPT: &str = "org.gnome.keyring.InternalUnsupportedGuiltRiddenInterface";
        let opened = call(world, SERVICE, INTERFACE, "OpenSession", &("plain", Variant::from(""))).await;
        let (_, session): (OwnedVariant, OwnedObjectPath) = opened.body().deserialize().expect("a session");
        let login = ObjectPath::try_from(LOGIN).expect("a path");
        let password = (session, Vec::<u8>::new(), PASSWORD.to_vec(), "text/plain");
        call(world, SERVICE, PROMPT, "UnlockWithMasterPassword", &(login, password)).await;
    }

    /// Deletes what tokenkeeper keeps in it.
    pub async fn empty(&self, world: &World) {
        let attributes = HashMap::from([("application", "tokenkeeper")]);
        let found = call(world, SERVICE, INTERFACE, "SearchItems", &(attributes,)).await;
        let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            found.body().deserialize().expect("two lists of items");
        assert!(!open.is_empty() && locked.is_empty());
        for item in open {
            call(world, item.as_str(), "org.freedesktop.Secret.Item", "Delete", &()).await;
        }
    }
}

async fn call<B>(world: &World, path: &str, interface: &str, method: &str, body: &B) -> zbus::Message
where
    B: serde::Serialize + zbus::DynamicType,
{
    world.connection().call_method(Some(NAME), path, Some(interface), method, body).await.expect("the keyring answers")
}
