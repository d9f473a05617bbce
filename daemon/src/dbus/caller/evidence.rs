//! What can be seen of a calling process, gathered in one look and judged elsewhere.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A process that cannot be mistaken for another while it is held.
pub(super) struct Process {
    pid: u32,
    descriptor: OwnedFd,
}

/// What was seen.
pub(super) struct Evidence {
    /// The user, as the bus says.
    pub(super) uid: Option<u32>,
    /// The security module's label, as the bus says, without its final NUL.
    pub(super) label: Option<String>,
    /// `.flatpak-info` in the process's root.
    pub(super) flatpak: Flatpak,
    /// `/proc/PID/cgroup`, if it can be read.
    pub(super) cgroup: String,
    /// The process's own short name.
    pub(super) comm: String,
}

/// Whether there is a `.flatpak-info`.
pub(super) enum Flatpak {
    /// It was looked for and is not there.
    Absent,
    /// Its text.
    Info(String),
    /// The process's root could not be looked into.
    Hidden,
}

/// A mount of one mount namespace: each namespace has its own (proc(5), mountinfo: the first field).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::dbus) struct MountId(u64);

/// The mounts of programs that may be outside of every sandbox: this process's, and those of whoever started it, because
/// a unit may give the keeper a view of its own.
pub(in crate::dbus) fn home_mounts() -> Vec<MountId> {
    let parent = rustix::process::getppid().map(|pid| pid.as_raw_pid().cast_unsigned());
    [Some(std::process::id()), parent].into_iter().flatten().filter_map(root_mount).collect()
}

/// The mount at a process's root. The list of mounts can be read where `/proc/PID/ns` cannot: from another user namespace.
fn root_mount(pid: u32) -> Option<MountId> {
    let mounts = read(File::open(format!("/proc/{pid}/mountinfo")).ok()?).ok()?;
    // The last one lies on top.
    mounts.lines().rev().find(|line| line.split(' ').nth(4) == Some("/"))?.split(' ').next()?.parse().ok().map(MountId)
}

/// The most that is read of a file: `.flatpak-info` is short, a list of mounts can be long.
const MOST: u64 = 1 << 20;

impl Process {
    /// A process whose descriptor the bus gave.
    pub(super) fn given(pid: u32, descriptor: OwnedFd) -> Self {
        Self { pid, descriptor }
    }

    /// The process that has this id now.
    pub(super) fn open(pid: u32) -> io::Result<Self> {
        let id = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::NotFound)?;
        Ok(Self { pid, descriptor: pidfd_open(id, PidfdFlags::empty())? })
    }

    /// Whether it has not ended: what was read of its id before is its own.
    pub(super) fn lives(&self) -> bool {
        let mut polled = [PollFd::new(&self.descriptor, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) == Ok(0)
    }

    /// Its root's mount.
    pub(super) fn root_mount(&self) -> Option<MountId> {
        root_mount(self.pid)
    }

    /// The security module's label, where one is in force (apparmor(7): `/proc/PID/attr/current`).
    pub(super) fn label(&self) -> Option<Vec<u8>> {
        self.proc("attr/current").ok().map(|label| label.trim_end().as_bytes().to_vec())
    }

    /// Looks at it.
    pub(super) fn look(&self, uid: Option<u32>, label: Option<&[u8]>) -> Evidence {
        let label = label.map(|bytes| String::from_utf8_lossy(bytes).trim_end_matches('\0').to_owned());
        Evidence {
            uid,
            label,
            flatpak: self.flatpak(),
            cgroup: self.proc("cgroup").unwrap_or_default(),
            comm: self.proc("comm").unwrap_or_default().trim_end().to_owned(),
        }
    }

    fn flatpak(&self) -> Flatpak {
        match self.flatpak_info() {
            Ok(info) => Flatpak::Info(info),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Flatpak::Absent,
            // Landlock keeps a confined process from looking into the root of any other, and so does a caller that is
            // not dumpable. The list of its mounts stays readable; Flatpak mounts the file there.
            Err(_) => match self.proc("mountinfo") {
                Ok(mounts) if mounts.is_empty() => Flatpak::Hidden,
                Ok(mounts) if has_mount(&mounts, "/.flatpak-info") => Flatpak::Info(String::new()),
                Ok(_) => Flatpak::Absent,
                Err(_) => Flatpak::Hidden,
            },
        }
    }

    fn flatpak_info(&self) -> io::Result<String> {
        let flags = OFlags::RDONLY | OFlags::CLOEXEC;
        let root = open(format!("/proc/{}/root", self.pid), flags | OFlags::DIRECTORY | OFlags::PATH, Mode::empty())?;
        let file = openat(&root, ".flatpak-info", flags | OFlags::NOFOLLOW | OFlags::NOCTTY, Mode::empty())?;
        read(File::from(file))
    }

    fn proc(&self, name: &str) -> io::Result<String> {
        read(File::open(format!("/proc/{}/{name}", self.pid))?)
    }
}

/// Whether the other end of a connection is gone. (One that has only said all it has to say is not.)
pub(super) fn has_hung_up(stream: &impl AsFd) -> bool {
    // POLLHUP comes unasked (poll(2)).
    let mut polled = [PollFd::new(stream, PollFlags::empty())];
    poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })) != Ok(0)
}

fn read(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether something is mounted at `place` (proc(5), mountinfo: the fifth field).
fn has_mount(mountinfo: &str, place: &str) -> bool {
    mountinfo.lines().any(|line| line.split(' ').nth(4) == Some(place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sees_this_very_process() {
        let process = Process::open(std::process::id()).expect("it runs");
        let seen = process.look(Some(7), Some(b"unconfined\0"));
        assert!(process.lives());
        assert!(matches!(seen.flatpak, Flatpak::Absent), "tests run outside of Flatpak");
        assert!(!seen.comm.is_empty());
        assert_eq!((seen.uid, seen.label.as_deref()), (Some(7), Some("unconfined")));
    }

    #[test]
    fn a_process_that_ended_is_not_taken_for_another() {
        let mut child = std::process::Command::new("true").spawn().expect("true runs");
        let process = Process::open(child.id()).expect("it is ours, so its id stays taken until we wait");
        child.wait().expect("it ends");
        assert!(!process.lives());
    }

    #[test]
    fn a_child_has_the_mounts_of_its_parent() {
        let mut child = std::process::Command::new("sleep").arg("60").spawn().expect("sleep runs");
        let process = Process::open(child.id()).expect("it runs");
        let root = process.root_mount().expect("it has a root");
        assert!(home_mounts().contains(&root));
        child.kill().and_then(|()| child.wait()).expect("it is ours");
    }

    #[test]
    fn flatpak_shows_in_the_list_of_mounts() {
        let inside = "36 35 0:32 / / ro - tmpfs tmpfs rw\n37 36 0:33 / /.flatpak-info ro - tmpfs tmpfs rw\n";
        assert!(has_mount(inside, "/.flatpak-info"));
        assert!(!has_mount("36 35 0:32 /.flatpak-info / ro - tmpfs tmpfs rw\n", "/.flatpak-info"));
    }
}
