//! The `sealmq` program.

mod broker;
mod cli;
mod command;
#[cfg(feature = "config")]
mod config;
mod demo;
mod error;
mod inspect;
mod interrupt;
#[cfg(unix)]
mod keyring;
mod keys;
mod lifecycle;
mod output;
#[cfg(unix)]
mod passphrase;
#[cfg(any(feature = "aws-kms", feature = "sqs"))]
mod stand_in;
mod utc;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
