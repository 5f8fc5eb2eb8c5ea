//! `sealmq demo --role`: one role in a process of its own, on a broker that others reach as well.

mod event;
mod initiator;
mod observer;
mod responder;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use sealmq::local::FileKeyring;
use sealmq::{ClientErrorKind, QueueClient, Received, Transport};
use serde::Serialize;
use tokio::time::timeout;

use self::event::{Event, Voice};
use super::input::Input;
use super::queues::{self, Queues, USUAL_PREFIX};
use super::stage::client;
use super::terms::broken;
use crate::broker::Broker;
use crate::command::block_on;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::keyring::open_file;
use crate::passphrase::Protection;

/// Whose messages they are.
const TENANT: &str = "acme";

/// How long one receive waits; a signal ends it.
const TURN: Duration = Duration::from_secs(1);
/// The most messages that one receive gives.
const AT_ONCE: usize = 16;
/// How long a role may take to finish what it is at, once it is interrupted.
const DEADLINE: Duration = Duration::from_secs(10);
/// How long the connection may take to close.
const CLOSING: Duration = Duration::from_secs(5);

/// What only a single role takes.
#[derive(clap::Args)]
pub(crate) struct RoleArguments {
    /// Runs this role alone, on the queues PREFIX-webhooks and PREFIX-answers (demo-…), which it
    /// makes if they are not there. Ctrl-C ends it
    #[arg(long, value_name = "ROLE", conflicts_with = "weaken")]
    pub(super) role: Option<Role>,
    /// The keys of initiator and responder: a file that sealmq keyring made, and may rotate
    /// meanwhile. The observer has none
    #[arg(long, value_name = "FILE", requires = "role")]
    keyring: Option<PathBuf>,
    #[command(flatten)]
    protection: Protection,
    /// The initiator waits so many milliseconds after each message; the responder works as long
    /// on each before it answers
    #[arg(long, value_name = "MS", default_value_t = 0, requires = "role")]
    pause: u64,
    /// Removes both queues when the role ends: for the last one to leave
    #[arg(long, requires = "role")]
    remove_queues: bool,
}

/// Who runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Role {
    /// Sends requests, and opens the answers
    Initiator,
    /// Opens requests and answers them; ends after --count
    Responder,
    /// Looks at what the broker stores, without a key; ends after --count
    Observer,
}

/// What a role works with.
struct Setting<'a> {
    transport: Arc<dyn Transport>,
    queues: Queues,
    input: &'a Input,
    count: Option<usize>,
    pause: Duration,
    interrupt: Interrupt,
    voice: Voice,
}

/// Runs the role until it is done, or somebody interrupts it.
pub(super) fn run(
    role: Role,
    arguments: &super::Arguments,
    broker: &dyn Broker,
    input: &Input,
) -> Result<(), CliError> {
    let own = &arguments.process;
    if broker.kind() == "memory" {
        let reason = "--role needs a broker that other processes reach: give --transport nats://…, \
                      sqs: or servicebus:";
        return Err(CliError::usage(reason));
    }
    match (role, &own.keyring) {
        (Role::Observer, None) => {}
        (Role::Observer, Some(_)) => {
            return Err(CliError::usage("--keyring: the observer has no key, and needs none"));
        }
        (_, Some(_)) => {}
        (_, None) => {
            let reason = "--keyring FILE is missing: sealmq keyring init FILE makes one";
            return Err(CliError::usage(reason));
        }
    }
    block_on(async {
        let keys = match &own.keyring {
            Some(file) => Some(Arc::new(open_file(file, &own.protection).await?)),
            None => None,
        };
        let queues = Queues::named(arguments.queues.as_deref().unwrap_or(USUAL_PREFIX));
        let setting = Setting {
            transport: queues::connect(broker).await?,
            queues,
            input,
            count: arguments.count.map(|count| count as usize),
            pause: Duration::from_millis(own.pause),
            interrupt: Interrupt::listen()?,
            voice: Voice::new(arguments.json),
        };
        let outcome = setting.play(role, keys, broker).await;
        let _ = timeout(CLOSING, setting.transport.close()).await;
        let removed = match own.remove_queues && broker.makes_queues() {
            true => queues::remove(broker, &setting.queues.of_the_roles()).await,
            false => Ok(()),
        };
        outcome.and(removed)
    })
}

impl Setting<'_> {
    async fn play(
        &self,
        role: Role,
        keys: Option<Arc<FileKeyring>>,
        broker: &dyn Broker,
    ) -> Result<(), CliError> {
        let names = self.queues.of_the_roles();
        let missing = queues::missing(&*self.transport, &names).await?;
        if !missing.is_empty() && !broker.makes_queues() {
            return Err(queues::are_missing(broker, &missing));
        }
        queues::create(broker, &missing).await?;
        self.voice.say(&Event::Started { role, broker: broker.describe(), queues: names })?;
        match (role, keys) {
            (Role::Initiator, Some(keys)) => {
                let (requests, answers) = self.clients(keys)?;
                self.to_the_end(&requests, initiator::run(self, &requests, &answers)).await
            }
            (Role::Responder, Some(keys)) => {
                let (requests, answers) = self.clients(keys)?;
                self.to_the_end(&requests, responder::run(self, &requests, &answers)).await
            }
            _ => observer::run(self).await,
        }
    }

    /// Lets a role work until it is done, or finish what it is at once somebody interrupts it; then
    /// shuts the clients down.
    async fn to_the_end(
        &self,
        client: &QueueClient,
        role: impl Future<Output = Result<(), CliError>>,
    ) -> Result<(), CliError> {
        let mut role = pin!(role);
        let done = tokio::select! {
            outcome = &mut role => Some(outcome),
            () = self.interrupt.happens() => None,
        };
        if let Some(outcome) = done {
            let _ = client.shutdown(Duration::ZERO).await; // what it did is settled
            return outcome;
        }
        // From here on nothing is received, which is how the role learns that it is to end.
        let (closed, outcome) =
            tokio::join!(client.shutdown(DEADLINE), timeout(DEADLINE + CLOSING, role));
        outcome
            .unwrap_or_else(|_| Err(CliError::failed("interrupted in the middle of its work")))?;
        closed.map(drop).map_err(broken)
    }

    /// The next messages; `None` once the client is shut down.
    async fn receive(
        &self,
        client: &QueueClient,
        max: usize,
    ) -> Result<Option<Vec<Received>>, CliError> {
        match client.receive(max, TURN).await {
            Ok(received) => Ok(Some(received)),
            Err(error) if *error.kind() == ClientErrorKind::Closed => Ok(None),
            Err(error) => Err(broken(error)),
        }
    }

    /// Clients of the queue of requests, and of the queue of answers.
    fn clients(&self, keys: Arc<FileKeyring>) -> Result<(QueueClient, QueueClient), CliError> {
        let requests = client(&self.transport, &self.queues.requests, TENANT);
        let requests = requests.with_key_provider(keys).build().map_err(broken)?;
        let answers = requests.for_queue(&self.queues.answers).map_err(broken)?;
        Ok((requests, answers))
    }
}

impl RoleArguments {
    /// How a keyring file is protected.
    pub(super) fn protection(&self) -> &Protection {
        &self.protection
    }
}
