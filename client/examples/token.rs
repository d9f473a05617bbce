//! Prints whether the token of an account is there, and when it ends: `cargo run --example token -- work`.
//! With `--watch` it goes on and tells of every newer token.

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to people")]

use futures_util::StreamExt;
use tokenkeeper::{Error, Event, Keeper, TokenOptions};

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::process::ExitCode {
    match run().await {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("token: {error}");
            if let Some(remedy) = error.remedy() {
                eprintln!("{remedy}");
            }
            std::process::ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Error> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_else(|| "work".to_owned());
    let keeper = Keeper::connect().await?;
    let account = keeper.account(&name)?;

    // Ask before every use; from the second time on the answer is in this process already.
    let token = account.token(TokenOptions::new()).await?;
    println!(
        "{name}: {} token of {} characters, ends at {}",
        token.token_type(),
        token.as_str().len(),
        token.expires_at()
    );

    if arguments.next().as_deref() != Some("--watch") {
        return Ok(());
    }
    let mut events = account.watch().await?;
    while let Some(event) = events.next().await {
        if let Event::Changed { generation: Some(_), .. } = event {
            let token = account.token(TokenOptions::new()).await?;
            println!("{name}: a newer token, ends at {}", token.expires_at());
        }
    }
    Ok(())
}
