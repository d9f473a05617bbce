//! An interaction in progress: a login, an unlock, a new slot, a client secret.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;

use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;
use zbus::proxy::CacheProperties;
use zbus::{Connection, OwnedObjectPath};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::keeper::Registered;
use crate::status::take;
use crate::wire::proxy::RequestProxy;
use crate::wire::{MAX_INPUT, account_name, key, word};

/// An interaction in progress. It ends with the connection that began it.
#[derive(Clone)]
pub struct Request {
    proxy: RequestProxy<'static>,
}

/// A login in progress.
pub struct Login {
    /// To be awaited.
    pub request: Request,
    /// The address to open in a browser.
    pub uri: Option<String>,
    /// The code to type there (device flow), or to compare where the address has it in it.
    pub user_code: Option<String>,
    /// Where to type the code, as short as the server makes it (device flow): for people who copy it by hand.
    pub verification_uri: Option<String>,
}

/// What came of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The account it was about.
    pub account: Option<String>,
    /// Who signed in.
    pub subject: Option<String>,
    /// The client that was registered, of a registration.
    pub registered: Option<Registered>,
}

/// Where a request stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestState {
    /// It has not ended.
    Pending,
    /// It ended well.
    Done,
    /// It ended badly; [`Request::wait`] says why.
    Failed,
    /// It was given up.
    Cancelled,
}

impl Request {
    pub(crate) async fn new(connection: &Connection, path: OwnedObjectPath) -> Result<Self, Error> {
        let builder = RequestProxy::builder(connection).path(path).cache_properties(CacheProperties::No);
        Ok(Self { proxy: builder.build().await? })
    }

    /// Waits for the end. May be called again, also after it was dropped half-way.
    ///
    /// # Errors
    /// Why it failed; `Cancelled` when it was given up.
    pub async fn wait(&self) -> Result<Outcome, Error> {
        let results = self.proxy.wait().await?;
        let account: Option<OwnedObjectPath> = take(&results, key::result::ACCOUNT);
        Ok(Outcome {
            account: account.and_then(|path| account_name(path.as_str())),
            subject: take(&results, key::result::SUBJECT),
            registered: Registered::from_wire(&results),
        })
    }

    /// Where it stands.
    ///
    /// # Errors
    /// `UnknownObject` after the request has gone.
    pub async fn state(&self) -> Result<RequestState, Error> {
        match self.proxy.state().await?.as_str() {
            word::PENDING => Ok(RequestState::Pending),
            word::DONE => Ok(RequestState::Done),
            word::CANCELLED => Ok(RequestState::Cancelled),
            _ => Ok(RequestState::Failed),
        }
    }

    /// What [`input`](Self::input) may bring: see [`wire::key::want`](crate::wire::key::want).
    ///
    /// # Errors
    /// `UnknownObject` after the request has gone.
    pub async fn wants(&self) -> Result<Vec<String>, Error> {
        Ok(self.proxy.wants().await?)
    }

    /// The address to open; empty = none.
    ///
    /// # Errors
    /// `UnknownObject` after the request has gone.
    pub async fn uri(&self) -> Result<String, Error> {
        Ok(self.proxy.uri().await?)
    }

    /// The code to type there; empty = none.
    ///
    /// # Errors
    /// `UnknownObject` after the request has gone.
    pub async fn user_code(&self) -> Result<String, Error> {
        Ok(self.proxy.user_code().await?)
    }

    /// When it fails by itself, unix seconds; 0 = never.
    ///
    /// # Errors
    /// `UnknownObject` after the request has gone.
    pub async fn expires_at(&self) -> Result<u64, Error> {
        Ok(self.proxy.expires_at().await?)
    }

    /// Brings what it wants. The values take a socket of their own and stand in no message; what the keeper makes of
    /// them shows in [`wait`](Self::wait).
    ///
    /// # Errors
    /// [`Error::BadInput`] for a value with a line break or values too large; `InvalidArgs` when nothing is wanted.
    pub async fn input(&self, values: &[(&str, &[u8])]) -> Result<(), Error> {
        let lines = lines_of(values)?;
        let writer = OwnedFd::from(self.proxy.input().await?);
        let failed = |e: std::io::Error| Error::BadInput(format!("cannot send the input to the keeper: {e}"));
        let stream = StdStream::from(writer);
        stream.set_nonblocking(true).map_err(failed)?;
        let mut stream = UnixStream::from_std(stream).map_err(failed)?;
        stream.write_all(&lines).await.map_err(failed)?;
        // Not a close alone: whoever duplicated the descriptor would keep it open.
        stream.shutdown().await.map_err(failed)
    }

    /// Gives it up.
    ///
    /// # Errors
    /// `UnknownObject` after the request has gone.
    pub async fn cancel(&self) -> Result<(), Error> {
        Ok(self.proxy.cancel().await?)
    }
}

/// `key=value` lines.
fn lines_of(values: &[(&str, &[u8])]) -> Result<Zeroizing<Vec<u8>>, Error> {
    let length: usize = values.iter().map(|(key, value)| key.len() + value.len() + 2).sum();
    if length > MAX_INPUT {
        return Err(Error::BadInput(format!("the input is larger than {MAX_INPUT} bytes")));
    }
    let mut lines = Zeroizing::new(Vec::with_capacity(length));
    for (key, value) in values {
        if value.contains(&b'\n') {
            return Err(Error::BadInput(format!("the {key} contains a line break")));
        }
        lines.extend_from_slice(key.as_bytes());
        lines.push(b'=');
        lines.extend_from_slice(value);
        lines.push(b'\n');
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_lines() {
        let lines = lines_of(&[("passphrase", b"a=b"), ("new_passphrase", b"")]).expect("good values");
        assert_eq!(&lines[..], b"passphrase=a=b\nnew_passphrase=\n");
    }

    #[test]
    fn a_line_break_would_be_another_line() {
        assert!(matches!(lines_of(&[("passphrase", b"a\nclient_secret=b")]), Err(Error::BadInput(_))));
        assert!(matches!(lines_of(&[("passphrase", &vec![b'x'; MAX_INPUT])]), Err(Error::BadInput(_))));
    }
}
