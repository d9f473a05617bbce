//! The sender against small servers that say exactly one thing, or break off where they should not.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::Path;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::*;
use crate::secret::Secret;

/// Longer than anything here takes on a busy machine.
const PLENTY: Duration = Duration::from_secs(20);
/// For servers that never answer.
const SHORT: Duration = Duration::from_millis(1500);

const ANSWER: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";

/// A server for one connection; the script gets it when the whole request was read.
async fn server<F, R>(script: F) -> (SocketAddr, JoinHandle<R::Output>)
where
    F: FnOnce(TcpStream, String) -> R + Send + 'static,
    R: Future + Send + 'static,
    R::Output: Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let task = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let request = read_request(&mut stream).await;
        script(stream, request).await
    });
    (address, task)
}

/// A server that answers with these bytes and closes.
async fn says(answer: impl Into<Vec<u8>>) -> SocketAddr {
    let answer = answer.into();
    let script = |mut stream: TcpStream, _| async move {
        stream.write_all(&answer).await.expect("written");
        stream.shutdown().await.expect("closed");
    };
    server(script).await.0
}

async fn read_request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length =
                head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return text;
            }
        }
        let read = stream.read_buf(&mut request).await.expect("a request");
        assert!(read > 0, "the request broke off: {text}");
    }
}

fn post(address: SocketAddr) -> Request {
    to(&format!("http://{address}/token?query-canary"))
}

fn to(url: &str) -> Request {
    http::Request::post(url).body(Secret::from("refresh_token=body-canary".to_owned())).expect("a request")
}

fn plain() -> Http {
    Http::new(None).expect("no proxy")
}

async fn sent(address: SocketAddr, timeout: Duration) -> Sent {
    plain().send(post(address), timeout).await
}

/// How far it got, in a word, and why; no reason may hold the query or the body.
fn fault(sent: Sent) -> (&'static str, String) {
    let (word, why) = match sent {
        Ok(response) => panic!("answered with {}", response.status()),
        Err(Fault::NotSent { why, certificate: false }) => ("not sent", why),
        Err(Fault::NotSent { why, certificate: true }) => ("certificate", why),
        Err(Fault::Lost { why }) => ("lost", why),
        Err(Fault::Broken { why, .. }) => ("broken", why),
    };
    assert!(!why.contains("canary"), "{why}");
    assert!(why.contains("127.0.0.1") || why.contains(".invalid") || why.contains(".example"), "names the host: {why}");
    (word, why)
}

fn broken(sent: Sent) -> (u16, Secret) {
    match sent {
        Err(Fault::Broken { status, partial, .. }) => (status.as_u16(), partial),
        other => {
            panic!("{:?}", other.map(|response| response.status()).map_err(|fault| matches!(fault, Fault::Lost { .. })))
        }
    }
}

#[tokio::test]
async fn a_whole_answer_arrives_as_it_was_sent() {
    let (address, task) = server(|mut stream, request| async move {
        stream.write_all(ANSWER.as_bytes()).await.expect("written");
        // The connection is not kept for the next exchange: the sender closes it.
        assert_eq!(stream.read(&mut [0; 1]).await.expect("closed"), 0);
        request
    })
    .await;
    let response = sent(address, PLENTY).await.unwrap_or_else(|fault| panic!("{}", fault_text(&fault)));
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.body().same_as(b"{}"));

    let request = task.await.expect("served");
    assert!(request.starts_with("POST /token?query-canary HTTP/1.1\r\n"), "{request}");
    assert!(request.ends_with("\r\n\r\nrefresh_token=body-canary"), "{request}");
    let head = request.to_ascii_lowercase();
    assert!(head.contains("\r\nuser-agent: tokenkeeper/"), "{request}");
    for absent in ["cookie", "accept-encoding", "referer"] {
        assert!(!head.contains(&format!("\r\n{absent}:")), "{request}");
    }
}

fn fault_text(fault: &Fault) -> &str {
    match fault {
        Fault::NotSent { why, .. } | Fault::Lost { why } | Fault::Broken { why, .. } => why,
    }
}

/// S20: connections are closed after the answer, and the end is the body's.
#[tokio::test]
async fn a_body_without_a_length_ends_with_the_connection() {
    let response = sent(says("HTTP/1.1 200 OK\r\n\r\n{\"a\":1}").await, PLENTY).await;
    assert!(response.is_ok_and(|response| response.body().same_as(b"{\"a\":1}")));
    let response = sent(says("HTTP/1.1 204 No Content\r\n\r\n").await, PLENTY).await;
    assert!(response.is_ok_and(|response| response.body().is_empty()));
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_not_followed() {
    let answer = "HTTP/1.1 307 T\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let response = sent(says(answer).await, PLENTY).await;
    assert!(response.is_ok_and(|response| response.status() == 307));
}

#[tokio::test]
async fn without_a_connection_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    drop(listener);
    let (word, why) = fault(sent(address, PLENTY).await);
    assert_eq!(word, "not sent", "{why}");
}

#[tokio::test]
async fn a_name_that_is_none_was_never_asked() {
    let (word, why) = fault(plain().send(to("http://tokenkeeper.invalid/token"), PLENTY).await);
    assert_eq!(word, "not sent");
    assert!(why.contains("could not be resolved"), "{why}");
}

#[tokio::test]
async fn closed_before_the_answer_is_lost() {
    let (address, _) = server(|stream, _| async move { drop(stream) }).await;
    assert_eq!(fault(sent(address, PLENTY).await).0, "lost");
}

#[tokio::test]
async fn reset_after_the_request_is_lost() {
    let (address, _) = server(|stream, _| async move {
        stream.set_zero_linger().expect("a reset at close");
        drop(stream);
    })
    .await;
    assert_eq!(fault(sent(address, PLENTY).await).0, "lost");
}

#[tokio::test]
async fn reset_before_the_request_was_read_is_lost_too() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.expect("a connection");
        stream.set_zero_linger().expect("a reset at close");
    });
    assert_eq!(fault(sent(address, PLENTY).await).0, "lost", "the server may have read more than it let on");
}

#[tokio::test]
async fn half_a_head_is_lost() {
    assert_eq!(fault(sent(says("HTTP/1.1 200 OK\r\nContent-Le").await, PLENTY).await).0, "lost");
    assert_eq!(fault(sent(says("this is not HTTP\r\n\r\n").await, PLENTY).await).0, "lost");
}

#[tokio::test]
async fn half_a_body_is_broken_and_kept() {
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{\"refresh_token\":\"rt-1\",";
    let (status, partial) = broken(sent(says(answer).await, PLENTY).await);
    assert_eq!(status, 200);
    assert!(partial.same_as(b"{\"refresh_token\":\"rt-1\","));

    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{\"ref\r\n";
    assert!(broken(sent(says(chunked).await, PLENTY).await).1.same_as(b"{\"ref"));
}

#[tokio::test]
async fn a_body_beyond_the_bound_is_broken() {
    let mut answer = b"HTTP/1.1 200 OK\r\nContent-Length: 3000000\r\n\r\n".to_vec();
    answer.resize(answer.len() + 3_000_000, b'x');
    // The server cannot write it all: the sender hangs up.
    let (address, _) = server(|mut stream, _| async move { stream.write_all(&answer).await.is_ok() }).await;
    let (status, partial) = broken(sent(address, PLENTY).await);
    assert_eq!(status, 200);
    assert!(partial.len() <= 1024 * 1024 && partial.len() > 500_000, "{}", partial.len());

    let mut fitting = b"HTTP/1.1 200 OK\r\nContent-Length: 1048576\r\n\r\n".to_vec();
    fitting.resize(fitting.len() + 1_048_576, b'x');
    assert!(sent(says(fitting).await, PLENTY).await.is_ok_and(|response| response.body().len() == 1_048_576));
}

#[tokio::test]
async fn a_server_that_never_answers_is_lost_at_the_deadline() {
    let (address, task) = server(|mut stream, _| async move { stream.read(&mut [0; 1]).await.expect("closed") }).await;
    let (word, why) = fault(sent(address, SHORT).await);
    assert_eq!(word, "lost", "{why}");
    assert_eq!(task.await.expect("hung up on"), 0);
}

#[tokio::test]
async fn a_body_that_never_ends_is_broken_at_the_deadline() {
    let (address, task) = server(|mut stream, _| async move {
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{").await.expect("written");
        stream.read(&mut [0; 1]).await.expect("closed")
    })
    .await;
    assert!(broken(sent(address, SHORT).await).1.same_as(b"{"));
    assert_eq!(task.await.expect("hung up on"), 0);
}

#[tokio::test]
async fn whoever_gives_up_leaves_no_connection_behind() {
    let (arrived, arrival) = tokio::sync::oneshot::channel();
    let (address, task) = server(|mut stream, _| async move {
        arrived.send(()).expect("awaited");
        stream.read(&mut [0; 1]).await.expect("closed")
    })
    .await;
    let exchange = tokio::spawn(async move { plain().send(post(address), PLENTY).await.is_ok() });
    arrival.await.expect("the request arrives");
    exchange.abort();
    let closed = tokio::time::timeout(PLENTY / 2, task).await.expect("the connection does not stand");
    assert_eq!(closed.expect("served"), 0);
}

/// A TLS server for one connection with a certificate of `testdata`; it answers if the handshake succeeds.
fn tls_server(certificate: &str) -> SocketAddr {
    let data = testdata();
    let chain = vec![CertificateDer::from_pem_file(data.join(certificate)).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(data.join("server.key")).expect("a key");
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let config = Arc::new(config.with_no_client_auth().with_single_cert(chain, key).expect("a pair"));
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (stream, _) = listener.accept().expect("a connection");
        let mut tls = StreamOwned::new(ServerConnection::new(config).expect("a connection"), stream);
        let mut request = [0; 4096];
        // A client that refuses the certificate ends the handshake here.
        if tls.read(&mut request).is_ok_and(|read| read > 0) {
            let _ = tls.write_all(ANSWER.as_bytes());
            let _ = tls.flush();
        }
    });
    address
}

fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/testdata")
}

fn trusting_the_root() -> Http {
    Http::trusting(None, [testdata().join("root.pem")].into()).expect("no proxy")
}

async fn over_tls(http: &Http, address: SocketAddr) -> Sent {
    http.send(to(&format!("https://{address}/token?query-canary")), PLENTY).await
}

#[tokio::test]
async fn a_trusted_certificate_is_taken_and_any_other_shown() {
    let http = trusting_the_root();
    assert!(over_tls(&http, tls_server("right.pem")).await.is_ok());
    let (word, why) = fault(over_tls(&http, tls_server("other-host.pem")).await);
    assert_eq!(word, "certificate", "{why}");
    assert!(over_tls(&http, tls_server("right.pem")).await.is_ok(), "and goes on");
}

/// Run by itself, and by the next test under a hostile environment.
#[tokio::test]
async fn a_certificate_the_system_does_not_know_is_refused() {
    let (word, why) = fault(over_tls(&plain(), tls_server("right.pem")).await);
    let system_has_roots = roots::PLACES.iter().any(|place| Path::new(place).exists());
    assert_eq!(word, if system_has_roots { "certificate" } else { "not sent" }, "{why}");
    assert!(sent(says(ANSWER).await, PLENTY).await.is_ok(), "and plain http on loopback goes to the server itself");
}

#[test]
fn the_environment_chooses_neither_roots_nor_proxy() {
    let test = "http::tests::a_certificate_the_system_does_not_know_is_refused";
    let mut command = std::process::Command::new(std::env::current_exe().expect("this test"));
    command.args(["--exact", test]).env("SSL_CERT_FILE", testdata().join("root.pem")).env("SSL_CERT_DIR", testdata());
    for name in ["http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:1");
    }
    let output = command.env_remove("no_proxy").output().expect("the test runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn without_roots_nothing_is_sent_and_the_places_are_named() {
    let http = Http::trusting(None, [PathBuf::from("/nonexistent/roots.pem")].into()).expect("no proxy");
    let (word, why) = fault(over_tls(&http, "127.0.0.1:1".parse().expect("an address")).await);
    assert_eq!(word, "not sent");
    assert!(why.contains("/nonexistent/roots.pem"), "{why}");
}

#[tokio::test]
async fn a_handshake_that_hangs_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let held = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        // Reads the hello, says nothing, until the client hangs up.
        while stream.read(&mut [0; 4096]).await.is_ok_and(|read| read > 0) {}
    });
    let http = trusting_the_root();
    let sent = http.send(to(&format!("https://{address}/token")), SHORT).await;
    assert_eq!(fault(sent).0, "not sent", "it would look like a lost answer, and cost the login");
    held.await.expect("hung up on");
}

#[tokio::test]
async fn the_configured_proxy_is_asked_except_for_loopback() {
    let (proxy, task) = server(|mut stream, request| async move {
        stream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n").await.expect("written");
        request
    })
    .await;
    let http = Http::trusting(Some(&format!("http://{proxy}")), [testdata().join("root.pem")].into()).expect("a proxy");
    let (word, why) = fault(http.send(to("https://as.example/token?query-canary"), PLENTY).await);
    assert_eq!(word, "not sent", "{why}");
    let request = task.await.expect("asked");
    assert!(request.starts_with("CONNECT as.example:443 HTTP/1.1\r\n"), "{request}");
    assert!(!request.contains("canary"), "{request}");
    assert!(http.send(post(says(ANSWER).await), PLENTY).await.is_ok(), "loopback goes straight");
}

#[test]
fn a_proxy_that_is_no_address_is_an_error() {
    for address in ["", "proxy", "socks5://127.0.0.1:1", "http://"] {
        assert!(Http::new(Some(address)).is_err(), "{address}");
    }
}
