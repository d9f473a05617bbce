//! The test server as a program: `idp [--port N] [--ledger FILE] [--given-out FILE] [SETTINGS.json]` prints its issuer on
//! a line of its own when it is ready, and serves until its standard input ends; then it writes every code and token that
//! it gave out, one to a line, for whoever looks for them where none may be. `idp --visit ADDRESS` is a person at a browser
//! instead: it opens the address, is sent along, and prints the heading of the page where that ends.
#![allow(clippy::print_stdout, reason = "the address is the answer")]

use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use tokenkeeper_tests::idp::{Idp, Settings};
use tokenkeeper_tests::person;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            println!("idp: {fault}");
            ExitCode::FAILURE
        }
    }
}

#[tokio::main]
async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut port = 0;
    let mut ledger: Option<PathBuf> = None;
    let mut given_out: Option<PathBuf> = None;
    let mut settings = Settings::default();
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--port" => port = words.next().ok_or("--port wants a number")?.parse()?,
            "--visit" => return visit(&words.next().ok_or("--visit wants an address")?).await,
            "--ledger" => ledger = Some(words.next().ok_or("--ledger wants a file")?.into()),
            "--given-out" => given_out = Some(words.next().ok_or("--given-out wants a file")?.into()),
            file => settings = serde_json::from_str(&std::fs::read_to_string(file)?)?,
        }
    }
    let idp = Idp::start_at(settings, port, ledger.as_deref()).await?;
    println!("{}", idp.issuer());
    // Whoever started us holds the other end: when it goes, so do we.
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    if let Some(file) = given_out {
        std::fs::File::create(file)?.write_all(idp.given_out().join("\n").as_bytes())?;
    }
    Ok(())
}

async fn visit(address: &str) -> Result<(), Box<dyn std::error::Error>> {
    let page = person::open(address).await?;
    let between = |open: &str, close: &str| Some(page.body.split_once(open)?.1.split_once(close)?.0.to_owned());
    let heading = between("<h1>", "</h1>").unwrap_or_else(|| "a page without a heading".to_owned());
    println!("{heading}");
    if page.status == 200 { Ok(()) } else { Err(format!("{} answered with {}", page.address, page.status).into()) }
}
