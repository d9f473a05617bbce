//! The connection under the HTTP server: cuts an answer at a chosen byte with a reset, and tells the ledger when the
//! last byte of one went out. Works on plain text, above TLS.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Where to cut an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// Not one byte of it goes out.
    AtOnce,
    /// So many bytes after the header's end.
    AfterHead(usize),
}

/// What becomes of the answer that is about to be written.
#[derive(Default)]
struct Plan {
    cut: Option<Cut>,
    watched: Option<Watched>,
    head: Vec<u8>,
    head_ended: bool,
    body_sent: usize,
}

struct Watched {
    body: usize,
    done: Box<dyn FnOnce(Ended) + Send>,
}

/// How an answer ended.
#[derive(Debug, Clone, Copy)]
pub(super) enum Ended {
    /// The last byte went out.
    Whole,
    /// Cut on purpose after so many bytes.
    CutAfter(usize),
}

/// A handle on the connection that a request came by.
#[derive(Clone)]
pub(super) struct Plug(Arc<Mutex<Plan>>);

impl Plug {
    /// Plans the end of the answer that the handler is about to return.
    pub(super) fn plan(&self, cut: Option<Cut>, body: usize, done: impl FnOnce(Ended) + Send + 'static) {
        let mut plan = self.0.lock().expect("no holder panics");
        *plan = Plan { cut, watched: Some(Watched { body, done: Box::new(done) }), ..Plan::default() };
    }
}

impl Plan {
    /// How many of these bytes may go out.
    fn allowed(&mut self, bytes: &[u8]) -> usize {
        match self.cut {
            None => bytes.len(),
            Some(Cut::AtOnce) => 0,
            Some(Cut::AfterHead(limit)) => {
                let body_starts = if self.head_ended { 0 } else { head_end(&self.head, bytes).unwrap_or(bytes.len()) };
                bytes.len().min(body_starts + limit.saturating_sub(self.body_sent))
            }
        }
    }

    fn wrote(&mut self, bytes: &[u8]) {
        if self.watched.is_none() {
            return;
        }
        let body = if self.head_ended {
            bytes.len()
        } else {
            let end = head_end(&self.head, bytes);
            self.head.extend_from_slice(bytes);
            self.head_ended = end.is_some();
            end.map_or(0, |end| bytes.len() - end)
        };
        self.body_sent += body;
        let whole = self.head_ended && self.watched.as_ref().is_some_and(|watched| self.body_sent >= watched.body);
        if whole && self.cut.is_none() {
            self.end(Ended::Whole);
        }
    }

    fn end(&mut self, how: Ended) {
        if let Some(watched) = self.watched.take() {
            (watched.done)(how);
        }
    }
}

/// Where in `next` the body starts, given what went before.
fn head_end(before: &[u8], next: &[u8]) -> Option<usize> {
    let mut both = before.to_vec();
    both.extend_from_slice(next);
    let end = both.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    Some(end.saturating_sub(before.len()))
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

/// One connection.
pub(super) struct Wire {
    stream: Stream,
    plan: Arc<Mutex<Plan>>,
}

impl Wire {
    fn reset(&mut self) -> io::Error {
        let tcp = match &self.stream {
            Stream::Plain(tcp) => tcp,
            Stream::Tls(tls) => tls.get_ref().0,
        };
        // Zero linger makes the close a reset, as a dying middlebox sends it.
        let _ = rustix::net::sockopt::set_socket_linger(tcp, Some(std::time::Duration::ZERO));
        io::Error::new(io::ErrorKind::ConnectionReset, "cut on purpose")
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_read(cx, buf),
            Stream::Tls(tls) => Pin::new(tls).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let plan = Arc::clone(&self.plan);
        let mut plan = plan.lock().expect("no holder panics");
        let allowed = plan.allowed(bytes);
        if allowed == 0 && !bytes.is_empty() {
            let after = plan.head.len() + plan.body_sent;
            plan.end(Ended::CutAfter(after));
            return Poll::Ready(Err(self.reset()));
        }
        let written = match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_write(cx, &bytes[..allowed]),
            Stream::Tls(tls) => Pin::new(tls).poll_write(cx, &bytes[..allowed]),
        };
        if let Poll::Ready(Ok(count)) = written {
            plan.wrote(&bytes[..count]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_flush(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.stream {
            Stream::Plain(tcp) => Pin::new(tcp).poll_shutdown(cx),
            Stream::Tls(tls) => Pin::new(tls).poll_shutdown(cx),
        }
    }
}

/// Accepts connections, with TLS or without.
pub(super) struct Door {
    pub(super) tcp: TcpListener,
    pub(super) tls: Option<TlsAcceptor>,
}

impl Listener for Door {
    type Io = Wire;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Wire, SocketAddr) {
        loop {
            let (tcp, from) = Listener::accept(&mut self.tcp).await;
            let stream = match &self.tls {
                None => Stream::Plain(tcp),
                Some(tls) => match tls.accept(tcp).await {
                    Ok(tls) => Stream::Tls(Box::new(tls)),
                    Err(_) => continue,
                },
            };
            return (Wire { stream, plan: Arc::default() }, from);
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }
}

impl Connected<IncomingStream<'_, Door>> for Plug {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        Self(Arc::clone(&stream.io().plan))
    }
}
