//! What keeping a login costs the disk, counted by strace.

use tokenkeeper_tests::idp::{Idp, Rotation, Settings};
use tokenkeeper_tests::sweep::{Strace, Tracing, cannot_attach, say, syscalls_in};
use tokenkeeper_tests::world::World;

const REFRESHES: u64 = 25;

#[tokio::test]
async fn a_commit_is_at_most_two_syncs() {
    if let Some(why) = cannot_attach() {
        return say(&format!("skipped: {why}"));
    }
    let idp = Idp::start(Settings { rotation: Rotation::STRICT, ..Settings::default() }).await;
    let world = World::signed_in(&idp).await;
    let files = ["vault.db", "vault.db-wal"].map(|name| world.state_dir().join(name));
    let tracing = Tracing { calls: &["fsync", "fdatasync", "sync_file_range"], files: files.into() };
    let strace = Strace::attach(world.keeper().pid(), &tracing, None, &world.path("trace")).await;
    for _ in 0..REFRESHES {
        world.account("work").await.refresh().await.expect("the server answers");
    }
    let counted: u64 = syscalls_in(&strace.detach().await).values().sum();
    // A refresh that rotates is two commits: what is about to be sent, and what came back.
    let commits = 2 * REFRESHES;
    say(&format!("{counted} syncs for {commits} commits"));
    assert!((commits..=2 * commits).contains(&counted), "{counted} syncs for {commits} commits");
}
