//! The `sealmq` program.

mod broker;
mod cli;
mod demo;
mod error;
mod inspect;
mod interrupt;
#[cfg(unix)]
mod keyring;
mod output;
#[cfg(unix)]
mod passphrase;
mod utc;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
