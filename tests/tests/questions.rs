//! A person at a terminal: what the companion asks, what it never shows, and what is left when the person has had enough.

use rustix::process::{Pid, Signal, kill_process};
use tokenkeeper_tests::idp::{Deed, Endpoint, Event, Fault, Idp, Settings};
use tokenkeeper_tests::person;
use tokenkeeper_tests::programs;
use tokenkeeper_tests::terminal::{ENTER, Terminal, UP};
use tokenkeeper_tests::world::{World, account, text};
use tokio::io::{AsyncBufReadExt as _, BufReader};

const NAME: &str = "Name of the account";
const PROVIDER: &str = "Provider";
const ISSUER: &str = "Issuer of the server";
const CLIENT_ID: &str = "Client ID";
const CLIENT_SECRET: &str = "Client secret";
const INITIAL_TOKEN: &str = "Initial access token";

/// The secret that is typed, and must not be seen.
const SECRET: &str = "a/b+c d%e:f";
const TOKEN: &str = "iat-0123456789";

fn companion(world: &World, words: &[&str]) -> Terminal {
    let mut command = world.command(programs::ours("tokenkeeper"));
    command.args(words);
    Terminal::run(command)
}

async fn accounts(world: &World) -> usize {
    world.client().await.accounts().await.expect("the keeper answers").len()
}

/// Nothing but `add`: a name, a server that is in no list, its address. The server registers the client.
#[tokio::test]
async fn a_bare_add_asks_step_by_step() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::new().await;
    let mut terminal = companion(&world, &["add", "--no-browser"]);
    terminal.shows(NAME).await;
    terminal.type_line("work");
    terminal.shows(PROVIDER).await;
    // The last choice is "Another server".
    terminal.press(UP);
    terminal.press(ENTER);
    terminal.shows(ISSUER).await;
    terminal.type_line(&idp.issuer());
    let page = person::open(&terminal.address().await).await.expect("server and keeper answer");
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(terminal.ended().await.success(), "{}", terminal.screen());
    assert!(terminal.screen().contains("Signed in to work"), "{}", terminal.screen());
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Registered { .. })), 1);
    world.token("work").await.expect("signed in");
}

/// A name that cannot be one is asked for again, and why is said.
#[tokio::test]
async fn a_name_that_is_none_is_asked_for_again() {
    let world = World::new().await;
    let mut terminal = companion(&world, &["add"]);
    terminal.shows(NAME).await;
    terminal.type_line("my work");
    terminal.shows(NAME).await;
    assert_eq!(accounts(&world).await, 0);
}

/// The server registers clients for those only who show a token: it is asked for, and not shown; Enter alone goes on to the
/// client ID.
#[tokio::test]
async fn an_initial_access_token_is_asked_for_where_it_is_wanted() {
    let idp = Idp::start(Settings { initial_access_token: Some(TOKEN.into()), ..Settings::default() }).await;
    let world = World::new().await;
    let words = ["add", "work", "--issuer", &idp.issuer(), "--no-login"];
    let mut terminal = companion(&world, &words);
    terminal.shows("registers no clients for strangers").await;
    terminal.shows(INITIAL_TOKEN).await;
    terminal.press(ENTER);
    terminal.shows(CLIENT_ID).await;
    terminal.interrupted().await;
    assert_eq!(terminal.screen().matches("registers no clients for strangers").count(), 1, "{}", terminal.screen());

    let mut terminal = companion(&world, &words);
    terminal.shows(INITIAL_TOKEN).await;
    terminal.type_line(TOKEN);
    assert!(terminal.ended().await.success(), "{}", terminal.screen());
    assert!(terminal.screen().contains("Registered a client"), "{}", terminal.screen());
    assert!(!terminal.screen().contains(TOKEN) && terminal.echoes(), "{}", terminal.screen());
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Registered { .. })), 1);
}

/// Ctrl-C ends it at whatever question; nothing is added, and the terminal has its cursor.
#[tokio::test]
async fn nothing_is_added_by_who_gives_up() {
    let world = World::new().await;
    let questions: [(&[&str], &str); 4] = [
        (&["add"], NAME),
        (&["add", "work"], PROVIDER),
        (&["add", "work", "--provider", "google"], CLIENT_ID),
        (&["add", "work", "--provider", "google", "--client-id", "desktop"], CLIENT_SECRET),
    ];
    for (words, question) in questions {
        let mut terminal = companion(&world, words);
        terminal.shows(question).await;
        let ended = terminal.interrupted().await;
        assert_eq!(ended.code(), Some(1), "at {question}: {ended}\n{}", terminal.screen());
        assert!(terminal.screen().contains("cancelled"), "{}", terminal.screen());
        assert!(terminal.has_cursor(), "at {question}");
        assert!(terminal.echoes(), "at {question}");
    }
    assert_eq!(accounts(&world).await, 0);
}

/// Ctrl-C is heard also after the last question, while the server takes its time to say how it wants the login.
#[tokio::test]
async fn who_gives_up_need_not_wait_for_the_server() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::new().await;
    let deed = Deed::Say { status: 503, headers: Vec::new(), body: String::new() };
    idp.plan(Fault { at: Endpoint::Metadata, commit: false, delay: 30.0, deed, times: 0 });
    let mut command = world.command(programs::ours("tokenkeeper"));
    command.args(["add", "work", "--issuer", &idp.issuer(), "--client-id", "desktop", "--no-browser"]);
    let mut child = command.spawn().expect("it starts");
    let mut said = BufReader::new(child.stderr.take().expect("piped")).lines();
    let mut next = async || said.next_line().await.expect("text").expect("another line");
    while next().await != "Added work." {}
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw).expect("it runs");
    kill_process(pid, Signal::INT).expect("it is ours to signal");
    let last = next().await;
    assert!(last.contains("cancelled"), "{last}");
    assert_eq!(child.wait().await.expect("it ends").code(), Some(1));
}

/// A client secret and a passphrase are typed, and stand nowhere on the screen.
#[tokio::test]
async fn what_is_secret_is_not_shown_while_it_is_typed() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::new().await;
    world.write_config(&account("work", &idp));
    world.client().await.reload().await.expect("a good configuration");
    let mut terminal = companion(&world, &["secret", "work"]);
    terminal.shows("Client secret of work: ").await;
    terminal.type_line(SECRET);
    assert!(terminal.ended().await.success(), "{}", terminal.screen());
    assert!(!terminal.screen().contains(SECRET), "{}", terminal.screen());

    let mut terminal = companion(&world, &["slot", "add", "passphrase"]);
    terminal.shows("assphrase").await;
    terminal.type_line(SECRET);
    terminal.shows("Once more: ").await;
    terminal.type_line("another");
    assert_eq!(terminal.ended().await.code(), Some(1), "{}", terminal.screen());
    assert!(terminal.screen().contains("the two were not the same"), "{}", terminal.screen());
    assert!(!terminal.screen().contains(SECRET) && !terminal.screen().contains("another"), "{}", terminal.screen());
    assert!(terminal.echoes());
    let (slots, _) = text(&world.run("tokenkeeper", &["slot", "list"]).await);
    assert!(!slots.contains("passphrase"), "{slots}");
}

/// On a remote machine: the page at the end cannot be reached, its address is copied back.
#[tokio::test]
async fn the_address_at_the_end_is_pasted_back() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with_account(&idp).await;
    let mut terminal = companion(&world, &["login", "work", "--no-browser"]);
    let end = person::sent_to(&terminal.address().await)
        .await
        .expect("the server answers")
        .expect("it sends the browser back");
    terminal.shows("paste it here:").await;
    terminal.type_line("http://127.0.0.1/nothing");
    terminal.shows("That is not the address after signing in.").await;
    terminal.type_line(&end);
    assert!(terminal.ended().await.success(), "{}", terminal.screen());
    world.token("work").await.expect("signed in");
}
