//! The vault from outside: opening, closing, and the ways to open it.

use std::path::Path;
use std::time::Duration;

use tokenkeeper::wire::key::want;
use tokenkeeper::{Keeper, Request};

use crate::args::{SlotCommand, SlotKind, SlotSpec};
use crate::ask::{self, Hidden};
use crate::fault::{Code, Fault};
use crate::show::slots;
use crate::{link, say};

/// How often a person may mistype.
const TRIES: usize = 3;

/// How long slots that need no passphrase may try before a person is asked for one.
const OTHERS: Duration = Duration::from_secs(2);

/// Closes the vault.
///
/// # Errors
/// What the keeper refused.
pub(crate) async fn lock() -> Result<(), Fault> {
    Ok(link::keeper().await?.vault().lock().await?)
}

/// Opens the vault.
///
/// # Errors
/// What the keeper refused.
pub(crate) async fn unlock() -> Result<(), Fault> {
    open(&link::keeper().await?).await
}

/// Opens the vault of this keeper, asking for the passphrase if it needs one.
///
/// # Errors
/// What the keeper refused, after the last try.
pub(crate) async fn open(keeper: &Keeper) -> Result<(), Fault> {
    let tries = if ask::person() { TRIES } else { 1 };
    for _ in 1..tries {
        match try_to_open(keeper).await {
            Err(fault) if fault.code() == Code::Locked => say::note(fault.what()),
            ended => return ended,
        }
    }
    try_to_open(keeper).await
}

/// Opens the vault of this keeper with a passphrase.
///
/// # Errors
/// What the keeper refused.
pub(crate) async fn open_with(keeper: &Keeper, passphrase: Hidden) -> Result<(), Fault> {
    let request = keeper.vault().unlock().await?;
    request.input(&[(want::PASSPHRASE, &passphrase)]).await?;
    request.wait().await?;
    Ok(())
}

async fn try_to_open(keeper: &Keeper) -> Result<(), Fault> {
    let vault = keeper.vault();
    let others = vault.slots().await?.iter().any(|slot| slot.kind != SlotKind::Passphrase.as_str());
    let request = vault.unlock().await?;
    // Another slot may open it, and nobody has to type anything.
    if others && let Ok(ended) = tokio::time::timeout(OTHERS, request.wait()).await {
        return ended.map(drop).map_err(Fault::from);
    }
    answer(&request, None).await
}

/// `slot list` and the commands that change slots.
///
/// # Errors
/// What the keeper refused.
pub(crate) async fn slot(command: SlotCommand) -> Result<(), Fault> {
    let keeper = link::keeper().await?;
    match command {
        SlotCommand::List { json } => slots::list(&keeper, json).await,
        SlotCommand::Add { slot, passphrase_file } => add(&keeper, &slot, passphrase_file.as_deref()).await,
        SlotCommand::Remove { id } => Ok(keeper.vault().remove_slot(&id).await?),
        SlotCommand::Passphrase => change_passphrase(&keeper).await,
        SlotCommand::Rekey => {
            answer(&keeper.vault().rekey().await?, None).await?;
            say::note("The vault has a new key; everything in it is sealed with it.");
            Ok(())
        }
    }
}

async fn add(keeper: &Keeper, slot: &SlotSpec, passphrase_file: Option<&Path>) -> Result<(), Fault> {
    let new = passphrase_file.map(ask::secret_file).transpose()?;
    let path = slot.path.as_deref().map(|path| path.to_string_lossy().into_owned());
    let request = keeper.vault().add_slot(slot.kind.as_str(), path.as_deref()).await?;
    answer(&request, new).await?;
    say::note(format_args!("The vault can now be opened by {} too.", slot.kind.as_str()));
    Ok(())
}

/// The new passphrase opens the vault before the old one stops doing so: there is never a moment without either.
async fn change_passphrase(keeper: &Keeper) -> Result<(), Fault> {
    let vault = keeper.vault();
    let passphrases = |slots: Vec<tokenkeeper::Slot>| {
        slots
            .into_iter()
            .filter(|slot| slot.kind == SlotKind::Passphrase.as_str())
            .map(|slot| slot.id)
            .collect::<Vec<_>>()
    };
    let old = passphrases(vault.slots().await?);
    if old.is_empty() {
        return Err(
            Fault::failure("the vault is not opened by a passphrase").hint("run `tokenkeeper slot add passphrase`")
        );
    }
    answer(&vault.add_slot(SlotKind::Passphrase.as_str(), None).await?, None).await?;
    for id in old {
        vault.remove_slot(&id).await?;
    }
    say::note("The passphrase is changed.");
    Ok(())
}

/// Brings what a request wants and waits for its end.
async fn answer(request: &Request, new: Option<Hidden>) -> Result<(), Fault> {
    let wants = request.wants().await?;
    let wanted = |key: &str| wants.iter().any(|want| want == key);
    let old = wanted(want::PASSPHRASE).then(|| ask::secret("Passphrase: ")).transpose()?;
    let new = match (wanted(want::NEW_PASSPHRASE), new) {
        (true, None) => Some(ask::new_secret("New passphrase: ")?),
        (true, given) => given,
        (false, _) => None,
    };
    let values: Vec<(&str, &[u8])> = [(want::PASSPHRASE, &old), (want::NEW_PASSPHRASE, &new)]
        .into_iter()
        .filter_map(|(key, value)| Some((key, value.as_ref()?.as_slice())))
        .collect();
    if !values.is_empty() {
        request.input(&values).await?;
    }
    request.wait().await?;
    Ok(())
}
