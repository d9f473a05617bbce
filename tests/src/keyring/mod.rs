//! A real keyring on a world's bus, to be killed, stopped, locked and emptied: GNOME Keyring, or KeePassXC as the Secret
//! Service.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

mod gnome;
mod keepassxc;
mod secret_service;

use std::process::{Output, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokenkeeper::{AccountState, VaultState};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};

use crate::bus::Owned;
use crate::idp::Idp;
use crate::programs;
use crate::world::{PATIENCE, World, account, text};

/// How long an answer may take that has nothing but a keyring to wait for.
pub const BOUND: Duration = Duration::from_secs(8);

/// Which program it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs, reason = "the programs' names")]
pub enum Kind {
    Gnome,
    KeePassXc,
}

/// The program; it is killed when this is dropped.
pub struct Keyring {
    kind: Kind,
    child: Child,
}

/// A vault whose key lies in a keyring, and a signed-in account. `None`: that keyring is not installed.
pub async fn signed_in(kind: Kind, idp: &Idp) -> Option<(World, Keyring)> {
    let program = match kind {
        Kind::Gnome => gnome::PROGRAM,
        Kind::KeePassXc => keepassxc::PROGRAM,
    };
    if !programs::has(program) {
        eprintln!("skipped: {program} is not installed");
        return None;
    }
    let mut world = World::bare().await;
    if kind == Kind::KeePassXc {
        keepassxc::make_database(&world).await;
    }
    let keyring = Keyring::start(kind, &world).await;
    world.write_config(&account("work", idp));
    let made = world.daemon().args(["--init", "--slot", "secret-service"]).output().await.expect("it can be started");
    assert!(made.status.success(), "{}", text(&made).1);
    if kind == Kind::KeePassXc {
        keepassxc::saved(&world, "tokenkeeper vault key").await;
    }
    world.start_keeper().await;
    world.sign_in("work").await;
    Some((world, keyring))
}

/// The vault is open, and the login in it as good as ever.
pub async fn still_signed_in(world: &World) {
    world.until("work", |status| status.state == AccountState::Ready).await;
    world.account("work").await.refresh().await.expect("the login is still there");
}

impl Keyring {
    /// Starts it, opened as its person opens it, and waits until it is.
    pub async fn start(kind: Kind, world: &World) -> Self {
        let owned = Owned::of(world.connection(), secret_service::NAME).await;
        let (command, password) = match kind {
            Kind::Gnome => (gnome::command(world), gnome::PASSWORD.to_owned()),
            Kind::KeePassXc => (keepassxc::command(world), format!("{}\n", keepassxc::PASSWORD)),
        };
        let child = fed(command, &password).await;
        tokio::time::timeout(PATIENCE, owned.now()).await.expect("the keyring takes its name");
        if kind == Kind::KeePassXc {
            keepassxc::opened(world).await;
        }
        Self { kind, child }
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
        let pid = self.child.id().expect("it runs").cast_signed();
        kill_process(Pid::from_raw(pid).expect("a process id"), signal).expect("it is ours to signal");
    }

    /// Shuts it, as happens when its person leaves.
    pub async fn lock(&self, world: &World) {
        match self.kind {
            Kind::Gnome => gnome::lock(world).await,
            Kind::KeePassXc => keepassxc::lock(world).await,
        }
    }

    /// Opens it, as happens when its person has typed the password.
    pub async fn unlock(&self, world: &World) {
        match self.kind {
            Kind::Gnome => gnome::unlock(world).await,
            Kind::KeePassXc => keepassxc::unlock(world).await,
        }
    }

    /// Deletes what tokenkeeper keeps in it.
    pub async fn empty(&self, world: &World) {
        secret_service::empty(world).await;
    }
}

/// Starts a program that reads a password.
async fn fed(mut command: Command, password: &str) -> Child {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it is installed");
    let mut stdin = child.stdin.take().expect("it was piped");
    // It may have read enough before it has read all.
    let _ = stdin.write_all(password.as_bytes()).await;
    child
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
