//! Who waits for an answer. Every waiter gets exactly one.

use std::collections::HashMap;

use tokenkeeper_config::{AccountName, TokenFile};

use super::message::Reply;
use super::token_files;
use crate::account::{Denied, Served, WaiterId};

/// Where an answer goes.
pub(super) enum Waiting {
    Token(Reply<Served>),
    Refresh(Reply<u64>),
    Logout(Reply<()>),
    File { account: AccountName, file: TokenFile },
}

/// All who wait.
#[derive(Default)]
pub(super) struct Waiters {
    next: u64,
    waiting: HashMap<WaiterId, Waiting>,
}

impl Waiters {
    pub(super) fn add(&mut self, waiting: Waiting) -> WaiterId {
        self.next += 1;
        self.waiting.insert(WaiterId(self.next), waiting);
        WaiterId(self.next)
    }

    pub(super) fn serve(&mut self, waiter: WaiterId, served: Served) {
        match self.waiting.remove(&waiter) {
            Some(Waiting::Token(reply)) => drop(reply.send(Ok(served))),
            Some(Waiting::Refresh(reply)) => drop(reply.send(Ok(served.expires_at))),
            Some(Waiting::Logout(reply)) => drop(reply.send(Ok(()))),
            Some(Waiting::File { account, file }) => token_files::write(&account, &file, &served),
            None => {}
        }
    }

    pub(super) fn done(&mut self, waiter: WaiterId, expires_at: u64) {
        match self.waiting.remove(&waiter) {
            Some(Waiting::Refresh(reply)) => drop(reply.send(Ok(expires_at))),
            Some(Waiting::Logout(reply)) => drop(reply.send(Ok(()))),
            Some(Waiting::Token(reply)) => drop(reply.send(Err(Denied::Busy("ask again".into())))),
            Some(Waiting::File { .. }) | None => {}
        }
    }

    pub(super) fn deny(&mut self, waiter: WaiterId, denied: Denied) {
        match self.waiting.remove(&waiter) {
            Some(Waiting::Token(reply)) => drop(reply.send(Err(denied))),
            Some(Waiting::Refresh(reply)) => drop(reply.send(Err(denied))),
            Some(Waiting::Logout(reply)) => drop(reply.send(Err(denied))),
            Some(Waiting::File { account, file }) => {
                tracing::warn!(%account, "no token for {}: {denied}", file.path.display());
            }
            None => {}
        }
    }
}
