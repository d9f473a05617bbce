//! The end of a client that was registered: when another takes its place, and when its account is gone (RFC 7592).

use serde_json::json;
use tokenkeeper_tests::idp::{Deed, Endpoint, Event, Fault, Idp, Settings};
use tokenkeeper_tests::programs;
use tokenkeeper_tests::world::{PATIENCE, text};

use super::{add, definition, registered, unregistered, world, written};

/// Stored, and then the definition cannot be written: the next attempt ends the client that was left.
#[tokio::test]
#[allow(clippy::disallowed_methods, reason = "a test's file need not be durable")]
async fn a_client_that_was_stored_and_never_used_is_ended_by_the_next() {
    let idp = Idp::start(Settings::default()).await;
    let world = world().await;
    let issuer = idp.issuer();
    let directory = world.path("config/tokenkeeper/config.d");
    std::fs::write(&directory, "in the way").expect("the directory is ours");
    let failed = world.run("tokenkeeper", &["add", "work", "--issuer", &issuer, "--no-login"]).await;
    assert!(!failed.status.success() && text(&failed).1.contains("could not write"), "{:?}", text(&failed));
    assert_eq!((registered(&idp), unregistered(&idp)), (1, 0));
    std::fs::remove_file(&directory).expect("it is there");
    add(&world, &issuer, &["work", "--issuer", &issuer]).await;
    let ended = idp.ledger().until(PATIENCE, |_| unregistered(&idp) == 1).await;
    assert!(ended && registered(&idp) == 2, "{}", world.keeper().log());
}

#[tokio::test]
async fn registering_anew_ends_the_client_before() {
    let idp = Idp::start(Settings::default()).await;
    let world = world().await;
    let issuer = idp.issuer();
    add(&world, &issuer, &["work", "--issuer", &issuer]).await;
    let taken = world.run("tokenkeeper", &["add", "work", "--issuer", &issuer]).await;
    assert_eq!(taken.status.code(), Some(2), "not without being told to");
    add(&world, &issuer, &["work", "--issuer", &issuer, "--register"]).await;
    let ended = idp.ledger().until(PATIENCE, |_| unregistered(&idp) == 1).await;
    assert!(ended && registered(&idp) == 2, "{}", world.keeper().log());
    world.token("work").await.expect("signed in with the new one");
}

/// A26: the next client's definition cannot be written. The client before is in force as it was, with its secret, and the
/// next is ended.
#[tokio::test]
async fn a_client_whose_successor_was_not_written_keeps_its_secret() {
    let idp = Idp::start(Settings::default()).await;
    idp.set(|settings| {
        settings.registration_patch.insert("token_endpoint_auth_method".into(), json!("client_secret_basic"));
    });
    let mut world = world().await;
    let issuer = idp.issuer();
    add(&world, &issuer, &["work", "--issuer", &issuer]).await;
    idp.plan(Fault { at: Endpoint::Register, commit: true, delay: 5.0, deed: Deed::Answer, times: 1 });
    let words = ["add", "work", "--issuer", &issuer, "--register", "--no-login"];
    let adding = world.command(programs::ours("tokenkeeper")).args(words).spawn().expect("it starts");
    assert!(idp.ledger().until(PATIENCE, |_| registered(&idp) == 2).await, "{}", world.keeper().log());
    // Meanwhile its person moves the definition to where the keeper writes nothing.
    world.write_config(&written(&world, "work"));
    std::fs::remove_file(definition(&world, "work")).expect("it is there");
    world.client().await.reload().await.expect("a good configuration");

    let failed = adding.wait_with_output().await.expect("it ends");
    assert!(!failed.status.success() && text(&failed).1.contains("is defined in"), "{:?}", text(&failed));
    assert!(idp.ledger().until(PATIENCE, |_| unregistered(&idp) == 1).await, "{}", world.keeper().log());
    world.account("work").await.refresh().await.expect("the secret before is good");
    world.kill_and_restart().await;
    world.account("work").await.refresh().await.expect("and durable");
}

/// A26: a server that knows us again gives the client that it gave before: it is not deleted for the sake of itself.
#[tokio::test]
async fn a_client_that_is_given_again_is_not_ended() {
    let idp = Idp::start(Settings::default()).await;
    idp.set(|settings| {
        settings.registration_patch.insert("client_id".into(), json!("desktop"));
    });
    let world = world().await;
    let issuer = idp.issuer();
    for time in ["first", "second"] {
        let words = ["add", "work", "--issuer", &issuer, "--register", "--no-login"];
        let added = world.run("tokenkeeper", &words).await;
        assert!(added.status.success(), "{time}: {:?}", text(&added));
    }
    let removed = world.run("tokenkeeper", &["remove", "work"]).await;
    assert!(removed.status.success(), "{:?}", text(&removed));
    assert!(idp.ledger().until(PATIENCE, |_| unregistered(&idp) == 1).await, "{}", world.keeper().log());
    // The first to be deleted is the one that was given last.
    let named = |event: Event| match event {
        Event::Registered { client } => Some(("given", client)),
        Event::Unregistered { client } => Some(("deleted", client)),
        _ => None,
    };
    let told: Vec<_> = idp.ledger().entries().into_iter().filter_map(|entry| named(entry.event)).collect();
    let [(_, _), (_, second), (_, deleted)] = told.as_slice() else { panic!("three: {told:?}") };
    assert_eq!(second, deleted, "{told:?}");
}

/// A26: the server is out of reach when the account is removed. The account goes at once; the client is deleted when the server
/// can be told, also after kill -9.
#[tokio::test]
async fn a_client_is_deleted_when_its_server_can_be_told() {
    let idp = Idp::start(Settings::default()).await;
    let mut world = world().await;
    add(&world, &idp.issuer(), &["work", "--issuer", &idp.issuer()]).await;
    let deed = Deed::Say { status: 503, headers: Vec::new(), body: String::new() };
    idp.plan(Fault { at: Endpoint::Register, commit: false, delay: 0.0, deed, times: 0 });
    let removed = world.run("tokenkeeper", &["remove", "work"]).await;
    assert!(removed.status.success(), "{:?}", text(&removed));
    assert!(!definition(&world, "work").exists());
    world.keeper().says("cannot delete a client now").await;
    world.kill_and_restart().await;
    world.keeper().says("cannot delete a client now").await;
    idp.clear_faults();
    let ended = idp.ledger().until(PATIENCE, |_| unregistered(&idp) == 1).await;
    assert!(ended, "{}", world.keeper().log());
    world.keeper().says("has deleted the client").await;
}

#[tokio::test]
async fn an_account_goes_although_the_server_keeps_the_client() {
    let idp = Idp::start(Settings::default()).await;
    let world = world().await;
    add(&world, &idp.issuer(), &["work", "--issuer", &idp.issuer()]).await;
    let deed = Deed::Say { status: 403, headers: Vec::new(), body: String::new() };
    idp.plan(Fault { at: Endpoint::Register, commit: false, delay: 0.0, deed, times: 0 });
    let removed = world.run("tokenkeeper", &["remove", "work"]).await;
    assert!(removed.status.success(), "{:?}", text(&removed));
    assert!(!definition(&world, "work").exists());
    world.keeper().says("stays there, unused").await;
}
