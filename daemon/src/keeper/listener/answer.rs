//! Answers as bytes: the same careful headers on each, and a goodbye that lets the last byte arrive.

use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::page;
use super::request::Refusal;
use crate::account::Page;

/// What the browser that came back sees; `None` = nobody decided, the login was given up.
pub(super) fn page(page: Option<&Page>) -> Vec<u8> {
    let status = if matches!(page, Some(Page::Stored { .. })) { "200 OK" } else { "400 Bad Request" };
    html(status, &page::render(page))
}

/// The callback was hit before.
pub(super) fn used() -> Vec<u8> {
    html("410 Gone", &page::used())
}

/// What anybody else sees: a word.
pub(super) fn refusal(refusal: Refusal) -> Vec<u8> {
    let (status, more) = match refusal {
        Refusal::Malformed => ("400 Bad Request", ""),
        Refusal::TooLarge => ("431 Request Header Fields Too Large", ""),
        Refusal::WrongHost => ("421 Misdirected Request", ""),
        Refusal::NotFound => ("404 Not Found", ""),
        Refusal::WrongMethod => ("405 Method Not Allowed", "Allow: GET\r\n"),
        Refusal::NotOpened => ("403 Forbidden", ""),
    };
    compose(status, "text/plain; charset=utf-8", more, status)
}

fn html(status: &str, body: &str) -> Vec<u8> {
    compose(status, "text/html; charset=utf-8", "", body)
}

fn compose(status: &str, kind: &str, more: &str, body: &str) -> Vec<u8> {
    let policy = page::policy();
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: {policy}\r\nCross-Origin-Opener-Policy: same-origin\r\n\
         Cross-Origin-Resource-Policy: same-origin\r\n{more}\r\n{body}"
    )
    .into_bytes()
}

/// Sends an answer and waits until the other side has hung up: closing while it still sends would reset the connection
/// and take the answer with it. Whoever calls this bounds the time.
///
/// # Errors
/// When the connection breaks.
pub(super) async fn send(mut stream: TcpStream, bytes: Vec<u8>) -> io::Result<()> {
    stream.write_all(&bytes).await?;
    stream.shutdown().await?;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}
