//! The companion of the keeper: `tokenkeeper`. Parses, does one thing, exits with a code that scripts rely on.

mod args;

mod account;
mod add;
mod doctor;
mod exec;
mod login;
mod setup;
mod shell;
mod show;
mod token;
mod vault;

mod ask;
mod durable;
mod fault;
mod link;
mod say;
mod span;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, ConfigCommand};
use fault::Fault;

fn main() -> ExitCode {
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command,
        Err(error) if error.use_stderr() && !is_help(&error) => return Fault::from(error).tell(),
        // Help and version are answers.
        Err(error) => error.exit(),
    };
    match run(command) {
        Ok(code) => code,
        Err(fault) => fault.tell(),
    }
}

fn is_help(error: &clap::Error) -> bool {
    error.kind() == clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
}

/// One thread is enough for one answer.
fn run(command: Command) -> Result<ExitCode, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::failure(format!("cannot start: {error}")))?;
    runtime.block_on(answer(command))
}

async fn answer(command: Command) -> Result<ExitCode, Fault> {
    match command {
        Command::Token(args) => token::print(args).await,
        Command::Header(args) => token::header(args).await,
        Command::Refresh(args) => token::refresh(args).await,
        Command::Exec(args) => return exec::run(args).await,
        Command::Setup(args) => setup::run(args).await,
        Command::Add(args) => add::run(*args).await,
        Command::Login(args) => login::run(args).await,
        Command::Logout(args) => account::logout(&args.name).await,
        Command::Remove(args) => account::remove(&args.name).await,
        Command::Secret(args) => account::secret(&args.name).await,
        Command::Reload => account::reload().await,
        Command::Status(args) => show::status::run(args).await,
        Command::Watch(args) => show::watch::run(args).await,
        Command::Doctor(args) => return doctor::run(args).await,
        Command::Providers(args) => show::providers::run(&args),
        Command::Config(ConfigCommand::Check) => show::config::check(),
        Command::Lock => vault::lock().await,
        Command::Unlock => vault::unlock().await,
        Command::Slot(args) => vault::slot(args.command).await,
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
    }
    .map(|()| ExitCode::SUCCESS)
}
