//! The loopback listener of one login (RFC 8252 §7.3): it waits for the browser to come back, hands the query to the
//! keeper once, and shows that browser the page the keeper decides on.
//!
//! It checks method, host and path and nothing else: state, issuer and code are the account's to judge. It reflects
//! nothing it was sent, and whoever connects and stays silent keeps nobody waiting.
//!
//! HTTP is read here, over `httparse`, and not by a server framework: the one buffer that ever holds the authorization
//! code is ours, bounded and wiped.

mod answer;
mod bind;
mod page;
mod request;

#[doc(hidden)]
pub use request::fuzzed;

use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use tokenkeeper_config::Redirect;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

use crate::account::Page;
use crate::secret::Secret;
use request::{Site, Verdict};

/// How long one connection may take to say what it wants, and again to take its answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that are listened to at once. One more ends the oldest: a browser speaks at once, so whoever has been
/// silent longest is the least likely to be it.
const AT_ONCE: usize = 16;

/// A bound listener that is not serving yet. Connections made before it serves wait in the kernel's queue.
pub struct Listener {
    sockets: Vec<TcpListener>,
    site: Site,
    redirect_uri: String,
}

impl Listener {
    /// Binds the redirect's ports in order, or any free port if it names none. `path` with or without its slash.
    ///
    /// # Errors
    /// A sentence for people with its remedy: every port is busy, or there is no loopback address.
    pub async fn bind(redirect: &Redirect, path: &str) -> Result<Self, String> {
        let bound = bind::bind(redirect).await?;
        let authority = format!("{}:{}", bound.host, bound.port);
        let path = format!("/{}", path.trim_start_matches('/'));
        let redirect_uri = format!("http://{authority}{path}");
        Ok(Self { sockets: bound.sockets, site: Site { authority, path }, redirect_uri })
    }

    /// The redirect URI to give to the server: the address that is really bound.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Serves until the page was shown. If the page's sender is dropped, a browser that waits is told that the login
    /// did not go on.
    ///
    /// The first hit on the callback is sent to `callback` as its decoded query, duplicates in order. Every further
    /// one is answered 410.
    pub async fn serve(self, callback: oneshot::Sender<Vec<(String, Secret)>>, page: oneshot::Receiver<Page>) {
        let mut callback = Some(callback);
        let mut browser = None;
        let mut talks = Talks::default();
        tokio::pin!(page);
        let page = loop {
            tokio::select! {
                biased;
                decided = &mut page => break decided.ok(),
                Some((stream, query)) = talks.next_callback() => match callback.take() {
                    Some(first) => {
                        browser = Some(stream);
                        // Nobody listens any more: then the page's sender is gone as well, and that ends the loop.
                        let _ = first.send(query);
                    }
                    None => talks.answer(stream, answer::used()),
                },
                accepted = self.accept() => match accepted {
                    Ok(stream) => talks.begin(stream, self.site.clone()),
                    // Out of descriptors: every talk ends by itself, so wait for one instead of spinning.
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                },
            }
        };
        // The port is free again before anybody reads the page.
        drop(self.sockets);
        if let Some(stream) = browser {
            let _ = timeout(PATIENCE, answer::send(stream, answer::page(page.as_ref()))).await;
        }
        talks.finish().await;
    }

    /// The next connection on any of the sockets.
    async fn accept(&self) -> io::Result<TcpStream> {
        poll_fn(|cx| {
            for socket in &self.sockets {
                if let Poll::Ready(accepted) = socket.poll_accept(cx) {
                    return Poll::Ready(accepted.map(|(stream, _)| stream));
                }
            }
            Poll::Pending
        })
        .await
    }
}

/// What came of a connection: the callback was hit, and the connection waits for its answer; or it is over.
type Talked = Option<(TcpStream, Vec<(String, Secret)>)>;

/// The connections under way, oldest first.
#[derive(Default)]
struct Talks {
    tasks: JoinSet<Talked>,
    ages: VecDeque<AbortHandle>,
}

impl Talks {
    fn begin(&mut self, stream: TcpStream, site: Site) {
        self.ages.retain(|talk| !talk.is_finished());
        if self.ages.len() >= AT_ONCE {
            self.ages.pop_front().inspect(AbortHandle::abort);
        }
        self.ages.push_back(self.tasks.spawn(async move { timeout(PATIENCE, listen_to(stream, &site)).await.ok()? }));
    }

    fn answer(&mut self, stream: TcpStream, bytes: Vec<u8>) {
        let sending = async move { timeout(PATIENCE, answer::send(stream, bytes)).await.map(|_| None).ok()? };
        self.ages.push_back(self.tasks.spawn(sending));
    }

    /// The next connection that hit the callback; `None` while there is no connection at all.
    async fn next_callback(&mut self) -> Talked {
        while let Some(talked) = self.tasks.join_next().await {
            if let Ok(Some(hit)) = talked {
                return Some(hit);
            }
        }
        None
    }

    /// Lets answers under way arrive; a connection that hits the callback only now is told it is too late.
    async fn finish(mut self) {
        while let Some((stream, _)) = self.next_callback().await {
            self.answer(stream, answer::used());
        }
    }
}

/// Reads one request and answers it, unless it is the callback.
async fn listen_to(mut stream: TcpStream, site: &Site) -> Talked {
    let refusal = match request::read(&mut stream, site).await {
        Ok(Verdict::Callback(query)) => return Some((stream, query)),
        Ok(Verdict::Refuse(refusal)) => refusal,
        Err(_) => return None,
    };
    let _ = answer::send(stream, answer::refusal(refusal)).await;
    None
}

#[cfg(test)]
mod tests;
