//! A token on the command line: the whole process, against oidc-agent's.

use std::process::Stdio;
use std::time::Duration;

use tokenkeeper_tests::idp::{Client, ClientAuth, Idp, Rotation, Settings};
use tokenkeeper_tests::world::{PATIENCE, World, account};
use tokenkeeper_tests::{clock, programs};
use tokio::net::UnixStream;
use tokio::process::{Child, Command};

use crate::table::{Table, quantile};

const RUNS: usize = 200;
const WHAT: &str = "`tokenkeeper token`, whole process";
const BUDGET: f64 = 1.0;

pub(crate) async fn measure(table: &mut Table) {
    // oidc-agent shows its secret by HTTP Basic and does not form-urlencode it first: one without special characters.
    let clients = vec![Client::public("desktop"), Client::confidential("agent", ClientAuth::Basic, "hush")];
    let lasting = Settings { access_lifetime: 3600.0, rotation: Rotation::None, clients, ..Settings::default() };
    let idp = Idp::start(lasting).await;
    let world = World::with(&account("work", &idp)).await;
    world.sign_in("work").await;
    let peer = match Agent::start(&world, &idp).await {
        Ok(peer) => peer,
        Err(why) => return table.missing(WHAT, &why, BUDGET, "×"),
    };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let mut token = world.command(programs::ours("tokenkeeper"));
        ours.push(timed(token.args(["token", "work"])).await);
        theirs.push(timed(&mut peer.token(&world)).await);
    }
    table.ratio(WHAT, quantile(ours, 0.5), ("oidc-token", quantile(theirs, 0.5)), BUDGET);
}

/// Runs a command to its end, which must be a token.
async fn timed(command: &mut Command) -> Duration {
    let started = clock::start();
    let done = command.output().await.expect("the program can be started");
    let taken = started.elapsed();
    assert!(done.status.success() && done.stdout.len() > 10, "{}", String::from_utf8_lossy(&done.stderr));
    taken
}

/// A running oidc-agent with one account at our server.
struct Agent {
    _process: Child,
    socket: String,
}

impl Agent {
    async fn start(world: &World, idp: &Idp) -> Result<Self, String> {
        if !programs::has("oidc-agent") {
            return Err("oidc-agent is not installed".into());
        }
        std::fs::create_dir_all(world.path("home/.oidc-agent")).map_err(|e| e.to_string())?;
        let socket = world.path("run/oidc-agent.sock").display().to_string();
        let process = world
            .command("oidc-agent")
            .args(["--console", "--no-autoload", "--bind_address", &socket])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| e.to_string())?;
        let agent = Self { _process: process, socket };
        let answers = async {
            while UnixStream::connect(&agent.socket).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, answers).await.map_err(|_| "oidc-agent does not answer")?;
        agent.add(world, idp).await?;
        Ok(agent)
    }

    async fn add(&self, world: &World, idp: &Idp) -> Result<(), String> {
        let refresh_token = idp.refresh_token_for("agent");
        let made = world
            .command("oidc-gen")
            .env("OIDC_SOCK", &self.socket)
            .env("OIDC_REFRESH_TOKEN", refresh_token)
            .args(["work", "--manual", "--client-id=agent", "--client-secret=hush", "--rt-env", "--prompt=none"])
            .args(["--scope=openid offline_access", "--confirm-default", "--pw-cmd=echo bench"])
            .arg("--redirect-uri=http://localhost:4242")
            .arg(format!("--iss={}", idp.issuer()))
            .output()
            .await
            .map_err(|e| e.to_string())?;
        let first = self.token(world).output().await.map_err(|e| e.to_string())?;
        if made.status.success() && first.status.success() {
            return Ok(());
        }
        let said = [made.stderr, first.stderr].concat();
        Err(format!("oidc-agent: {}", String::from_utf8_lossy(&said).lines().next().unwrap_or("failed")))
    }

    fn token(&self, world: &World) -> Command {
        let mut command = world.command("oidc-token");
        command.env("OIDC_SOCK", &self.socket).arg("work");
        command
    }
}
