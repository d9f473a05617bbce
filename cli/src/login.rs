//! Signing in: the keeper speaks with the server, this opens the browser or says what to do where there is none.
//!
//! The authorization address never stands in an argument of a program; it is shown only to a person who needs it.

mod doorstep;
mod paste;
mod pictured;

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use tokenkeeper::wire::ErrorName;
use tokenkeeper::{Account, Error, Keeper, LoginOptions, Outcome, Request};
use tokio::signal::unix::Signal;

use crate::args::{FlowWord, Login};
use crate::ask::Hidden;
use crate::fault::Fault;
use crate::setup::machine;
use crate::{ask, link, say};
use doorstep::Doorstep;

/// How to sign in, as the person wants it.
#[derive(Default)]
pub(crate) struct Wish {
    pub(crate) flow: Option<FlowWord>,
    pub(crate) no_browser: bool,
    pub(crate) scopes: Vec<String>,
    pub(crate) acr: Vec<String>,
    pub(crate) max_age: Option<Duration>,
    pub(crate) retry: bool,
    pub(crate) adopt: bool,
    /// Sign in with this refresh token instead.
    pub(crate) refresh_token: Option<Hidden>,
}

/// Signs in to the account of the command line.
///
/// # Errors
/// Why it did not work, or that the person gave up.
pub(crate) async fn run(args: Login) -> Result<(), Fault> {
    let keeper = link::keeper().await?;
    let Login { name, flow, no_browser, scopes, acr, max_age, retry, adopt } = args;
    let wish = Wish { flow, no_browser, scopes, acr, max_age, retry, adopt, refresh_token: None };
    sign_in(&keeper, name.as_str(), wish, &mut ask::interrupts()?).await
}

/// Signs in and says who did. Ctrl-C ends it, also while the server is asked how it wants the login.
///
/// # Errors
/// As [`run`].
pub(crate) async fn sign_in(keeper: &Keeper, name: &str, wish: Wish, interrupt: &mut Signal) -> Result<(), Fault> {
    let account = keeper.account(name)?;
    let begun = tokio::select! {
        begun = begin(&account, &wish) => begun,
        _ = interrupt.recv() => Err(cancelled()),
    };
    let login = begun.map_err(Fault::about(name))?;
    let ended = async {
        if let Some(token) = &wish.refresh_token {
            login.request.input(&[("refresh_token", token)]).await?;
        }
        match (&login.uri, &login.user_code) {
            (Some(uri), Some(code)) => {
                let place = login.verification_uri.as_ref().unwrap_or(uri);
                by_code(&login.request, uri, place, code).await
            }
            (Some(uri), None) if wish.no_browser || !machine::has_display() => {
                paste::by_hand(&login.request, uri, wish.no_browser).await
            }
            (Some(uri), None) => in_browser(&login.request, uri).await,
            (None, _) => with_spinner("Waiting for the server…", login.request.wait()).await,
        }
    };
    let outcome = tokio::select! {
        outcome = ended => outcome,
        _ = interrupt.recv() => Err(given_up(&login.request).await),
    };
    tell(name, &outcome.map_err(Fault::about(name))?);
    Ok(())
}

/// Begins the login; without a display by the device flow, if the server has one for this client.
async fn begin(account: &Account, wish: &Wish) -> Result<tokenkeeper::Login, Error> {
    let options = || {
        let mut options = wish.scopes.iter().fold(LoginOptions::new(), |options, scope| options.scope(scope));
        options = wish.acr.iter().fold(options, LoginOptions::acr);
        if let Some(age) = wish.max_age {
            options = options.max_age(age);
        }
        if wish.retry {
            options = options.retry();
        }
        if wish.adopt {
            options = options.adopt();
        }
        options
    };
    if wish.refresh_token.is_some() {
        return account.login(options().flow("import")).await;
    }
    if let Some(flow) = wish.flow {
        return account.login(options().flow(flow.as_str())).await;
    }
    let plain = wish.no_browser || wish.retry || wish.adopt || machine::has_display();
    if plain {
        return account.login(options()).await;
    }
    match account.login(options().flow("device")).await {
        Err(error) if matches!(error.name(), Some(ErrorName::NotSupported | ErrorName::Misconfigured)) => {
            account.login(options()).await
        }
        begun => begun,
    }
}

/// Opens the browser and waits. If it cannot be opened, the person opens the address.
async fn in_browser(request: &Request, uri: &str) -> Result<Outcome, Error> {
    let Ok(doorstep) = Doorstep::open().await else {
        return paste::by_hand(request, uri, true).await;
    };
    let address = doorstep.address();
    let opened = off_thread(move || webbrowser::open(&address).is_ok());
    let served = doorstep.send_to(uri);
    let waited = with_spinner("Sign in in your browser. Waiting…", request.wait());
    tokio::pin!(served, waited);
    let mut going = true;
    let mut opened = std::pin::pin!(opened);
    let mut asked = true;
    loop {
        tokio::select! {
            outcome = &mut waited => return outcome,
            () = &mut served, if going => going = false,
            done = &mut opened, if asked => match done {
                Ok(true) => asked = false,
                Ok(false) | Err(_) => break,
            },
        }
    }
    say::note("Your browser could not be opened.");
    paste::by_hand(request, uri, true).await
}

/// Shows where to type the code, the code, and a picture for a phone, whose address may have the code in it; waits.
async fn by_code(request: &Request, uri: &str, place: &str, code: &str) -> Result<Outcome, Error> {
    if let Some(picture) = pictured::as_blocks(uri) {
        say::note(picture);
    }
    say::note("Open this page in a browser, on any device:");
    say::note("");
    say::note(place);
    say::note("");
    say::note(format_args!("and enter, or compare, this code: {}", say::paint(code, owo_colors::Style::new().bold())));
    with_spinner("Waiting until you are done there…", request.wait()).await
}

/// Waits with something that turns, on a terminal.
async fn with_spinner<T>(words: &'static str, waited: impl Future<Output = T>) -> T {
    let spinner = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is well formed");
    spinner.set_style(style.tick_strings(&["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏", "✓"]));
    spinner.set_message(words);
    spinner.enable_steady_tick(Duration::from_millis(100));
    let result = waited.await;
    spinner.finish_and_clear();
    result
}

/// Runs what may block on a thread that nobody waits for at the end.
fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> tokio::sync::oneshot::Receiver<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || drop(done.send(work())));
    result
}

/// The person pressed Ctrl-C: the request ends too, so that no listener is left.
async fn given_up(request: &Request) -> Error {
    let _ = request.cancel().await;
    cancelled()
}

fn cancelled() -> Error {
    Error::Refused { name: ErrorName::Cancelled, message: "cancelled; the account is as it was before".to_owned() }
}

fn tell(name: &str, outcome: &Outcome) {
    let done = say::paint("✓", owo_colors::Style::new().green().bold());
    match outcome.subject.as_deref().filter(|subject| !subject.is_empty()) {
        Some(subject) => say::note(format_args!("{done} Signed in to {name} as {subject}.")),
        None => say::note(format_args!("{done} Signed in to {name}.")),
    }
}
