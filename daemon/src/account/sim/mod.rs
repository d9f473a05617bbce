//! The simulation: thousands of random schedules of one account against a model server, a model disk and virtual
//! clocks, with the invariants of docs/ARCHITECTURE.md asserted after every step.
//!
//! `TOKENKEEPER_SIM_SCHEDULES=1000000` for the long run; `TOKENKEEPER_SIM_SEED=n` replays one schedule with a trace (of
//! logins, or of clients that nobody signs in to: by the name of the test). A
//! seed that broke a rule becomes a test of its own below.

mod world;

mod acts;
mod client;
mod device;
mod end;
mod net;
mod time;

mod disk;
mod referee;
mod rng;
mod server;
mod trace;

use std::sync::atomic::{AtomicU64, Ordering};

use world::{Plays, World};

/// What `scripts/test` runs.
const SCHEDULES: u64 = 20_000;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Past the test harness, which would swallow it: the count belongs into the log of a good run.
fn say(words: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{words}");
}

/// What went wrong in this schedule, with its trace.
fn fault_of(plays: Plays, seed: u64) -> Option<String> {
    let mut world = World::new(plays, seed, true);
    world.play();
    if world.referee.broken.is_empty() {
        return None;
    }
    let trace = world.trace.take().unwrap_or_default();
    let tail = trace.len().saturating_sub(120);
    Some(format!("seed {seed}\n{}\n{}", trace[tail..].join("\n"), world.referee.broken.join("\n")))
}

/// Beyond the schedules of the normal run.
#[test]
fn seeds_that_once_broke_a_rule_break_none() {
    // 26349: `held` whose commit failed. 72381: a wall clock set back a day after a reboot. 711489: the server wanted quiet
    // when it was asked for a login that was given up meanwhile.
    for seed in [26_349, 72_381, 711_489] {
        if let Some(fault) = fault_of(Plays::Login, seed) {
            panic!("{fault}");
        }
    }
}

#[test]
fn random_schedules_break_no_invariant() {
    play_all(Plays::Login);
}

#[test]
fn random_schedules_of_clients_that_nobody_signs_in_to_break_no_invariant() {
    play_all(Plays::Client);
}

fn play_all(plays: Plays) {
    if let Some(seed) = number("TOKENKEEPER_SIM_SEED") {
        let mut world = World::new(plays, seed, true);
        world.play();
        say(&world.trace.take().unwrap_or_default().join("\n"));
        assert!(world.referee.broken.is_empty(), "{}", world.referee.broken.join("\n"));
        return;
    }
    let schedules = number("TOKENKEEPER_SIM_SCHEDULES").unwrap_or(SCHEDULES);
    let next = AtomicU64::new(0);
    let totals: [AtomicU64; 5] = Default::default();
    let failed = std::sync::Mutex::new(Vec::new());
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < schedules) {
                    let mut world = World::new(plays, seed, false);
                    world.play();
                    let referee = &world.referee;
                    let counts =
                        [world.steps, referee.exchanges, referee.served, world.lost_rotations, referee.keys_stored];
                    for (total, count) in totals.iter().zip(counts) {
                        total.fetch_add(count, Ordering::Relaxed);
                    }
                    if !world.referee.broken.is_empty() {
                        failed.lock().expect("no panic while held").push((seed, world.referee.broken[0].clone()));
                        break;
                    }
                }
            });
        }
    });
    let [steps, exchanges, served, lost, keys] = totals.map(AtomicU64::into_inner);
    say(&format!(
        "simulation of {plays:?}: {schedules} schedules, {steps} steps, {exchanges} exchanges, {served} tokens served, {lost} \
         lost rotations, {keys} keys stored"
    ));
    let failed = failed.into_inner().expect("no panic while held");
    if let Some((seed, _)) = failed.iter().min() {
        panic!("{}", fault_of(plays, *seed).unwrap_or_else(|| format!("seed {seed} fails only without a trace")));
    }
}
