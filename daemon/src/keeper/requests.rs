//! Interactions in progress: logins, unlocks, slots and secrets that wait for a person. Each has one published view,
//! written here and nowhere else.

use std::collections::{BTreeMap, HashMap};

use tokenkeeper_config::{AccountName, Value};
use tokio::sync::watch;

use super::message::Reply;
use super::view::{Begun, RequestState, RequestView};
use crate::account::{Denied, RequestId};
use crate::time::Boot;
use crate::vault::SlotKind;

/// All open requests.
#[derive(Default)]
pub(super) struct Requests(HashMap<RequestId, Request>);

/// One open request.
pub(super) struct Request {
    pub(super) kind: Kind,
    view: watch::Sender<RequestView>,
    /// When it fails by itself.
    expires: Option<Boot>,
}

/// What a request is about.
pub(super) enum Kind {
    Login(Login),
    Unlock,
    AddSlot(SlotKind),
    Rekey,
    Secret { account: AccountName },
    Registration { definition: BTreeMap<String, Value> },
}

/// A login between its beginning and its end.
pub(super) struct Login {
    pub(super) account: AccountName,
    /// Who waits for the address.
    pub(super) begun: Option<Reply<Begun>>,
}

impl Requests {
    /// Opens a request.
    pub(super) fn open(&mut self, kind: Kind, wants: Vec<&'static str>, expires: Option<(Boot, u64)>) -> Begun {
        let id = RequestId(u128::from_ne_bytes(super::random::bytes()));
        let pending = RequestView {
            state: RequestState::Pending,
            wants,
            uri: String::new(),
            user_code: String::new(),
            verification_uri: String::new(),
            expires_at: expires.map_or(0, |(_, unix)| unix),
        };
        let (view, watched) = watch::channel(pending);
        self.0.insert(id, Request { kind, view, expires: expires.map(|(boot, _)| boot) });
        Begun { id, view: watched }
    }

    pub(super) fn find(&mut self, id: RequestId) -> Option<&mut Request> {
        self.0.get_mut(&id)
    }

    /// Ends a request; whoever watches sees how.
    pub(super) fn end(&mut self, id: RequestId, state: RequestState) {
        let Some(request) = self.0.remove(&id) else { return };
        request.view.send_modify(|view| {
            view.wants.clear();
            view.state = state.clone();
        });
        // A login that ends before it has an address is an error of the call itself.
        if let Kind::Login(Login { begun: Some(reply), .. }) = request.kind {
            let denied = match state {
                RequestState::Failed(denied) => denied,
                RequestState::Cancelled | RequestState::Pending => Denied::Cancelled,
                RequestState::Done(_) => {
                    let _ = reply.send(Ok(Begun { id, view: request.view.subscribe() }));
                    return;
                }
            };
            let _ = reply.send(Err(denied));
        }
    }

    /// The first instant at which a request fails by itself.
    pub(super) fn deadline(&self) -> Option<Boot> {
        self.0.values().filter_map(|request| request.expires).min()
    }

    /// The requests whose time is over.
    pub(super) fn overdue(&self, now: Boot) -> Vec<RequestId> {
        let over = |request: &Request| request.expires.is_some_and(|at| at <= now);
        self.0.iter().filter(|(_, request)| over(request)).map(|(id, _)| *id).collect()
    }

    /// The requests that wait for the vault to open.
    pub(super) fn unlocks(&self) -> Vec<RequestId> {
        self.0.iter().filter(|(_, request)| matches!(request.kind, Kind::Unlock)).map(|(id, _)| *id).collect()
    }
}

impl Request {
    /// Publishes a change and answers the login call that waited for it.
    pub(super) fn publish(&mut self, id: RequestId, change: impl FnOnce(&mut RequestView)) {
        self.view.send_modify(change);
        if let Kind::Login(login) = &mut self.kind
            && let Some(reply) = login.begun.take()
        {
            let _ = reply.send(Ok(Begun { id, view: self.view.subscribe() }));
        }
    }

    /// For whoever works for it, and has to know when it ends.
    pub(super) fn watch(&self) -> watch::Receiver<RequestView> {
        self.view.subscribe()
    }

    /// What it waits for.
    pub(super) fn wants(&self, key: &str) -> bool {
        self.view.borrow().wants.contains(&key)
    }
}
