//! A real GNOME Keyring on a world's bus, to be killed, stopped, locked and emptied.

use std::collections::HashMap;
use std::process::{Output, Stdio};
use std::time::Duration;

use futures_util::StreamExt as _;
use rustix::process::{Pid, Signal, kill_process};
use tokenkeeper::VaultState;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Child;
use zbus::fdo::DBusProxy;
use zbus::{ObjectPath, OwnedObjectPath, OwnedVariant, Variant};

use crate::world::{PATIENCE, World, text};

pub(crate) const NAME: &str = "org.freedesktop.secrets";
const SERVICE: &str = "/org/freedesktop/secrets";
const INTERFACE: &str = "org.freedesktop.Secret.Service";
const LOGIN: &str = "/org/freedesktop/secrets/collection/login";
const PASSWORD: &[u8] = b"login password";

/// How long an answer may take that has nothing but a keyring to wait for.
pub const BOUND: Duration = Duration::from_secs(8);

/// The daemon; it is killed when this is dropped.
pub struct Keyring {
    child: Child,
}

impl Keyring {
    /// Starts it, opened as a desktop's login opens it, and waits until it has its name.
    pub async fn start(world: &World) -> Self {
        let owned = Owned::of(world).await;
        let mut command = world.command("gnome-keyring-daemon");
        command.args(["--foreground", "--unlock", "--components=secrets"]);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut keyring = Self { child: command.spawn().expect("gnome-keyring is installed") };
        let mut stdin = keyring.child.stdin.take().expect("it was piped");
        stdin.write_all(PASSWORD).await.expect("it reads its password");
        drop(stdin);
        owned.now().await;
        keyring
    }

    /// kill -9, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it is ours to kill");
    }

    /// It takes calls and answers none.
    pub fn stop(&self) {
        signal(&self.child, Signal::STOP);
    }

    /// It goes on.
    pub fn go_on(&self) {
        signal(&self.child, Signal::CONT);
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
        empty(world).await;
    }
}

/// A name that is soon owned.
pub(crate) struct Owned(zbus::fdo::NameOwnerChangedStream);

impl Owned {
    pub(crate) async fn of(world: &World) -> Self {
        let bus = DBusProxy::new(world.connection()).await.expect("the bus answers");
        Self(bus.receive_name_owner_changed_with_args(&[(0, NAME)]).await.expect("the bus answers"))
    }

    pub(crate) async fn now(mut self) {
        let named = async {
            while let Some(change) = self.0.next().await {
                if change.args().is_ok_and(|args| args.new_owner().is_some()) {
                    return;
                }
            }
        };
        tokio::time::timeout(PATIENCE, named).await.expect("the keyring takes its name");
    }
}

pub(crate) fn signal(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw).expect("it runs");
    kill_process(pid, signal).expect("it is ours to signal");
}

/// Deletes every item that is tokenkeeper's.
pub(crate) async fn empty(world: &World) {
    const PROMPT: &str = "org.freedesktop.Secret.Prompt";
    let items = items(world).await;
    assert!(!items.is_empty(), "there was one");
    for item in items {
        let deleted = call(world, item.as_str(), "org.freedesktop.Secret.Item", "Delete", &()).await;
        let prompt: OwnedObjectPath = deleted.body().deserialize().expect("a prompt, or none");
        if prompt.as_str() != "/" {
            call(world, prompt.as_str(), PROMPT, "Prompt", &("",)).await;
        }
    }
    let gone = async {
        while !self::items(world).await.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, gone).await.expect("it is deleted");
}

async fn items(world: &World) -> Vec<OwnedObjectPath> {
    let attributes = HashMap::from([("application", "tokenkeeper")]);
    let found = call(world, SERVICE, INTERFACE, "SearchItems", &(attributes,)).await;
    let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
        found.body().deserialize().expect("two lists of items");
    assert!(locked.is_empty(), "its keyring is open");
    open
}

/// `tokenkeeper unlock`. No keyring may keep anybody waiting for longer than five seconds; a little is for this machine.
pub async fn unlock(world: &World) -> Output {
    tokio::time::timeout(BOUND, world.run("tokenkeeper", &["unlock"])).await.expect("nothing hangs")
}

/// Refused with exit code 5, in these words.
pub fn refused(output: &Output, words: &str) {
    assert_eq!(output.status.code(), Some(5), "{}", text(output).1);
    assert!(text(output).1.contains(words), "{}", text(output).1);
}

/// How the vault stands.
pub async fn state(world: &World) -> VaultState {
    world.client().await.vault().state().await.expect("the keeper answers")
}

/// Why the first slot did not open the vault.
pub async fn why_shut(world: &World) -> String {
    let slots = world.client().await.vault().slots().await.expect("the keeper answers");
    slots[0].error.clone()
}

async fn call<B>(world: &World, path: &str, interface: &str, method: &str, body: &B) -> zbus::Message
where
    B: serde::Serialize + zbus::DynamicType,
{
    world.connection().call_method(Some(NAME), path, Some(interface), method, body).await.expect("the keyring answers")
}
