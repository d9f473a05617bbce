//! Signing in with a browser that this program cannot open: the person opens the address, and pastes back where the
//! browser ended if that is on another machine.

use std::io::BufRead;

use tokenkeeper::{Error, Outcome, Request, RequestState};
use tokio::sync::mpsc;
use url::Url;

use crate::say;

const AGAIN: &str = "Copy the whole address that the browser shows after you signed in:";

/// Shows the address, waits for the browser's callback and for a pasted address, whichever comes first.
///
/// `here` = the browser may run on this machine, so that the callback can arrive by itself.
pub(super) async fn by_hand(request: &Request, uri: &str, here: bool) -> Result<Outcome, Error> {
    say::note("Open this address in a browser:");
    say::note("");
    say::note(uri);
    say::note("");
    if here {
        say::note(
            "Waiting. If the browser runs on another machine, it will end on a page that cannot be reached. That is \
             expected.\nCopy its whole address and paste it here:",
        );
    } else {
        say::note(
            "Your browser will end on a page that cannot be reached. That is expected. Copy its whole address and \
             paste it here:",
        );
    }
    let mut lines = lines_of_stdin();
    // Why the last address was no good. The request says so again and again until it is brought another.
    let mut refused = None;
    loop {
        tokio::select! {
            outcome = request.wait(), if refused.is_none() => match outcome {
                Err(error) if is_pending(request).await => {
                    say::note(format_args!("{error}. {AGAIN}"));
                    refused = Some(error);
                }
                ended => return ended,
            },
            Some(line) = lines.recv() => match checked(&line) {
                Ok(address) => {
                    request.input(&[("redirect_uri", address.as_bytes())]).await?;
                    refused = None;
                }
                Err(why) => say::note(format_args!("{why} {AGAIN}")),
            },
            else => return Err(refused.expect("waiting ends only with a refusal")),
        }
    }
}

async fn is_pending(request: &Request) -> bool {
    request.state().await.is_ok_and(|state| state == RequestState::Pending)
}

/// The lines that are typed or piped in. The thread that reads them is left alone at the end: nothing can interrupt a
/// read of a terminal, and the process ends without asking it.
fn lines_of_stdin() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(4);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if !line.trim().is_empty() && sender.blocking_send(line.trim().to_owned()).is_err() {
                return;
            }
        }
    });
    lines
}

/// The pasted address, if it can be one: the keeper checks everything that matters.
fn checked(line: &str) -> Result<&str, &'static str> {
    let address = Url::parse(line).map_err(|_| "That is no address.")?;
    let has = |key: &str| address.query_pairs().any(|(name, _)| name == key);
    if has("state") && (has("code") || has("error")) {
        return Ok(line);
    }
    Err("That is not the address after signing in.")
}

#[cfg(test)]
mod tests {
    use super::checked;

    #[test]
    fn only_the_address_after_signing_in_is_taken() {
        assert!(checked("http://127.0.0.1:18423/cb?code=c&state=s").is_ok());
        assert!(checked("http://127.0.0.1:18423/cb?error=access_denied&state=s").is_ok());
        assert!(checked("https://as.example/authorize?state=s&client_id=c").is_err());
        assert!(checked("127.0.0.1:18423").is_err());
        assert!(checked("code").is_err());
    }
}
