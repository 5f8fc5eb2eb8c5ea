//! `sealmq demo`: three roles on one broker, a key rotation, and attacks.

mod attacker;
mod attacks;
mod input;
mod needles;
mod observer;
mod render;
mod report;
mod roles;
mod stage;
mod trial;

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use serde::Serialize;

use self::input::Input;
use self::report::Report;
use self::stage::Stage;
use crate::cli::{EXIT_CODES, block_on};
use crate::error::CliError;
use crate::output::{self, Style};

/// Shows sealed messages under way, a key rotation, and attacks that are refused.
///
/// Everything happens in this process: an in-memory broker and keys that end with it. The initiator
/// sends each body sealed, the responder opens it and answers, sealed, on another queue. The
/// observer reads everything that the broker stores and has no key. Then someone with full write
/// access to the broker attacks; each attack is carried out for real, and what became of it is
/// looked up in the broker's storage.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// Sends the lines of this file, each a JSON value, instead of the 24 GitHub webhooks inside
    #[arg(long, value_name = "FILE.jsonl")]
    input: Option<PathBuf>,
    /// Sends so many messages, over and over from the first; without it, each line once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    /// Takes a defence from the responder, to prove that the demo notices
    #[arg(long, hide = true, value_name = "DEFENCE")]
    weaken: Option<Defence>,
}

/// What the responder can be made to do without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Defence {
    /// Plaintexts are let pass
    Plaintext,
    /// Replays are let pass
    Replay,
    /// Old messages are let pass
    Age,
}

/// Performs the demo; an error when anything got through or was lost.
pub(crate) fn run(arguments: &Arguments) -> Result<(), CliError> {
    let input = Input::load(arguments.input.as_deref())?;
    let count = arguments.count.map_or(input.bodies.len(), |count| count as usize);
    let report = block_on(perform(&input, count, arguments.weaken))?;
    if arguments.json {
        output::print_json(&report)?;
    } else {
        output::print(&render::render(&report, Style::of_stdout()))?;
    }
    match report.ok {
        true => Ok(()),
        false => Err(CliError::failed(report.verdict())),
    }
}

async fn perform(input: &Input, count: usize, weaken: Option<Defence>) -> Result<Report, CliError> {
    let started = Instant::now();
    let stage = Stage::new(weaken)?;
    let traffic = roles::exchange(&stage, input, count).await?;
    let attacks = match traffic.rotation.failures {
        0 => trial::attack(&stage, &input.bodies).await?,
        _ => Vec::new(), // lost messages would turn up among the forged ones
    };
    Ok(Report::new(input, count, weaken, traffic, attacks, started.elapsed()))
}
