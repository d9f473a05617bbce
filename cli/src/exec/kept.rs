//! `exec --file`: files in memory that always hold a current token, for as long as the program runs.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};

use futures_util::StreamExt;
use rustix::process::{Pid, Signal, kill_process};
use tokenkeeper::{Event, Keeper};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};

use super::{Wanted, cannot_run, token};
use crate::fault::Fault;
use crate::{durable, say};

/// `TMPFS_MAGIC` of statfs(2).
const TMPFS: rustix::fs::FsWord = 0x0102_1994;

/// A directory in memory that only this user can enter; gone with its value.
struct Room(PathBuf);

/// Runs the program beside the files; ends as it ends.
///
/// # Errors
/// When there is no memory file system, a first token cannot be had or the program cannot be run.
pub(super) async fn run(keeper: &Keeper, wanted: &[Wanted], words: &[OsString]) -> Result<ExitCode, Fault> {
    let room = Room::open()?;
    // Before the first token: a change between the two is not missed.
    let mut events = keeper.watch().await?;
    let mut command = Command::from(super::command(words));
    for wanted in wanted {
        let path = room.0.join(wanted.account.as_str());
        put(keeper, wanted, &path).await?;
        command.env(&wanted.variable, path);
    }
    let mut signals = Signals::listen()?;
    let mut child = command.spawn().map_err(|error| cannot_run(words, &error))?;
    loop {
        tokio::select! {
            status = child.wait() => {
                let status = status.map_err(|error| Fault::failure(format!("cannot wait for the program: {error}")))?;
                return Ok(ended(status));
            }
            signal = signals.next() => pass_on(&child, signal),
            Some(event) = events.next() => {
                for wanted in wanted.iter().filter(|wanted| concerns(&event, wanted)) {
                    // The old token stays: it may still be good, and the next event tries again.
                    if let Err(fault) = put(keeper, wanted, &room.0.join(wanted.account.as_str())).await {
                        say::fault(&format!("the token file of {} is not renewed: {fault}", wanted.account), None);
                    }
                }
            }
        }
    }
}

async fn put(keeper: &Keeper, wanted: &Wanted, path: &Path) -> Result<(), Fault> {
    let token = token(keeper, &wanted.account).await?;
    durable::replace(path, token.as_str().as_bytes(), 0o600)
        .map_err(|error| Fault::failure(format!("cannot write {}: {error}", path.display())))
}

fn concerns(event: &Event, wanted: &Wanted) -> bool {
    match event {
        Event::Changed { account, generation, .. } => account == wanted.account.as_str() && generation.is_some(),
        Event::Started | Event::Missed => true,
        _ => false,
    }
}

/// The program's exit code, or as a shell says that a signal ended it.
fn ended(status: ExitStatus) -> ExitCode {
    let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}

/// The signals that a program expects to hear itself.
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    quit: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> Result<Self, Fault> {
        let on = |kind| signal(kind).map_err(|error| Fault::failure(format!("cannot listen for signals: {error}")));
        Ok(Self {
            interrupt: on(SignalKind::interrupt())?,
            quit: on(SignalKind::quit())?,
            terminate: on(SignalKind::terminate())?,
            hangup: on(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.quit.recv() => Signal::QUIT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
        }
    }
}

/// A key on the terminal reaches the program by itself, as part of the foreground group; it shall not hear it twice.
fn pass_on(child: &Child, signal: Signal) {
    let typed = matches!(signal, Signal::INT | Signal::QUIT) && in_foreground();
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid.filter(|_| !typed) {
        // It may have ended this instant; `wait` will say so.
        let _ = kill_process(pid, signal);
    }
}

fn in_foreground() -> bool {
    let group = rustix::process::getpgrp();
    rustix::termios::tcgetpgrp(std::io::stdin()).is_ok_and(|foreground| foreground == group)
}

impl Room {
    fn open() -> Result<Self, Fault> {
        let roots =
            std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).into_iter().chain([PathBuf::from("/dev/shm")]);
        let root = roots.into_iter().find(|root| in_memory(root)).ok_or_else(|| {
            Fault::failure("no file system in memory to put the token on").hint("log in so that XDG_RUNTIME_DIR is set")
        })?;
        let mut random = [0_u8; 8];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())
            .map_err(|error| Fault::failure(format!("cannot draw a random name: {error}")))?;
        let path = root.join(format!("tokenkeeper-exec-{:016x}", u64::from_ne_bytes(random)));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| Fault::failure(format!("cannot make {}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn in_memory(dir: &Path) -> bool {
    rustix::fs::statfs(dir).is_ok_and(|fs| fs.f_type == TMPFS)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_room_is_in_memory_for_this_user_alone_and_goes_with_its_value() {
        let room = Room::open().expect("a room");
        let path = room.0.clone();
        assert!(in_memory(&path));
        assert_eq!(fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o700);
        drop(room);
        assert!(!path.exists());
    }

    #[test]
    fn the_programs_end_is_ours() {
        let of = |raw| format!("{:?}", ended(ExitStatus::from_raw(raw)));
        assert_eq!(of(7 << 8), format!("{:?}", ExitCode::from(7)));
        assert_eq!(of(15), format!("{:?}", ExitCode::from(143)));
    }
}
