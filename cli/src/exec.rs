//! `exec`: a program with a token in its environment, or with the path of a file that always holds a current one.

mod kept;

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use tokenkeeper::{Keeper, TokenOptions};
use tokenkeeper_config::AccountName;

use crate::args::Exec;
use crate::fault::Fault;
use crate::link;

/// What a shell answers for a program that is not there, and for one that cannot be run.
const NOT_FOUND: u8 = 127;
const NOT_RUNNABLE: u8 = 126;

/// An account and the variable for its token.
#[derive(Debug, PartialEq, Eq)]
struct Wanted {
    account: AccountName,
    variable: String,
}

/// Runs the program; ends as it ends.
///
/// # Errors
/// What the keeper refused, or that the program cannot be run.
pub(crate) async fn run(args: Exec) -> Result<ExitCode, Fault> {
    let wanted = parsed(&args.accounts, if args.file { "BEARER_TOKEN_FILE" } else { "TOKEN" })?;
    let keeper = link::keeper().await?;
    if args.file {
        return kept::run(&keeper, &wanted, &args.command).await;
    }
    let mut command = command(&args.command);
    for wanted in &wanted {
        command.env(&wanted.variable, token(&keeper, &wanted.account).await?.as_str());
    }
    // In place of this process: its signals, its terminal and its end are then its own.
    Err(cannot_run(&args.command, &command.exec()))
}

async fn token(keeper: &Keeper, account: &AccountName) -> Result<tokenkeeper::Token, Fault> {
    keeper.account(account.as_str())?.token(TokenOptions::new()).await.map_err(Fault::about(account))
}

fn command(words: &[OsString]) -> Command {
    let (program, args) = words.split_first().expect("clap requires one word");
    let mut command = Command::new(program);
    command.args(args);
    command
}

fn cannot_run(words: &[OsString], error: &std::io::Error) -> Fault {
    let code = if error.kind() == std::io::ErrorKind::NotFound { NOT_FOUND } else { NOT_RUNNABLE };
    Fault::failure(format!("cannot run {}: {error}", words[0].to_string_lossy())).exits(code)
}

fn parsed(accounts: &[String], default: &str) -> Result<Vec<Wanted>, Fault> {
    let mut wanted = Vec::new();
    let mut variables = BTreeSet::new();
    for text in accounts {
        let (name, variable) = match text.split_once('=') {
            Some((name, variable)) => (name, variable),
            None if accounts.len() == 1 => (text.as_str(), default),
            None => {
                return Err(Fault::usage(format!("which variable is for {text}?"))
                    .hint("with several accounts write each as NAME=VAR"));
            }
        };
        let account = name.parse::<AccountName>().map_err(|bad| Fault::usage(bad.to_string()))?;
        if !is_variable(variable) {
            return Err(Fault::usage(format!("`{variable}` is no name of a variable")));
        }
        if !variables.insert(variable) {
            return Err(Fault::usage(format!("{variable} stands for two accounts")));
        }
        wanted.push(Wanted { account, variable: variable.to_owned() });
    }
    Ok(wanted)
}

/// POSIX: letters, digits and `_`, not beginning with a digit.
fn is_variable(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(accounts: &[&str]) -> Result<Vec<(String, String)>, String> {
        let accounts: Vec<String> = accounts.iter().map(ToString::to_string).collect();
        let wanted = parsed(&accounts, "TOKEN").map_err(|fault| fault.to_string())?;
        Ok(wanted.into_iter().map(|wanted| (wanted.account.to_string(), wanted.variable)).collect())
    }

    #[test]
    fn one_account_needs_no_variable_and_several_do() {
        assert_eq!(read(&["work"]), Ok(vec![("work".into(), "TOKEN".into())]));
        assert_eq!(read(&["work=A", "home=B"]), Ok(vec![("work".into(), "A".into()), ("home".into(), "B".into())]));
        for bad in [&["work", "home=B"][..], &["work=A", "home=A"], &["work="], &["work=1A"], &["Work"], &["work=A-B"]]
        {
            assert!(read(bad).is_err(), "{bad:?}");
        }
    }
}
