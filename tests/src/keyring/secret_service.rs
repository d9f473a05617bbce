//! The Secret Service's own interfaces, which every keyring has.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use zbus::message::Type;
use zbus::{MatchRule, MessageStream, OwnedObjectPath};

use crate::world::{PATIENCE, World};

pub(super) const NAME: &str = "org.freedesktop.secrets";
pub(super) const PATH: &str = "/org/freedesktop/secrets";
pub(super) const SERVICE: &str = "org.freedesktop.Secret.Service";
const PROMPT: &str = "org.freedesktop.Secret.Prompt";

/// Deletes every item that is tokenkeeper's.
pub(super) async fn empty(world: &World) {
    let found = items(world).await;
    assert!(!found.is_empty(), "there was one");
    for item in found {
        let deleted = call(world, item.as_str(), "org.freedesktop.Secret.Item", "Delete", &()).await;
        let prompt: OwnedObjectPath = deleted.body().deserialize().expect("a prompt, or none");
        if prompt.as_str() != "/" {
            // It asks nobody, but does the work all the same.
            let mut signals = signals(world, PROMPT).await;
            call(world, prompt.as_str(), PROMPT, "Prompt", &("",)).await;
            tokio::time::timeout(PATIENCE, signals.next()).await.expect("the prompt is completed");
        }
    }
    assert!(items(world).await.is_empty(), "they are deleted");
}

async fn items(world: &World) -> Vec<OwnedObjectPath> {
    let attributes = HashMap::from([("application", "tokenkeeper")]);
    let found = call(world, PATH, SERVICE, "SearchItems", &(attributes,)).await;
    let (open, locked): (Vec<OwnedObjectPath>, Vec<OwnedObjectPath>) =
        found.body().deserialize().expect("two lists of items");
    assert!(locked.is_empty(), "its keyring is open");
    open
}

/// What is announced by an interface from now on.
pub(super) async fn signals(world: &World, interface: &str) -> MessageStream {
    let rule = MatchRule::builder().msg_type(Type::Signal).interface(interface).build().expect("an interface");
    MessageStream::for_match_rule(rule, world.connection(), None).await.expect("the bus answers")
}

pub(super) async fn call<B>(world: &World, path: &str, interface: &str, method: &str, body: &B) -> zbus::Message
where
    B: serde::Serialize + zbus::DynamicType,
{
    world.connection().call_method(Some(NAME), path, Some(interface), method, body).await.expect("the keyring answers")
}
