//! Senders and receivers that go on for as long as asked while their servers die, hang and come back.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::programs::build_contract_test;
use crate::servers::Session;
use crate::tools::Workspace;

/// The test program that soaks, in `tests/`.
const TARGET: &str = "outages";
/// The servers of which it starts its own.
const SERVERS: &[&str] = &["nats", "postgres", "vault"];

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// For how long
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    minutes: u64,
    /// The dice of an earlier run, which it printed; without it they fall anew
    #[arg(long)]
    seed: Option<u64>,
}

/// The command.
pub(crate) fn run(workspace: &Workspace, arguments: &Arguments) -> Result<ExitCode> {
    let seconds = arguments.minutes.checked_mul(60).context("--minutes: too many")?;
    let session = Session::new(workspace);
    let variables = session.need(SERVERS)?;
    let program = build_contract_test(workspace, TARGET)?;
    let mut command = program.command(workspace);
    command.args(["soak::", "--nocapture"]).envs(variables);
    command.env("SEALMQ_SOAK_SECONDS", seconds.to_string());
    if let Some(seed) = arguments.seed {
        command.env("SEALMQ_SOAK_SEED", seed.to_string());
    }
    Ok(if command.status()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
