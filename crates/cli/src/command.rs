//! What every command has: how it ends, and what it waits with.

use std::future::Future;

use crate::error::CliError;

/// How every command ends; shown below the help of each.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  it worked
  1  it ran and the answer is bad: an attack got through, a keyring does not
     open, a server of a configuration does not answer, the bytes are no
     sealed message
  2  the command line or an input is at fault; nothing was done";

/// Runs a command that waits for something.
pub(crate) fn block_on<T>(
    command: impl Future<Output = Result<T, CliError>>,
) -> Result<T, CliError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| CliError::failed("cannot start").because(error))?;
    runtime.block_on(async {
        let outcome = command.await;
        #[cfg(feature = "postgres")]
        crate::keys::database_login::give_back().await;
        outcome
    })
}
