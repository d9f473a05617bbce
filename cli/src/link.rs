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

/// Waits for one answer; one thread is enough.
///
/// # Errors
/// That of the answer.
pub(crate) fn wait<T>(answer: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Fault::failure(format!("cannot start: {error}")))?;
    runtime.block_on(answer)
}
