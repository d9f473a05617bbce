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
use link::wait;

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

fn run(command: Command) -> Result<ExitCode, Fault> {
    match command {
        Command::Token(args) => token::print(args),
        Command::Header(args) => token::header(args),
        Command::Refresh(args) => wait(token::refresh(args)),
        Command::Exec(args) => return wait(exec::run(args)),
        Command::Setup(args) => wait(setup::run(args)),
        Command::Add(args) => wait(add::run(*args)),
        Command::Login(args) => wait(login::run(args)),
        Command::Logout(args) => wait(account::logout(&args.name)),
        Command::Remove(args) => wait(account::remove(&args.name)),
        Command::Secret(args) => wait(account::secret(&args.name)),
        Command::Reload => wait(account::reload()),
        Command::Status(args) => wait(show::status::run(args)),
        Command::Watch(args) => wait(show::watch::run(args)),
        Command::Doctor(args) => return wait(doctor::run(args)),
        Command::Providers(args) => show::providers::run(&args),
        Command::Config(ConfigCommand::Check) => show::config::check(),
        Command::Lock => wait(vault::lock()),
        Command::Unlock => wait(vault::unlock()),
        Command::Slot(args) => wait(vault::slot(args.command)),
        Command::Completions(args) => shell::completions(&args),
        Command::Man(args) => shell::man(&args),
    }
    .map(|()| ExitCode::SUCCESS)
}
