//! The listener over real sockets.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use super::*;

type Query = Vec<(String, Secret)>;

struct Login {
    authority: String,
    callback: oneshot::Receiver<Query>,
    page: oneshot::Sender<Page>,
    serving: tokio::task::JoinHandle<()>,
}

async fn login() -> Login {
    let redirect = Redirect { host: "127.0.0.1".into(), ports: Vec::new(), path: None };
    let listener = Listener::bind(&redirect, "cb").await.expect("a port");
    let authority = listener.site.authority.clone();
    let (callback_sent, callback) = oneshot::channel();
    let (page, page_given) = oneshot::channel();
    Login { authority, callback, page, serving: tokio::spawn(listener.serve(callback_sent, page_given)) }
}

impl Login {
    async fn send(&self, request: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.authority).await.expect("it listens");
        stream.write_all(request.as_bytes()).await.expect("it reads");
        stream
    }

    async fn open(&self, target: &str) -> TcpStream {
        self.send(&format!("GET {target} HTTP/1.1\r\nHost: {}\r\n\r\n", self.authority)).await
    }

    fn stored(&self) -> Page {
        Page::Stored { account: "work".into(), subject: None, issuer: "https://sso.acme.example".into() }
    }
}

async fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).await.expect("a whole answer");
    text
}

#[tokio::test]
async fn the_browser_waits_for_the_page_and_the_listener_ends() {
    let mut login = login().await;
    let browser = login.open("/cb?code=abc&state=xyz").await;
    let query = (&mut login.callback).await.expect("the callback");
    assert!(query[0].0 == "code" && query[0].1.same_as(b"abc"));
    assert!(query[1].0 == "state" && query[1].1.same_as(b"xyz"));
    let page = login.stored();
    login.page.send(page).expect("it waits for the page");
    let answer = answer(browser).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(!answer.contains("abc") && !answer.contains("xyz"), "nothing is reflected");
    login.serving.await.expect("it ends by itself");
    assert!(TcpStream::connect(&login.authority).await.is_err(), "the port is closed");
}

#[tokio::test]
async fn every_answer_carries_the_careful_headers() {
    let login = login().await;
    for target in ["/", "/cb/x", "/favicon.ico"] {
        let answer = answer(login.open(target).await).await;
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{answer}");
        for header in [
            "Cache-Control: no-store\r\n",
            "Referrer-Policy: no-referrer\r\n",
            "X-Content-Type-Options: nosniff\r\n",
            "Connection: close\r\n",
            "Content-Security-Policy: default-src 'none'; style-src 'sha256-",
        ] {
            assert!(answer.contains(header), "{header}");
        }
        assert!(!answer.contains("access-control"), "no other origin may read it");
    }
}

/// A8: the second gets 410, the first its page.
#[tokio::test]
async fn a_second_hit_on_the_callback_is_gone_and_reaches_nobody() {
    let mut login = login().await;
    let browser = login.open("/cb?code=1&state=1").await;
    (&mut login.callback).await.expect("the first hit");
    let second = answer(login.open("/cb?code=2&state=2").await).await;
    assert!(second.starts_with("HTTP/1.1 410 Gone\r\n") && second.contains("used already"), "{second}");
    let page = login.stored();
    login.page.send(page).expect("it still waits");
    assert!(answer(browser).await.contains("You are signed in"), "the first browser gets its page");
}

#[tokio::test]
async fn silent_connections_keep_nobody_waiting() {
    let mut login = login().await;
    let mut silent = Vec::new();
    for _ in 0..3 * AT_ONCE {
        silent.push(TcpStream::connect(&login.authority).await.expect("a connection"));
    }
    let _browser = login.open("/cb?code=1").await;
    let query = timeout(PATIENCE / 2, &mut login.callback).await.expect("at once").expect("the callback");
    assert_eq!(query.len(), 1);
}

#[tokio::test]
async fn a_failed_login_is_no_success_to_a_script() {
    let mut login = login().await;
    let browser = login.open("/cb?error=access_denied").await;
    (&mut login.callback).await.expect("the callback");
    let failed = Page::Failed { account: "work".into(), what: "you said no".into(), remedy: "say yes".into() };
    login.page.send(failed).expect("it waits");
    let answer = answer(browser).await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("You said no"), "{answer}");
}

#[tokio::test]
async fn a_login_that_is_given_up_ends_the_listener_and_tells_the_browser() {
    let mut login = login().await;
    let browser = login.open("/cb?code=1").await;
    (&mut login.callback).await.expect("the callback");
    drop(login.page);
    assert!(answer(browser).await.contains("was given up"));
    login.serving.await.expect("it ends");
}

#[tokio::test]
async fn a_login_that_is_given_up_before_the_browser_came_ends_the_listener() {
    let login = login().await;
    drop((login.page, login.callback));
    login.serving.await.expect("it ends");
}

#[tokio::test]
async fn a_body_does_not_cost_the_sender_its_answer() {
    let login = login().await;
    let body = "x".repeat(100_000);
    let head = format!("POST /cb HTTP/1.1\r\nHost: {}\r\nContent-Length: {}\r\n\r\n", login.authority, body.len());
    let answer = answer(login.send(&(head + &body)).await).await;
    assert!(answer.starts_with("HTTP/1.1 405 Method Not Allowed\r\n") && answer.contains("Allow: GET\r\n"), "{answer}");
}

#[tokio::test]
async fn the_redirect_uri_is_the_bound_address() {
    let redirect = Redirect { host: "[::1]".into(), ports: Vec::new(), path: None };
    let Ok(listener) = Listener::bind(&redirect, "/cb").await else {
        return; // a machine without IPv6 and without IPv4 loopback
    };
    assert_eq!(listener.redirect_uri(), format!("http://{}/cb", listener.site.authority));
}
