//! The command line: which command runs, and how the program ends.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_subscriber::EnvFilter;

use crate::command::EXIT_CODES;
#[cfg(feature = "config")]
use crate::config;
#[cfg(unix)]
use crate::keyring;
use crate::{demo, inspect, lifecycle, output};

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
