//! A program without a runtime that wants a token: `blocking-token ACCOUNT`.
#![allow(clippy::print_stdout, reason = "the token is the answer")]

use tokenkeeper::{TokenOptions, blocking::Keeper};

fn main() -> Result<(), tokenkeeper::Error> {
    let name = std::env::args().nth(1).unwrap_or_else(|| "work".into());
    let token = Keeper::connect()?.account(&name)?.token(TokenOptions::new())?;
    println!("{}", token.as_str());
    Ok(())
}
