//! A disk that is full, one that breaks down, and one that refuses to write for a while. Root only, else skipped: they are
//! real file systems and a traced keeper.

use tokenkeeper::wire::ErrorName;
use tokenkeeper_tests::idp::{Event, Fault, Idp, Settings};
use tokenkeeper_tests::sweep::{
    Class, Injection, Oracle, SmallDisk, Strace, Tracing, cannot_attach, say, signed_in, start,
};
use tokenkeeper_tests::world::{PATIENCE, World, account_as};

/// How many rotations a full disk has to survive, in three lives of the keeper.
const ROTATIONS: u64 = 60;
/// What writes.
const CALLS: &[&str] = &["pwrite64", "fdatasync", "fsync", "ftruncate", "rename", "write", "openat"];

#[tokio::test(flavor = "multi_thread")]
async fn sixty_rotations_survive_a_disk_with_no_byte_free() {
    let idp = Idp::start(Settings { rotation: Class::Strict.rotation(), ..Settings::default() }).await;
    let Some((mut world, disk)) = on_a_small_disk(&idp).await else { return };
    let filler = disk.fill();
    let account = world.account("work").await;
    let mut oracle = Oracle::default();
    oracle.begin(&idp);
    for rotation in 0..ROTATIONS {
        let story = format!("rotation {rotation} on a full disk");
        account.refresh().await.unwrap_or_else(|why| panic!("{story}: {why}\n{}", world.keeper().log()));
        oracle.durable(&idp);
        if rotation % 20 == 19 {
            // The disk has it, not only the keeper.
            world.take_keeper().kill().await;
            start(&mut world).await;
        }
        oracle.check(&idp, &story);
    }
    assert_eq!(idp.ledger().rotations() as u64, ROTATIONS);
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
    std::fs::remove_file(filler).expect("it is there");
    account.refresh().await.expect("there is room again");
    say(&format!("full disk: {ROTATIONS} of {ROTATIONS} rotations survived with 0 bytes free, 3 kills among them"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_breaks_down_in_the_middle_of_a_rotation_loses_nothing() {
    let idp = Idp::start(Settings { rotation: Class::Strict.rotation(), ..Settings::default() }).await;
    let Some((mut world, disk)) = on_a_small_disk(&idp).await else { return };
    let account = world.account("work").await;
    idp.plan(Fault::hang(0.5).after_commit());
    let caller = account.clone();
    let refresh = tokio::spawn(async move { caller.refresh().await });
    assert!(idp.ledger().until(PATIENCE, |ledger| ledger.rotations() == 1).await, "the server has rotated");
    if let Err(why) = disk.break_down() {
        return say(&format!("skipped: a disk that breaks down: {why}"));
    }
    // The runtime directory, another file system, takes what this one refuses.
    refresh.await.expect("no panic").unwrap_or_else(|why| panic!("{why}\n{}", world.keeper().log()));
    let refused = account.refresh().await.expect_err("no further rotation is started");
    assert_eq!(refused.name(), Some(ErrorName::Unavailable), "{refused}");
    assert_eq!(idp.ledger().refreshes(), 1, "nothing is sent that could not be stored");
    assert!(world.token("work").await.is_ok(), "the new token is served");
    world.take_keeper().kill().await;
    disk.unmount().expect("nobody is on it");
    disk.mount_again().expect("it is mended");
    start(&mut world).await;
    account.refresh().await.expect("the successor was taken back");
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_be_written_nowhere_is_unsaved_and_saved_when_the_disk_works_again() {
    if let Some(why) = cannot_attach() {
        return say(&format!("skipped: a disk that refuses to write for a while: {why}"));
    }
    let idp = Idp::start(Settings { rotation: Class::Strict.rotation(), ..Settings::default() }).await;
    let mut world = signed_in(&idp, Class::Strict).await;
    // In place of the directory for what the vault's disk refuses: now there is nowhere else.
    std::fs::create_dir_all(world.path("run/tokenkeeper")).expect("the directory is ours");
    world.write("run/tokenkeeper/sink", "");
    let before = world.token("work").await.expect("signed in");
    let account = world.account("work").await;

    idp.plan(Fault::hang(1.0).after_commit());
    let caller = account.clone();
    let refresh = tokio::spawn(async move { caller.refresh().await });
    assert!(idp.ledger().until(PATIENCE, |ledger| ledger.rotations() == 1).await, "the server has rotated");
    let read_only = Injection { at: CALLS.join(","), what: "EROFS", when: 1, for_good: true };
    let strace = refuse(&world, &read_only).await;
    let refused = refresh.await.expect("no panic");
    let status = world.until("work", |status| status.last_error_name() == Some(ErrorName::Unsaved)).await;
    say(&format!("read-only: the refresh said {refused:?}, LastError {:?}", status.last_error));
    let during = world.token("work").await.expect("a good token is served");
    assert_eq!(during.as_str(), before.as_str(), "the old one, as long as it is good");
    assert!(account.refresh().await.is_err(), "no further rotation is started");
    assert_eq!(idp.ledger().refreshes(), 1);

    strace.detach().await;
    world.until("work", |status| status.last_error.is_none()).await;
    world.take_keeper().kill().await;
    start(&mut world).await;
    account.refresh().await.expect("the successor was saved");
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

/// A world whose state directory is a disk of its own; `None` = not here, and why was said.
async fn on_a_small_disk(idp: &Idp) -> Option<(World, SmallDisk)> {
    let mut world = World::bare().await;
    let disk = match SmallDisk::mount(&world.path("state"), 32) {
        Ok(disk) => disk,
        Err(why) => {
            say(&format!("skipped: a disk of one's own: {why}"));
            return None;
        }
    };
    world.write_config(&account_as("work", idp, Class::Strict.definition()));
    world.init_vault().await;
    start(&mut world).await;
    world.sign_in("work").await;
    Some((world, disk))
}

async fn refuse(world: &World, injection: &Injection) -> Strace {
    let dir = std::fs::canonicalize(world.state_dir()).expect("the vault is there");
    let files = ["vault.db", "vault.db-wal", "vault.db.new", "vault.db-wal.new", "ballast"].map(|name| dir.join(name));
    let tracing = Tracing { calls: CALLS, files: files.into() };
    Strace::attach(world.keeper().pid(), &tracing, Some(injection), &world.path("trace")).await
}
