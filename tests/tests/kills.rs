//! kill -9 at random moments around a refresh, against a server of each class. `TOKENKEEPER_KILLS` is how many for each
//! (15 unless told), `TOKENKEEPER_SEED` replays one run's choices.

use tokenkeeper::Account;
use tokenkeeper_tests::idp::{Event, Fault, Idp, Settings};
use tokenkeeper_tests::sweep::{
    Class, Dice, Oracle, Verdict, bare_sync, from_answer_to_disk, is_there, newest_durable, percentile, say, signed_in,
    start, times,
};
use tokenkeeper_tests::world::{PATIENCE, World};

const FEW: u64 = 15;

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_rotate_loses_nothing_to_kill_nine() {
    sweep(Class::NonRotating).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_window_loses_nothing_to_kill_nine() {
    sweep(Class::Window).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_strict_server_loses_to_kill_nine_only_answers_that_were_not_yet_on_the_disk() {
    sweep(Class::Strict).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_last_byte_to_the_disk() {
    let rounds = times("TOKENKEEPER_KILLS", 60);
    let idp = Idp::start(Settings::default()).await;
    let mut world = signed_in(&idp, Class::Strict).await;
    let account = world.account("work").await;
    let bare_file = std::fs::File::create(world.path("state/bare")).expect("the directory is ours");
    let mut bare = Vec::new();
    for _ in 0..rounds {
        account.refresh().await.expect("the server answers");
        bare.push(bare_sync(&bare_file));
    }
    let mut spans = from_answer_to_disk(&world.take_keeper().kill().await);
    assert!(spans.len() as u64 >= rounds, "{} of {rounds} rotations stand in the log", spans.len());
    let (half, most) = (percentile(&mut spans, 50), percentile(&mut spans, 99));
    say(&format!(
        "last byte to synced, {} rotations: p50 {half:?}, p99 {most:?}; a bare write and sync on this disk: p50 {:?}, p99 {:?}",
        spans.len(),
        percentile(&mut bare, 50),
        percentile(&mut bare, 99),
    ));
}

#[derive(Default)]
struct Count {
    kills: u64,
    acted: u64,
    unknown: u64,
    sent_not_synced: u64,
    never_sent: u64,
}

async fn sweep(class: Class) {
    let (mut dice, seed) = Dice::new();
    let kills = times("TOKENKEEPER_KILLS", FEW);
    say(&format!("{class:?}: {kills} kills with TOKENKEEPER_SEED={seed}"));
    let idp = Idp::start(Settings { rotation: class.rotation(), ..Settings::default() }).await;
    let mut world = signed_in(&idp, class).await;
    let account = world.account("work").await;
    let mut oracle = Oracle::default();
    let mut count = Count::default();
    for number in 0..kills {
        let story = format!("{class:?}, TOKENKEEPER_SEED={seed}, kill {number}");
        let before = account.status().await.expect("it exists").generation;
        oracle.begin(&idp);
        let answered = refresh_and_kill(&mut world, &idp, &account, &mut dice).await;
        let log = world.take_keeper().kill().await;
        let was_durable = newest_durable(&log) > before;
        assert!(was_durable || !answered, "{story}: somebody was answered before it was durable:\n{log}");
        let has_acted = oracle.commits(&idp) > 0;
        count.kills += 1;
        count.acted += u64::from(has_acted);
        count.unknown += u64::from(has_acted && !was_durable);
        if was_durable {
            oracle.durable(&idp);
        }
        idp.clear_faults();
        start(&mut world).await;
        if is_there(&account, &story).await {
            oracle.durable(&idp);
        } else {
            let story = format!("{story}, of generation {before}, the killed keeper's log:\n{log}");
            match oracle.lost(&idp, class, was_durable, &story) {
                Verdict::SentNotSynced => count.sent_not_synced += 1,
                Verdict::NeverSent => count.never_sent += 1,
            }
            world.sign_in("work").await;
        }
        oracle.check(&idp, &story);
    }
    let Count { kills, acted, unknown, sent_not_synced, never_sent } = count;
    say(&format!(
        "{class:?}: {kills} kills; {acted} after the server had acted, {unknown} of these before the answer was synced; \
         {} logins lost ({sent_not_synced} with the answer sent, {never_sent} with the answer never sent)",
        sent_not_synced + never_sent
    ));
}

/// Starts a refresh and waits for the moment of the kill; says whether the refresh was answered by then.
async fn refresh_and_kill(world: &mut World, idp: &Idp, account: &Account, dice: &mut Dice) -> bool {
    let so_far = idp.ledger().entries().len();
    let mut fault = Fault::hang(dice.micros(8_000).as_secs_f64());
    if dice.below(2) == 0 {
        fault = fault.after_commit();
    }
    idp.plan(fault);
    let (moment, wait) = (dice.below(3), dice.micros(30_000));
    let caller = account.clone();
    let refresh = tokio::spawn(async move { caller.refresh().await.is_ok() });
    let reached = |question: fn(&Event) -> bool| async move {
        let wanted = |entries: &[tokenkeeper_tests::idp::Entry]| entries.iter().any(|entry| question(&entry.event));
        let there = idp.ledger().until(PATIENCE, |ledger| wanted(&ledger.entries()[so_far..])).await;
        assert!(there, "the refresh never came so far");
    };
    // Real time passes here, because the moment is the very thing that varies.
    match moment {
        0 => tokio::time::sleep(wait).await,
        1 => {
            reached(|event| matches!(event, Event::Received { .. })).await;
            tokio::time::sleep(wait / 3).await;
        }
        _ => {
            reached(|event| matches!(event, Event::Sent { .. })).await;
            tokio::time::sleep(wait / 6).await;
        }
    }
    world.keeper().signal(rustix::process::Signal::KILL);
    refresh.await.expect("no panic")
}
