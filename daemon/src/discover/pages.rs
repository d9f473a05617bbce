//! A server for tests: it answers every path as it is told to, and notes what it was asked for.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// The paths, in the order they were asked for.
pub(super) type Asked = Arc<Mutex<Vec<String>>>;

/// Serves until the test ends. `answer` makes of a path and the server's origin a status, further header lines and a body.
pub(super) async fn serve(answer: impl Fn(&str, &str) -> (u16, String, String) + Send + 'static) -> (String, Asked) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let asked = Asked::default();
    let (own, log) = (origin.clone(), Arc::clone(&asked));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                assert!(stream.read_buf(&mut request).await.expect("a request") > 0);
            }
            let path = String::from_utf8_lossy(&request).split(' ').nth(1).expect("a path").to_owned();
            let (status, header, body) = answer(&path, &own);
            let head = format!("HTTP/1.1 {status} S\r\n{header}Content-Length: {}\r\n\r\n", body.len());
            log.lock().expect("the log").push(path);
            stream.write_all((head + &body).as_bytes()).await.expect("written");
        }
    });
    (origin, asked)
}
