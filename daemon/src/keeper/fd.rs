//! Waiting for a descriptor of ours to become readable. One of three files with `unsafe` (`wipe.rs` and
//! `secret/arena.rs` are the others): tokio cannot prove that what it is given stays open; an `OwnedFd` that nobody else
//! ever sees does.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use tokio::io::unix::AsyncFd;

/// A non-blocking descriptor on which reads can be awaited.
pub(super) struct Readable(AsyncFd<OwnedFd>);

impl Readable {
    /// Takes a non-blocking descriptor over.
    #[allow(unsafe_code, reason = "see the head of this file")]
    pub(super) fn new(fd: OwnedFd) -> io::Result<Self> {
        // SAFETY: the OwnedFd is open, is moved in here, and is neither replaced nor closed before the AsyncFd is
        // dropped: no method of this type gives it away.
        let registered = unsafe { AsyncFd::register(fd) };
        Ok(Self(registered.map_err(io::Error::from)?))
    }

    pub(super) fn fd(&self) -> &OwnedFd {
        self.0.get_ref()
    }

    /// Reads once, when there is something to read.
    ///
    /// # Errors
    /// What read(2) says, but for EAGAIN, which is waited out.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        loop {
            let mut ready = self.0.readable().await.map_err(|_| Errno::IO)?;
            match rustix::io::read(self.fd(), &mut *buffer) {
                Err(Errno::AGAIN) => ready.clear_ready(),
                read => return read,
            }
        }
    }
}
