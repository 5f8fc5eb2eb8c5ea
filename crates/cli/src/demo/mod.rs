//! `sealmq demo`: three roles on one broker, a key rotation, and attacks.

mod attacks;
mod input;
mod needles;
mod observer;
mod outsider;
#[cfg(unix)]
mod process;
mod queues;
mod render;
mod report;
mod roles;
mod scene;
mod stage;
mod trial;

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use serde::Serialize;

use self::input::Input;
use self::queues::{Queues, USUAL_PREFIX};
use self::report::{Report, TransportReport};
use self::stage::Stage;
use self::trial::Outcome;
use crate::broker::{self, Broker};
use crate::cli::{EXIT_CODES, block_on};
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::output::{self, Style};

/// Shows sealed messages under way, a key rotation, and attacks that are refused.
///
/// The initiator sends each body sealed, the responder opens it and answers, sealed, on another
/// queue. The observer reads what the broker stores and has no key. Then someone with full write
/// access to the broker attacks; each attack is carried out for real, and what became of it is read
/// in the dead-letter queue. Keys end with the demo, and so do the queues that it made.
///
/// With --role only one of the three runs, with the keys of a file: start each in a terminal of its
/// own.
#[derive(clap::Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct Arguments {
    /// The broker: memory, nats://HOST:PORT, tls://HOST:PORT, sqs: or sqs:URL, servicebus:
    ///
    /// Credentials come from the environment: SEALMQ_NATS_USER and SEALMQ_NATS_PASSWORD or
    /// SEALMQ_NATS_TOKEN, SEALMQ_NATS_NKEY_SEED, SEALMQ_NATS_CREDS_FILE; for sqs: those of the AWS
    /// tools, and SEALMQ_SQS_ENDPOINT, SEALMQ_SQS_REGION; for servicebus:
    /// SEALMQ_SERVICEBUS_CONNECTION_STRING. All but memory must be built in:
    /// --features nats,sqs,servicebus
    #[arg(long, value_name = "TRANSPORT", default_value = "memory")]
    transport: String,
    /// Uses the queues PREFIX-webhooks, -answers, -payments and -globex-webhooks, which must be
    /// there and empty; without it, the demo makes queues and removes them
    #[arg(long, value_name = "PREFIX", value_parser = queues::check_prefix)]
    queues: Option<String>,
    /// Sends the lines of this file, each a JSON value, instead of the 24 GitHub webhooks inside
    #[arg(long, value_name = "FILE.jsonl")]
    input: Option<PathBuf>,
    /// Sends so many messages, over and over from the first; without it, each line once
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// Prints one JSON object; with --role, one on each line
    #[arg(long)]
    json: bool,
    /// Takes a defence from the responder, to prove that the demo notices
    #[arg(long, hide = true, value_name = "DEFENCE")]
    weaken: Option<Defence>,
    #[cfg(unix)]
    #[command(flatten)]
    process: process::RoleArguments,
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
    let broker = broker::open(&arguments.transport)?;
    #[cfg(unix)]
    if let Some(role) = arguments.process.role {
        return process::run(role, arguments, &*broker, &input);
    }
    #[cfg(unix)]
    if arguments.process.says_how_keys_are_protected() {
        let reason = "--passphrase-file and --in-the-clear go with --role and --keyring";
        return Err(CliError::usage(reason));
    }
    if broker.kind() == "memory" && arguments.queues.is_some() {
        let reason = "--queues: the memory broker has no queues but those of the demo";
        return Err(CliError::usage(reason));
    }
    let count = arguments.count.map_or(input.bodies.len(), |count| count as usize);
    let report = block_on(set_and_perform(arguments, &*broker, &input, count))?;
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

/// Makes the queues, or looks whether those of somebody are fit; performs; removes what was made,
/// whatever came of it.
async fn set_and_perform(
    arguments: &Arguments,
    broker: &dyn Broker,
    input: &Input,
    count: usize,
) -> Result<Report, CliError> {
    let interrupt = Interrupt::listen()?;
    let makes_queues = broker.makes_queues() && arguments.queues.is_none();
    let queues = match (&arguments.queues, broker.kind()) {
        (Some(prefix), _) => Queues::named(prefix),
        (None, "memory") => Queues::named(USUAL_PREFIX),
        (None, _) if makes_queues => Queues::of_this_run(),
        (None, _) => Queues::named(USUAL_PREFIX),
    };
    if makes_queues {
        queues::create(broker, &queues.all()).await?;
    } else {
        queues::require_fit(broker, &queues.all()).await?;
    }
    let transport = TransportReport {
        name: broker.kind(),
        broker: broker.describe(),
        queues: queues.all().map(str::to_owned).to_vec(),
        makes_queues,
    };
    let performance = perform(broker, &queues, input, count, arguments.weaken, transport);
    let performed = tokio::select! {
        performed = performance => performed,
        () = interrupt.happens() => Err(CliError::failed("interrupted")),
    };
    let removed = match makes_queues {
        true => queues::remove(broker, &queues.all()).await,
        false => Ok(()),
    };
    performed.and_then(|report| removed.map(|()| report))
}

async fn perform(
    broker: &dyn Broker,
    queues: &Queues,
    input: &Input,
    count: usize,
    weaken: Option<Defence>,
    transport: TransportReport,
) -> Result<Report, CliError> {
    let started = Instant::now();
    let stage = Stage::new(broker, queues, weaken).await?;
    let performed = async {
        let traffic = roles::exchange(&stage, input, count).await?;
        let outcome = match traffic.rotation.failures {
            0 => trial::attack(&stage, &input.bodies).await?,
            _ => Outcome::default(), // lost messages would turn up among the forged ones
        };
        Ok(Report::new(input, count, weaken, transport, traffic, outcome, started.elapsed()))
    };
    let performed = performed.await;
    stage.close().await;
    performed
}
