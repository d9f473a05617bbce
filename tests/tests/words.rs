//! What happened to a login, told in words: in the status, the log and a notification, each with the time and with what
//! to do.

use std::collections::HashMap;

use tokenkeeper::{AccountState, TokenOptions};
use tokenkeeper_tests::idp::{Deed, Fault, Idp, Settings};
use tokenkeeper_tests::sweep::{Class, signed_in};
use tokenkeeper_tests::world::{PATIENCE, text};
use tokio::sync::mpsc;
use zbus::Variant;

/// The desktop: it hands on what it is told to show and to close.
struct Desktop(mpsc::UnboundedSender<Shown>);

#[derive(Debug)]
enum Shown {
    Notification { summary: String, body: String },
    Closed,
}

#[zbus::interface(name = "org.freedesktop.Notifications")]
impl Desktop {
    #[expect(clippy::too_many_arguments, reason = "as the Desktop Notifications Specification has it")]
    fn notify(
        &self,
        _app_name: &str,
        _replaces_id: u32,
        _app_icon: &str,
        summary: String,
        body: String,
        _actions: Vec<String>,
        _hints: HashMap<String, Variant<'_>>,
        _expire_timeout: i32,
    ) -> u32 {
        let _ = self.0.send(Shown::Notification { summary, body });
        1
    }

    fn close_notification(&self, _id: u32) {
        let _ = self.0.send(Shown::Closed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_was_lost_is_told_with_its_time_and_what_to_do() {
    let idp = Idp::start(Settings { rotation: Class::Strict.rotation(), ..Settings::default() }).await;
    let mut world = signed_in(&idp, Class::Strict).await;
    let (sink, mut shown) = mpsc::unbounded_channel();
    let desktop = world.connect().await;
    desktop.object_server().at("/org/freedesktop/Notifications", Desktop(sink)).await.expect("nobody is there");
    desktop.request_name("org.freedesktop.Notifications").await.expect("it is free");

    // The server acts, its answer goes lost; the last try is kept for when it is needed, and its time is known.
    idp.plan(Fault::token(Deed::Reset).after_commit());
    let account = world.account("work").await;
    account.refresh().await.expect_err("the answer is lost");
    let lost = world.until("work", |status| status.state == AccountState::Unavailable).await;
    let (_, why) = lost.last_error.expect("it says why");
    let told = why.split_once("the server's answer was lost at ").expect(&why).1;
    assert!(is_time(told), "{why}");
    let again = told.split_once("trying the old token once more at ").expect(&why).1;
    assert!(is_time(again), "{why}");
    let (status, _) = text(&world.run("tokenkeeper", &["status", "work"]).await);
    assert!(status.contains("was lost at"), "{status}");

    // A program cannot use the token: the last try. The server takes it for a theft.
    let served = account.status().await.expect("it exists").generation;
    account.token(TokenOptions::new().rejected(served)).await.expect_err("the server ended it");
    let next =
        async { tokio::time::timeout(PATIENCE, shown.recv()).await.expect("in time").expect("the desktop runs") };
    let Shown::Notification { summary, body } = next.await else { panic!("nothing was shown before") };
    assert!(summary.contains("Sign in") && summary.contains("work"), "{summary}");
    assert!(body.contains("the server's answer was lost at ") && body.contains("tokenkeeper login work"), "{body}");
    let (_, why) = account.status().await.expect("it exists").last_error.expect("it says why");
    assert!(why.contains("was lost at ") && why.contains("tokenkeeper login work"), "{why}");

    // Signed in again, nothing is left to tell.
    world.sign_in("work").await;
    let closed = tokio::time::timeout(PATIENCE, shown.recv()).await.expect("in time");
    assert!(matches!(closed, Some(Shown::Closed)), "{closed:?}");
    let log = world.take_keeper().kill().await;
    assert!(log.contains("was lost at ") && log.contains("trying the old token once more at "), "{log}");
}

/// `14:03 …`
fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    digit(0) && digit(1) && bytes.get(2) == Some(&b':') && digit(3) && digit(4)
}
