//! `doctor --restore`: the keeper ends, `tokenkeeperd --restore` puts the copy in the vault's place, the keeper comes
//! back as it came before.

use std::path::{Path, PathBuf};

use tokenkeeper::Keeper;
use tokenkeeper::wire::BUS_NAME;
use tokenkeeper_config::Places;

use super::facts::{COPY, copied};
use crate::fault::Fault;
use crate::setup::{daemon, files, machine};
use crate::{ask, say, span};

pub(super) async fn run(copy: Option<&Path>) -> Result<(), Fault> {
    let places = Places::from_env(|key| std::env::var_os(key)).map_err(|error| Fault::failure(error.to_string()))?;
    let copy = absolute(copy, &places)?;
    let Some(made) = copied(&copy) else {
        return Err(Fault::failure(format!("there is no copy of a vault at {}", copy.display()))
            .hint("the keeper makes one each day; without one, `tokenkeeper setup` makes a new vault"));
    };
    let when = format!("{} ({})", span::utc(made), span::when(made, span::now()));
    if ask::person() && !ask::yes(&format!("Put the copy of {when} in the place of the vault?")) {
        return Err(Fault::failure("nothing was changed").hint("run it again when you are sure"));
    }
    let daemon = daemon::find()?;
    // Without a bus there is no keeper in this session; one elsewhere holds the vault's lock, and is named then.
    let bus = Keeper::connect().await.ok();
    let ran = match &bus {
        Some(keeper) => end(keeper).await?,
        None => false,
    };
    let restored = daemon::restore(&daemon, Some(&copy), machine::is_root());
    if ran && machine::has_user_systemd() {
        // Whatever became of it, the keeper is not to stay away.
        let _ = machine::run("systemctl", &["--user", "start", files::UNIT_NAME]);
    }
    say::note(format_args!("The vault is the copy of {when}; {}.", restored?));
    say::note(
        "Logins whose tokens rotate are held: `tokenkeeper login NAME` signs in again, `--retry` tries the old one.",
    );
    Ok(())
}

/// Ends the keeper on this bus; says whether one ran.
async fn end(keeper: &Keeper) -> Result<bool, Fault> {
    if !machine::has_owner(keeper.connection(), BUS_NAME).await {
        return Ok(false);
    }
    machine::end_keeper(keeper.connection()).await.map_err(|why| {
        Fault::failure(format!("cannot end the keeper that runs: {why}"))
            .hint("end it by hand, then run `tokenkeeper doctor --restore` again")
    })?;
    Ok(true)
}

fn absolute(copy: Option<&Path>, places: &Places) -> Result<PathBuf, Fault> {
    match copy {
        Some(copy) => std::path::absolute(copy).map_err(|error| Fault::usage(format!("{}: {error}", copy.display()))),
        None => Ok(places.state_dir.join(COPY)),
    }
}
