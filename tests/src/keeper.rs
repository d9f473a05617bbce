//! A running `tokenkeeperd`: its process, what it logged, its end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::AsyncReadExt as _;
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// The process. It is killed when this is dropped.
pub struct Keeper {
    child: Child,
    log: Arc<Mutex<String>>,
    length: watch::Receiver<usize>,
    collecting: JoinHandle<()>,
}

impl Keeper {
    /// Starts a command and begins to collect what it logs.
    pub fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the keeper's program can be started");
        let mut stderr = child.stderr.take().expect("it was piped");
        let log = Arc::new(Mutex::new(String::new()));
        let sink = Arc::clone(&log);
        let (grew, length) = watch::channel(0);
        let collecting = tokio::spawn(async move {
            let mut chunk = [0; 4096];
            while let Ok(count @ 1..) = stderr.read(&mut chunk).await {
                sink.lock().expect("no holder panics").push_str(&String::from_utf8_lossy(&chunk[..count]));
                grew.send_modify(|length| *length += count);
            }
        });
        Self { child, log, length, collecting }
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    /// What it logged so far.
    pub fn log(&self) -> String {
        self.log.lock().expect("no holder panics").clone()
    }

    /// Waits until it logs these words, if it has not yet.
    pub async fn says(&self, words: &str) {
        let mut length = self.length.clone();
        let wait = async { while !self.log().contains(words) && length.changed().await.is_ok() {} };
        let in_time = tokio::time::timeout(crate::world::PATIENCE, wait).await.is_ok();
        assert!(in_time && self.log().contains(words), "never said: {words}\n{}", self.log());
    }

    /// kill -9, and waits until it is gone; gives everything it logged, to the last line.
    pub async fn kill(mut self) -> String {
        self.child.kill().await.expect("it is ours to kill");
        self.whole_log().await
    }

    /// What it logged, to the last line, once it has ended.
    pub async fn whole_log(self) -> String {
        self.collecting.await.expect("collecting does not panic");
        let log = self.log.lock().expect("no holder panics");
        log.clone()
    }

    /// Asks it to end and waits; gives its exit code, `None` when it did not end in time or by a signal.
    pub async fn terminate(mut self, limit: Duration) -> Option<i32> {
        self.signal(Signal::TERM);
        tokio::time::timeout(limit, self.child.wait()).await.ok()?.ok()?.code()
    }

    /// Waits for its own end.
    pub async fn ended(&mut self) -> Option<i32> {
        self.child.wait().await.ok()?.code()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, signal).expect("it is ours to signal");
    }
}
