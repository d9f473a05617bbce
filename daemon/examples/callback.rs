//! Shows the page that a browser gets at the end of a login, for whoever works on it:
//! `cargo run -p tokenkeeper-daemon --example callback -- stored|failed|given-up [PORT]`.
//! Open the printed address once for the page, and a second time while it waits for the 410 page.

use std::error::Error;
use std::io::Write as _;
use std::time::Duration;

use tokenkeeper_config::Redirect;
use tokenkeeperd::account::Page;
use tokenkeeperd::keeper::Listener;
use tokio::sync::oneshot;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let shown = match args.next().as_deref() {
        Some("failed") => Some(Page::Failed {
            account: "work".into(),
            what: "the server signed you in but gave no refresh token".into(),
            remedy: "turn on “Allow Offline Access” for the API https://api.acme.example, then run \
                     `tokenkeeper login work` again"
                .into(),
        }),
        Some("given-up") => None,
        _ => Some(Page::Stored {
            account: "work".into(),
            subject: Some("ada@acme.example".into()),
            issuer: "https://acme.eu.auth0.com/".into(),
        }),
    };
    let ports = args.next().map(|port| port.parse()).transpose()?.into_iter().collect();
    let listener = Listener::bind(&Redirect { host: "127.0.0.1".into(), ports, path: None }, "callback").await?;
    writeln!(std::io::stderr(), "{}?code=example&state=example", listener.redirect_uri())?;

    let (callback, hit) = oneshot::channel();
    let (page, decided) = oneshot::channel();
    let deciding = async {
        let _ = hit.await;
        tokio::time::sleep(Duration::from_secs(3)).await; // time for a second hit
        shown.map(|shown| page.send(shown))
    };
    tokio::join!(listener.serve(callback, decided), deciding);
    Ok(())
}
