//! What the machine has: a systemd user manager, a display, a Secret Service, lingering.

use std::path::Path;
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use tokenkeeper::wire::BUS_NAME;
use zbus::{Connection, Variant};

use super::files::UNIT_NAME;

/// Whether a systemd manager for this user runs.
pub(crate) fn has_user_systemd() -> bool {
    std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|dir| Path::new(&dir).join("systemd/private").exists())
}

/// Whether the machine was booted with systemd (sd_booted(3)).
pub(crate) fn booted_with_systemd() -> bool {
    Path::new("/run/systemd/system").is_dir()
}

/// Whether systemd seals credentials for users: it does so at this socket, from version 256 on.
pub(crate) fn has_systemd_creds() -> bool {
    Path::new("/run/systemd/io.systemd.Credentials").exists()
}

/// Whether a window can be shown: X11, Wayland, or the Windows side of WSL.
pub(crate) fn has_display() -> bool {
    let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    set("DISPLAY") || set("WAYLAND_DISPLAY") || set("WSL_DISTRO_NAME")
}

/// Whether this runs as root.
pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Whether this user's manager goes on without a session; `None` where logind does not say.
pub(crate) fn lingers() -> Option<bool> {
    let uid = rustix::process::getuid().as_raw().to_string();
    let answer = ask("loginctl", &["show-user", &uid, "--property=Linger", "--value"])?;
    match answer.as_str() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// What a program prints, trimmed; `None` when it cannot be run or fails.
pub(crate) fn ask(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// What a program prints, trimmed, whether it succeeds or not; `None` when it cannot be run.
pub(crate) fn said(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Runs a program that changes something; its own words if it fails.
///
/// # Errors
/// What it printed on standard error.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<(), String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("cannot run {program}: {error}")),
    }
}

/// Whether a Secret Service runs or can be started, and whether its default collection is open.
pub(crate) async fn secret_service(bus: &Connection) -> (bool, bool) {
    const NAME: &str = "org.freedesktop.secrets";
    if has_owner(bus, NAME).await {
        return (true, default_collection_is_open(bus, NAME).await);
    }
    (can_be_started(bus, NAME).await, false)
}

/// Whether somebody on the bus has this name.
pub(crate) async fn has_owner(bus: &Connection, name: &str) -> bool {
    let reply = ask_bus(bus, "NameHasOwner", &(name,)).await;
    reply.and_then(|reply| reply.body().deserialize().ok()).unwrap_or(false)
}

/// Whether the bus knows how to start this name.
pub(crate) async fn can_be_started(bus: &Connection, name: &str) -> bool {
    let reply = ask_bus(bus, "ListActivatableNames", &()).await;
    let names: Vec<String> = reply.and_then(|reply| reply.body().deserialize().ok()).unwrap_or_default();
    names.iter().any(|known| known == name)
}

/// Makes the bus read its activation files again: it may not watch a directory that did not exist when it started.
pub(crate) async fn reload_bus(bus: &Connection) {
    ask_bus(bus, "ReloadConfig", &()).await;
}

/// Ends the keeper on this bus and waits until it is gone.
///
/// # Errors
/// Why it cannot be ended.
pub(crate) async fn end_keeper(bus: &Connection) -> Result<(), String> {
    let reply = ask_bus(bus, "GetConnectionUnixProcessID", &(BUS_NAME,)).await;
    let pid: Option<u32> = reply.and_then(|reply| reply.body().deserialize().ok());
    let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) else { return Ok(()) };
    // Opened before it is told to end: afterwards the number may be another process's.
    let process = pidfd_open(pid, PidfdFlags::empty()).map_err(|error| error.to_string())?;
    if has_user_systemd() {
        // Else systemd would take it for a crash and start it again.
        let _ = run("systemctl", &["--user", "stop", UNIT_NAME]);
    }
    match pidfd_send_signal(&process, Signal::TERM) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => return Err(error.to_string()),
    }
    let mut ended = [PollFd::new(&process, PollFlags::IN)];
    let patience = Timespec { tv_sec: 10, tv_nsec: 0 };
    match poll(&mut ended, Some(&patience)) {
        Ok(0) => Err("it does not end".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

async fn default_collection_is_open(bus: &Connection, name: &str) -> bool {
    let args = ("org.freedesktop.Secret.Collection", "Locked");
    let interface = Some("org.freedesktop.DBus.Properties");
    let call = bus.call_method(Some(name), "/org/freedesktop/secrets/aliases/default", interface, "Get", &args);
    let Ok(reply) = call.await else { return false };
    let body = reply.body();
    matches!(body.deserialize::<Variant<'_>>(), Ok(value) if bool::try_from(&value) == Ok(false))
}

async fn ask_bus<B>(bus: &Connection, method: &str, body: &B) -> Option<zbus::Message>
where
    B: serde::Serialize + zbus::DynamicType,
{
    const NAME: &str = "org.freedesktop.DBus";
    bus.call_method(Some(NAME), "/org/freedesktop/DBus", Some(NAME), method, body).await.ok()
}
