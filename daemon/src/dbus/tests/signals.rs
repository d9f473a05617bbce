//! Signals, and what the client crate makes of them.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt;
use tokenkeeper::wire::{ACCOUNT_INTERFACE, ROOT_PATH};
use tokenkeeper::{AccountState, Event, TokenOptions, VaultState as Vault};
use zbus::message::Type;
use zbus::{MatchRule, MessageStream, OwnedVariant};

use super::world::World;
use crate::account::State;
use crate::keeper::VaultState;
use crate::keeper::fake::status;

#[tokio::test]
async fn accounts_come_change_and_go() {
    let world = World::with(&["work"]).await;
    let mut events = world.client().await.watch().await.expect("signals");
    let home: tokenkeeper_config::AccountName = "home".parse().expect("a good name");
    world.keeper.publish(|view| drop(view.accounts.insert(home.clone(), Arc::new(status(&home)))));
    assert_eq!(events.next().await, Some(Event::Added { account: "home".into() }));
    world.keeper.change("work", |work| {
        work.state = State::LoginRequired;
        work.generation = 5;
    });
    let changed =
        Event::Changed { account: "work".into(), state: Some(AccountState::LoginRequired), generation: Some(5) };
    assert_eq!(events.next().await, Some(changed));
    world.keeper.publish(|view| drop(view.accounts.remove(&home)));
    assert_eq!(events.next().await, Some(Event::Removed { account: "home".into() }));
    world.keeper.publish(|view| view.vault.state = VaultState::Locked);
    assert_eq!(events.next().await, Some(Event::Vault { state: Some(Vault::Locked) }));
}

#[tokio::test]
async fn personal_values_are_announced_and_not_told() {
    let world = World::with(&["work"]).await;
    let caller = world.bus.connect().await;
    let rule = MatchRule::builder().msg_type(Type::Signal).path_namespace(ROOT_PATH).build().expect("a good rule");
    let mut signals = MessageStream::for_match_rule(rule, &caller, None).await.expect("signals");
    world.keeper.change("work", |work| {
        work.subject = "canary".into();
        work.label = "canary".into();
        work.issuer = "canary".into();
        work.scopes = vec!["canary".into()];
        work.last_error = ("Unavailable".into(), "canary".into());
        work.refresh_at = 99;
    });
    let signal = signals.next().await.expect("a signal").expect("a good one");
    assert!(!signal.data().bytes().windows(6).any(|window| window == b"canary"));
    let body = signal.body();
    let (interface, changed, mut invalidated): (String, HashMap<String, OwnedVariant>, Vec<String>) =
        body.deserialize().expect("sa{sv}as");
    invalidated.sort();
    assert_eq!(interface, ACCOUNT_INTERFACE);
    assert_eq!(changed.keys().collect::<Vec<_>>(), ["RefreshAt"]);
    assert_eq!(invalidated, ["Issuer", "Label", "LastError", "Scopes", "Subject"]);
}

#[tokio::test]
async fn managed_objects_are_the_accounts() {
    let world = World::with(&["home", "my-work"]).await;
    let accounts = world.client().await.accounts().await.expect("a list");
    let names: Vec<_> = accounts.iter().map(|account| account.name.as_str()).collect();
    assert_eq!(names, ["home", "my-work"]);
    assert_eq!(accounts[0].state, AccountState::Ready);
    assert_eq!((accounts[0].subject.as_str(), accounts[0].refresh_at), ("alice", 7));
    let many: Vec<String> = (0..500).map(|i| format!("a{i}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let world = World::with(&many).await;
    assert_eq!(world.client().await.accounts().await.map(|accounts| accounts.len()).ok(), Some(500));
}

#[tokio::test]
async fn a_cached_token_costs_no_call_until_its_generation_changes() {
    let world = World::with(&["work"]).await;
    let client = world.client().await;
    let work = client.account("work").expect("a good name");
    let mut events = client.watch().await.expect("signals");
    let first = work.token(TokenOptions::new()).await.expect("a token");
    // A fake that could not answer shows that nobody asks it.
    world.keeper.settings.send_modify(|settings| settings.tokens_in_messages = false);
    let again = work.token(TokenOptions::new()).await.expect("the same");
    assert!(std::ptr::eq(first.as_str(), again.as_str()), "one token in memory");
    world.keeper.change("work", |work| work.generation = 2);
    assert!(matches!(events.next().await, Some(Event::Changed { generation: Some(2), .. })));
    let newer = work.token(TokenOptions::new()).await.expect("the newer");
    assert_eq!(newer.generation(), 2);
}

#[tokio::test]
async fn cached_tokens_go_with_lock_removal_and_the_keepers_end() {
    let world = World::with(&["work", "home"]).await;
    let client = world.client().await;
    let mut events = client.watch().await.expect("signals");
    let work = client.account("work").expect("a good name");
    // Held until the end, so that no later token can lie at the same address.
    let kept = work.token(TokenOptions::new()).await.expect("a token");
    let same = work.token(TokenOptions::new()).await.expect("a token");
    assert!(std::ptr::eq(kept.as_str(), same.as_str()), "cached");
    world.keeper.publish(|view| view.vault.state = VaultState::Locked);
    events.next().await.expect("an event");
    let fetched = work.token(TokenOptions::new()).await.expect("the fake goes on");
    assert!(!std::ptr::eq(kept.as_str(), fetched.as_str()), "dropped by the lock");
    world.keeper.publish(|view| drop(view.accounts.remove(&"work".parse().expect("a good name"))));
    events.next().await.expect("an event");
    assert!(work.token(TokenOptions::new()).await.is_err(), "dropped with the account");
    let home = client.account("home").expect("a good name");
    home.token(TokenOptions::new()).await.expect("a token");
    world.serving.close().await;
    while events.next().await != Some(Event::Stopped) {}
    assert!(home.token(TokenOptions::new()).await.is_err(), "dropped with the keeper");
}

#[tokio::test]
async fn a_watch_ends_with_its_connection() {
    let world = World::with(&[]).await;
    let client = world.client().await;
    let mut events = client.watch().await.expect("signals");
    client.connection().clone().close().await.expect("closed");
    assert_eq!(events.next().await, None);
    assert_eq!(client.watch().await.expect("an ended one").next().await, None);
}
