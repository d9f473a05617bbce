//! Where SendToken writes: the writing end of a socket pair that the reader made.

use std::os::fd::OwnedFd;

use rustix::net::{AddressFamily, SendFlags, Shutdown, SocketType, send, shutdown, sockopt};
use tokenkeeper::wire::ErrorName;

use super::fault::Fault;
use crate::secret::Secret;

/// A descriptor that takes a token.
pub(super) struct Sink(OwnedFd);

impl Sink {
    /// Refuses everything but an AF_UNIX stream socket: whoever duplicates one on its way can write, but not read, and
    /// it cannot be reopened through /proc as a pipe, a memfd or a file could.
    pub(super) fn new(descriptor: OwnedFd) -> Result<Self, Fault> {
        let domain = sockopt::socket_domain(&descriptor);
        let kind = sockopt::socket_type(&descriptor);
        if domain == Ok(AddressFamily::UNIX) && kind == Ok(SocketType::STREAM) {
            return Ok(Self(descriptor));
        }
        Err(Fault::invalid_args(
            "`sink` must be one end of a socket pair (AF_UNIX, SOCK_STREAM) that the reader made; a pipe, a file or a \
             datagram socket can be read by others",
        ))
    }

    /// Writes the token and ends the stream. Never waits: a reader who does not read is told so.
    pub(super) fn write(self, token: &Secret) -> Result<(), Fault> {
        let bytes = token.reveal();
        let failed =
            |why: String| Fault::new(ErrorName::Failed, format!("could not write the token to the sink: {why}"));
        match send(&self.0, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(written) if written == bytes.len() => {}
            Ok(written) => return Err(failed(format!("it took only {written} of {} bytes", bytes.len()))),
            Err(error) => return Err(failed(std::io::Error::from(error).to_string())),
        }
        // A close alone does not end the stream while somebody, such as a bus monitor, holds a duplicate.
        shutdown(&self.0, Shutdown::Write).map_err(|error| failed(std::io::Error::from(error).to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::os::unix::net::{UnixDatagram, UnixStream};

    use super::*;

    #[test]
    fn takes_a_stream_socket_and_ends_it() {
        let (mut ours, theirs) = UnixStream::pair().expect("a socket pair");
        let duplicate = theirs.try_clone().expect("as a bus monitor would");
        Sink::new(theirs.into()).and_then(|sink| sink.write(&Secret::from("at-1".to_owned()))).expect("written");
        let mut read = String::new();
        ours.read_to_string(&mut read).expect("ends although a duplicate is open");
        assert_eq!(read, "at-1");
        drop(duplicate);
    }

    #[test]
    fn refuses_what_others_could_read() {
        let (_reader, pipe) = std::io::pipe().expect("a pipe");
        let (datagram, _other) = UnixDatagram::pair().expect("a pair");
        let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        let file = std::fs::File::open("/dev/null").expect("there");
        let refused = [OwnedFd::from(pipe), datagram.into(), tcp.into(), file.into()];
        for descriptor in refused {
            assert!(Sink::new(descriptor).is_err());
        }
    }

    #[test]
    fn does_not_wait_for_a_reader() {
        let (_ours, theirs) = UnixStream::pair().expect("a socket pair");
        let large = Secret::new(vec![b'x'; 8 << 20]);
        let refused = Sink::new(theirs.into()).and_then(|sink| sink.write(&large)).expect_err("too large");
        assert!(refused.message().contains("took only"), "{}", refused.message());
    }

    #[test]
    fn a_reader_who_left_is_an_error_and_no_signal() {
        let (ours, theirs) = UnixStream::pair().expect("a socket pair");
        drop(ours);
        assert!(Sink::new(theirs.into()).and_then(|sink| sink.write(&Secret::from("at-1".to_owned()))).is_err());
    }
}
