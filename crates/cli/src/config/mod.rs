//! `sealmq config`: checks a configuration file, prints its schema.

mod check;
mod render;
mod report;

use std::path::PathBuf;

use clap::Subcommand;

use crate::command::EXIT_CODES;
use crate::error::CliError;
use crate::output;

/// Checks a configuration file, prints its schema.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Validates a file, connects to what it names, and tries each part; sends no message
    ///
    /// The keys are tried as a first message would: it creates the KEK of a tenant where the
    /// file and the rights allow that.
    #[command(after_help = EXIT_CODES)]
    Check {
        /// The configuration file
        file: PathBuf,
        /// Asks no server
        #[arg(long)]
        offline: bool,
        /// Prints one JSON object
        #[arg(long)]
        json: bool,
        /// Lists the settings that are not given as well
        #[arg(long)]
        verbose: bool,
    },
    /// Prints the JSON Schema of the file, with the kinds that this program has
    #[command(after_help = EXIT_CODES)]
    Schema,
}

/// Does what was asked for and says so.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    match &arguments.command {
        Command::Check { file, offline, json, verbose } => {
            check::run(file, &check::Options { offline: *offline, json: *json, verbose: *verbose })
        }
        Command::Schema => output::print(&sealmq::config::schema()),
    }
}
