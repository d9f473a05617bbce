//! Where the browser is sent first: a one-shot address on this machine that redirects to the server.
//!
//! The authorization address carries `state` and the PKCE challenge. A browser is started with its address as an
//! argument, which every user of the machine can read; this one says nothing and works once.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// The longest request head that is read, bytes.
const MAX_HEAD: usize = 16 * 1024;

/// How long a connection may take to ask.
const PATIENCE: Duration = Duration::from_secs(10);

/// A door that opens once.
pub(super) struct Doorstep {
    listener: TcpListener,
    host: String,
    path: String,
}

impl Doorstep {
    /// A door at a free port of the loopback interface, with an unguessable path.
    ///
    /// # Errors
    /// When no port can be had.
    pub(super) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let host = listener.local_addr()?.to_string();
        let mut random = [0_u8; 16];
        rustix::rand::getrandom(&mut random, rustix::rand::GetRandomFlags::empty())?;
        let path = format!("/{:032x}", u128::from_ne_bytes(random));
        Ok(Self { listener, host, path })
    }

    /// The address to open.
    pub(super) fn address(&self) -> String {
        format!("http://{}{}", self.host, self.path)
    }

    /// Sends the first browser that asks for it to `target`; then the door is gone. Others are turned away, and one
    /// that is slow to ask keeps nobody waiting: browsers open connections on suspicion.
    pub(super) async fn send_to(self, target: &str) {
        let mut asking = tokio::task::JoinSet::new();
        loop {
            tokio::select! {
                accepted = self.listener.accept() => {
                    let Ok((stream, _)) = accepted else { return };
                    asking.spawn(read_head(stream));
                }
                Some(Ok(Some((mut stream, head)))) = asking.join_next() => {
                    if !asks_for(&head, &self.host, &self.path) {
                        let _ = stream.write_all(NOT_FOUND.as_bytes()).await;
                        continue;
                    }
                    let _ = stream.write_all(redirect(target).as_bytes()).await;
                    let _ = stream.shutdown().await;
                    return;
                }
            }
        }
    }
}

const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

fn redirect(target: &str) -> String {
    format!(
        "HTTP/1.1 302 Found\r\nLocation: {target}\r\nCache-Control: no-store\r\nReferrer-Policy: no-referrer\r\n\
         Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
}

async fn read_head(mut stream: TcpStream) -> Option<(TcpStream, Vec<u8>)> {
    let mut head = Vec::new();
    let reading = async {
        while head.len() < MAX_HEAD && !head.windows(4).any(|end| end == b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.ok()? == 0 {
                return None;
            }
        }
        Some(())
    };
    tokio::time::timeout(PATIENCE, reading).await.ok()??;
    Some((stream, head))
}

/// Whether this is `GET path` for exactly this host: a name that points here (DNS rebinding) is not this host.
fn asks_for(head: &[u8], host: &str, path: &str) -> bool {
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split("\r\n");
    let mut request = lines.next().unwrap_or_default().split(' ');
    let hosts: Vec<&str> = lines
        .filter_map(|line| line.split_once(':'))
        .filter(|(name, _)| name.eq_ignore_ascii_case("host"))
        .map(|(_, value)| value.trim())
        .collect();
    request.next() == Some("GET") && request.next() == Some(path) && hosts == [host]
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(host: &str, path: &str) -> String {
        let mut stream = TcpStream::connect(host).await.expect("connected");
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.expect("asked");
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    #[tokio::test]
    async fn redirects_once_and_only_who_knows_the_path() {
        let door = Doorstep::open().await.expect("a port");
        let (host, path) = (door.host.clone(), door.path.clone());
        let served = tokio::spawn(async move { door.send_to("https://as.example/authorize?state=s").await });
        // Connects and never asks, as a browser's speculative connection does.
        let _idle = TcpStream::connect(&host).await.expect("connected");
        assert!(get(&host, "/guess").await.starts_with("HTTP/1.1 404 "));
        let answer = get(&host, &path).await;
        assert!(answer.starts_with("HTTP/1.1 302 "), "{answer}");
        assert!(answer.contains("\r\nLocation: https://as.example/authorize?state=s\r\n"), "{answer}");
        served.await.expect("the door is gone");
    }

    #[test]
    fn another_host_or_method_is_not_served() {
        let ask = |head: &str| asks_for(head.as_bytes(), "127.0.0.1:9", "/p");
        assert!(ask("GET /p HTTP/1.1\r\nhost: 127.0.0.1:9\r\n\r\n"));
        assert!(!ask("POST /p HTTP/1.1\r\nHost: 127.0.0.1:9\r\n\r\n"));
        assert!(!ask("GET /p HTTP/1.1\r\nHost: evil.example:9\r\n\r\n"));
        assert!(!ask("GET /p HTTP/1.1\r\nHost: 127.0.0.1:9\r\nHost: evil.example\r\n\r\n"));
        assert!(!ask("GET /p HTTP/1.1\r\n\r\n"));
    }
}
