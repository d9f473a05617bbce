//! One call of a varlink service: a JSON object with a NUL behind it there, another one back
//! (<https://varlink.org/Wire>). Bounded in size and time; it knows nothing of what the call means.

use std::io;
use std::path::Path;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use zeroize::Zeroizing;

/// No answer that is wanted here is longer, in bytes.
const LONGEST: usize = 64 * 1024;

/// Why a call gave nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    /// Nobody listens there.
    #[error("nobody listens at {0}")]
    NoService(String),
    /// The service did not answer in time, or broke off.
    #[error("{0}")]
    Broken(String),
    /// The service refused, by the error's name.
    #[error("{0}")]
    Refused(String),
}

#[derive(Serialize)]
struct Call<'a, P> {
    method: &'a str,
    parameters: P,
}

#[derive(Deserialize)]
struct Reply {
    error: Option<String>,
    #[serde(default)]
    parameters: serde_json::Value,
}

/// Calls `method` of the service at `socket` and gives the parameters of its answer.
///
/// # Errors
/// Nobody listens, no whole answer came within `patience`, the service refused, or the answer has another form.
pub(super) async fn call<A: DeserializeOwned>(
    socket: &Path,
    method: &str,
    parameters: impl Serialize,
    patience: Duration,
) -> Result<A, CallError> {
    let mut sent =
        Zeroizing::new(serde_json::to_vec(&Call { method, parameters }).expect("plain data has a JSON form"));
    sent.push(0);
    let answered = tokio::time::timeout(patience, exchange(socket, &sent)).await;
    let bytes = answered.map_err(|_| CallError::Broken(format!("no answer within {} s", patience.as_secs())))??;
    let odd = |_| CallError::Broken(format!("the answer to {method} is of no form that is known"));
    let reply: Reply = serde_json::from_slice(&bytes).map_err(odd)?;
    match reply.error {
        Some(error) => Err(CallError::Refused(error)),
        None => serde_json::from_value(reply.parameters).map_err(odd),
    }
}

async fn exchange(socket: &Path, sent: &[u8]) -> Result<Zeroizing<Vec<u8>>, CallError> {
    let mut stream = UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            CallError::NoService(socket.display().to_string())
        }
        _ => broken(error),
    })?;
    stream.write_all(sent).await.map_err(broken)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(LONGEST));
    loop {
        if let Some(end) = bytes.iter().position(|byte| *byte == 0) {
            bytes.truncate(end);
            return Ok(bytes);
        }
        if bytes.len() == LONGEST {
            return Err(CallError::Broken(format!("an answer of over {} KiB", LONGEST / 1024)));
        }
        let room = (LONGEST - bytes.len()) as u64;
        if (&mut stream).take(room).read_buf(&mut *bytes).await.map_err(broken)? == 0 {
            return Err(CallError::Broken("the connection ended before the answer did".into()));
        }
    }
}

fn broken(error: io::Error) -> CallError {
    CallError::Broken(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::slot::systemd_creds::testing::{Service, answering};

    const PATIENCE: Duration = Duration::from_secs(5);

    #[derive(Debug, PartialEq, Deserialize)]
    struct Answer {
        data: String,
    }

    async fn ask(service: &Service, patience: Duration) -> Result<Answer, CallError> {
        call(service.socket(), "a.b.Do", serde_json::json!({"name": "x"}), patience).await
    }

    #[tokio::test]
    async fn the_parameters_of_the_answer_come_back() {
        let service = answering(|call| {
            assert_eq!(call, &serde_json::json!({"method": "a.b.Do", "parameters": {"name": "x"}}));
            b"{\"parameters\":{\"data\":\"y\",\"more\":1}}\0".to_vec()
        });
        assert_eq!(ask(&service, PATIENCE).await.expect("answered"), Answer { data: "y".into() });
    }

    #[tokio::test]
    async fn what_is_no_answer_is_told_apart() {
        for (answer, why) in [
            (&b"{\"error\":\"a.b.No\",\"parameters\":{}}\0"[..], "a.b.No"),
            (b"{\"parameters\":{\"data\":1}}\0", "the answer to a.b.Do is of no form that is known"),
            (b"{\"parameters\":{}}\0", "the answer to a.b.Do is of no form that is known"),
            (b"gibberish\0", "the answer to a.b.Do is of no form that is known"),
            (b"{\"parameters\":{\"data\":\"y\"}}", "the connection ended before the answer did"),
            (b"", "the connection ended before the answer did"),
        ] {
            let service = answering(move |_| answer.to_vec());
            assert_eq!(ask(&service, PATIENCE).await.expect_err("no answer").to_string(), why);
        }
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut_off() {
        let service = answering(|_| vec![b' '; LONGEST + 1]);
        let failed = ask(&service, PATIENCE).await.expect_err("too long");
        assert_eq!(failed.to_string(), "an answer of over 64 KiB");
    }

    #[tokio::test]
    async fn a_silent_service_is_given_up() {
        let dir = tempfile::tempdir().expect("a directory");
        let socket = dir.path().join("socket");
        // It takes the connection, as every listening socket does, and nobody serves it.
        let _listens = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        let asked = call::<Answer>(&socket, "a.b.Do", serde_json::json!({}), Duration::ZERO).await;
        assert_eq!(asked.expect_err("given up").to_string(), "no answer within 0 s");
    }

    #[tokio::test]
    async fn nobody_there_is_told_apart() {
        let dir = tempfile::tempdir().expect("a directory");
        let asked = call::<Answer>(&dir.path().join("none"), "a.b.Do", serde_json::json!({}), PATIENCE).await;
        assert!(matches!(asked, Err(CallError::NoService(_))), "{asked:?}");
    }
}
