//! Every system call that the running keeper makes on its vault, made to fail or to be the last one, during a refresh, a
//! login and a change of slots. `TOKENKEEPER_SYSCALLS=all` takes every call and every error; otherwise a sample.

use std::collections::BTreeMap;

use tokenkeeper::{Account, LoginOptions};
use tokenkeeper_tests::idp::{Fault, Idp, Settings};
use tokenkeeper_tests::person;
use tokenkeeper_tests::sweep::{
    Class, Dice, Injection, Oracle, Strace, Tracing, cannot_attach, child_of, is_there, newest_durable, say, signed_in,
    start, syscalls_in,
};
use tokenkeeper_tests::world::{PATIENCE, World};

const CALLS: &[&str] =
    &["fsync", "fdatasync", "pwrite64", "write", "openat", "ftruncate", "rename", "unlink", "pread64", "fstat"];
const ERRORS: &[&str] = &["EIO", "ENOSPC", "EROFS", "EINTR", "KILL"];
/// What writes.
const WRITING: &str = "fsync,fdatasync,pwrite64,write,openat,ftruncate,rename,unlink";
/// How many faults of a story are tried when not all are.
const FEW: usize = 12;

/// What the keeper is doing when the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Story {
    Refresh,
    Login,
    Slots,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_survives_every_fault_of_its_disk() {
    sweep(Story::Refresh).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_survives_every_fault_of_its_disk() {
    sweep(Story::Login).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_of_slots_survives_every_fault_of_its_disk() {
    sweep(Story::Slots).await;
}

async fn sweep(story: Story) {
    if let Some(why) = cannot_attach() {
        return say(&format!("skipped: {story:?} under strace: {why}"));
    }
    let (mut dice, seed) = Dice::new();
    let idp = Idp::start(Settings { rotation: Class::Strict.rotation(), ..Settings::default() }).await;
    let mut world = signed_in(&idp, Class::Strict).await;
    let faults = some_of(faults_of(&world, story).await, &mut dice);
    let mut oracle = Oracle::default();
    let (mut killed, mut lost) = (0, 0);
    for fault in &faults {
        let told = format!("{story:?}, {fault:?}");
        let account = world.account("work").await;
        let before = account.status().await.expect("it exists").generation;
        restart(&mut world).await;
        oracle.begin(&idp);
        let strace = attach(&world, Some(fault)).await;
        let done = act(&world, story).await;
        if fault.what != "KILL" {
            let status = account.status().await;
            assert!(status.is_ok(), "{told}: the keeper lives and answers: {status:?}\n{}", world.keeper().log());
            assert!(world.token("work").await.is_ok(), "{told}: a good token is served:\n{}", world.keeper().log());
        }
        // kill -9 with the fault still there: what is not durable now is gone.
        let log = kill(&mut world, strace).await;
        killed += u64::from(fault.what == "KILL");
        if done && story == Story::Refresh {
            oracle.durable(&idp);
        }
        start(&mut world).await;
        if is_there(&account, &told).await {
            oracle.durable(&idp);
        } else {
            let was_durable = newest_durable(&log) > before;
            assert_eq!((fault.what, story), ("KILL", Story::Refresh), "{told}: a login was lost:\n{log}");
            oracle.lost(&idp, Class::Strict, was_durable, &told);
            lost += 1;
            world.sign_in("work").await;
        }
        oracle.check(&idp, &told);
    }
    let runs = faults.len();
    say(&format!(
        "{story:?}: {runs} faults (TOKENKEEPER_SEED={seed}), {killed} of them kills; {lost} logins lost, each explained"
    ));
}

/// Every fault there can be: the story is traced once, undisturbed, to see what calls it makes.
async fn faults_of(world: &World, story: Story) -> Vec<Injection> {
    let strace = attach(world, None).await;
    assert!(act(world, story).await, "undisturbed, it succeeds");
    let counted = syscalls_in(&strace.detach().await);
    assert!(counted.contains_key("fsync"), "the story reaches the disk: {counted:?}");
    faults_at(counted)
}

fn faults_at(counted: BTreeMap<String, u64>) -> Vec<Injection> {
    let mut faults = Vec::new();
    for (call, count) in counted {
        // `fstat` fails on no disk: it is the moment of a kill only.
        let errors: &[&str] = if call == "fstat" { &["KILL"] } else { ERRORS };
        for &what in errors {
            for when in 1..=count {
                faults.push(Injection { at: call.clone(), what, when, for_good: false });
                // SQLite tries an interrupted call again until it succeeds.
                if !matches!(what, "KILL" | "EINTR") {
                    faults.push(Injection { at: call.clone(), what, when, for_good: true });
                    // The whole disk at once, from here on.
                    faults.push(Injection { at: WRITING.into(), what, when, for_good: true });
                }
            }
        }
    }
    faults.sort();
    faults.dedup();
    faults
}

fn some_of(mut faults: Vec<Injection>, dice: &mut Dice) -> Vec<Injection> {
    if std::env::var("TOKENKEEPER_SYSCALLS").as_deref() != Ok("all") {
        while faults.len() > FEW {
            faults.swap_remove(usize::try_from(dice.below(faults.len() as u64)).expect("an index"));
        }
    }
    faults
}

/// Plays the story; says whether it ended well.
async fn act(world: &World, story: Story) -> bool {
    let account = world.account("work").await;
    let play = async {
        match story {
            Story::Refresh => account.refresh().await.is_ok(),
            Story::Login => sign_in(&account).await,
            Story::Slots => change_slots(world).await,
        }
    };
    tokio::time::timeout(PATIENCE, play).await.expect("it ends, well or not")
}

async fn sign_in(account: &Account) -> bool {
    let Ok(login) = account.login(LoginOptions::new().flow("browser")).await else { return false };
    let Some(address) = &login.uri else { return false };
    // A keeper that was killed answers the browser no more.
    let _ = person::open(address).await;
    login.request.wait().await.is_ok()
}

async fn change_slots(world: &World) -> bool {
    let vault = world.client().await.vault();
    let key = world.path("home/second.key");
    let Ok(request) = vault.add_slot("keyfile", Some(&key.display().to_string())).await else { return false };
    if request.wait().await.is_err() {
        return false;
    }
    let slots = vault.slots().await.unwrap_or_default();
    let Some(second) = slots.last().filter(|_| slots.len() > 1) else { return false };
    vault.remove_slot(&second.id).await.is_ok()
}

/// A start after a kill in the middle of a refresh: it has something to recover.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_survives_every_fault_of_its_disk() {
    if let Some(why) = cannot_attach() {
        return say(&format!("skipped: a start under strace: {why}"));
    }
    let (mut dice, seed) = Dice::new();
    let idp = Idp::start(Settings { rotation: Class::Strict.rotation(), ..Settings::default() }).await;
    let mut world = signed_in(&idp, Class::Strict).await;
    let account = world.account("work").await;
    break_off(&mut world, &idp, &account).await;
    assert!(start_traced(&mut world, None).await, "undisturbed, it starts");
    kill_traced(&mut world).await;
    let trace = std::fs::read_to_string(world.path("trace")).expect("strace wrote it");
    // It reads; what it may have to write it writes once it runs.
    let faults = some_of(faults_at(syscalls_in(&trace)), &mut dice);
    let mut started = 0;
    start(&mut world).await;
    assert!(is_there(&account, "undisturbed").await);
    for fault in &faults {
        let told = format!("start, {fault:?}");
        break_off(&mut world, &idp, &account).await;
        if start_traced(&mut world, Some(fault)).await {
            started += 1;
            let status = account.status().await;
            assert!(status.is_ok() || fault.what == "KILL", "{told}: the keeper answers: {status:?}");
            kill_traced(&mut world).await;
        }
        start(&mut world).await;
        assert!(is_there(&account, &told).await, "{told}: a login was lost:\n{}", world.keeper().log());
    }
    let runs = faults.len();
    say(&format!(
        "start: {runs} faults (TOKENKEEPER_SEED={seed}), {started} starts succeeded all the same; 0 logins lost"
    ));
}

/// Leaves an intent behind, of a token that the server never acted on.
async fn break_off(world: &mut World, idp: &Idp, account: &Account) {
    let so_far = idp.ledger().refreshes();
    idp.plan(Fault::hang(60.0));
    let caller = account.clone();
    let refresh = tokio::spawn(async move { caller.refresh().await });
    assert!(idp.ledger().until(PATIENCE, |ledger| ledger.refreshes() > so_far).await, "it was sent");
    world.take_keeper().kill().await;
    assert!(refresh.await.expect("no panic").is_err());
    idp.clear_faults();
}

async fn start_traced(world: &mut World, fault: Option<&Injection>) -> bool {
    let mut command = world.daemon();
    command.env("TOKENKEEPER_LOG", "debug");
    let traced = tracing(world).around(&command, fault, &world.path("trace"));
    world.try_start_keeper_as(traced).await.is_ok()
}

/// The keeper, not the `strace` around it, which ends with it.
async fn kill_traced(world: &mut World) {
    let mut keeper = world.take_keeper();
    if let Some(pid) = child_of(keeper.pid()) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
    }
    keeper.ended().await;
}

async fn attach(world: &World, fault: Option<&Injection>) -> Strace {
    Strace::attach(world.keeper().pid(), &tracing(world), fault, &world.path("trace")).await
}

fn tracing(world: &World) -> Tracing {
    let dir = std::fs::canonicalize(world.state_dir()).expect("the vault is there");
    let names = ["vault.db", "vault.db-wal", "vault.db.new", "vault.db-wal.new", "ballast", ""];
    Tracing { calls: CALLS, files: names.iter().map(|name| dir.join(name)).collect() }
}

async fn kill(world: &mut World, strace: Strace) -> String {
    let log = world.take_keeper().kill().await;
    strace.detach().await;
    log
}

async fn restart(world: &mut World) {
    world.take_keeper().kill().await;
    start(world).await;
}
