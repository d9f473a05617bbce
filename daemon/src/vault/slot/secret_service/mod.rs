//! `secret-service`: one item in the desktop's keyring (GNOME Keyring, KWallet, KeePassXC), read once per start. A
//! small client of ours, because the crates for it still bring another zbus.
//!
//! Whatever goes wrong here is temporary: a service that is not there, a keyring that is shut, a prompt that was
//! dismissed. Only a key that came and does not unwrap the vault is permanent, and that is judged elsewhere.

mod service;
mod session;

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{Of, Opener, Slot};
use crate::secret::Secret;
use crate::vault::error::SlotError;
use crate::vault::seal::{Key, fill};
use service::{Attributes, Service};

/// The slot.
pub(super) struct SecretService;

/// What the person sees in the keyring's window.
const LABEL: &str = "tokenkeeper vault key";

/// A keyring says that it is open before everything in it is there (seen with KeePassXC 2.7.4): it is looked into again so
/// often, and after so long.
const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(500);

impl Slot for SecretService {
    fn enrol<'a>(&'a self, of: Of<'a>, opener: &'a Opener) -> BoxFuture<'a, Result<String, SlotError>> {
        Box::pin(async move {
            let service = Service::connect(opener).await?;
            let keyring = service.default_keyring().await?;
            trial(&service, &keyring).await?;
            let key = Key::random();
            service.create(&keyring, LABEL, &attributes(of.vault), key.reveal()).await?;
            service.close().await;
            Ok("{}".to_owned())
        })
    }

    fn secret<'a>(&'a self, of: Of<'a>, opener: &'a Opener) -> BoxFuture<'a, Result<Secret, SlotError>> {
        Box::pin(async move {
            let service = Service::connect(opener).await?;
            let mut secret = service.read(&attributes(of.vault)).await?;
            for _ in 0..LOOKS {
                if secret.is_some() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
                secret = service.read(&attributes(of.vault)).await?;
            }
            service.close().await;
            secret.ok_or_else(|| {
                SlotError::Temporary("the Secret Service holds no key of this vault: is its keyring there?".into())
            })
        })
    }

    fn forget<'a>(&'a self, of: Of<'a>, opener: &'a Opener) -> BoxFuture<'a, Result<(), SlotError>> {
        Box::pin(async move {
            let service = Service::connect(opener).await?;
            service.delete(&attributes(of.vault)).await?;
            service.close().await;
            Ok(())
        })
    }
}

/// Writes, reads and deletes an item, before anything depends on it: some services answer and keep nothing.
async fn trial(service: &Service, keyring: &str) -> Result<(), SlotError> {
    let mut name = [0; 16];
    fill(&mut name);
    let attributes = attributes(&format!("trial-{}", super::hex(&name)));
    let key = Key::random();
    service.create(keyring, "tokenkeeper trial", &attributes, key.reveal()).await?;
    let back = service.read(&attributes).await?;
    service.delete(&attributes).await?;
    match back {
        Some(back) if back.same_as(key.reveal()) => Ok(()),
        _ => Err(SlotError::Permanent("the Secret Service does not give back what is put into it".into())),
    }
}

fn attributes(vault: &str) -> Attributes {
    HashMap::from([("application".to_owned(), "tokenkeeper".to_owned()), ("vault".to_owned(), vault.to_owned())])
}
