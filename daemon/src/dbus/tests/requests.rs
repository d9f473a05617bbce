//! Requests: whose they are, what they take, how they end.

use std::collections::HashMap;

use tokenkeeper::wire::{ErrorName, KEEPER_INTERFACE, REQUEST_INTERFACE, ROOT_PATH, VAULT_INTERFACE};
use tokenkeeper::{LoginOptions, RequestState};
use zbus::{OwnedObjectPath, Variant};

use super::world::{World, call};
use crate::account::Denied;
use crate::keeper::{Outcome, RequestState as State};

#[tokio::test]
async fn a_login_gives_its_address_and_its_end() {
    let world = World::with(&["work"]).await;
    let work = world.client().await.account("work").expect("a good name");
    let login = work.login(LoginOptions::new().scope("mail")).await.expect("it begins");
    assert_eq!(login.uri.as_deref(), Some("https://idp.example/authorize"));
    assert_eq!(login.request.state().await.ok(), Some(RequestState::Pending));
    let waiting = {
        let request = login.request.clone();
        tokio::spawn(async move { request.wait().await })
    };
    login.request.input(&[("redirect_uri", b"right")]).await.expect("it is wanted");
    let outcome = waiting.await.expect("no panic").expect("signed in");
    assert_eq!((outcome.account.as_deref(), outcome.subject.as_deref()), (Some("work"), Some("alice")));
    assert_eq!(login.request.wait().await.ok(), Some(outcome), "it may be asked again");
}

#[tokio::test]
async fn a_wrong_passphrase_is_told_and_the_next_one_may_be_right() {
    let world = World::with(&[]).await;
    let unlock = world.client().await.vault().unlock().await.expect("it begins");
    assert_eq!(world.keeper.asked(), ["unlock, interactive true"]);
    assert_eq!(unlock.wants().await.ok(), Some(vec!["passphrase".to_owned()]));
    unlock.input(&[("passphrase", b"wrong")]).await.expect("it is wanted");
    let refused = unlock.wait().await.expect_err("wrong");
    assert_eq!(refused.name(), Some(ErrorName::Locked));
    assert_eq!(refused.to_string(), "the passphrase does not open the vault");
    unlock.input(&[("passphrase", b"right")]).await.expect("it is wanted");
    unlock.wait().await.expect("open");
}

/// The token that a server wants to see first stands in no message: a request takes it, and its end tells of the client.
#[tokio::test]
async fn a_registration_by_token_is_a_request() {
    let world = World::with(&[]).await;
    let keeper = world.client().await;
    let definition = [("name".to_owned(), Variant::from("added"))].into();
    let (account, registered) = keeper.register_with_token(&definition, b"right").await.expect("registered");
    assert_eq!((account.name(), registered.client_id.as_str()), ("added", "c-1"));
    assert_eq!(registered.notes, ["Something to know."]);
    assert_eq!(world.keeper.asked(), [r#"register by token {"name": Text("added")}"#]);

    let creator = world.bus.connect().await;
    let secret = HashMap::from([("name", Variant::from("added")), ("initial_access_token", Variant::from("canary"))]);
    let refused = call(&creator, ROOT_PATH, KEEPER_INTERFACE, "Register", &secret).await.expect_err("not like this");
    assert!(refused.to_string().contains("Input") && !refused.to_string().contains("canary"), "{refused}");
}

#[tokio::test]
async fn a_key_that_is_not_wanted_is_refused_without_being_quoted() {
    let world = World::with(&[]).await;
    let unlock = world.client().await.vault().unlock().await.expect("it begins");
    unlock.input(&[("canary", b"canary")]).await.expect("sent");
    let refused = unlock.wait().await.expect_err("not wanted");
    assert_eq!(refused.name(), Some(ErrorName::InvalidArgs));
    assert!(refused.to_string().contains("passphrase") && !refused.to_string().contains("canary"), "{refused}");
}

#[tokio::test]
async fn a_request_answers_its_creator_only() {
    let world = World::with(&[]).await;
    let creator = world.bus.connect().await;
    let options: HashMap<&str, Variant<'_>> = HashMap::new();
    let answer = call(&creator, ROOT_PATH, VAULT_INTERFACE, "Unlock", &options).await.expect("it begins");
    let path: OwnedObjectPath = answer.body().deserialize().expect("a path");
    let other = world.bus.connect().await;
    for member in ["Input", "Cancel", "Wait"] {
        let refused = call(&other, path.as_str(), REQUEST_INTERFACE, member, &()).await.expect_err("not its own");
        assert_eq!(refused, format!("{}: there is no object {path}", ErrorName::UnknownObject.as_str()));
    }
    let properties = "org.freedesktop.DBus.Properties";
    let refused = call(&other, path.as_str(), properties, "GetAll", &REQUEST_INTERFACE).await;
    assert!(refused.is_err());
    call(&creator, path.as_str(), REQUEST_INTERFACE, "Cancel", &()).await.expect("its own");
}

#[tokio::test]
async fn a_request_ends_with_its_creators_connection() {
    let world = World::with(&["work"]).await;
    let client = world.client().await;
    let connection = client.connection().clone();
    client.account("work").expect("a good name").login(LoginOptions::new()).await.expect("it begins");
    connection.close().await.expect("closed");
    world.keeper.until_asked("cancel").await;
}

#[tokio::test]
async fn a_failed_or_cancelled_request_says_so() {
    let world = World::with(&["work"]).await;
    let work = world.client().await.account("work").expect("a good name");
    let login = work.login(LoginOptions::new()).await.expect("it begins");
    world.keeper.requests(|view| view.state = State::Failed(Denied::NotPermitted("you said no".into())));
    let refused = login.request.wait().await.expect_err("failed");
    assert_eq!((refused.name(), refused.to_string().as_str()), (Some(ErrorName::NotPermitted), "you said no"));
    let login = work.login(LoginOptions::new()).await.expect("it begins");
    login.request.cancel().await.expect("its own");
    assert_eq!(login.request.wait().await.expect_err("cancelled").name(), Some(ErrorName::Cancelled));
}

#[tokio::test]
async fn a_request_that_wants_nothing_takes_nothing() {
    let world = World::with(&[]).await;
    let rekey = world.client().await.vault().rekey().await.expect("it begins");
    let refused = rekey.input(&[("passphrase", b"x")]).await.expect_err("nothing is wanted");
    assert_eq!(refused.name(), Some(ErrorName::InvalidArgs));
}

#[tokio::test]
async fn the_end_of_a_request_is_told_as_often_as_it_is_asked() {
    let world = World::with(&["work"]).await;
    let work = world.client().await.account("work").expect("a good name");
    let login = work.login(LoginOptions::new()).await.expect("it begins");
    world
        .keeper
        .requests(|view| view.state = State::Done(Outcome { subject: Some("ada".into()), ..Outcome::default() }));
    world.keeper.forget_requests();
    for _ in 0..2 {
        assert_eq!(login.request.wait().await.expect("done").subject.as_deref(), Some("ada"));
        assert_eq!(login.request.state().await.expect("still there"), tokenkeeper::RequestState::Done);
    }
}

#[tokio::test]
async fn a_request_that_the_keeper_forgot_is_gone() {
    let world = World::with(&["work"]).await;
    let login =
        world.client().await.account("work").expect("a good name").login(LoginOptions::new()).await.expect("it begins");
    world.keeper.forget_requests();
    while let Ok(_still_there) = login.request.state().await {}
    let refused = login.request.wait().await.expect_err("gone");
    assert_eq!(refused.name(), Some(ErrorName::UnknownObject));
}
