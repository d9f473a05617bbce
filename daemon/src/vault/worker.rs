//! The vault's thread: one OS thread owns the file, because a sync of 50 ms on the runtime's thread would make
//! everybody wait for 50 ms. Its queue is bounded; commits that wait together become durable together.

use std::collections::BTreeSet;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use super::commit::{Committed, Pending};
use super::error::{CommitFailed, Refused};
use super::store::Store;

/// How many calls may wait.
const QUEUE: usize = 1024;
/// How many commits are made durable by one sync. Sixteen small ones fill a quarter of the log.
const GROUP: usize = 16;
/// After this much quiet the thread looks whether there is something to tidy.
const QUIET: Duration = Duration::from_secs(5);

/// Hands work to the thread. Cheap to clone.
#[derive(Clone)]
pub(super) struct Worker {
    queue: mpsc::Sender<(OwnedSemaphorePermit, Work)>,
    room: Arc<Semaphore>,
}

enum Work {
    Commit(Box<Pending>, oneshot::Sender<Committed>),
    Call(Box<dyn FnOnce(&mut Store) + Send>),
    Close(oneshot::Sender<()>),
}

impl Worker {
    /// Moves the store to a thread of its own.
    pub(super) fn start(store: Store) -> std::io::Result<Self> {
        let (queue, inbox) = mpsc::channel();
        let room = Arc::new(Semaphore::new(QUEUE));
        let shared = Arc::clone(&room);
        thread::Builder::new().name("vault".into()).spawn(move || run(store, &inbox, &shared))?;
        Ok(Self { queue, room })
    }

    /// Runs `work` on the thread.
    pub(super) async fn call<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> T + Send + 'static,
    ) -> Result<T, Refused> {
        let (reply, answer) = oneshot::channel();
        let work = Work::Call(Box::new(move |store| drop(reply.send(work(store)))));
        self.send(work).await.map_err(|_| Refused::Closed)?;
        answer.await.map_err(|_| Refused::Closed)
    }

    /// Commits, together with whatever else waits.
    pub(super) async fn commit(&self, pending: Pending) -> Committed {
        let (reply, answer) = oneshot::channel();
        if let Err(work) = self.send(Work::Commit(Box::new(pending), reply)).await {
            refuse(work);
        }
        answer.await.expect("every commit is answered, if only with a refusal")
    }

    /// Ends the thread after everything that waits; the file is closed and unlocked when this returns.
    pub(super) async fn close(&self) {
        let (reply, closed) = oneshot::channel();
        if self.send(Work::Close(reply)).await.is_ok() {
            let _ = closed.await;
        }
    }

    async fn send(&self, work: Work) -> Result<(), Work> {
        let Ok(permit) = Arc::clone(&self.room).acquire_owned().await else { return Err(work) };
        self.queue.send((permit, work)).map_err(|refused| refused.0.1)
    }
}

fn run(mut store: Store, inbox: &mpsc::Receiver<(OwnedSemaphorePermit, Work)>, room: &Semaphore) {
    let mut next = None;
    loop {
        let work = match next.take().map_or_else(|| inbox.recv_timeout(QUIET), Ok) {
            Ok((_, work)) => work,
            Err(mpsc::RecvTimeoutError::Timeout) => {
                store.tidy();
                store.back_up_if_due();
                continue;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => return,
        };
        match work {
            Work::Call(work) => work(&mut store),
            Work::Commit(pending, reply) => {
                next = commit(&mut store, inbox, (*pending, reply));
                store.tidy();
                store.back_up_if_late();
            }
            Work::Close(reply) => {
                // The runtime directory may end with the session: what is in the sinks goes home now if it can.
                store.tidy();
                drop(store);
                room.close();
                while room.available_permits() < QUEUE {
                    if let Ok((_permit, work)) = inbox.recv_timeout(QUIET) {
                        refuse(work);
                    }
                }
                let _ = reply.send(());
                return;
            }
        }
    }
}

/// Commits this and what waits behind it, as long as it is of other accounts. Gives back what was taken from the queue
/// and is not part of the group.
fn commit(
    store: &mut Store,
    inbox: &mpsc::Receiver<(OwnedSemaphorePermit, Work)>,
    first: (Pending, oneshot::Sender<Committed>),
) -> Option<(OwnedSemaphorePermit, Work)> {
    let mut accounts = BTreeSet::from([first.0.account.clone()]);
    let (mut group, mut replies) = (vec![first.0], vec![first.1]);
    let mut next = None;
    while group.len() < GROUP {
        match inbox.try_recv() {
            Ok((_permit, Work::Commit(pending, reply))) if accounts.insert(pending.account.clone()) => {
                group.push(*pending);
                replies.push(reply);
            }
            Ok(other) => {
                next = Some(other);
                break;
            }
            Err(_) => break,
        }
    }
    for (reply, committed) in replies.into_iter().zip(store.commit(group)) {
        // A caller that is gone is a keeper that is ending; the commit stands.
        drop(reply.send(committed));
    }
    next
}

/// Answers work that came too late. A call and a close notice that their answer is dropped.
fn refuse(work: Work) {
    if let Work::Commit(pending, reply) = work {
        let failed = CommitFailed { change: Box::new(pending.change), why: Refused::Closed.to_string() };
        drop(reply.send(Err(failed)));
    }
}
