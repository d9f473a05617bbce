//! Reading one request: bounded, wiped, judged by host, path and method in that order, so that a stranger who guessed
//! the port learns nothing about the path.

use std::io;

use httparse::{EMPTY_HEADER, Header, Status};
use tokio::io::{AsyncRead, AsyncReadExt};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The longest request head. Codes of 4 kB exist, and browsers send every cookie of 127.0.0.1, whatever port set it:
/// a developer's machine has many.
const HEAD: usize = 32 * 1024;

/// Header lines in it.
const HEADERS: usize = 100;

/// The one page there is.
#[derive(Clone)]
pub(super) struct Site {
    /// What the Host header must say, to the letter: a page of another name that resolves to us is not it.
    pub(super) authority: String,
    /// With its slash.
    pub(super) path: String,
}

/// What a request is.
pub(super) enum Verdict {
    /// The browser comes back: the decoded query, in order.
    Callback(Vec<(String, Secret)>),
    /// Anything else.
    Refuse(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    Malformed,
    TooLarge,
    WrongHost,
    NotFound,
    WrongMethod,
    /// A browser fetches ahead, or a page of somebody else's embeds the address: nobody looks at it, and the one answer
    /// would be spent.
    NotOpened,
}

/// Reads a request head and judges it.
///
/// # Errors
/// When the connection ends or breaks before its head was complete.
pub(super) async fn read(stream: &mut (impl AsyncRead + Unpin), site: &Site) -> io::Result<Verdict> {
    let mut head = Zeroizing::new(vec![0; HEAD]);
    let mut filled = 0;
    loop {
        match stream.read(&mut head[filled..]).await? {
            0 if filled == HEAD => return Ok(Verdict::Refuse(Refusal::TooLarge)),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            more => filled += more,
        }
        if let Some(verdict) = judge(&head[..filled], site) {
            return Ok(verdict);
        }
    }
}

/// `None` while the head is incomplete.
fn judge(head: &[u8], site: &Site) -> Option<Verdict> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let refusal = match request.parse(head) {
        Ok(Status::Partial) => return None,
        Ok(Status::Complete(_)) => match accept(&request, site) {
            Ok(query) => return Some(Verdict::Callback(decode(query))),
            Err(refusal) => refusal,
        },
        Err(httparse::Error::TooManyHeaders) => Refusal::TooLarge,
        Err(_) => Refusal::Malformed,
    };
    Some(Verdict::Refuse(refusal))
}

/// The raw query of the one request we want.
fn accept<'head>(request: &httparse::Request<'_, 'head>, site: &Site) -> Result<&'head str, Refusal> {
    let mut hosts = named(request.headers, "host");
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if host == site.authority.as_bytes() => {}
        (Some(_), None) => return Err(Refusal::WrongHost),
        _ => return Err(Refusal::Malformed), // RFC 9112 §3.2: none, or more than one
    }
    let target = request.path.ok_or(Refusal::Malformed)?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    if path != site.path {
        return Err(Refusal::NotFound);
    }
    if request.method != Some("GET") {
        return Err(Refusal::WrongMethod);
    }
    // Fetch Metadata: absent in older browsers and in curl, never wrong where it is present.
    let elsewhere = named(request.headers, "sec-fetch-dest").any(|dest| dest != b"document");
    let ahead = named(request.headers, "sec-purpose").next().is_some();
    if elsewhere || ahead { Err(Refusal::NotOpened) } else { Ok(query) }
}

/// What the fuzz target calls: a request head, whatever it is. Nothing else uses it.
///
/// # Panics
/// When something is taken that must not be.
pub fn fuzzed(head: &[u8]) {
    let site = Site { authority: "127.0.0.1:8400".to_owned(), path: "/cb".to_owned() };
    if let Some(Verdict::Callback(query)) = judge(head, &site) {
        let head = String::from_utf8_lossy(head);
        assert!(head.trim_start_matches(['\r', '\n']).starts_with("GET /cb"), "another request: {head}");
        assert!(head.to_ascii_lowercase().contains("host:"), "nobody's request: {head}");
        assert!(query.len() <= head.len());
    }
}

fn named<'a>(headers: &'a [Header<'_>], name: &'static str) -> impl Iterator<Item = &'a [u8]> {
    headers.iter().filter(move |header| header.name.eq_ignore_ascii_case(name)).map(|header| header.value)
}

fn decode(query: &str) -> Vec<(String, Secret)> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs.map(|(name, value)| (name.into_owned(), Secret::from(value.into_owned()))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "127.0.0.1:8400";

    async fn said(request: &[u8]) -> Result<Vec<(String, String)>, Refusal> {
        let site = Site { authority: HOST.into(), path: "/cb".into() };
        let mut stream = request;
        match read(&mut stream, &site).await.expect("a whole head") {
            Verdict::Refuse(refusal) => Err(refusal),
            Verdict::Callback(query) => {
                Ok(query.into_iter().map(|(k, v)| (k, v.reveal_str().expect("text").to_owned())).collect())
            }
        }
    }

    async fn get(target: &str, more: &str) -> Result<Vec<(String, String)>, Refusal> {
        said(format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\n{more}\r\n").as_bytes()).await
    }

    fn pairs(expected: &[(&str, &str)]) -> Result<Vec<(String, String)>, Refusal> {
        Ok(expected.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[tokio::test]
    async fn the_query_is_decoded_once_with_duplicates_in_order() {
        let query = get("/cb?code=a%2Bb+c&state=1&code=%25&empty&=x", "").await;
        assert_eq!(query, pairs(&[("code", "a+b c"), ("state", "1"), ("code", "%"), ("empty", ""), ("", "x")]));
        assert_eq!(get("/cb", "").await, pairs(&[]), "the account says what is missing");
    }

    #[tokio::test]
    async fn other_paths_do_not_exist() {
        for target in ["/", "/cb/", "/CB", "/cb%2f", "//cb", "/favicon.ico", "*", "http://127.0.0.1:8400/cb?code=1"] {
            assert_eq!(get(target, "").await, Err(Refusal::NotFound), "{target}");
        }
    }

    #[tokio::test]
    async fn other_methods_are_refused_on_the_path_and_unknown_elsewhere() {
        for method in ["POST", "HEAD", "OPTIONS", "PUT", "get"] {
            let on_path = said(format!("{method} /cb?code=1 HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await;
            assert_eq!(on_path, Err(Refusal::WrongMethod), "{method}");
            let off_path = said(format!("{method} /x HTTP/1.1\r\nHost: {HOST}\r\n\r\n").as_bytes()).await;
            assert_eq!(off_path, Err(Refusal::NotFound), "{method}");
        }
    }

    #[tokio::test]
    async fn the_host_must_be_ours_to_the_letter() {
        for host in ["evil.example:8400", "127.0.0.1", "127.0.0.1:8401", "localhost:8400", "127.0.0.1:8400.evil", ""] {
            let refused = said(format!("GET /cb?code=1 HTTP/1.1\r\nHost: {host}\r\n\r\n").as_bytes()).await;
            assert_eq!(refused, Err(Refusal::WrongHost), "{host}");
        }
        assert_eq!(said(b"GET /cb?code=1 HTTP/1.1\r\n\r\n").await, Err(Refusal::Malformed), "none");
        assert_eq!(get("/cb?code=1", "Host: evil.example\r\n").await, Err(Refusal::Malformed), "two");
    }

    #[tokio::test]
    async fn a_fetch_that_nobody_looks_at_does_not_spend_the_answer() {
        assert_eq!(get("/cb?code=1", "Sec-Fetch-Dest: image\r\n").await, Err(Refusal::NotOpened));
        assert_eq!(get("/cb?code=1", "Sec-Fetch-Dest: iframe\r\n").await, Err(Refusal::NotOpened));
        assert_eq!(get("/cb?code=1", "Sec-Purpose: prefetch\r\n").await, Err(Refusal::NotOpened));
        assert_eq!(get("/cb?code=1", "Sec-Fetch-Dest: document\r\n").await, pairs(&[("code", "1")]));
    }

    #[tokio::test]
    async fn malformed_and_oversized_heads_are_refused() {
        assert_eq!(said(b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n").await, Err(Refusal::Malformed), "TLS");
        assert_eq!(said(b"GET /cb\r\n\r\n").await, Err(Refusal::Malformed), "HTTP/0.9");
        assert_eq!(get(&format!("/cb?code={}", "x".repeat(HEAD)), "").await, Err(Refusal::TooLarge));
        assert_eq!(get("/cb", &"a: b\r\n".repeat(HEADERS)).await, Err(Refusal::TooLarge));
        assert!(get(&format!("/cb?code={}", "x".repeat(8_000)), "").await.is_ok(), "long codes exist");
    }

    #[tokio::test]
    async fn a_head_that_is_cut_off_is_no_request() {
        let site = Site { authority: HOST.into(), path: "/cb".into() };
        let mut stream: &[u8] = b"GET /cb?code=1 HTTP/1.1\r\nHost: 127.0.0.1:8400\r\n";
        assert!(read(&mut stream, &site).await.is_err());
    }

    #[tokio::test]
    async fn bytes_that_are_no_text_become_replacement_characters() {
        assert_eq!(get("/cb?state=%ff", "").await, pairs(&[("state", "\u{fffd}")]));
    }
}
