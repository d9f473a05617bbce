//! What the keeper holds in memory after a refresh over TLS.

use std::path::Path;
use std::sync::Arc;

use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::world::{World, account};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::table::Table;

/// Where `scripts/bench` has put a certificate for `localhost` that the system's roots vouch for.
const CERTIFICATE: &str = "TOKENKEEPER_BENCH_CERTIFICATE";
const WHAT: &str = "keeper's memory after a TLS refresh";

pub(crate) async fn measure(table: &mut Table) {
    let Some(dir) = std::env::var_os(CERTIFICATE) else {
        return table.missing(WHAT, "needs root, to trust a test's root", 14.0, "MB");
    };
    let settings = Settings { access_lifetime: 3600.0, ..Settings::default() };
    let idp = Idp::start_tls(settings, acceptor(Path::new(&dir))).await;
    let world = World::with(&account("work", &idp)).await;
    world.sign_in("work").await;
    world.account("work").await.refresh().await.expect("a refresh over TLS");
    table.figure(WHAT, resident(world.keeper().pid()), "MB", 14.0);
}

/// Resident memory in megabytes (proc_pid_status(5), `VmRSS`).
fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("the keeper runs");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("every process has it");
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().expect("a number");
    kib * 1024.0 / 1e6
}

fn acceptor(dir: &Path) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_file(dir.join("server.pem")).expect("a certificate")];
    let key = PrivateKeyDer::from_pem_file(dir.join("server.key")).expect("a key");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("a certificate");
    TlsAcceptor::from(Arc::new(config))
}
