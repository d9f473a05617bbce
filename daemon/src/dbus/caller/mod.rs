//! Who is calling. Asked of the bus once per connection and remembered until the connection ends.
//!
//! The bus tells another user's programs and sandboxed ones from the rest. It cannot tell two unsandboxed programs of
//! one user apart, so what is known of a host program is for the log only.

mod evidence;
mod verdict;

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};

use rustix::net::sockopt::socket_peercred;
use tokenkeeper::wire::ErrorName;
use tokio::net::UnixStream;
use tokio::sync::{Semaphore, SemaphorePermit};
use zbus::Connection;
use zbus::fdo::ConnectionCredentials;

use super::fault::Fault;
pub(super) use evidence::{MountId, home_mounts};
pub(super) use verdict::Caller;

/// How many callers are remembered. Entries go with their connections; the bound is for a bus that forgets to say so.
const MOST: usize = 4096;

/// How many calls of one caller may be under way. Further ones are refused, so that nobody fills the keeper alone.
const MOST_CALLS: usize = 1024;

/// The callers that are known.
#[derive(Default)]
pub(super) struct Callers(Mutex<HashMap<String, Arc<Known>>>);

/// A caller, and its calls under way.
pub(super) struct Known {
    pub(super) caller: Caller,
    calls: Semaphore,
}

impl Known {
    fn new(caller: Caller) -> Arc<Self> {
        Arc::new(Self { caller, calls: Semaphore::new(MOST_CALLS) })
    }

    /// To be held during a call.
    pub(super) fn begin(&self) -> Result<SemaphorePermit<'_>, Fault> {
        let refused = || format!("{} has {MOST_CALLS} calls under way already", self.caller);
        self.calls.try_acquire().map_err(|_| Fault::new(ErrorName::LimitsExceeded, refused()))
    }
}

impl Callers {
    /// Who `sender` is.
    pub(super) async fn identify(&self, connection: &Connection, sender: Option<&str>) -> Result<Arc<Known>, Fault> {
        let Some(sender) = sender else {
            // Only a connection without a bus has no senders: a socket that our own process was given.
            let host = || Ok(Known::new(Caller::Host));
            return if connection.is_bus() { Err(unidentified("the call has no sender")) } else { host() };
        };
        if let Some(known) = self.lock().get(sender) {
            return Ok(known.clone());
        }
        let found = Known::new(ask(connection, sender).await?);
        tracing::debug!(sender, caller = %found.caller, "a new caller");
        let mut known = self.lock();
        if known.len() >= MOST {
            known.clear();
        }
        // Two first calls at once: the entry that came first counts, or their calls would be counted apart.
        Ok(known.entry(sender.to_owned()).or_insert(found).clone())
    }

    /// The connection has ended.
    pub(super) fn forget(&self, sender: &str) {
        self.lock().remove(sender);
    }

    #[cfg(test)]
    pub(super) fn confine(&self, sender: &str) {
        self.lock().insert(sender.to_owned(), Known::new(Caller::Sandboxed("flatpak org.example.App".into())));
    }

    /// No change to the map is more than one step, so a panic elsewhere leaves it whole.
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<Known>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who is at the other end of a connection to the keeper's own socket, as the kernel says.
pub(super) fn at_the_door(stream: &UnixStream, home: &[MountId]) -> io::Result<Caller> {
    let peer = socket_peercred(stream)?;
    let process = evidence::Process::open(peer.pid.as_raw_pid().cast_unsigned())?;
    // A sandbox may keep its programs from the bus and not from files. Whoever has other mounts asks there.
    if !process.root_mount().is_some_and(|root| home.contains(&root)) {
        return Ok(Caller::Unknown);
    }
    let evidence = process.look(Some(peer.uid.as_raw()), process.label().as_deref());
    // As with the bus: a connection that is open after the process was pinned belongs to the pinned one.
    if !process.lives() || evidence::has_hung_up(stream) {
        return Err(io::Error::other("the caller ended while it was looked at"));
    }
    Ok(verdict::judge(&evidence, rustix::process::geteuid().as_raw()))
}

async fn ask(connection: &Connection, sender: &str) -> Result<Caller, Fault> {
    let first = credentials(connection, sender).await?;
    let Some(pid) = first.process_id() else { return Err(unidentified("the bus does not say its process id")) };
    let given = first.process_fd().map(|descriptor| descriptor.as_fd().try_clone_to_owned());
    let process = match given {
        Some(Ok(descriptor)) => evidence::Process::given(pid, descriptor),
        Some(Err(error)) => return Err(unidentified(&error.to_string())),
        None => {
            // dbus-daemon before 1.16: the process id alone may by now be another's. The descriptor pins the process;
            // a second answer with the same id, after that, says that the pinned one is the caller.
            let process = evidence::Process::open(pid).map_err(|error| unidentified(&error.to_string()))?;
            if credentials(connection, sender).await?.process_id() != Some(pid) {
                return Err(unidentified("its process changed while it was looked at"));
            }
            process
        }
    };
    let evidence = process.look(first.unix_user_id(), first.linux_security_label().map(Vec::as_slice));
    if !process.lives() {
        return Err(unidentified("its process ended while it was looked at"));
    }
    Ok(verdict::judge(&evidence, rustix::process::geteuid().as_raw()))
}

async fn credentials(connection: &Connection, sender: &str) -> Result<ConnectionCredentials, Fault> {
    let bus = Some("org.freedesktop.DBus");
    let answer = connection
        .call_method(bus, "/org/freedesktop/DBus", bus, "GetConnectionCredentials", &sender)
        .await
        .map_err(|error| unidentified(&error.to_string()))?;
    answer.body().deserialize().map_err(|error| unidentified(&error.to_string()))
}

fn unidentified(why: &str) -> Fault {
    Fault::new(ErrorName::NotPermitted, format!("could not find out who is calling: {why}"))
}
