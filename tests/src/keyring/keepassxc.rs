//! KeePassXC, as a person would have it who turned its Secret Service on: with a database whose root group is shown to
//! other programs. It has windows that nobody sees.

use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use futures_util::StreamExt as _;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::OwnedFd;
use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use tokio::process::Command;
use zbus::{OwnedObjectPath, OwnedVariant};

use super::fed;
use super::secret_service::{NAME, PATH, SERVICE, signals};
use crate::world::{PATIENCE, World};

pub(super) const PROGRAM: &str = "keepassxc";
pub(super) const PASSWORD: &str = "database password";
const WINDOW: &str = "org.keepassxc.KeePassXC.MainWindow";
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

/// By default it would ask its person before it gives a program an entry for the first time.
const SETTINGS: &str = "\
[General]
ConfigVersion=2
UpdateCheckMessageShown=true
[GUI]
CheckForUpdates=false
[FdoSecrets]
Enabled=true
ConfirmAccessItem=false
ConfirmDeleteItem=false
";

/// Makes a database.
pub(super) async fn make_database(world: &World) {
    std::fs::create_dir_all(world.path("config/keepassxc")).expect("the directory is ours");
    world.write("config/keepassxc/keepassxc.ini", SETTINGS);
    world.write("home/database.xml", DATABASE);
    let words = ["import", "--quiet", "--set-password", "--decryption-time", "100", "database.xml", FILE];
    let made = cli(world, &words).await;
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// With its database, whose password it reads.
pub(super) fn command(world: &World) -> Command {
    let mut command = program(world, PROGRAM);
    command.args(["--pw-stdin", FILE]).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Waits until the database's file holds an entry: it is written a moment after the entry is there for everybody.
pub(super) async fn saved(world: &World, entry: &str) {
    let written = Written::below(&world.path("home"));
    while !String::from_utf8_lossy(&cli(world, &["ls", "--quiet", FILE]).await.stdout).contains(entry) {
        written.next().await;
    }
}

/// Waits until the database is open. It takes its name before; of each step it says so.
pub(super) async fn opened(world: &World) {
    let mut signals = signals(world, SERVICE).await;
    let wait = async {
        while !is_open(world).await.unwrap_or(false) {
            drop(signals.next().await);
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("its database is open");
}

async fn is_open(world: &World) -> zbus::Result<bool> {
    const PROPERTIES: &str = "org.freedesktop.DBus.Properties";
    let bus = world.connection();
    let found = bus.call_method(Some(NAME), PATH, Some(SERVICE), "ReadAlias", &("default",)).await?;
    let found: OwnedObjectPath = found.body().deserialize()?;
    let asked = &("org.freedesktop.Secret.Collection", "Locked");
    let locked = bus.call_method(Some(NAME), found.as_str(), Some(PROPERTIES), "Get", asked).await?;
    let locked: OwnedVariant = locked.body().deserialize()?;
    Ok(bool::try_from(locked).is_ok_and(|locked| !locked))
}

/// Shuts the database, as its person does who leaves.
pub(super) async fn lock(world: &World) {
    window(world, "lockAllDatabases", &()).await;
}

/// Opens it, as its person does who has typed the password.
pub(super) async fn unlock(world: &World) {
    let database = world.path("home").join(FILE).display().to_string();
    window(world, "openDatabase", &(database, PASSWORD)).await;
    opened(world).await;
}

async fn window<B>(world: &World, method: &str, body: &B)
where
    B: serde::Serialize + zbus::DynamicType,
{
    let called = world.connection().call_method(Some(WINDOW), "/keepassxc", Some(WINDOW), method, body);
    let called = tokio::time::timeout(Duration::from_secs(20), called).await.expect("it answers");
    called.expect("it does what its person would do");
}

/// Runs its companion for terminals, which may ask for the password twice.
async fn cli(world: &World, words: &[&str]) -> Output {
    let mut command = program(world, "keepassxc-cli");
    command.args(words);
    let child = fed(command, &format!("{PASSWORD}\n{PASSWORD}\n")).await;
    child.wait_with_output().await.expect("it ends")
}

fn program(world: &World, program: &str) -> Command {
    let mut command = world.command(program);
    // There is one of it for each user and directory for temporary files.
    command.env("TMPDIR", world.path("run")).env("QT_QPA_PLATFORM", "offscreen");
    command.current_dir(world.path("home"));
    command
}

/// Files that are written (inotify(7)).
struct Written(OwnedFd);

impl Written {
    fn below(directory: &Path) -> Self {
        let notices = inotify::init(CreateFlags::CLOEXEC).expect("the kernel has inotify");
        let ends = WatchFlags::CLOSE_WRITE | WatchFlags::MOVED_TO;
        inotify::add_watch(&notices, directory, ends).expect("the directory is ours");
        Self(notices)
    }

    /// Waits for one.
    async fn next(&self) {
        let notices = self.0.try_clone().expect("there is room for a descriptor");
        let heard = tokio::task::spawn_blocking(move || {
            let patience = Timespec::try_from(PATIENCE).expect("a short time");
            let ready = poll(&mut [PollFd::new(&notices, PollFlags::IN)], Some(&patience)).expect("it can be awaited");
            assert!(ready > 0, "nothing is written");
            rustix::io::read(&notices, &mut [0_u8; 4096]).expect("there is a notice");
        });
        heard.await.expect("it is written");
    }
}
