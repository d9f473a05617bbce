//! Where refreshing ends the token that was handed out, everybody who holds one must hear of the next at once: programs
//! that watch, files that hold a token, callers that wait.

use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::inotify;
use tokenkeeper::{Account, Event, TokenOptions};
use tokenkeeper_tests::clock;
use tokenkeeper_tests::idp::{self, Idp, Settings};
use tokenkeeper_tests::sweep::say;
use tokenkeeper_tests::world::{PATIENCE, World, account_as};
use tokio::task::JoinHandle;

const WATCHERS: usize = 16;
const ROUNDS: usize = 20;

/// How soon after the server's answer a watcher has the new token.
const SOON: Duration = Duration::from_millis(50);

/// S4: from the answer's last byte, by the server's ledger, to the token in everybody's hands. Other people's programs can delay any
/// single round; a delay of the keeper's own would be in all of them. So the best round counts, and where even a caller
/// who waits is not answered in time, what it took.
#[tokio::test(flavor = "multi_thread")]
async fn every_watcher_has_the_new_token_at_once_where_a_refresh_ends_the_old_one() {
    let idp = Idp::start(Settings { refresh_kills_token: true, ..Settings::default() }).await;
    let mut world = World::bare().await;
    let file = world.path("run/work.token");
    world.write_config(&account_as(
        "work",
        &idp,
        &format!(
            "client_id = \"desktop\"\nscopes = [\"openid\", \"offline_access\"]\nrefresh_kills_token = true\n\
             [[account.work.token_file]]\npath = \"{}\"\n",
            file.display()
        ),
    ));
    world.init_vault().await;
    world.start_keeper().await;
    world.sign_in("work").await;
    world.until("work", |_| file.exists()).await;

    let caller = world.account("work").await;
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        let held = world.token("work").await.expect("signed in");
        let watchers = join_all((0..WATCHERS).map(|_| watcher(&world))).await;
        let reader = reader(&file);
        caller.refresh().await.expect("the server grants");
        let answered = clock::wall();
        let seen = join_all(watchers).await;
        let read = reader.await.expect("the file is replaced");
        let sent = last_answer(&idp);

        let newest = world.token("work").await.expect("refreshed");
        let mut latest = Duration::ZERO;
        for watcher in seen {
            let (token, at) = watcher.expect("the watcher heard of it");
            assert_eq!(token, newest.as_str(), "a watcher got something else");
            assert_ne!(token, held.as_str());
            latest = latest.max(at.saturating_sub(sent));
        }
        assert_eq!(read.0.trim_end(), newest.as_str(), "the file holds something else");
        rounds.push((latest, read.1.saturating_sub(sent), answered.saturating_sub(sent)));
    }
    let best =
        |of: fn(&(Duration, Duration, Duration)) -> Duration| rounds.iter().map(of).min().expect("there were rounds");
    let (watcher, file, caller) = (best(|round| round.0), best(|round| round.1), best(|round| round.2));
    let mut latest: Vec<_> = rounds.iter().map(|round| round.0).collect();
    latest.sort_unstable();
    let (typical, worst) = (latest[ROUNDS / 2], latest[ROUNDS - 1]);
    say(&format!(
        "answer to the last of {WATCHERS} watchers: {watcher:.0?} at best, {typical:.0?} in the median of {ROUNDS}, {worst:.0?} at \
         worst; to the file {file:.0?}, to a caller that waits {caller:.0?}"
    ));
    let limit = SOON.max(caller * 4);
    assert!(watcher <= limit && file <= limit, "a watcher waits: {rounds:?}");
}

/// A program with a connection of its own that takes a token whenever the generation changes.
async fn watcher(world: &World) -> JoinHandle<(String, Duration)> {
    let account: Account = world.account("work").await;
    let mut events = account.watch().await.expect("the bus answers");
    // It holds one already.
    account.token(TokenOptions::new()).await.expect("signed in");
    tokio::spawn(async move {
        while let Some(event) = events.next().await {
            if matches!(event, Event::Changed { generation: Some(_), .. }) {
                let token = account.token(TokenOptions::new()).await.expect("it is served");
                return (token.as_str().to_owned(), clock::wall());
            }
        }
        panic!("the connection ended");
    })
}

/// A program that reads the token's file whenever it is replaced.
fn reader(file: &Path) -> JoinHandle<(String, Duration)> {
    let (file, directory) = (file.to_owned(), file.parent().expect("a directory").to_owned());
    let name = file.file_name().expect("a name").to_owned();
    let notices = inotify::init(inotify::CreateFlags::CLOEXEC).expect("the kernel has inotify");
    inotify::add_watch(&notices, &directory, inotify::WatchFlags::MOVED_TO).expect("the directory is ours");
    tokio::task::spawn_blocking(move || {
        let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
        let mut events = inotify::Reader::new(&notices, &mut buffer);
        let patience = Timespec::try_from(PATIENCE).expect("a short time");
        loop {
            if events.is_buffer_empty() {
                let ready =
                    poll(&mut [PollFd::new(&notices, PollFlags::IN)], Some(&patience)).expect("it can be awaited");
                assert!(ready > 0, "nothing is moved there");
            }
            let event = events.next().expect("something is moved there");
            if event.file_name().is_some_and(|moved| moved.to_bytes() == name.as_encoded_bytes()) {
                return (std::fs::read_to_string(&file).expect("it is there"), clock::wall());
            }
        }
    })
}

/// When the server's last token answer had left it.
fn last_answer(idp: &Idp) -> Duration {
    let entries = idp.ledger().entries();
    let sent = entries.iter().rev().find(|entry| matches!(entry.event, idp::Event::Sent { status: 200 }));
    Duration::from_millis(sent.expect("it answered").at_ms)
}
