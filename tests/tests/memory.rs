//! The memory that keys lie in, as the kernel shows it to others; and where it cannot be had.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use rustix::process::geteuid;
use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::programs;
use tokenkeeper_tests::world::{World, account};
use tokio::process::Command;

/// A mapping of /proc/PID/smaps: its lines.
struct Mapping(Vec<String>);

impl Mapping {
    fn has(&self, flag: &str) -> bool {
        self.field("VmFlags:").is_some_and(|flags| flags.split_whitespace().any(|known| known == flag))
    }

    fn kilobytes(&self, field: &str) -> u64 {
        let number = self.field(field).and_then(|text| text.split_whitespace().next()?.parse().ok());
        number.expect("the kernel gives it")
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find_map(|line| line.strip_prefix(name))
    }
}

/// The mappings of a process; none where we may not see them, because it cannot be traced.
fn mappings(pid: u32) -> Vec<Mapping> {
    let path = format!("/proc/{pid}/smaps");
    let mut all: Vec<Mapping> = Vec::new();
    for line in std::fs::read_to_string(path).unwrap_or_default().lines() {
        // A mapping begins with its addresses, its fields with a capital.
        if !line.starts_with(|first: char| first.is_ascii_uppercase()) {
            all.push(Mapping(Vec::new()));
        }
        all.last_mut().expect("addresses come first").0.push(line.to_owned());
    }
    all
}

async fn hardening(world: &World, name: &str) -> String {
    let all = world.client().await.vault().hardening().await.expect("the keeper answers");
    all.into_iter().find(|(known, _)| known == name).expect("it is told").1
}

/// A signed-in keeper that may lock so many bytes.
async fn limited(idp: &Idp, bytes: u64) -> World {
    let mut world = World::bare().await;
    world.write_config(&account("work", idp));
    world.init_vault().await;
    let daemon = world.daemon();
    let mut command: Command = world.command(programs::path("prlimit"));
    command.arg(format!("--memlock={bytes}:{bytes}"));
    if geteuid().is_root() {
        // Root may lock whatever it likes.
        command.arg("setpriv").arg("--bounding-set=-ipc_lock");
    }
    command.arg(daemon.as_std().get_program()).args(daemon.as_std().get_args());
    world.start_keeper_as(command).await;
    world.sign_in("work").await;
    world
}

#[tokio::test]
async fn what_opens_others_lies_in_locked_memory_that_is_not_dumped() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    for name in ["locked_memory", "keys_not_dumped"] {
        assert_eq!(hardening(&world, name).await, "yes", "{name}");
    }
    let mappings = mappings(world.keeper().pid());
    if mappings.is_empty() {
        return eprintln!("skipped: the keeper's memory, seen by others: only root may look");
    }
    let locked: Vec<_> = mappings.iter().filter(|mapping| mapping.has("lo")).collect();
    assert_eq!(locked.len(), 1, "one small piece, and nothing else");
    assert!(locked[0].has("dd"), "not in a core dump");
    assert!(locked[0].has("wf"), "not in a child");
    assert_eq!(locked[0].kilobytes("Size:"), 1024);
    let used = locked[0].kilobytes("Locked:");
    assert!((4..=128).contains(&used), "an open vault's key is in it, and it takes no more than it needs: {used} kB");
}

#[tokio::test]
async fn where_nothing_may_be_locked_the_keeper_works_and_says_so() {
    let idp = Idp::start(Settings::default()).await;
    let world = limited(&idp, 0).await;
    assert_eq!(hardening(&world, "locked_memory").await, "no");
    assert_eq!(hardening(&world, "keys_not_dumped").await, "yes");
    world.account("work").await.refresh().await.expect("it works all the same");
}

#[tokio::test]
async fn where_64_kib_may_be_locked_it_makes_do_with_less() {
    let idp = Idp::start(Settings::default()).await;
    let world = limited(&idp, 64 << 10).await;
    assert_eq!(hardening(&world, "locked_memory").await, "yes");
    world.account("work").await.refresh().await.expect("it works");
}
