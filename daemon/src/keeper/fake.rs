//! A keeper for tests of the bus face: it says what its accounts' names promise, and notes down what it was asked.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tokenkeeper_config::{AccountName, KeeperSettings};
use tokio::sync::{mpsc, watch};

use super::handle::Handle;
use super::message::{Message, ProofWanted};
use super::registering::Enrolled;
use super::view::{Begun, Outcome, RequestState, RequestView, VaultView, View};
use crate::account::{Denied, RequestId, Served, State, Status};
use crate::secret::Secret;
use crate::vault::VaultState;

/// A fake keeper, and what a test may do to it.
pub(crate) struct Fake {
    pub(crate) handle: Handle,
    pub(crate) settings: watch::Sender<KeeperSettings>,
    view: watch::Sender<Arc<View>>,
    world: Arc<World>,
}

#[derive(Default)]
struct World {
    asked: Mutex<Vec<String>>,
    requests: Mutex<HashMap<RequestId, watch::Sender<RequestView>>>,
}

impl Fake {
    /// A keeper with these accounts, ready. One named `slow` never answers for its token; one named `ended` has to be
    /// signed in to; the tokens of all others are `token-of-NAME`.
    pub(crate) fn start(accounts: &[&str]) -> Self {
        let accounts = accounts.iter().map(|name| {
            let name: AccountName = name.parse().expect("a good name");
            (name.clone(), Arc::new(status(&name)))
        });
        let vault = VaultView { state: VaultState::Ready, slots: Vec::new(), opened_by: "passphrase".into() };
        let view = View { accounts: accounts.collect(), vault, hardening: BTreeMap::new() };
        let (view, seen) = watch::channel(Arc::new(view));
        let (settings, set) = watch::channel(KeeperSettings::default());
        let (handle, inbox) = Handle::new(seen, set);
        let world = Arc::new(World::default());
        tokio::spawn(answer(inbox, view.subscribe(), world.clone()));
        Self { handle, settings, view, world }
    }

    /// Publishes another view.
    pub(crate) fn publish(&self, change: impl FnOnce(&mut View)) {
        self.view.send_modify(|view| {
            let mut next = (**view).clone();
            change(&mut next);
            *view = Arc::new(next);
        });
    }

    /// Publishes a change to one account.
    pub(crate) fn change(&self, name: &str, change: impl FnOnce(&mut Status)) {
        self.publish(|view| {
            let status = view.accounts.get_mut(&name.parse().expect("a good name")).expect("an account of the test");
            let mut next = (**status).clone();
            change(&mut next);
            *status = Arc::new(next);
        });
    }

    /// What was asked, in order.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.world.asked.lock().expect("no panic").clone()
    }

    /// Waits until this was asked.
    pub(crate) async fn until_asked(&self, what: &str) {
        while !self.asked().iter().any(|asked| asked == what) {
            tokio::task::yield_now().await;
        }
    }

    /// Moves every request on.
    pub(crate) fn requests(&self, change: impl Fn(&mut RequestView)) {
        for request in self.world.requests.lock().expect("no panic").values() {
            request.send_modify(&change);
        }
    }

    /// Forgets every request, as a keeper does some time after the end.
    pub(crate) fn forget_requests(&self) {
        self.world.requests.lock().expect("no panic").clear();
    }
}

/// An account that is ready, of generation 1.
pub(crate) fn status(name: &AccountName) -> Status {
    Status {
        name: name.clone(),
        provider: "generic".into(),
        issuer: "https://idp.example".into(),
        scopes: vec!["openid".into()],
        label: "Work".into(),
        subject: "alice".into(),
        last_error: (String::new(), String::new()),
        state: State::Ready,
        generation: 1,
        expires_at: u64::from(u32::MAX),
        refresh_at: 7,
        login_ends_at: 0,
        authorization_details: String::new(),
    }
}

async fn answer(mut inbox: mpsc::Receiver<Message>, view: watch::Receiver<Arc<View>>, world: Arc<World>) {
    let mut unanswered = Vec::new();
    while let Some(message) = inbox.recv().await {
        let note = |what: String| world.asked.lock().expect("no panic").push(what);
        match message {
            Message::Token { account, reply, .. } if account.as_str() == "slow" => {
                note("token slow".into());
                unanswered.push(reply);
            }
            Message::Token { account, reply, .. } => {
                let known = view.borrow().accounts.get(&account).cloned();
                drop(reply.send(token(&account, known.as_deref())));
            }
            Message::Refresh { account, reply, .. } => {
                note(format!("refresh {account}"));
                drop(reply.send(Ok(4_000)));
            }
            Message::Login { account, reply, .. } => {
                note(format!("login {account}"));
                drop(reply.send(Ok(world.begin(&["redirect_uri"], "https://idp.example/authorize"))));
            }
            Message::SetSecret { reply, .. } => drop(reply.send(Ok(world.begin(&["client_secret"], "")))),
            Message::Unlock { interactive, reply } => {
                note(format!("unlock, interactive {interactive}"));
                drop(reply.send(Ok(world.begin(&["passphrase"], ""))));
            }
            Message::AddSlot { kind, reply, .. } => {
                note(format!("add slot {kind}"));
                drop(reply.send(Ok(world.begin(&["new_passphrase"], ""))));
            }
            Message::Rekey { reply } => drop(reply.send(Ok(world.begin(&[], "")))),
            Message::AddAccount { definition, reply } => {
                note(format!("add {definition:?}"));
                drop(reply.send("added".parse().map_err(|_| Denied::Busy(String::new()))));
            }
            Message::Register { definition, reply } => {
                note(format!("register {definition:?}"));
                drop(reply.send(Ok(enrolled())));
            }
            Message::RegisterByToken { definition, reply } => {
                note(format!("register by token {definition:?}"));
                drop(reply.send(Ok((enrolled().account, world.begin(&["initial_access_token"], "")))));
            }
            Message::Input { request, values, reply } => drop(reply.send(world.input(request, &values))),
            Message::Cancel { request, reply } => {
                note("cancel".into());
                let requests = world.requests.lock().expect("no panic");
                if let Some(request) = requests.get(&request) {
                    request.send_modify(|view| view.state = RequestState::Cancelled);
                }
                drop(reply.send(Ok(())));
            }
            Message::SignProof { wanted: ProofWanted { target, nonce, digest }, reply, .. } => {
                let nonce = nonce.unwrap_or_default();
                let proof = format!("proof of {} {nonce} {:02x}{:02x}", target.address(), digest[0], digest[1]);
                drop(reply.send(Ok(Secret::from(proof))));
            }
            Message::Logout { account, reply } => {
                note(format!("logout {account}"));
                drop(reply.send(Ok(())));
            }
            Message::Remove { account, reply } => {
                note(format!("remove {account}"));
                drop(reply.send(Ok(())));
            }
            Message::RemoveSlot { id, reply } => {
                note(format!("remove slot {id}"));
                drop(reply.send(Ok(())));
            }
            Message::Hello { reply } | Message::Reload { reply } | Message::Lock { reply } => drop(reply.send(Ok(()))),
        }
    }
}

fn enrolled() -> Enrolled {
    Enrolled {
        account: "added".parse().expect("a name"),
        client_id: "c-1".into(),
        issuer: "https://idp.example".into(),
        notes: vec!["Something to know.".into()],
        secret_expires_at: None,
    }
}

fn token(account: &AccountName, known: Option<&Status>) -> Result<Served, Denied> {
    let known = known.ok_or_else(|| Denied::UnknownAccount(account.to_string()))?;
    if account.as_str() == "ended" {
        return Err(Denied::LoginRequired(format!("sign in to {account}")));
    }
    let token = format!("token-of-{account}");
    Ok(Served {
        digest: Sha256::digest(&token).into(),
        token: Arc::new(Secret::from(token)),
        token_type: Arc::from("Bearer"),
        expires_at: known.expires_at,
        scopes: Arc::from(known.scopes.as_slice()),
        generation: known.generation,
    })
}

impl World {
    fn begin(&self, wants: &[&'static str], uri: &str) -> Begun {
        let mut requests = self.requests.lock().expect("no panic");
        let id = RequestId(0xfeed_0000 + requests.len() as u128);
        let (sender, view) = watch::channel(RequestView {
            state: RequestState::Pending,
            wants: wants.to_vec(),
            uri: uri.to_owned(),
            user_code: String::new(),
            verification_uri: String::new(),
            expires_at: 9,
        });
        requests.insert(id, sender);
        Begun { id, view }
    }

    /// `right` is what every request waits for.
    fn input(&self, request: RequestId, values: &[(String, Secret)]) -> Result<(), Denied> {
        if !values.iter().all(|(_, value)| value.same_as(b"right")) {
            return Err(Denied::NotOpened("the passphrase does not open the vault".into()));
        }
        let outcome = match values.iter().any(|(key, _)| key == "initial_access_token") {
            true => Outcome { account: Some(enrolled().account), subject: None, enrolled: Some(Box::new(enrolled())) },
            false => Outcome { account: "work".parse().ok(), subject: Some("alice".into()), enrolled: None },
        };
        let done = RequestState::Done(outcome);
        if let Some(request) = self.requests.lock().expect("no panic").get(&request) {
            request.send_modify(|view| view.state = done.clone());
        }
        Ok(())
    }
}
