//! What all sweeps do: a world whose keeper logs everything, and the question whether a login is still there.

use tokenkeeper::wire::ErrorName;
use tokenkeeper::{Account, TokenOptions};

use super::oracle::Class;
use crate::idp::Idp;
use crate::world::{World, account_as};

/// A world whose account `work` is signed in at a server of this class, as its definition says.
pub async fn signed_in(idp: &Idp, class: Class) -> World {
    let mut world = World::bare().await;
    world.write_config(&account_as("work", idp, class.definition()));
    world.init_vault().await;
    start(&mut world).await;
    world.sign_in("work").await;
    world
}

/// Starts the keeper with a log that says when a grant became durable.
pub async fn start(world: &mut World) {
    let mut command = world.daemon();
    command.env("TOKENKEEPER_LOG", "debug");
    world.start_keeper_as(command).await;
}

/// Whether a login works: it refreshes, or the keeper says that somebody has to sign in.
///
/// # Panics
/// If the keeper says anything else.
pub async fn is_there(account: &Account, story: &str) -> bool {
    let refused = match account.refresh().await {
        Ok(_) => return true,
        Err(refused) => refused,
    };
    let refused = match refused.name() {
        // A last try is held back as long as the served token is good: so somebody comes who cannot use that.
        Some(ErrorName::Unavailable) => {
            let generation = account.status().await.expect("it exists").generation;
            match account.token(TokenOptions::new().rejected(generation)).await {
                Ok(_) => return true,
                Err(refused) => refused,
            }
        }
        _ => refused,
    };
    assert_eq!(refused.name(), Some(ErrorName::LoginRequired), "{story}: {refused}");
    false
}
