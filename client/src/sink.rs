//! The way a token takes: a socket pair made here, of which only the writing end leaves this process. Whoever
//! duplicates that end on its way (a bus monitor does) can write, but not read.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;

use rustix::buffer::spare_capacity;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::wire::MAX_TOKEN;

/// The reading end.
pub(crate) struct Source(OwnedFd);

/// A reading end, and the writing end to be sent.
pub(crate) fn pair() -> Result<(Source, OwnedFd), Error> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let made = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None);
    let (ours, theirs) = made.map_err(|e| Error::BadInput(format!("cannot make a socket pair for the token: {e}")))?;
    Ok((Source(ours), theirs))
}

impl Source {
    /// Reads to the end, at most [`MAX_TOKEN`] bytes, and compares with the digest.
    pub(crate) async fn read(self, digest: &[u8]) -> Result<Zeroizing<Box<str>>, Error> {
        let bytes = self.bytes().await.map_err(|e| bad(format!("the token's socket failed: {e}")))?;
        if bytes.len() > MAX_TOKEN {
            return Err(bad("the token is larger than 1 MiB"));
        }
        if bytes.is_empty() {
            return Err(bad("the token is empty"));
        }
        if Sha256::digest(&*bytes).as_slice() != digest {
            return Err(bad("the token's bytes do not match its digest"));
        }
        let text = std::str::from_utf8(&bytes).map_err(|_| bad("the token is no text"))?;
        Ok(Zeroizing::new(Box::from(text)))
    }

    async fn bytes(self) -> io::Result<Zeroizing<Vec<u8>>> {
        // Room for all but the largest tokens, so that growth leaves no copies behind.
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 << 10));
        // The keeper wrote and ended the stream before it answered, so all of it is here: no need to register the
        // socket with the runtime, which costs more than the reading.
        loop {
            match rustix::io::read(&self.0, spare_capacity(&mut bytes)) {
                Ok(0) => return Ok(bytes),
                Ok(_) if bytes.len() > MAX_TOKEN => return Ok(bytes),
                Ok(_) => bytes.reserve(1),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => break,
                Err(error) => return Err(error.into()),
            }
        }
        let left = (MAX_TOKEN + 1 - bytes.len()) as u64;
        UnixStream::from_std(StdStream::from(self.0))?.take(left).read_to_end(&mut bytes).await?;
        Ok(bytes)
    }
}

fn bad(why: impl Into<String>) -> Error {
    Error::BadAnswer { call: "SendToken", why: why.into() }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    async fn read(sent: &[u8], digest: &[u8]) -> Result<String, Error> {
        let (source, theirs) = pair().expect("a socket pair");
        StdStream::from(theirs).write_all(sent).expect("room for a token");
        source.read(digest).await.map(|text| text.to_string())
    }

    #[tokio::test]
    async fn reads_what_was_promised() {
        assert_eq!(read(b"at-1", &Sha256::digest(b"at-1")).await.ok().as_deref(), Some("at-1"));
    }

    #[tokio::test]
    async fn waits_for_a_keeper_that_answers_first() {
        let (source, theirs) = pair().expect("a socket pair");
        let digest = Sha256::digest(vec![b'x'; 100_000]);
        let reading = tokio::spawn(async move { source.read(&digest).await.map(|text| text.len()) });
        tokio::task::yield_now().await;
        let mut stream = StdStream::from(theirs);
        stream.write_all(&[b'x'; 100_000]).expect("room for a token");
        drop(stream);
        assert_eq!(reading.await.expect("no panic").ok(), Some(100_000));
    }

    #[tokio::test]
    async fn refuses_other_bytes_than_were_promised() {
        for (sent, promised) in [(&b"at-1"[..], &b"at-2"[..]), (b"", b""), (b"\xff", b"\xff")] {
            let answer = read(sent, &Sha256::digest(promised)).await;
            assert!(matches!(answer, Err(Error::BadAnswer { .. })), "{sent:?}");
        }
    }
}
