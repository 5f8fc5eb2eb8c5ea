//! Ctrl-C and the signal to terminate: asked for once, noticed wherever somebody waits.
//!
//! The first one asks to finish what is under way; whoever cannot wait for that sends another.

use tokio::sync::watch;

use crate::error::CliError;

/// The exit code of a program that did not finish what it was at: that of Ctrl-C in a shell.
const BY_FORCE: i32 = 130;

/// Whether somebody wants the program to end.
#[derive(Clone)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on; the signals no longer end the program by themselves.
    pub(crate) fn listen() -> Result<Self, CliError> {
        let (interrupted, interrupt) = watch::channel(false);
        #[cfg(unix)]
        let mut terminate = {
            use tokio::signal::unix::{SignalKind, signal};
            let failed = |error| CliError::failed("cannot listen to signals").because(error);
            signal(SignalKind::terminate()).map_err(failed)?
        };
        tokio::spawn(async move {
            #[cfg(unix)]
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            #[cfg(not(unix))]
            let _ = tokio::signal::ctrl_c().await;
            interrupted.send_replace(true);
            #[cfg(unix)]
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            #[cfg(not(unix))]
            let _ = tokio::signal::ctrl_c().await;
            std::process::exit(BY_FORCE);
        });
        Ok(Self(interrupt))
    }

    /// Whether it has happened.
    pub(crate) fn happened(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for it.
    pub(crate) async fn happens(&self) {
        let _ = self.0.clone().wait_for(|happened| *happened).await;
    }
}
