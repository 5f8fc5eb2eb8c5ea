//! Messages on their way: sent, received and completed, with and without the client and sealing.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sealmq::local::MemoryKeyring;
use sealmq::memory::{MemoryTransport, QueueSettings};
use sealmq::transport::Receiver;
use sealmq::{
    Bytes, CryptoConfig, EncryptionKeyId, MemoryReplayGuard, Message, QueueClient, ReceiverOptions,
    Source, Transport,
};
use tokio::runtime::{Builder, Runtime};

use crate::bodies::Bodies;
use crate::line_up::LineUp;
use crate::report::{Ratio, Subject};
use crate::work::Work;

/// The keys of the bodies that are measured.
pub const BODIES: &[&str] = &["1024", "10240", "webhooks"];

/// Messages of a batch.
const BATCH: usize = 10;
/// Room for every nonce of a run: a full guard makes messages wait.
const NONCES: usize = 16_000_000;
const WAIT: Duration = Duration::from_secs(5);

const SINGLY: &str = "send, receive, complete";
const BY_TENS: &str = "send, receive, complete, ten at once";
const BY_CORES: &str = "sealed, ten at once, wall time";

const BARE: &str = "transport alone";
const PLAINTEXT: &str = "client, plaintext";
const SEALED: &str = "client, sealed";
const UNGUARDED: &str = "client, sealed, no replay guard";
const ONE_CORE: &str = "one queue on one core";
const TWO_CORES: &str = "two queues on two cores";

/// The ratios of times on one core. There is none of one core to two: it would tell more about
/// what else the machine is doing.
pub const RATIOS: &[Ratio] = &[
    ratio("client", "transport", (SINGLY, PLAINTEXT), (SINGLY, BARE)),
    ratio("client_batch10", "transport", (BY_TENS, PLAINTEXT), (BY_TENS, BARE)),
    ratio("sealed", "plaintext", (SINGLY, SEALED), (SINGLY, PLAINTEXT)),
    ratio("sealed_batch10", "plaintext", (BY_TENS, SEALED), (BY_TENS, PLAINTEXT)),
];

type Pair = (&'static str, &'static str);

const fn ratio(ours: &'static str, theirs: &'static str, of: Pair, to: Pair) -> Ratio {
    Ratio { ours, theirs, of, to }
}

/// One queue and what uses it.
#[async_trait]
trait Lane: Send + Sync {
    /// Sends, receives and completes this many messages together.
    async fn turn(&self, messages: usize);
}

/// Bodies in turn.
struct Cycle {
    bodies: Vec<Bytes>,
    next: AtomicUsize,
}

impl Cycle {
    fn new(bodies: &Bodies) -> Self {
        let bodies = bodies.bodies.iter().cloned().map(Bytes::from).collect();
        Self { bodies, next: AtomicUsize::new(0) }
    }

    fn messages(&self, count: usize) -> Vec<Message> {
        let from = self.next.fetch_add(count, Ordering::Relaxed);
        let body = |index: usize| self.bodies[index % self.bodies.len()].clone();
        let message = |index| Message::new(body(index)).with_message_type("order.created");
        (from..from + count).map(message).collect()
    }
}

struct BareLane {
    transport: MemoryTransport,
    queue: String,
    receiver: Box<dyn Receiver>,
    bodies: Cycle,
}

#[async_trait]
impl Lane for BareLane {
    async fn turn(&self, messages: usize) {
        let report = self.transport.send(&self.queue, self.bodies.messages(messages)).await;
        assert!(report.iter().all(Result::is_ok));
        let mut left = messages;
        while left > 0 {
            let received = self.receiver.recv(left, WAIT).await;
            for delivery in received.unwrap_or_else(|error| unreachable!("receiving: {error}")) {
                assert!(delivery.receipt.complete().await.is_ok());
                left -= 1;
            }
        }
    }
}

struct ClientLane {
    client: QueueClient,
    bodies: Cycle,
}

#[async_trait]
impl Lane for ClientLane {
    async fn turn(&self, messages: usize) {
        let sent = self.client.send_batch(self.bodies.messages(messages)).await;
        assert!(sent.iter().all(Result::is_ok));
        let mut left = messages;
        while left > 0 {
            let received = self.client.receive(left, WAIT).await;
            for received in received.unwrap_or_else(|error| unreachable!("receiving: {error}")) {
                let message =
                    received.unwrap_or_else(|rejected| unreachable!("opening: {}", rejected.error));
                assert!(message.complete().await.is_ok());
                left -= 1;
            }
        }
    }
}

/// Turns of lanes, each lane in a task of its own.
struct Turns {
    runtime: Arc<Runtime>,
    lanes: Vec<Arc<dyn Lane>>,
    messages: usize,
}

impl Work for Turns {
    fn execute(&mut self, count: usize) {
        let messages = self.messages;
        let turns = |lane: Arc<dyn Lane>| async move {
            for _ in 0..count {
                lane.turn(messages).await;
            }
        };
        self.runtime.block_on(async {
            let tasks: Vec<_> =
                self.lanes.iter().map(|lane| tokio::spawn(turns(Arc::clone(lane)))).collect();
            for task in tasks {
                assert!(task.await.is_ok());
            }
        });
    }
}

/// Everyone on one core, by one message and by ten.
///
/// # Errors
/// What kept a queue or a client from being made.
pub fn one_core(bodies: &Bodies) -> Result<LineUp, Box<dyn Error>> {
    let runtime = Arc::new(Builder::new_current_thread().enable_time().build()?);
    let strict = CryptoConfig::strict();
    let unguarded = CryptoConfig::strict().with_nonce_tracking(false);
    let lanes: [(&str, Arc<dyn Lane>); 4] = [
        (BARE, Arc::new(bare_lane(&runtime, bodies)?)),
        (PLAINTEXT, client_lane(&client(CryptoConfig::default())?, 0, bodies)?),
        (SEALED, client_lane(&client(strict)?, 0, bodies)?),
        (UNGUARDED, client_lane(&client(unguarded)?, 0, bodies)?),
    ];
    let mut all = Vec::new();
    for (operation, messages) in [(SINGLY, 1), (BY_TENS, BATCH)] {
        for (name, lane) in &lanes {
            let (runtime, lanes) = (Arc::clone(&runtime), vec![Arc::clone(lane)]);
            let work = Box::new(Turns { runtime, lanes, messages }) as Box<dyn Work>;
            all.push((Subject { operation, name, bytes_added: None, messages }, work));
        }
    }
    Ok(all)
}

/// One queue on one core, and two queues of the same client on two.
///
/// # Errors
/// What kept a queue or a client from being made.
pub fn scaling(bodies: &Bodies) -> Result<LineUp, Box<dyn Error>> {
    let client = client(CryptoConfig::strict())?;
    let mut all = Vec::new();
    for (name, cores) in [(ONE_CORE, 1), (TWO_CORES, 2)] {
        let runtime = Builder::new_multi_thread().worker_threads(cores).enable_time().build()?;
        let lanes = (0..cores).map(|lane| client_lane(&client, lane, bodies));
        let lanes = lanes.collect::<Result<Vec<_>, _>>()?;
        let work = Turns { runtime: Arc::new(runtime), lanes, messages: BATCH };
        let messages = BATCH * cores;
        let subject = Subject { operation: BY_CORES, name, bytes_added: None, messages };
        all.push((subject, Box::new(work) as Box<dyn Work>));
    }
    Ok(all)
}

fn broker() -> Result<MemoryTransport, Box<dyn Error>> {
    let builder = MemoryTransport::builder()
        .queue("orders-0", QueueSettings::default())
        .queue("orders-1", QueueSettings::default());
    Ok(builder.build()?)
}

fn bare_lane(runtime: &Runtime, bodies: &Bodies) -> Result<BareLane, Box<dyn Error>> {
    let (transport, queue) = (broker()?, "orders-0".to_owned());
    let (source, options) = (Source::queue(&*queue), ReceiverOptions::default());
    let receiver = runtime.block_on(transport.open(&source, options))?;
    Ok(BareLane { transport, queue, receiver, bodies: Cycle::new(bodies) })
}

fn client(config: CryptoConfig) -> Result<QueueClient, Box<dyn Error>> {
    let keys = MemoryKeyring::generate(EncryptionKeyId::new("orders-2026-01")?)?;
    let client = QueueClient::builder("orders-0")
        .with_transport(Arc::new(broker()?))
        .with_key_provider(Arc::new(keys))
        .with_replay_guard(Arc::new(MemoryReplayGuard::with_capacity(NONCES)))
        .with_crypto(config)
        .with_environment("prod")
        .with_tenant("acme");
    Ok(client.build()?)
}

fn client_lane(
    client: &QueueClient,
    lane: usize,
    bodies: &Bodies,
) -> Result<Arc<dyn Lane>, Box<dyn Error>> {
    let client = client.for_queue(&format!("orders-{lane}"))?;
    Ok(Arc::new(ClientLane { client, bodies: Cycle::new(bodies) }))
}
