//! The least a service on the bus can do: answer with a constant, through the library's own object server.

use std::io::Read as _;
use std::process::Stdio;

use tokenkeeper_tests::world::World;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;

pub(crate) const ARGUMENT: &str = "--constant-service";
pub(crate) const NAME: &str = "org.tokenkeeper.Bench";
pub(crate) const PATH: &str = "/bench";

struct Constant;

#[zbus::interface(name = "org.tokenkeeper.Bench")]
impl Constant {
    fn token(&self) -> &'static str {
        "a constant of the length of an access token, so that the same number of bytes travels"
    }
}

/// Serves until standard input ends. One thread, as the keeper has.
pub(crate) async fn serve() {
    let served = tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let connection = zbus::connection::Builder::session().name(NAME).serve_at(PATH, Constant);
            let _connection = connection.build().await.expect("the bus takes connections");
            println!("ready");
            // Whoever started us holds the other end: when it goes, so do we.
            let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await;
        });
    });
    served.await.expect("it serves until it is told to end");
}

/// Starts it as a process of its own in this world.
pub(crate) async fn start(world: &World) -> Child {
    let own = std::env::current_exe().expect("a program knows where it lies");
    let mut child = world
        .command(own)
        .arg(ARGUMENT)
        .stdin(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("it can be started");
    let mut line = String::new();
    let out = child.stdout.take().expect("it was piped");
    BufReader::new(out).read_line(&mut line).await.expect("it says when it is ready");
    child
}
