//! A real KeePassXC on a world's bus, as a person would have it who turned its Secret Service on: with a database whose
//! root group is shown to other programs. It has windows that nobody sees.

use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use zbus::{OwnedObjectPath, OwnedVariant};

use crate::keyring::{self, Owned};
use crate::world::{PATIENCE, World};

const WINDOW: &str = "org.keepassxc.KeePassXC.MainWindow";
const PASSWORD: &str = "database password";
const FILE: &str = "database.kdbx";

/// The group with this id is the exposed one. Only the program's windows can say so, or the file itself.
const DATABASE: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<KeePassFile>
  <Meta>
    <DatabaseName>passwords</DatabaseName>
    <RecycleBinEnabled>False</RecycleBinEnabled>
    <CustomData>
      <Item><Key>FDO_SECRETS_EXPOSED_GROUP</Key><Value>{11111111-1111-1111-1111-111111111111}</Value></Item>
    </CustomData>
  </Meta>
  <Root><Group><UUID>EREREREREREREREREREREQ==</UUID><Name>Passwords</Name></Group></Root>
</KeePassFile>
"#;

/// The program; it is killed when this is dropped.
pub struct KeePassXc {
    child: Child,
}

impl KeePassXc {
    /// Makes a database.
    pub async fn make_database(world: &World) {
        std::fs::create_dir_all(world.path("config/keepassxc")).expect("the directory is ours");
        world.write("home/database.xml", DATABASE);
        let words = ["import", "--quiet", "--set-password", "--decryption-time", "100", "database.xml", FILE];
        let made = cli(world, &words).await;
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }

    /// Waits until the database's file holds an entry: it is written a moment after the entry is there for everybody.
    pub async fn has_saved(&self, world: &World, entry: &str) {
        let wait = async {
            while !String::from_utf8_lossy(&cli(world, &["ls", "--quiet", FILE]).await.stdout).contains(entry) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(PATIENCE, wait).await.expect("it is saved");
    }

    /// Starts it with its database open, and waits until it is. By default it would ask its person before it gives a
    /// program an entry for the first time.
    pub async fn start(world: &World) -> Self {
        let settings = "[General]\nConfigVersion=2\nUpdateCheckMessageShown=true\n[GUI]\nCheckForUpdates=false\n\
                        [FdoSecrets]\nEnabled=true\nConfirmAccessItem=false\nConfirmDeleteItem=false\n";
        world.write("config/keepassxc/keepassxc.ini", settings);
        let owned = Owned::of(world).await;
        let mut command = command(world, "keepassxc");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command.args(["--pw-stdin", FILE]);
        let mut child = command.spawn().expect("KeePassXC is installed");
        let mut stdin = child.stdin.take().expect("it was piped");
        stdin.write_all(format!("{PASSWORD}\n").as_bytes()).await.expect("it reads its password");
        drop(stdin);
        owned.now().await;
        opened(world).await;
        Self { child }
    }

    /// kill -9, and waits until it is gone.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it is ours to kill");
    }

    /// It takes calls and answers none.
    pub fn stop(&self) {
        keyring::signal(&self.child, Signal::STOP);
    }

    /// It goes on.
    pub fn go_on(&self) {
        keyring::signal(&self.child, Signal::CONT);
    }

    /// Shuts the database, as its person does who leaves.
    pub async fn lock(&self, world: &World) {
        window(world, "lockAllDatabases", &()).await;
    }

    /// Opens it, as its person does who has typed the password.
    pub async fn unlock(&self, world: &World) {
        let database = world.path("home").join(FILE).display().to_string();
        window(world, "openDatabase", &(database, PASSWORD)).await;
        opened(world).await;
    }

    /// Deletes what tokenkeeper keeps in it.
    pub async fn empty(&self, world: &World) {
        keyring::empty(world).await;
    }
}

/// Runs its companion for terminals, which may ask for the password twice.
async fn cli(world: &World, words: &[&str]) -> Output {
    let mut child = command(world, "keepassxc-cli").args(words).spawn().expect("KeePassXC is installed");
    let mut stdin = child.stdin.take().expect("it was piped");
    // It may have read enough before it has read all.
    let _ = stdin.write_all(format!("{PASSWORD}\n{PASSWORD}\n").as_bytes()).await;
    drop(stdin);
    child.wait_with_output().await.expect("it ends")
}

fn command(world: &World, program: &str) -> Command {
    let mut command = world.command(program);
    // There is one of it for each user and directory for temporary files.
    command.env("TMPDIR", world.path("run")).env("QT_QPA_PLATFORM", "offscreen");
    command.current_dir(world.path("home"));
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Waits until the database is open. It takes its name before, and announces things before they are so.
async fn opened(world: &World) {
    let wait = async {
        while !is_open(world).await.unwrap_or(false) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("its database is open");
}

async fn is_open(world: &World) -> zbus::Result<bool> {
    const INTERFACE: &str = "org.freedesktop.Secret.Service";
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
    let (bus, service) = (world.connection(), "/org/freedesktop/secrets");
    let found = bus.call_method(Some(keyring::NAME), service, Some(INTERFACE), "ReadAlias", &("default",)).await?;
    let found: OwnedObjectPath = found.body().deserialize()?;
    let asked = &("org.freedesktop.Secret.Collection", "Locked");
    let locked = bus.call_method(Some(keyring::NAME), found.as_str(), Some(PROPERTIES), "Get", asked).await?;
    let locked: OwnedVariant = locked.body().deserialize()?;
    Ok(bool::try_from(locked).is_ok_and(|locked| !locked))
}

async fn window<B>(world: &World, method: &str, body: &B)
where
    B: serde::Serialize + zbus::DynamicType,
{
    let called = world.connection().call_method(Some(WINDOW), "/keepassxc", Some(WINDOW), method, body);
    let called = tokio::time::timeout(Duration::from_secs(20), called).await.expect("it answers");
    called.expect("it does what its person would do");
}
