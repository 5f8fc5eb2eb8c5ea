//! `sealmq demo`: three roles on one broker, a key rotation, and attacks.

mod attacks;
mod counting;
mod impostor;
mod input;
mod keys;
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
mod terms;
mod trial;

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use serde::Serialize;

use self::input::Input;
use self::keys::Keys;
use self::queues::{Queues, USUAL_PREFIX};
use self::report::{KeysReport, Place, Report, TransportReport};
use self::stage::Stage;
use self::trial::Outcome;
use crate::broker::{self, Broker};
use crate::command::{EXIT_CODES, block_on};
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::keys::{self as key_services, KeySource, Opening, Purpose};
use crate::output::{self, Style};

/// Shows sealed messages under way, a key rotation, and attacks that are refused.
///
/// The initiator sends each body sealed, the responder opens it and answers, sealed, on another
/// queue. The observer reads what the broker stores and has no key. Then someone with full write
/// access to the broker attacks; each attack is carried out for real, and what became of it is read
/// in the dead-letter queue. Keys end with the demo, and so do the queues that it made.
///
/// With --keys a key service wraps: for two tenants that are made for the demo and shredded after
/// it, whatever came of it.
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
    /// The keys: memory, vault: or vault://HOST:PORT or vault:URL, aws-kms: or aws-kms:URL, azure:
    /// or azure:URL, postgres: or postgres://USER@HOST/DATABASE, pkcs11:, file:PATH
    ///
    /// The rest comes from the environment: SEALMQ_VAULT_…, SEALMQ_AWS_… and those of the AWS
    /// tools, SEALMQ_AZURE_…, SEALMQ_POSTGRES_… and SEALMQ_MASTER_KEY_…, SEALMQ_PKCS11_…; file:
    /// is a keyring of sealmq keyring. docs/key-management.md has what each needs. All but memory
    /// and file: must be built in: --features vault,aws-kms,azure-keyvault,postgres,pkcs11
    #[arg(long, value_name = "KEYS", default_value = "memory")]
    keys: String,
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
        if arguments.keys != "memory" {
            let reason = "--keys: not with --role, whose keys are those of --keyring FILE";
            return Err(CliError::usage(reason));
        }
        return process::run(role, arguments, &*broker, &input);
    }
    let keys = open_keys(arguments)?;
    if broker.kind() == "memory" && arguments.queues.is_some() {
        let reason = "--queues: the memory broker has no queues but those of the demo";
        return Err(CliError::usage(reason));
    }
    let count = arguments.count.map_or(input.bodies.len(), |count| count as usize);
    let report = block_on(set_and_perform(arguments, &*broker, keys, &input, count))?;
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

/// The key service, if one is named.
fn open_keys(arguments: &Arguments) -> Result<Option<Box<dyn KeySource>>, CliError> {
    #[cfg(unix)]
    if arguments.process.protection().is_given() && !arguments.keys.starts_with("file:") {
        let reason = "--passphrase-file and --in-the-clear go with --keys file:, or with --role \
                      and --keyring";
        return Err(CliError::usage(reason));
    }
    let opening = Opening {
        purpose: Purpose::Demo,
        #[cfg(unix)]
        protection: arguments.process.protection(),
        #[cfg(not(unix))]
        protection: std::marker::PhantomData,
    };
    key_services::open(&arguments.keys, &opening)
}

/// Makes the keys and what has to be there besides; performs; shreds the tenants of the keys,
/// whatever came of it.
async fn set_and_perform(
    arguments: &Arguments,
    broker: &dyn Broker,
    source: Option<Box<dyn KeySource>>,
    input: &Input,
    count: usize,
) -> Result<Report, CliError> {
    let interrupt = Interrupt::listen()?;
    let keys = Keys::make(source).await?;
    let performed = set_queues_and_perform(arguments, broker, &keys, input, count, &interrupt);
    let performed = performed.await;
    let ended = keys.end().await;
    let mut report = performed?;
    report.keys.end(&keys, ended?);
    Ok(report)
}

/// Makes the queues, or looks whether those of somebody are fit; performs; removes what was made,
/// whatever came of it.
async fn set_queues_and_perform(
    arguments: &Arguments,
    broker: &dyn Broker,
    keys: &Keys,
    input: &Input,
    count: usize,
    interrupt: &Interrupt,
) -> Result<Report, CliError> {
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
    let place = Place { weakened: arguments.weaken, transport };
    let performance = perform(broker, &queues, keys, input, count, place);
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
    keys: &Keys,
    input: &Input,
    count: usize,
    place: Place,
) -> Result<Report, CliError> {
    let started = Instant::now();
    let stage = Stage::new(broker, queues, keys, place.weakened).await?;
    let performed = async {
        let traffic = roles::exchange(&stage, input, count).await?;
        let asked = KeysReport::new(keys, traffic.initiator.sent + traffic.responder.answers_sent);
        let outcome = match traffic.rotation.failures {
            0 => trial::attack(&stage, &input.bodies, traffic.old_frame.clone()).await?,
            _ => Outcome::default(), // lost messages would turn up among the forged ones
        };
        let elapsed = started.elapsed();
        Ok(Report::new(input, count, place, asked, traffic, outcome, elapsed))
    };
    let performed = performed.await;
    stage.close().await;
    performed
}
