//! Calls to `org.freedesktop.secrets` (Secret Service API 0.2). Every call is answered within five seconds or given
//! up; only a prompt may wait for a person, and only if one asked.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use zbus::wire::DynamicDeserialize;
use zbus::{Connection, DynamicType, OwnedObjectPath, OwnedVariant, Proxy, Variant};
use zeroize::Zeroizing;

use super::session::{ALGORITHM, Half, SessionKey};
use crate::secret::Secret;
use crate::vault::error::SlotError;
use crate::vault::seal::fill;
use crate::vault::slot::Opener;

/// How items are found.
pub(super) type Attributes = HashMap<String, String>;

/// `Secret` of the API: session, parameters, value, content type.
type Parcel = (OwnedObjectPath, Vec<u8>, Vec<u8>, String);

const NAME: &str = "org.freedesktop.secrets";
const SERVICE: &str = "/org/freedesktop/secrets";
const SERVICE_INTERFACE: &str = "org.freedesktop.Secret.Service";
const COLLECTION_INTERFACE: &str = "org.freedesktop.Secret.Collection";
const ITEM_INTERFACE: &str = "org.freedesktop.Secret.Item";
const PROMPT_INTERFACE: &str = "org.freedesktop.Secret.Prompt";
const SESSION_INTERFACE: &str = "org.freedesktop.Secret.Session";
/// "No object" in this API.
const NOTHING: &str = "/";

/// The longest that any call may take.
const CALL: Duration = Duration::from_secs(5);
/// The longest that a person may take over a prompt.
const PERSON: Duration = Duration::from_secs(120);

/// A session with the service.
pub(super) struct Service {
    bus: Connection,
    session: OwnedObjectPath,
    key: SessionKey,
    interactive: bool,
}

impl Service {
    pub(super) async fn connect(opener: &Opener) -> Result<Self, SlotError> {
        let bus = match &opener.bus {
            Some(bus) => bus.clone(),
            None => in_time("reach the session bus", Connection::session()).await?,
        };
        let mut random = Zeroizing::new([0; 128]);
        fill(random.as_mut_slice());
        let half = Half::new(&random);
        let ours = Variant::from(half.public());
        let (theirs, session): (OwnedVariant, OwnedObjectPath) =
            call(&bus, SERVICE, SERVICE_INTERFACE, "OpenSession", &(ALGORITHM, ours)).await?;
        let theirs = Vec::<u8>::try_from(theirs).map_err(|_| odd("OpenSession"))?;
        let key = half.agree(&theirs).ok_or_else(|| odd("OpenSession"))?;
        Ok(Self { bus, session, key, interactive: opener.interactive })
    }

    /// The keyring that new items go to, opened.
    pub(super) async fn default_keyring(&self) -> Result<String, SlotError> {
        let found: OwnedObjectPath = self.ask("ReadAlias", &("default",)).await?;
        let keyring = if found.as_str() == NOTHING { self.new_keyring().await? } else { found };
        self.unlock(vec![keyring.clone()]).await?;
        Ok(keyring.as_str().to_owned())
    }

    async fn new_keyring(&self) -> Result<OwnedObjectPath, SlotError> {
        let label = HashMap::from([("org.freedesktop.Secret.Collection.Label", Variant::from("Login"))]);
        let (made, prompt): (OwnedObjectPath, OwnedObjectPath) =
            self.ask("CreateCollection", &(label, "default")).await?;
        if made.as_str() != NOTHING {
            return Ok(made);
        }
        let made = self.prompt(prompt).await?;
        OwnedObjectPath::try_from(made).map_err(|_| odd("CreateCollection"))
    }

    /// Puts an item in, in the place of one with the same attributes.
    pub(super) async fn create(
        &self,
        keyring: &str,
        label: &str,
        attributes: &Attributes,
        secret: &[u8],
    ) -> Result<(), SlotError> {
        let mut iv = [0; 16];
        fill(&mut iv);
        let parcel = (&self.session, iv.to_vec(), self.key.encrypt(iv, secret), "application/octet-stream");
        let properties = HashMap::from([
            ("org.freedesktop.Secret.Item.Label", Variant::from(label)),
            ("org.freedesktop.Secret.Item.Attributes", Variant::from(attributes.clone())),
        ]);
        let (_item, prompt): (OwnedObjectPath, OwnedObjectPath) =
            call(&self.bus, keyring, COLLECTION_INTERFACE, "CreateItem", &(properties, parcel, true)).await?;
        self.finish(prompt).await
    }

    /// The secret of the item with these attributes, if there is one.
    pub(super) async fn read(&self, attributes: &Attributes) -> Result<Option<Secret>, SlotError> {
        let Some(item) = self.find(attributes).await? else { return Ok(None) };
        let (_, iv, value, _): Parcel =
            call(&self.bus, item.as_str(), ITEM_INTERFACE, "GetSecret", &(&self.session,)).await?;
        self.key.decrypt(&iv, &value).map(Some).ok_or_else(|| odd("GetSecret"))
    }

    pub(super) async fn delete(&self, attributes: &Attributes) -> Result<(), SlotError> {
        let Some(item) = self.find(attributes).await? else { return Ok(()) };
        let prompt: OwnedObjectPath = call(&self.bus, item.as_str(), ITEM_INTERFACE, "Delete", &()).await?;
        self.finish(prompt).await
    }

    /// Ends the session. A service that does not hear it forgets the session when the connection ends.
    pub(super) async fn close(self) {
        let _: Result<(), _> = call(&self.bus, self.session.as_str(), SESSION_INTERFACE, "Close", &()).await;
    }

    /// The item with these attributes, opened. `Unlock` is called even on items that call themselves open: one that is
    /// called locked often opens without a word.
    async fn find(&self, attributes: &Attributes) -> Result<Option<OwnedObjectPath>, SlotError> {
        let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
            self.ask("SearchItems", &(attributes,)).await?;
        let Some(item) = open.into_iter().chain(locked).next() else { return Ok(None) };
        self.unlock(vec![item.clone()]).await?;
        Ok(Some(item))
    }

    async fn unlock(&self, objects: Vec<OwnedObjectPath>) -> Result<(), SlotError> {
        let (_, prompt): (Vec<OwnedObjectPath>, OwnedObjectPath) = self.ask("Unlock", &(objects,)).await?;
        self.finish(prompt).await
    }

    async fn finish(&self, prompt: OwnedObjectPath) -> Result<(), SlotError> {
        if prompt.as_str() == NOTHING {
            return Ok(());
        }
        self.prompt(prompt).await.map(drop)
    }

    /// Shows a prompt if a person asked for this, and waits for them.
    async fn prompt(&self, prompt: OwnedObjectPath) -> Result<OwnedVariant, SlotError> {
        if !self.interactive {
            let _: Result<(), _> = call(&self.bus, prompt.as_str(), PROMPT_INTERFACE, "Dismiss", &()).await;
            return Err(SlotError::NeedsPerson("the keyring is locked".into()));
        }
        let proxy = Proxy::new(&self.bus, NAME, prompt.as_str(), PROMPT_INTERFACE)
            .await
            .map_err(|error| failed("Prompt", &error))?;
        let mut completed = in_time("listen to the keyring's prompt", proxy.receive_signal("Completed")).await?;
        let () = call(&self.bus, prompt.as_str(), PROMPT_INTERFACE, "Prompt", &("",)).await?;
        let late = |_| SlotError::Temporary("nobody answered the keyring's prompt within two minutes".into());
        let signal = tokio::time::timeout(PERSON, completed.next()).await.map_err(late)?;
        let signal = signal.ok_or_else(|| SlotError::Temporary("the keyring's prompt vanished".into()))?;
        let (dismissed, result): (bool, OwnedVariant) = signal.body().deserialize().map_err(|_| odd("Completed"))?;
        if dismissed { Err(SlotError::Temporary("the keyring's prompt was dismissed".into())) } else { Ok(result) }
    }

    async fn ask<B, R>(&self, method: &'static str, body: &B) -> Result<R, SlotError>
    where
        B: serde::Serialize + DynamicType,
        R: for<'d> DynamicDeserialize<'d>,
    {
        call(&self.bus, SERVICE, SERVICE_INTERFACE, method, body).await
    }
}

async fn call<B, R>(
    bus: &Connection,
    path: &str,
    interface: &'static str,
    method: &'static str,
    body: &B,
) -> Result<R, SlotError>
where
    B: serde::Serialize + DynamicType,
    R: for<'d> DynamicDeserialize<'d>,
{
    let reply = in_time(method, bus.call_method(Some(NAME), path, Some(interface), method, body)).await?;
    reply.body().deserialize().map_err(|_| odd(method))
}

async fn in_time<T>(what: &str, work: impl Future<Output = zbus::Result<T>>) -> Result<T, SlotError> {
    match tokio::time::timeout(CALL, work).await {
        Ok(done) => done.map_err(|error| failed(what, &error)),
        Err(_) => Err(SlotError::Temporary(format!("the Secret Service did not answer within 5 s ({what})"))),
    }
}

fn failed(what: &str, error: &zbus::Error) -> SlotError {
    match error {
        zbus::Error::FDO(error)
            if matches!(**error, zbus::fdo::Error::ServiceUnknown(_) | zbus::fdo::Error::NameHasNoOwner(_)) =>
        {
            SlotError::Temporary("no Secret Service runs on this bus".into())
        }
        zbus::Error::MethodError(name, _, _) if name.as_str() == "org.freedesktop.Secret.Error.IsLocked" => {
            SlotError::NeedsPerson("the keyring is locked".into())
        }
        other => SlotError::Temporary(format!("the Secret Service failed ({what}): {other}")),
    }
}

fn odd(what: &str) -> SlotError {
    SlotError::Temporary(format!("the Secret Service gave an answer that makes no sense ({what})"))
}
