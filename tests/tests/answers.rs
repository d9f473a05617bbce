//! What a server answers and what the keeper makes of it, where the pure core's tests cannot see the whole way: how
//! long it really stays quiet, what it stores although it serves nothing, whom it refuses to talk to.
#![allow(clippy::print_stderr, reason = "a skipped test says so")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use tokenkeeper::wire::ErrorName;
use tokenkeeper::{AccountState, LoginOptions, TokenOptions};
use tokenkeeper_tests::idp::{Deed, Event, Fault, Idp, Settings, digest};
use tokenkeeper_tests::world::{PATIENCE, World, account, account_as};
use tokenkeeper_tests::{clock, programs};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// How long the server asks to be left alone.
const QUIET: u64 = 4;

#[tokio::test]
async fn a_server_that_wants_quiet_gets_it_in_every_dialect() {
    for dialect in ["seconds", "date", "epoch"] {
        let idp = Idp::start(Settings::default()).await;
        let world = World::signed_in(&idp).await;
        let asked = clock::wall();
        let until = asked.as_secs() + QUIET;
        let (deed, earliest) = match dialect {
            "seconds" => (Deed::slow_down_seconds(QUIET), asked.as_millis() + u128::from(QUIET) * 1000),
            "date" => (Deed::slow_down_until(&http_date(until)), u128::from(until) * 1000),
            _ => (Deed::slow_down_reset(until), u128::from(until) * 1000),
        };
        idp.plan(Fault::token(deed));
        // Persons who press the button again and again wait like everybody else.
        let account = world.account("work").await;
        futures_util::future::join_all((0..5).map(|_| account.refresh())).await;
        world.token("work").await.expect("the token is served meanwhile");
        account.refresh().await.expect("it waits until the server may be asked");
        let arrived: Vec<_> = idp
            .ledger()
            .entries()
            .into_iter()
            .filter(|entry| matches!(&entry.event, Event::Received { grant, .. } if grant == "refresh_token"))
            .map(|entry| u128::from(entry.at_ms))
            .collect();
        assert_eq!(arrived.len(), 2, "{dialect}");
        assert!(arrived[1] >= earliest, "{dialect}: {} ms too early", earliest - arrived[1]);
    }
}

/// A31: `sub` of another person at a refresh.
#[tokio::test]
async fn somebody_elses_id_token_at_a_refresh_holds_the_account_and_keeps_the_new_refresh_token() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::signed_in(&idp).await;
    idp.set(|settings| settings.refresh_subject = Some("mallory".into()));
    let held = world.account("work").await.refresh().await.expect_err("another subject");
    assert_eq!(held.name(), Some(ErrorName::Held), "{held}");
    world.until("work", |status| status.state == AccountState::Held).await;
    let refused = world.token("work").await.expect_err("nothing is served");
    assert_eq!(refused.name(), Some(ErrorName::Held), "{refused}");
    // The old refresh token is spent at the server: logging out must revoke its successor.
    world.account("work").await.logout().await.expect("it can always be given up");
    let revoked = idp.ledger().until(PATIENCE, |ledger| ledger.count(|e| matches!(e, Event::Revoked { .. })) == 1);
    assert!(revoked.await, "the successor was stored");
}

/// S5: one exchange at a time, over all audiences.
#[tokio::test(flavor = "multi_thread")]
async fn three_audiences_of_one_login_are_never_asked_for_at_once() {
    let audiences = ["https://a.example", "https://b.example", "https://c.example"];
    let idp = Idp::start(Settings {
        audiences: audiences.iter().map(|&audience| audience.to_owned()).collect(),
        ..Settings::auth0()
    })
    .await;
    let more = format!("client_id = \"desktop\"\naudience = \"{}\"\naudiences = {:?}\n", audiences[0], &audiences[1..]);
    let world = World::with(&account_as("work", &idp, &more)).await;
    world.sign_in("work").await;
    let account = world.account("work").await;
    idp.plan(Fault::hang(0.05).times(0));
    let calls = (0..50).map(|n| account.token(TokenOptions::new().audience(audiences[n % 3])));
    for token in futures_util::future::join_all(calls).await {
        token.expect("the server knows all three");
    }
    // Received, then sent, then the next received: no two in flight.
    let mut open = None;
    for entry in idp.ledger().entries() {
        match entry.event {
            Event::Received { .. } => assert!(open.replace(entry.exchange).is_none(), "two in flight"),
            Event::Sent { .. } => assert_eq!(open.take(), Some(entry.exchange)),
            _ => {}
        }
    }
    assert_eq!(idp.ledger().refreshes(), 2, "one exchange for each further audience");
    assert_eq!(idp.ledger().count(|event| matches!(event, Event::Reused { .. })), 0);
}

#[tokio::test]
async fn a_machine_account_needs_no_person() {
    let idp = Idp::start(Settings::default()).await;
    let more = "client_id = \"post\"\nclient_auth = \"post\"\nflow = \"client-credentials\"\nscopes = [\"jobs\"]\n";
    let world = World::with(&account_as("ci", &idp, more)).await;
    let request = world.account("ci").await.set_secret().await.expect("it may be set");
    request.input(&[("client_secret", b"s3cret&=?")]).await.expect("the keeper takes it");
    request.wait().await.expect("it is stored");
    let token = world.token("ci").await.expect("nobody has to sign in");
    assert_eq!(token.scopes(), ["jobs"]);
}

#[tokio::test]
async fn a_refresh_token_can_be_brought_from_elsewhere() {
    let idp = Idp::start(Settings::default()).await;
    let (donor, world) = (World::signed_in(&idp).await, World::with_account(&idp).await);
    let brought = idp.given_out().into_iter().find(|secret| secret.starts_with("rt_")).expect("the donor has one");
    drop(donor);
    let account = world.account("work").await;
    let login = account.login(LoginOptions::new().flow("import")).await.expect("it begins");
    login.request.input(&[("refresh_token", brought.as_bytes())]).await.expect("the keeper takes it");
    login.request.wait().await.expect("the server takes it");
    world.token("work").await.expect("there is a token");
    let sent = |event: &Event| matches!(event, Event::Received { token, .. } if *token == digest(&brought));
    assert_eq!(idp.ledger().count(sent), 1);
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_shown_and_nothing_is_sent() {
    if !programs::has("openssl") {
        return eprintln!("skipped: openssl is not installed");
    }
    let dir = tempfile::tempdir().expect("room for a directory");
    let idp = Idp::start_tls(Settings::default(), self_signed(dir.path())).await;
    let world = World::with_account(&idp).await;
    let begun = world.account("work").await.login(LoginOptions::new().flow("browser")).await;
    let refused = match begun {
        Err(refused) => refused,
        Ok(login) => login.request.wait().await.expect_err("the certificate is no good"),
    };
    assert_eq!(refused.name(), Some(ErrorName::Unavailable), "{refused}");
    assert!(refused.to_string().contains("certificate"), "{refused}");
    assert_eq!(idp.ledger().entries().len(), 0);
}

#[tokio::test]
async fn a_second_keeper_is_refused_on_the_same_bus_and_on_another() {
    let idp = Idp::start(Settings::default()).await;
    let world = World::with(&account("work", &idp)).await;
    let second = world.daemon().output().await.expect("it can be started");
    assert!(!second.status.success(), "a second keeper on the same bus");
    let other = World::bare().await;
    let second = world.daemon().env("DBUS_SESSION_BUS_ADDRESS", other.bus_address()).output();
    let second = tokio::time::timeout(PATIENCE, second).await.expect("it ends").expect("it can be started");
    assert!(!second.status.success(), "a second keeper on the same vault");
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(said.contains("another") || said.contains("already"), "{said}");
    world.sign_in("work").await;
}

fn self_signed(dir: &Path) -> TlsAcceptor {
    let (key, certificate) = (dir.join("key.pem"), dir.join("certificate.pem"));
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost", "-keyout"])
        .arg(&key)
        .arg("-out")
        .arg(&certificate)
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl makes a certificate");
    let chain = vec![CertificateDer::from_pem_file(certificate).expect("openssl wrote it")];
    let key = PrivateKeyDer::from_pem_file(key).expect("openssl wrote it");
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).expect("they fit");
    TlsAcceptor::from(Arc::new(config))
}

/// RFC 9110 §5.6.7, by the system's `date`.
fn http_date(unix: u64) -> String {
    let written = Command::new("date").args(["-u", "-d", &format!("@{unix}"), "+%a, %d %b %Y %H:%M:%S GMT"]).output();
    String::from_utf8(written.expect("date is everywhere").stdout).expect("plain text").trim().to_owned()
}
