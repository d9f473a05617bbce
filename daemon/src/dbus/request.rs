//! `org.tokenkeeper.Keeper1.Request`: interactions in progress. A request answers its creator only and ends with the
//! creator's connection.

mod input;

use std::collections::HashMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokenkeeper::wire::{REQUEST_INTERFACE, key};
use tokio::sync::watch;
use zbus::names::UniqueName;
use zbus::{Message, ObjectPath, Variant};

use super::fault::Fault;
use super::object::{account_path, request_path};
use super::root;
use super::serve::{Call, Face};
use super::signals;
use crate::account::{Denied, RequestId};
use crate::keeper::{Begun, Handle, Outcome, RequestState, RequestView};

/// How long the end of a request is remembered for a creator that stays connected.
const REMEMBERED: Duration = Duration::from_secs(600);

/// The requests in progress.
#[derive(Default)]
pub(super) struct Requests(Mutex<HashMap<RequestId, Arc<Held>>>);

/// One of them.
pub(super) struct Held {
    creator: Option<String>,
    pub(super) view: watch::Receiver<RequestView>,
    /// What was wrong with the last input, until the next.
    trouble: watch::Sender<Option<Fault>>,
    /// Whether an input is being read.
    reading: AtomicBool,
}

impl Requests {
    /// The request, if it is there and `sender` created it.
    pub(super) fn find(&self, id: RequestId, sender: Option<&str>) -> Option<Arc<Held>> {
        self.lock().get(&id).filter(|held| held.creator.as_deref() == sender).cloned()
    }

    /// Gives up what this caller began.
    pub(super) fn creator_left(&self, keeper: &Handle, creator: &str) {
        let mut held = self.lock();
        let left = held.extract_if(|_, held| held.creator.as_deref() == Some(creator));
        for (id, _) in left {
            let keeper = keeper.clone();
            tokio::spawn(async move { drop(keeper.cancel(id).await) });
        }
    }

    /// No change to the map is more than one step, so a panic elsewhere leaves it whole.
    fn lock(&self) -> MutexGuard<'_, HashMap<RequestId, Arc<Held>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Face {
    /// Publishes a request to the caller who made it.
    pub(super) fn begin_request(self: &Arc<Self>, call: &Call<'_>, begun: Begun) -> ObjectPath<'static> {
        let held = Arc::new(Held {
            creator: call.sender.map(str::to_owned),
            view: begun.view,
            trouble: watch::Sender::new(None),
            reading: AtomicBool::new(false),
        });
        self.requests.lock().insert(begun.id, held.clone());
        tokio::spawn(self.clone().follow(begun.id, held));
        ObjectPath::try_from(request_path(begun.id)).expect("hexadecimal digits make a path element")
    }

    /// Tells the creator of changes, and forgets the request some time after the keeper did.
    async fn follow(self: Arc<Self>, id: RequestId, held: Arc<Held>) {
        if let Some(creator) = &held.creator
            && self.has_left(creator).await
        {
            // It left before the request was in the table, so nobody cancelled it.
            self.requests.creator_left(&self.keeper, creator);
            return;
        }
        let mut view = held.view.clone();
        let mut told = view.borrow_and_update().clone();
        while view.changed().await.is_ok() {
            let now = view.borrow_and_update().clone();
            signals::request_changed(&self.connection, id, held.creator.as_deref(), &told, &now).await;
            told = now;
        }
        if !matches!(told.state, RequestState::Pending) {
            // How it ended can be asked for some time: there is no signal of the end that a caller could have missed.
            tokio::time::sleep(REMEMBERED).await;
        }
        self.requests.lock().remove(&id);
    }

    async fn has_left(&self, creator: &str) -> bool {
        let Ok(name) = UniqueName::try_from(creator) else { return false };
        let bus = Some("org.freedesktop.DBus");
        let answer = self.connection.call_method(bus, "/org/freedesktop/DBus", bus, "NameHasOwner", &name).await;
        answer.is_ok_and(|answer| answer.body().deserialize() == Ok(false))
    }
}

pub(super) async fn call(face: &Arc<Face>, call: &Call<'_>, id: RequestId) -> Result<Message, Fault> {
    let held = face.requests.find(id, call.sender).ok_or_else(|| Fault::no_object(&request_path(id)))?;
    match call.member {
        "Wait" => {
            call.arguments::<()>("")?;
            call.answer(&wait(&held).await?)
        }
        "Input" => {
            call.arguments::<()>("")?;
            let writer = input::open(face, id, held)?;
            call.answer(&zbus::Fd::from(writer))
        }
        "Cancel" => {
            call.arguments::<()>("")?;
            face.keeper.cancel(id).await?;
            call.answer(&())
        }
        other => Err(Fault::no_method(REQUEST_INTERFACE, other)),
    }
}

/// The results, when it has ended; or what is wrong with the input.
async fn wait(held: &Held) -> Result<HashMap<&'static str, Variant<'static>>, Fault> {
    let mut view = held.view.clone();
    let mut trouble = held.trouble.subscribe();
    loop {
        match &view.borrow_and_update().state {
            RequestState::Pending => {}
            RequestState::Done(Outcome { account, subject, enrolled }) => {
                let client = enrolled.as_deref().map(root::info).unwrap_or_default();
                let account = account.as_ref().map(|name| ObjectPath::try_from(account_path(name))).transpose()?;
                let account = account.map(|path| (key::result::ACCOUNT, Variant::from(path)));
                let subject = subject.clone().map(|subject| (key::result::SUBJECT, Variant::from(subject)));
                return Ok(account.into_iter().chain(subject).chain(client).collect());
            }
            RequestState::Failed(denied) => return Err(denied.clone().into()),
            RequestState::Cancelled => return Err(Denied::Cancelled.into()),
        }
        if let Some(fault) = &*trouble.borrow_and_update() {
            return Err(fault.clone());
        }
        tokio::select! {
            changed = view.changed() => changed.map_err(|_| Denied::ShuttingDown)?,
            _ = trouble.changed() => {}
        }
    }
}
