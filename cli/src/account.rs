//! `logout`, `remove`, `secret` and `reload`: one call each.

use tokenkeeper_config::AccountName;

use crate::fault::Fault;
use crate::{add, ask, link, say};

/// Signs out.
///
/// # Errors
/// What the keeper refused.
pub(crate) async fn logout(name: &AccountName) -> Result<(), Fault> {
    link::keeper().await?.account(name.as_str())?.logout().await.map_err(Fault::about(name))?;
    say::note(format_args!("Signed out of {name}."));
    Ok(())
}

/// Signs out and deletes the definition.
///
/// # Errors
/// What the keeper refused.
pub(crate) async fn remove(name: &AccountName) -> Result<(), Fault> {
    link::keeper().await?.account(name.as_str())?.remove().await.map_err(Fault::about(name))?;
    say::note(format_args!("Removed {name}."));
    Ok(())
}

/// Puts the client secret into the vault.
///
/// # Errors
/// What the keeper refused.
pub(crate) async fn secret(name: &AccountName) -> Result<(), Fault> {
    let secret = ask::secret(&format!("Client secret of {name}: "))?;
    add::give_secret(&link::keeper().await?.account(name.as_str())?, &secret).await?;
    say::note(format_args!("The client secret of {name} is in the vault."));
    Ok(())
}

/// Makes the keeper read its configuration again.
///
/// # Errors
/// The first fault in it.
pub(crate) async fn reload() -> Result<(), Fault> {
    Ok(link::keeper().await?.reload().await?)
}
