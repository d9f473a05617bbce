//! Nobody waits for somebody else: with a server that hangs, a client that connects and sends nothing, and a caller
//! that is stopped, another account's cached token still comes at once. Both nearest peers block for the whole time.
//!
//! A second keeper, whom nobody bothers, is measured in turn with the first: what the machine does besides slows both.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokenkeeper::TokenOptions;
use tokenkeeper::wire::proxy::{AccountProxy, Options};
use tokenkeeper_tests::clock;
use tokenkeeper_tests::idp::{Endpoint, Fault, Idp, Settings};
use tokenkeeper_tests::sweep::{Class, percentile, say};
use tokenkeeper_tests::world::{World, account, account_as};
use tokio::net::{TcpStream, UnixStream};

/// What p99 is promised to be; on a machine so busy that an undisturbed keeper does not keep to it, three times that one's.
const LIMIT: Duration = Duration::from_millis(5);

/// What no busy machine explains: the server hangs for longer.
const BLOCKED: Duration = Duration::from_secs(10);

/// p99 over so many calls.
const CALLS: usize = 200;

/// The median of so many rounds, of each keeper in turn.
const ROUNDS: usize = 7;

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_token_comes_within_5_ms_whatever_others_do() {
    let (good, slow) = (Idp::start(Settings::default()).await, Idp::start(Settings::default()).await);
    let slow_account = account_as("slow", &slow, Class::Strict.definition());
    let world = World::with(&[account("work", &good), slow_account].concat()).await;
    let calm = World::signed_in(&good).await;
    world.sign_in("work").await;
    world.sign_in("slow").await;

    // A server that hangs, with callers who wait for it.
    slow.plan(Fault::hang(60.0).times(0));
    slow.plan(Fault::hang(60.0).times(0).at(Endpoint::Metadata));
    let waiting: Vec<_> = futures_util::future::join_all((0..8).map(|_| world.account("slow"))).await;
    let served = world.token("slow").await.expect("signed in").generation();
    let wanted = move || TokenOptions::new().rejected(served).timeout(Duration::from_secs(60));
    let waiting: Vec<_> =
        waiting.into_iter().map(|slow| tokio::spawn(async move { slow.token(wanted()).await.map(drop) })).collect();
    assert!(slow.ledger().until(Duration::from_secs(10), |ledger| ledger.refreshes() == 1).await, "it hangs");

    // Clients that connect and send nothing: to the bus, and to a login's listener.
    let socket = world.bus_address().trim_start_matches("unix:path=").to_owned();
    let mut mute = Vec::new();
    for _ in 0..8 {
        mute.push(UnixStream::connect(&socket).await.expect("the bus takes connections"));
    }
    let login = world.account("work").await.login(tokenkeeper::LoginOptions::new().flow("browser")).await;
    let login = login.expect("the login begins");
    let port = callback_port(login.uri.as_deref().expect("an address"));
    let silent = TcpStream::connect(("127.0.0.1", port)).await.expect("the listener takes connections");

    // A caller that is stopped in the middle of its call.
    let mut caller = world.command(tokenkeeper_tests::programs::ours("tokenkeeper"));
    let caller = caller.args(["status", "--watch"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let caller = caller.expect("it can be started");
    let pid = Pid::from_raw(caller.id().expect("it runs").cast_signed()).expect("a process id");
    kill_process(pid, Signal::STOP).expect("it is ours to stop");

    let (mut beset, mut quiet) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (p99, slowest) = round(&world).await;
        assert!(slowest < BLOCKED, "a call took {slowest:?}");
        beset.push(p99);
        quiet.push(round(&calm).await.0);
    }
    let (beset, quiet) = (percentile(&mut beset, 50), percentile(&mut quiet, 50));
    say(&format!("a cached token beside a server that hangs: p99 {beset:?}, undisturbed {quiet:?}"));
    assert!(beset < LIMIT.max(quiet * 3), "p99 {beset:?} (undisturbed {quiet:?})");
    assert!(waiting.iter().all(|call| !call.is_finished()), "the others are still waiting");
    drop((mute, silent));
    waiting.iter().for_each(tokio::task::JoinHandle::abort);
}

/// p99 of many calls of GetToken, one after the other, and the slowest of them.
async fn round(world: &World) -> (Duration, Duration) {
    let connection = world.connect().await;
    let proxy = AccountProxy::builder(&connection).path("/org/tokenkeeper/Keeper1/account/work");
    let proxy = proxy.cache_properties(zbus::proxy::CacheProperties::No).build().await.expect("the bus answers");
    let mut times = Vec::with_capacity(CALLS);
    for _ in 0..CALLS {
        let start = clock::start();
        proxy.get_token(&Options::new()).await.expect("it is cached");
        times.push(start.elapsed());
    }
    (percentile(&mut times, 99), percentile(&mut times, 100))
}

fn callback_port(address: &str) -> u16 {
    let address = url::Url::parse(address).expect("an address");
    let back =
        address.query_pairs().find(|(name, _)| name == "redirect_uri").expect("a redirect address").1.into_owned();
    url::Url::parse(&back).expect("an address").port().expect("a port")
}
