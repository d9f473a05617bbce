//! Tokens, by both ways, and who gets none.

use std::collections::HashMap;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::time::Duration;

use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokenkeeper::wire::{ACCOUNT_INTERFACE, ErrorName, ROOT_PATH};
use tokenkeeper::{ProofOptions, TokenOptions};
use zbus::{Fd, MessageStream, OwnedVariant, Variant};

use super::world::{World, account, call};

fn nothing() -> HashMap<&'static str, Variant<'static>> {
    HashMap::new()
}

#[tokio::test]
async fn a_token_comes_in_one_call() {
    let world = World::with(&["work"]).await;
    let caller = world.bus.connect().await;
    let answer = call(&caller, &account("work"), ACCOUNT_INTERFACE, "GetToken", &nothing()).await.expect("a token");
    let body = answer.body();
    let (token, info): (String, HashMap<String, OwnedVariant>) = body.deserialize().expect("sa{sv}");
    assert_eq!(token, "token-of-work");
    assert_eq!(*info["token_type"], Variant::from("Bearer"));
    assert_eq!(*info["generation"], Variant::from(1_u64));
    assert!(!info.contains_key("digest"));
}

#[tokio::test]
async fn a_token_comes_through_a_socket() {
    let world = World::with(&["work"]).await;
    let work = world.client().await.account("work").expect("a good name");
    let token = work.token(TokenOptions::new()).await.expect("a token");
    assert_eq!((token.as_str(), token.token_type(), token.generation()), ("token-of-work", "Bearer", 1));
    assert_eq!(token.scopes(), ["openid"]);
}

#[tokio::test]
async fn a_bus_monitor_sees_no_token_that_went_through_a_socket() {
    let world = World::with(&["work"]).await;
    let monitor = world.bus.connect().await;
    let mut seen = MessageStream::from(&monitor);
    let bus = Some("org.freedesktop.DBus");
    let rules: (Vec<&str>, u32) = (Vec::new(), 0);
    let monitoring = Some("org.freedesktop.DBus.Monitoring");
    monitor.call_method(bus, "/org/freedesktop/DBus", monitoring, "BecomeMonitor", &rules).await.expect("it may");
    let work = world.client().await.account("work").expect("a good name");
    work.token(TokenOptions::new()).await.expect("a token");
    // The control: the token does stand in the answer of GetToken, and the monitor sees that.
    work.token_in_message(TokenOptions::new()).await.expect("a token");
    let mut messages_with_it = 0;
    let mut sent_by_socket = 0;
    while let Some(Ok(message)) = seen.next().await {
        let bytes = message.data().bytes();
        let holds = |needle: &[u8]| bytes.windows(needle.len()).any(|window| window == needle);
        sent_by_socket += usize::from(holds(b"SendToken"));
        messages_with_it += usize::from(holds(b"token-of-work"));
        if messages_with_it > 0 {
            break;
        }
    }
    assert_eq!((sent_by_socket, messages_with_it), (1, 1));
}

#[tokio::test]
async fn a_sink_that_others_could_read_is_refused_before_the_keeper_is_asked() {
    let world = World::with(&["slow"]).await;
    let caller = world.bus.connect().await;
    let (_reader, pipe) = std::io::pipe().expect("a pipe");
    let (datagram, _other) = UnixDatagram::pair().expect("a pair");
    let file = tempfile::tempfile().expect("a file");
    for sink in [OwnedFd::from(pipe), datagram.into(), file.into()] {
        let body = (Fd::from(sink), nothing());
        let refused = call(&caller, &account("slow"), ACCOUNT_INTERFACE, "SendToken", &body).await;
        assert!(refused.expect_err("refused").starts_with(ErrorName::InvalidArgs.as_str()));
    }
    assert!(world.keeper.asked().is_empty());
}

#[tokio::test]
async fn on_error_nothing_is_written_to_the_sink() {
    let world = World::with(&["ended"]).await;
    let caller = world.bus.connect().await;
    let (mut ours, theirs) = UnixStream::pair().expect("a pair");
    {
        let body = (Fd::from(OwnedFd::from(theirs)), nothing());
        let refused = call(&caller, &account("ended"), ACCOUNT_INTERFACE, "SendToken", &body).await;
        assert_eq!(refused.expect_err("refused"), format!("{}: sign in to ended", ErrorName::LoginRequired.as_str()));
    }
    let mut read = Vec::new();
    std::io::Read::read_to_end(&mut ours, &mut read).expect("it ends");
    assert!(read.is_empty());
}

#[tokio::test]
async fn tokens_in_messages_can_be_turned_off() {
    let world = World::with(&["work"]).await;
    world.keeper.settings.send_modify(|settings| settings.tokens_in_messages = false);
    let work = world.client().await.account("work").expect("a good name");
    let refused = work.token_in_message(TokenOptions::new()).await.expect_err("turned off");
    assert_eq!(refused.name(), Some(ErrorName::NotPermitted));
    assert!(refused.to_string().contains("SendToken"), "the hint is in the message: {refused}");
    assert!(work.token(TokenOptions::new()).await.is_ok());
}

#[tokio::test]
async fn a_typo_in_an_option_does_not_pass() {
    let world = World::with(&["work"]).await;
    let caller = world.bus.connect().await;
    let typo = HashMap::from([("min_valdity", Variant::from(600_u32))]);
    let refused = call(&caller, &account("work"), ACCOUNT_INTERFACE, "GetToken", &typo).await.expect_err("refused");
    assert!(refused.contains("`min_valdity`") && refused.contains("`min_validity`"), "{refused}");
}

#[tokio::test]
async fn sandboxed_and_unknown_callers_see_nothing() {
    let world = World::with(&["work"]).await;
    let caller = world.bus.connect().await;
    world.serving.confine(caller.unique_name().expect("on a bus").as_str());
    let refused =
        call(&caller, &account("work"), ACCOUNT_INTERFACE, "GetToken", &nothing()).await.expect_err("refused");
    assert_eq!(refused, format!("{}: no account named `work`", ErrorName::UnknownObject.as_str()));
    let properties = "org.freedesktop.DBus.Properties";
    let refused = call(&caller, &account("work"), properties, "GetAll", &ACCOUNT_INTERFACE).await.expect_err("refused");
    assert!(refused.contains("UnknownObject"), "{refused}");
    let refused = call(&caller, ROOT_PATH, "org.tokenkeeper.Keeper1", "Reload", &()).await.expect_err("refused");
    assert!(refused.starts_with(ErrorName::NotPermitted.as_str()), "{refused}");
    let keeper = tokenkeeper::Keeper::connect_to(caller.clone()).await.expect("connected");
    assert_eq!(keeper.accounts().await.map(|accounts| accounts.len()).ok(), Some(0));
    let xml = super::world::introspect(&caller, "/org/tokenkeeper/Keeper1/account").await;
    assert!(!xml.contains("work"), "{xml}");
    assert!(world.keeper.asked().is_empty());
}

#[tokio::test]
async fn a_hanging_server_holds_nobody_else_up() {
    let world = World::with(&["slow", "work"]).await;
    let keeper = world.client().await;
    let slow = keeper.account("slow").expect("a good name");
    let waiting = tokio::spawn(async move { slow.token(TokenOptions::new()).await });
    world.keeper.until_asked("token slow").await;
    let work = keeper.account("work").expect("a good name");
    for _ in 0..100 {
        work.token_in_message(TokenOptions::new()).await.expect("a token at once");
    }
    assert!(!waiting.is_finished());
    waiting.abort();
}

#[tokio::test]
async fn a_caller_who_reads_no_answers_holds_nobody_else_up() {
    let world = World::with(&["work"]).await;
    let mut stopped = Stopped::connect(world.bus.path());
    stopped.ask(20_000);
    let work = world.client().await.account("work").expect("a good name");
    let answers = async {
        for _ in 0..100 {
            work.token_in_message(TokenOptions::new()).await.expect("a token");
        }
    };
    tokio::time::timeout(Duration::from_secs(30), answers).await.expect("while the other's answers pile up");
}

/// A program that calls and never reads: what SIGSTOP makes of any program.
struct Stopped(UnixStream);

impl Stopped {
    fn connect(path: &str) -> Self {
        let mut stream = UnixStream::connect(path).expect("the bus listens");
        let uid: String = rustix::process::geteuid().as_raw().to_string().bytes().map(|b| format!("{b:02x}")).collect();
        write!(stream, "\0AUTH EXTERNAL {uid}\r\nBEGIN\r\n").expect("the bus reads");
        let hello = zbus::Message::method_call("/org/freedesktop/DBus", "Hello")
            .destination("org.freedesktop.DBus")
            .build(&())
            .expect("a message");
        stream.write_all(hello.data().bytes()).expect("the bus reads");
        Self(stream)
    }

    fn ask(&mut self, times: usize) {
        // The bus stops reading us when too many answers are owed: so does this, and that is the point.
        self.0.set_nonblocking(true).expect("a socket");
        for _ in 0..times {
            let ask = zbus::Message::method_call(account("work"), "GetToken")
                .destination("org.tokenkeeper.Keeper1")
                .interface(ACCOUNT_INTERFACE)
                .build(&nothing())
                .expect("a message");
            if self.0.write_all(ask.data().bytes()).is_err() {
                return;
            }
        }
    }
}

#[tokio::test]
async fn a_proof_is_for_the_token_that_the_caller_has_or_for_the_current_one() {
    let world = World::with(&["work"]).await;
    let work = world.client().await.account("work").expect("a good name");
    let token = work.token(TokenOptions::new()).await.expect("a token");
    let digest = Sha256::digest("token-of-work");
    let told = |nonce: &str| format!("proof of https://api.example/a {nonce} {:02x}{:02x}", digest[0], digest[1]);
    for (options, nonce) in [
        (ProofOptions::new(), ""),
        (ProofOptions::new().token(&token), ""),
        (ProofOptions::new().token(&token).nonce("n-1"), "n-1"),
    ] {
        assert_eq!(work.sign_proof("GET", "https://api.example/a?b#c", options).await.expect("a proof"), told(nonce));
    }
}

#[tokio::test]
async fn what_is_no_request_to_prove_is_refused_before_the_keeper_is_asked() {
    let world = World::with(&["slow"]).await;
    let caller = world.bus.connect().await;
    let option = |key: &'static str, value: Variant<'static>| HashMap::from([(key, value)]);
    for (method, address, options) in [
        ("GET /", "https://api.example/", nothing()),
        ("GET", "http://api.example/", nothing()),
        ("GET", "https://api.example/", option("nonce", Variant::from("with a space"))),
        ("GET", "https://api.example/", option("digest", Variant::from(vec![1_u8; 31]))),
        ("GET", "https://api.example/", option("digest", Variant::from("text"))),
        ("GET", "https://api.example/", option("min_validity", Variant::from(1_u32))),
    ] {
        let body = (method, address, options);
        let refused = call(&caller, &account("slow"), ACCOUNT_INTERFACE, "SignProof", &body).await;
        assert!(refused.expect_err("refused").starts_with(ErrorName::InvalidArgs.as_str()));
    }
}
