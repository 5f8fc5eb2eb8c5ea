//! Senders that go on and receivers that come and go, while servers die, hang and come back and KEKs
//! are rotated, by the fall of the dice. It goes on for [`SECONDS`], or for as long as
//! `cargo xtask soak` is asked to.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use fastrand::Rng;
use sealmq_client::{HandlerError, Processor, ProcessorOptions, QueueClient};
use sealmq_queue_core::{Message, Source};
use sealmq_transport_nats::NatsQueueSettings;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::stage::Server::{self, Nats, Postgres, Vault};
use crate::stage::{ACK_WAIT, Servers, depth};

const FOR_SECONDS: &str = "SEALMQ_SOAK_SECONDS";
const WITH_SEED: &str = "SEALMQ_SOAK_SEED";
/// In the tests of every day.
const SECONDS: u64 = 20;

const QUEUE: &str = "soaked";
const SENDERS: usize = 2;
const RECEIVERS: usize = 4;
/// What an operator would set: a message may come again this often before it is a dead letter.
const MAX_DELIVERIES: u32 = 10;
/// How long something may take that has to happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(180);
/// How much more memory a process may need in the end than when all was warm.
const MEMORY: u64 = 64 << 20;

/// What all of them know.
#[derive(Default)]
struct Tally {
    next: AtomicUsize,
    stop: AtomicBool,
    failed_sends: AtomicUsize,
    /// Two handlers of one process on one message.
    overlaps: AtomicUsize,
    /// How often each message was handled to its end.
    handled: Mutex<BTreeMap<usize, u32>>,
}

impl Tally {
    fn sent(&self) -> usize {
        self.next.load(Ordering::SeqCst)
    }

    fn handled(&self) -> usize {
        self.handled.lock().unwrap().len()
    }

    /// Waits for so many more messages to be handled.
    async fn goes_on(&self, messages: usize) {
        let handled = self.handled();
        let going = async {
            while self.handled() < handled + messages {
                sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(PATIENCE, going).await.expect("messages are handled again");
    }
}

/// One message after the other; what failed is sent again, as its sender would do it.
async fn send(client: QueueClient, tally: Arc<Tally>) {
    while !tally.stop.load(Ordering::SeqCst) {
        let n = tally.next.fetch_add(1, Ordering::SeqCst);
        let mut message = Message::new(n.to_string());
        while let Err(failed) = client.send(message).await {
            assert!(failed.error.is_retryable(), "{:?}", failed.error);
            tally.failed_sends.fetch_add(1, Ordering::SeqCst);
            message = *failed.message;
            sleep(Duration::from_millis(50)).await;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// One process of a service: its handlers take a moment, and fail at times.
struct Receiver {
    client: QueueClient,
    /// Works for as long as it lives.
    processor: Processor,
}

impl Receiver {
    async fn start(servers: &Servers, tally: &Arc<Tally>) -> Self {
        let client = servers.builder(&[Vault, Postgres]).await;
        let client = client.with_replay_guard(servers.replay_guard()).build().unwrap();
        let client = client.for_queue(QUEUE).unwrap();
        let (tally, at_work) = (Arc::clone(tally), Arc::<Mutex<BTreeSet<_>>>::default());
        let options = ProcessorOptions::default().with_concurrency(4);
        let processor = client.process(options, move |message| {
            let n: usize = str::from_utf8(message.body()).unwrap().parse().unwrap();
            let (tally, at_work) = (Arc::clone(&tally), Arc::clone(&at_work));
            async move {
                if !at_work.lock().unwrap().insert(n) {
                    tally.overlaps.fetch_add(1, Ordering::SeqCst);
                }
                sleep(Duration::from_millis(fastrand::u64(0..30))).await;
                at_work.lock().unwrap().remove(&n);
                if fastrand::u8(0..50) == 0 {
                    return Err(HandlerError::retry());
                }
                *tally.handled.lock().unwrap().entry(n).or_default() += 1;
                Ok(())
            }
        });
        Self { client, processor }
    }

    /// As at a deployment. The broker may be away.
    async fn leave(self) {
        let _ = self.client.shutdown(Duration::from_secs(2)).await;
        drop(self.processor);
    }
}

/// A service and what happens to it.
struct Soak {
    dice: Rng,
    servers: Servers,
    tally: Arc<Tally>,
    receivers: Vec<Receiver>,
    leaving: JoinSet<()>,
    happened: BTreeMap<String, u32>,
}

impl Soak {
    async fn start(seed: u64) -> Self {
        let servers = Servers::start().await;
        let settings = NatsQueueSettings::default().with_ack_wait(ACK_WAIT);
        let settings = settings.with_max_deliveries(MAX_DELIVERIES);
        servers.broker().await.create_queue(QUEUE, &settings).await.unwrap();
        let (dice, tally, receivers) = (Rng::with_seed(seed), Arc::default(), Vec::new());
        let (leaving, happened) = (JoinSet::new(), BTreeMap::new());
        let mut soak = Self { dice, servers, tally, receivers, leaving, happened };
        soak.fill_up().await;
        soak
    }

    async fn fill_up(&mut self) {
        while self.receivers.len() < RECEIVERS {
            self.receivers.push(Receiver::start(&self.servers, &self.tally).await);
        }
    }

    fn one_leaves(&mut self) {
        let receiver = self.receivers.swap_remove(self.dice.usize(..self.receivers.len()));
        self.leaving.spawn(receiver.leave());
    }

    /// One thing happens, and then all goes on.
    async fn turn(&mut self) {
        sleep(self.within(Duration::from_secs(1))).await;
        let what = match self.dice.u8(0..10) {
            0 => {
                self.servers.rotate_keks().await;
                "KEKs rotated".to_owned()
            }
            1 | 2 => {
                self.one_leaves();
                "receiver replaced".to_owned()
            }
            _ => self.outage().await,
        };
        *self.happened.entry(what).or_default() += 1;
        self.fill_up().await;
        self.tally.goes_on(5).await;
    }

    /// Some servers are gone or hang, for less than a lock or for longer.
    async fn outage(&mut self) -> String {
        const AWAY: [&[Server]; 6] = [
            &[Vault],
            &[Postgres],
            &[Nats],
            &[Vault, Postgres],
            &[Postgres, Nats],
            &[Vault, Postgres, Nats],
        ];
        let away = AWAY[self.dice.usize(..AWAY.len())];
        let (dies, one_leaves) = (self.dice.bool(), self.dice.u8(0..3) == 0);
        match dies {
            true => self.servers.kill(away).await,
            false => self.servers.freeze(away).await,
        }
        sleep(self.within(ACK_WAIT)).await;
        if one_leaves {
            self.one_leaves();
        }
        sleep(self.within(ACK_WAIT / 2)).await;
        match dies {
            true => self.servers.start_again(away).await,
            false => self.servers.thaw(away).await,
        }
        format!("{away:?} {}", if dies { "killed" } else { "frozen" })
    }

    fn within(&mut self, most: Duration) -> Duration {
        most.mul_f64(self.dice.f64())
    }

    /// Every message was handled, and none is left or refused.
    async fn end(mut self, senders: JoinSet<()>) -> Self {
        self.tally.stop.store(true, Ordering::SeqCst);
        senders.join_all().await;
        let (broker, tally) = (self.servers.broker().await, Arc::clone(&self.tally));
        let (queue, dead_letters) = (Source::queue(QUEUE), Source::dead_letter(QUEUE));
        let drained = async {
            while tally.handled() < tally.sent() || depth(&broker, &queue).await > 0 {
                sleep(Duration::from_millis(50)).await;
            }
        };
        if timeout(PATIENCE, drained).await.is_err() {
            let (handled, sent) = (tally.handled(), tally.sent());
            let depths = [depth(&broker, &queue).await, depth(&broker, &dead_letters).await];
            panic!(
                "{handled} of {sent} were handled; in the queue and its dead letters: {depths:?}"
            );
        }
        assert_eq!(depth(&broker, &dead_letters).await, 0, "no message was refused");
        for receiver in std::mem::take(&mut self.receivers) {
            self.leaving.spawn(receiver.leave());
        }
        std::mem::take(&mut self.leaving).join_all().await;
        self
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_happens_each_message_is_handled_and_by_one_handler_at_a_time() {
    let seconds = asked_for(FOR_SECONDS).unwrap_or(SECONDS);
    let seed = asked_for(WITH_SEED).unwrap_or_else(|| fastrand::u64(..));
    println!("{WITH_SEED}={seed}");
    let mut soak = Soak::start(seed).await;
    let mut senders = JoinSet::new();
    for _ in 0..SENDERS {
        let sender = soak.servers.client().await.for_queue(QUEUE).unwrap();
        senders.spawn(send(sender, Arc::clone(&soak.tally)));
    }
    let (begun, all) = (Instant::now(), Duration::from_secs(seconds));
    let mut warm = None;
    while begun.elapsed() < all {
        soak.turn().await;
        if warm.is_none() && begun.elapsed() > all / 4 {
            warm = Some(memory());
        }
    }
    let soak = soak.end(senders).await;
    let (warm, memory) = (warm.unwrap_or_else(memory), memory());
    let tally = &soak.tally;
    let again = tally.handled.lock().unwrap().values().filter(|times| **times > 1).count();
    println!(
        "{} messages, {} sends failed and were repeated, {again} messages were handled more than once; \
         {} MiB, {} when warm; {:?}",
        tally.sent(),
        tally.failed_sends.load(Ordering::SeqCst),
        memory >> 20,
        warm >> 20,
        soak.happened,
    );
    assert_eq!(tally.overlaps.load(Ordering::SeqCst), 0, "one handler at a time in each process");
    assert!(memory < warm + MEMORY, "memory grows: {memory} bytes, {warm} when warm");
}

fn asked_for(variable: &str) -> Option<u64> {
    let number = |text: String| text.parse().unwrap_or_else(|_| panic!("{variable}: no number"));
    std::env::var(variable).ok().map(number)
}

/// What this process has in memory, in bytes.
fn memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}
