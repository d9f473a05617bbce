//! What a call costs: against the cheapest call the same process answers, and while another account's server hangs.

use std::collections::HashMap;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use tokenkeeper::TokenOptions;
use tokenkeeper_tests::clock;
use tokenkeeper_tests::idp::{Deed, Fault, Idp, Settings};
use tokenkeeper_tests::world::{World, account};
use zbus::{Connection, Variant};

use crate::constant;
use crate::table::{Table, quantile};

const ROUNDS: usize = 4_000;
const CALLERS: usize = 64;
const CALLS_EACH: usize = 200;
const CACHE_HITS: u32 = 1_000_000;

const KEEPER: &str = "org.tokenkeeper.Keeper1";
const WORK: &str = "/org/tokenkeeper/Keeper1/account/work";
const ACCOUNT: &str = "org.tokenkeeper.Keeper1.Account";

pub(crate) async fn measure(table: &mut Table) {
    let idp = Idp::start(Settings { access_lifetime: 3600.0, ..Settings::default() }).await;
    let slow = Idp::start(Settings { access_lifetime: 3600.0, ..Settings::default() }).await;
    let world = World::with(&(account("work", &idp) + &account("slow", &slow))).await;
    world.sign_in("work").await;
    world.sign_in("slow").await;

    latency(&world, table).await;
    throughput(&world, table).await;
    cache(&world, table).await;
    neighbour(&world, &slow, table).await;
}

async fn latency(world: &World, table: &mut Table) {
    let bus = world.connect().await;
    let (mut pings, mut gets, mut sends) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        pings.push(timed(ping(&bus)).await);
        gets.push(timed(get_token(&bus, WORK)).await);
        sends.push(timed(send_token(&bus)).await);
    }
    let ping = ("Peer.Ping", quantile(pings, 0.5));
    table.ratio("cached GetToken, p50", quantile(gets, 0.5), ping, 1.25);
    table.ratio("SendToken, p50", quantile(sends, 0.5), ping, 1.6);
}

async fn throughput(world: &World, table: &mut Table) {
    let service = constant::start(world).await;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    let mut buses = Vec::new();
    for _ in 0..CALLERS {
        buses.push(world.connect().await);
    }
    for _ in 0..5 {
        ours.push(rate(&buses, |bus| async move { get_token(&bus, WORK).await }).await);
        theirs.push(rate(&buses, |bus| async move { constant_token(&bus).await }).await);
    }
    drop(service);
    let median = |mut rates: Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    table.rate("GetToken, 64 callers", median(ours), ("a constant", median(theirs)), 0.85);
}

async fn cache(world: &World, table: &mut Table) {
    let work = world.account("work").await;
    work.token(TokenOptions::new()).await.expect("a token");
    let started = clock::start();
    for _ in 0..CACHE_HITS {
        std::hint::black_box(work.token(TokenOptions::new()).await.expect("a token"));
    }
    let each = started.elapsed() / CACHE_HITS;
    #[allow(clippy::cast_precision_loss, reason = "nanoseconds of one call")]
    table.figure("token from the client's cache", each.as_nanos() as f64, "ns", 200.0);
}

/// One account's server hangs while the other's cached token is asked for.
async fn neighbour(world: &World, slow: &Idp, table: &mut Table) {
    let bus = world.connect().await;
    let mut calm = Vec::new();
    let mut beside = Vec::new();
    for _ in 0..5 {
        slow.clear_faults();
        calm.extend(times(&bus, ROUNDS / 5).await);
        slow.plan(Fault { delay: 60.0, ..Fault::token(Deed::Answer) });
        let hanging = world.account("slow").await;
        let waits = tokio::spawn(async move { hanging.refresh().await.is_ok() });
        beside.extend(times(&bus, ROUNDS / 5).await);
        waits.abort();
    }
    let calm = ("no server hangs", quantile(calm, 0.99));
    table.ratio("cached GetToken, p99, a server hangs", quantile(beside, 0.99), calm, 1.2);
}

async fn times(bus: &Connection, count: usize) -> Vec<Duration> {
    let mut times = Vec::with_capacity(count);
    for _ in 0..count {
        times.push(timed(get_token(bus, WORK)).await);
    }
    times
}

async fn rate<F>(buses: &[Connection], call: impl Fn(Connection) -> F + Copy + Send + 'static) -> f64
where
    F: Future<Output = ()> + Send,
{
    let started = clock::start();
    let callers: Vec<_> = buses
        .iter()
        .map(|bus| {
            let bus = bus.clone();
            tokio::spawn(async move {
                for _ in 0..CALLS_EACH {
                    call(bus.clone()).await;
                }
            })
        })
        .collect();
    for caller in callers {
        caller.await.expect("no call fails");
    }
    #[allow(clippy::cast_precision_loss, reason = "a few thousand calls")]
    let calls = (buses.len() * CALLS_EACH) as f64;
    calls / started.elapsed().as_secs_f64()
}

async fn timed(call: impl Future<Output = ()>) -> Duration {
    let started = clock::start();
    call.await;
    started.elapsed()
}

async fn ping(bus: &Connection) {
    bus.call_method(Some(KEEPER), WORK, Some("org.freedesktop.DBus.Peer"), "Ping", &()).await.expect("a pong");
}

async fn get_token(bus: &Connection, path: &str) {
    let options: HashMap<&str, Variant<'_>> = HashMap::new();
    bus.call_method(Some(KEEPER), path, Some(ACCOUNT), "GetToken", &options).await.expect("a token");
}

async fn send_token(bus: &Connection) {
    let (mut reader, writer) = UnixStream::pair().expect("a socket pair");
    let options: HashMap<&str, Variant<'_>> = HashMap::new();
    let body = (zbus::OwnedFd::from(std::os::fd::OwnedFd::from(writer)), options);
    bus.call_method(Some(KEEPER), WORK, Some(ACCOUNT), "SendToken", &body).await.expect("a token");
    drop(body);
    let mut token = String::new();
    reader.read_to_string(&mut token).expect("the token is there");
    assert!(!token.is_empty());
}

async fn constant_token(bus: &Connection) {
    bus.call_method(Some(constant::NAME), constant::PATH, Some(constant::NAME), "Token", &()).await.expect("a token");
}
