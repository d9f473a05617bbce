//! The way to the keeper.

use tokenkeeper::Keeper;

use crate::fault::Fault;

/// A connection to the keeper; the bus starts it with the first call if it does not run.
///
/// # Errors
/// When there is no session bus.
pub(crate) async fn keeper() -> Result<Keeper, Fault> {
    Ok(Keeper::connect().await?)
}
