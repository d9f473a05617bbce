//! The way a token takes: a socket pair made here, of which only the writing end leaves this process. Whoever
//! duplicates that end on its way (a bus monitor does) can write, but not read.

use std::os::unix::net::UnixStream as StdStream;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use sha2::{Digest, Sha256};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use crate::error::Error;
use crate::wire::MAX_TOKEN;

const CALL: &str = "SendToken";

/// The reading end.
pub(crate) struct Source(UnixStream);

/// A reading end, and the writing end to be sent.
pub(crate) fn pair() -> Result<(Source, std::os::fd::OwnedFd), Error> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let made = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(std::io::Error::from);
    let opened = made.and_then(|(ours, theirs)| Ok((UnixStream::from_std(StdStream::from(ours))?, theirs)));
    let (ours, theirs) =
        opened.map_err(|e| Error::BadInput(format!("cannot make a socket pair for the token: {e}")))?;
    Ok((Source(ours), theirs))
}

impl Source {
    /// Reads to the end, at most [`MAX_TOKEN`] bytes, and compares with the digest.
    pub(crate) async fn read(self, digest: &[u8]) -> Result<Zeroizing<Box<str>>, Error> {
        let bad = |why: &str| Error::BadAnswer { call: CALL, why: why.to_owned() };
        // Reserved as a whole, so that growth leaves no copies behind; a token is rarely larger than this.
        let mut bytes = Zeroizing::new(Vec::with_capacity(16 << 10));
        let limit = MAX_TOKEN as u64 + 1;
        self.0
            .take(limit)
            .read_to_end(&mut bytes)
            .await
            .map_err(|e| bad(&format!("the token's socket failed: {e}")))?;
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
    async fn refuses_other_bytes_than_were_promised() {
        for (sent, promised) in [(&b"at-1"[..], &b"at-2"[..]), (b"", b""), (b"\xff", b"\xff")] {
            let answer = read(sent, &Sha256::digest(promised)).await;
            assert!(matches!(answer, Err(Error::BadAnswer { .. })), "{sent:?}");
        }
    }
}
