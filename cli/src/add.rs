//! `add`: what the person said becomes a definition, the keeper writes it, and the person signs in.

mod draft;
mod enrol;
mod questions;
mod setting;

use tokenkeeper::wire::ErrorName;
use tokenkeeper::{Error, Keeper, VaultState};

use crate::args::{Add, Setup};
use crate::ask::{self, Hidden};
use crate::fault::Fault;
use crate::login::{self, Wish};
use crate::{link, say, setup, vault};
use draft::Draft;

/// Adds an account.
///
/// # Errors
/// What is missing or wrong, or why signing in did not work; then the account is there all the same.
pub(crate) async fn run(args: Add) -> Result<(), Fault> {
    let draft = Draft::from_args(&args)?;
    if !ask::person() {
        draft.check_complete()?;
    }
    let Add { no_login, no_browser, .. } = args;
    // Before any question: nobody should answer five and then hear that there is no bus.
    let keeper = ready_keeper().await?;
    let mut interrupt = ask::interrupts()?;
    let added = tokio::select! {
        biased;
        added = add(&keeper, draft, args) => added?,
        // No question was open: the keeper was asked for something, and does it whoever listens.
        _ = interrupt.recv() => return Err(Fault::failure("cancelled")
            .hint("`tokenkeeper status` shows whether the account was added before that")),
    };
    let Added { name, signs_in, lacks_secret, refresh_token } = added;
    if no_login {
        if lacks_secret {
            say::note(format_args!("Give its client secret with `tokenkeeper secret {name}`."));
        }
        if signs_in {
            say::note(format_args!("Sign in with `tokenkeeper login {name}`."));
        }
        return Ok(());
    }
    login::sign_in(&keeper, &name, Wish { no_browser, refresh_token, ..Wish::default() }, &mut interrupt).await?;
    say::note(format_args!("`tokenkeeper token {name}` prints a current token from now on."));
    Ok(())
}

/// An account that nobody has signed in to yet.
struct Added {
    name: String,
    /// Whether a person does, and not the client alone.
    signs_in: bool,
    lacks_secret: bool,
    refresh_token: Option<Hidden>,
}

/// Asks for what the command line does not say, and adds the account.
async fn add(keeper: &Keeper, mut draft: Draft, mut args: Add) -> Result<Added, Fault> {
    if draft.name().is_err() {
        questions::name(&mut draft)?;
    }
    let name = draft.name()?.to_owned();
    if !args.register {
        check_free(keeper, &name).await?;
    }
    let mut secret = None;
    if ask::person() && !draft.is_complete() {
        secret = questions::ask(&mut draft)?;
    }
    let from_stdin = |file: &std::path::PathBuf| file.as_os_str() == "-";
    if let Some(file) = args.client_secret_file.take_if(|file| from_stdin(file)) {
        secret = Some(ask::secret_file(&file)?);
    }
    let refresh_token = args.refresh_token_file.as_deref().map(ask::secret_file).transpose()?;

    let initial_token = args.initial_access_token_file.as_deref().map(ask::secret_file).transpose()?;

    let registered = if draft.registers() { enrol::ask(keeper, &draft, initial_token).await? } else { None };
    let account = match registered {
        Some(account) => account,
        None => {
            if draft.registers() {
                secret = questions::client(&mut draft)?;
            }
            keeper.add(&draft.definition()).await.map_err(|error| refused(&name, error))?
        }
    };
    say::note(format_args!("Added {name}."));
    if let Some(secret) = &secret {
        give_secret(&account, secret).await?;
    }
    let lacks_secret = draft.lacks_secret() && secret.is_none();
    Ok(Added { name, signs_in: draft.signs_in(), lacks_secret, refresh_token })
}

/// Puts a client secret into the vault.
///
/// # Errors
/// What the keeper refused.
pub(crate) async fn give_secret(account: &tokenkeeper::Account, secret: &Hidden) -> Result<(), Fault> {
    let request = account.set_secret().await.map_err(Fault::about(account.name().to_owned()))?;
    request.input(&[(tokenkeeper::wire::key::want::CLIENT_SECRET, secret)]).await?;
    request.wait().await.map_err(Fault::about(account.name().to_owned()))?;
    Ok(())
}

/// A keeper with an open vault; sets it up first if need be.
async fn ready_keeper() -> Result<Keeper, Fault> {
    let keeper = link::keeper().await?;
    match keeper.vault().state().await {
        Ok(VaultState::NoVault) | Err(Error::NotRunning(_)) => setup::run(Setup::default()).await?,
        Ok(VaultState::Locked) => vault::open(&keeper).await?,
        Ok(_) => {}
        Err(error) => return Err(error.into()),
    }
    Ok(keeper)
}

/// Another definition under a name that is taken would change an account that somebody uses.
async fn check_free(keeper: &Keeper, name: &str) -> Result<(), Fault> {
    if keeper.accounts().await?.iter().all(|account| account.name != name) {
        return Ok(());
    }
    Err(Fault::usage(format!("there is an account {name} already"))
        .hint(format!("`tokenkeeper login {name}` signs in to it; `tokenkeeper remove {name}` makes room for another")))
}

/// A fault of the definition is told as the configuration tells it: what is wrong; what to write instead.
fn refused(name: &str, error: Error) -> Fault {
    match error {
        Error::Refused { name: ErrorName::InvalidArgs, message } => match message.split_once("; ") {
            Some((what, instead)) => Fault::usage(what).hint(instead),
            None => Fault::usage(message),
        },
        other => Fault::about(name.to_owned())(other),
    }
}
