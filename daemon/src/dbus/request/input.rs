//! What a request wants, through a socket of its own: `key=value` lines to the end of the stream. So a passphrase
//! stands in no message either.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tokenkeeper::wire::{ErrorName, MAX_INPUT};
use tokio::io::AsyncReadExt;
use tokio::net::UnixStream;
use zeroize::Zeroizing;

use super::{Face, Fault, Held, RequestId, RequestState};
use crate::account::Denied;
use crate::secret::Secret;

/// The writing end for the caller; what comes is handed to the keeper, what is wrong with it shows in Wait.
pub(super) fn open(face: &Arc<Face>, id: RequestId, held: Arc<Held>) -> Result<OwnedFd, Fault> {
    if !wants_something(&held) {
        return Err(Fault::invalid_args("the request wants no input"));
    }
    let made = StdStream::pair().and_then(|(ours, theirs)| {
        ours.set_nonblocking(true)?;
        Ok((UnixStream::from_std(ours)?, theirs))
    });
    let failed = |error| Fault::new(ErrorName::Failed, format!("could not make a socket for the input: {error}"));
    let (reader, writer) = made.map_err(failed)?;
    if held.reading.swap(true, Ordering::AcqRel) {
        return Err(Denied::Busy("an input is being read already; end it first".into()).into());
    }
    held.trouble.send_replace(None);
    let face = face.clone();
    tokio::spawn(async move {
        let taken = take(&face, id, &held, reader).await;
        held.reading.store(false, Ordering::Release);
        if let Err(fault) = taken {
            held.trouble.send_replace(Some(fault));
        }
    });
    Ok(writer.into())
}

async fn take(face: &Face, id: RequestId, held: &Held, reader: UnixStream) -> Result<(), Fault> {
    let mut view = held.view.clone();
    let lines = tokio::select! {
        lines = read(reader) => lines?,
        // Nobody waits for input any more.
        _ = view.wait_for(|view| !matches!(view.state, RequestState::Pending)) => return Ok(()),
    };
    let wants = held.view.borrow().wants.clone();
    face.keeper.input(id, values_of(&lines, &wants)?).await?;
    Ok(())
}

async fn read(reader: UnixStream) -> Result<Zeroizing<Vec<u8>>, Fault> {
    // All the room at once, so that growth leaves no copies of a passphrase behind.
    let mut lines = Zeroizing::new(Vec::with_capacity(MAX_INPUT + 1));
    let read = reader.take(MAX_INPUT as u64 + 1).read_to_end(&mut lines).await;
    read.map_err(|error| Fault::new(ErrorName::Failed, format!("could not read the input: {error}")))?;
    if lines.len() > MAX_INPUT {
        return Err(Fault::new(ErrorName::LimitsExceeded, format!("the input is larger than {MAX_INPUT} bytes")));
    }
    Ok(lines)
}

/// The values, if all of them are wanted. No message here may quote the input.
fn values_of(lines: &[u8], wants: &[&str]) -> Result<Vec<(String, Secret)>, Fault> {
    let mut values: Vec<(String, Secret)> = Vec::new();
    for line in lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let place = line.iter().position(|byte| *byte == b'=');
        let (key, value) = line.split_at(place.ok_or_else(|| Fault::invalid_args("a line of the input has no `=`"))?);
        let wanted = wants.iter().find(|wanted| wanted.as_bytes() == key);
        let wanted = wanted.ok_or_else(|| {
            Fault::invalid_args(format!(
                "the input has a key that the request does not want; it wants {}",
                wants.join(", ")
            ))
        })?;
        if values.iter().any(|(key, _)| key == wanted) {
            return Err(Fault::invalid_args(format!("the input has `{wanted}` twice")));
        }
        values.push(((*wanted).to_owned(), Secret::locked_copy_of(&value[1..])));
    }
    if values.is_empty() {
        return Err(Fault::invalid_args("the input is empty"));
    }
    Ok(values)
}

fn wants_something(held: &Held) -> bool {
    let view = held.view.borrow();
    matches!(view.state, RequestState::Pending) && !view.wants.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTS: [&str; 2] = ["passphrase", "new_passphrase"];

    #[test]
    fn lines_are_values() {
        let values = values_of(b"passphrase=a=b\nnew_passphrase=\n", &WANTS).unwrap_or_default();
        let shown: Vec<_> = values.iter().map(|(key, value)| (key.as_str(), value.reveal())).collect();
        assert_eq!(shown, [("passphrase", &b"a=b"[..]), ("new_passphrase", b"")]);
    }

    #[test]
    fn what_is_not_wanted_is_refused_and_not_quoted() {
        for bad in [&b"canary=x"[..], b"canary", b"passphrase=canary\npassphrase=canary", b"", b"\n"] {
            let fault = values_of(bad, &WANTS).err().expect("refused");
            assert!(!fault.message().contains("canary"), "{}", fault.message());
        }
    }
}
