//! Bodies, in memory that is wiped.

use bytes::Bytes;
use reqwest::Body;
use tokio::time::{Instant, timeout_at};
use zeroize::Zeroizing;

use super::fault;
use crate::secret::Secret;

/// The longest answer that is read, in bytes.
const LIMIT: usize = 1024 * 1024;
/// What a token answer usually fits in, in bytes.
const USUAL: usize = 16 * 1024;

/// A request's body that is wiped when the connection is done with it.
pub(super) fn wiped_request(body: Secret) -> Body {
    struct Wiped(Secret);
    impl AsRef<[u8]> for Wiped {
        fn as_ref(&self) -> &[u8] {
            self.0.reveal()
        }
    }
    if body.is_empty() { Body::default() } else { Body::from(Bytes::from_owner(Wiped(body))) }
}

/// Reads an answer to its end; else what came of it, and why no more did.
pub(super) async fn read(
    mut response: reqwest::Response,
    deadline: Instant,
    host: &str,
) -> Result<Secret, (Secret, String)> {
    let mut body = Zeroizing::new(Vec::with_capacity(USUAL));
    loop {
        let why = match timeout_at(deadline, response.chunk()).await {
            Ok(Ok(None)) => return Ok(Secret::copy_of(&body)),
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() <= LIMIT => {
                append(&mut body, &chunk);
                continue;
            }
            Ok(Ok(Some(_))) => format!("{host} answered with more than {LIMIT} bytes"),
            Ok(Err(error)) => format!("{host} broke off in the middle of its answer: {}", fault::root(&error)),
            Err(_) => format!("{host} did not finish its answer in time"),
        };
        return Err((Secret::copy_of(&body), why));
    }
}

/// Grows by hand: a vector that grows by itself leaves what it held behind.
fn append(body: &mut Zeroizing<Vec<u8>>, chunk: &[u8]) {
    if body.capacity() - body.len() < chunk.len() {
        let mut larger = Zeroizing::new(Vec::with_capacity((body.len() + chunk.len()) * 2));
        larger.extend_from_slice(body);
        *body = larger;
    }
    body.extend_from_slice(chunk);
}
