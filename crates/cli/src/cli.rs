//! The command line: which command runs, and how the program ends.

use std::future::Future;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

#[cfg(feature = "config")]
use crate::config;
use crate::error::CliError;
#[cfg(unix)]
use crate::keyring;
use crate::{demo, inspect, lifecycle, output};

/// How every command ends; shown below the help of each.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  it worked
  1  it ran and the answer is bad: an attack got through, a keyring does not
     open, a server of a configuration does not answer, the bytes are no
     sealed message
  2  the command line or an input is at fault; nothing was done";

/// Shows sealed queues at work and under attack, keeps keys, reads sealed messages.
#[derive(Parser)]
#[command(name = "sealmq", version, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Demo(demo::Arguments),
    #[cfg(unix)]
    Keyring(keyring::Arguments),
    Keys(lifecycle::Arguments),
    #[cfg(feature = "config")]
    Config(config::Arguments),
    Inspect(inspect::Arguments),
}

/// Runs the command that was asked for.
pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    show_log();
    let outcome = match arguments.command {
        Command::Demo(arguments) => demo::run(&arguments),
        #[cfg(unix)]
        Command::Keyring(arguments) => keyring::run(&arguments),
        Command::Keys(arguments) => lifecycle::run(&arguments),
        #[cfg(feature = "config")]
        Command::Config(arguments) => config::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

/// The log of the library, on stderr, for those who set `RUST_LOG`.
fn show_log() {
    if std::env::var_os("RUST_LOG").is_some() {
        let filter = EnvFilter::from_default_env();
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    }
}

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
