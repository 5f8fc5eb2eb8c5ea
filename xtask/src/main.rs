//! One door for everything a contributor runs: the commands of `cargo xtask`.

// Commands report on stdout and complain on stderr: that is what they are for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod bench;
mod ci;
mod conformance;
mod contract;
mod deny;
mod features;
mod lanes;
mod programs;
mod python;
mod report;
mod servers;
mod soak;
mod test;
mod tidy;
mod tools;
mod vectors;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::tools::Workspace;

#[derive(Parser)]
#[command(bin_name = "cargo xtask", about = "Everything a contributor runs")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every test, installing what they need below target/
    Test(StepArguments),
    /// Runs the contract suite of one backend; its count is the last line
    Contract(contract::Arguments),
    /// Starts, lists and stops the servers that integration tests run against
    #[command(subcommand)]
    Servers(servers::Command),
    /// Writes the test vectors of the frame, or checks them byte for byte
    Vectors(vectors::Arguments),
    /// Checks what no compiler does: layers, manifests, file heads, links, claims
    Tidy,
    /// Checks the bans, licences and sources of all dependencies
    Deny(deny::Arguments),
    /// Runs every check that is no test: format, tidy, deny, lints, documentation
    Ci(StepArguments),
    /// Tests the cryptographic core in the build with the FIPS module; needs Go and CMake
    Fips,
    /// Sends and receives for minutes or days while servers die, hang and come back
    Soak(soak::Arguments),
    /// Measures against the bare ciphers; ratios within one run are what counts
    Bench(bench::Arguments),
}

/// What the commands that are made of steps have in common.
#[derive(clap::Args)]
struct StepArguments {
    /// Runs only this step; may be given several times
    #[arg(long, value_name = "STEP")]
    only: Vec<String>,
    /// Lists the steps and runs none
    #[arg(long)]
    list: bool,
    /// Also writes the summary as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

fn main() -> ExitCode {
    let command = Arguments::parse().command;
    let done = Workspace::find().and_then(|workspace| run(command, &workspace));
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: Command, workspace: &Workspace) -> anyhow::Result<ExitCode> {
    match command {
        Command::Test(arguments) => report::run("test", test::steps(workspace), &arguments)?,
        Command::Contract(arguments) => return contract::run(workspace, &arguments),
        Command::Servers(command) => servers::run(workspace, &command)?,
        Command::Vectors(arguments) => vectors::run(workspace, &arguments)?,
        Command::Tidy => tidy::run(workspace)?,
        Command::Deny(arguments) => deny::run(workspace, &arguments)?,
        Command::Ci(arguments) => report::run("ci", ci::steps(workspace), &arguments)?,
        Command::Fips => features::check_fips(workspace)?,
        Command::Soak(arguments) => return soak::run(workspace, &arguments),
        Command::Bench(arguments) => bench::run(workspace, &arguments)?,
    }
    Ok(ExitCode::SUCCESS)
}
