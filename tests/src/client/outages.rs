//! A source of keys that is out, or silent, while messages come in.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use sealmq_client::{Processor, ProcessorOptions, QueueClient, RetryPolicy};
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyError, KeyErrorKind, KeyProvider};
use sealmq_keys_local::MemoryKeyring;
use sealmq_queue_core::Feature;
use tokio::sync::watch;

use super::support::{builder, keyring, nothing_comes, reaches, send_many};
use crate::outcome::CaseResult;
use crate::transport::case::case_table;
use crate::transport::{Case, Ctx, Queue, QueueSpec};

pub(super) const CASES: &[Case] = case_table! { "client":
    key_outage_uses_up_no_deliveries [Settlement, ExtendLock, MaxDeliveries, DeadLetter] slow;
    key_silence_uses_up_no_deliveries [Settlement, ExtendLock, MaxDeliveries, DeadLetter] slow;
    key_outage_without_a_hold_dead_letters [Settlement, MaxDeliveries, DeadLetter];
};

const MESSAGES: usize = 3;
const MS: Duration = Duration::from_millis(1);

/// What a source of keys does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Key,
    Error,
    Nothing,
}

/// A key store that can be out.
struct SwitchedKeys {
    keys: MemoryKeyring,
    answer: watch::Sender<Answer>,
}

impl SwitchedKeys {
    async fn pass(&self) -> Result<&MemoryKeyring, KeyError> {
        let mut answers = self.answer.subscribe();
        let answer = answers.wait_for(|answer| *answer != Answer::Nothing).await;
        match answer.map(|answer| *answer) {
            Ok(Answer::Key) => Ok(&self.keys),
            _ => Err(KeyError::new(KeyErrorKind::Unavailable, "switched off by the case")),
        }
    }
}

#[async_trait]
impl KeyProvider for SwitchedKeys {
    async fn get_key(&self, id: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        self.pass().await?.get_key(id).await
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        self.pass().await?.current_key_id().await
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        self.pass().await?.valid_key_ids().await
    }

    async fn health(&self) -> Result<(), KeyError> {
        self.pass().await.map(drop)
    }
}

/// Messages in a queue that dead-letters after a few deliveries, and a receiver without their key.
struct Outage {
    queue: Queue,
    source: Arc<SwitchedKeys>,
    client: QueueClient,
    handled: Arc<AtomicUsize>,
    most_deliveries: Arc<AtomicU32>,
}

impl Outage {
    async fn begin(ctx: &Ctx, answer: Answer) -> CaseResult<Self> {
        let lock = ctx.timing().short_lock;
        let spec = QueueSpec { lock, max_deliveries: Some(3), ..ctx.spec() };
        let (queue, keys) = (ctx.queue_with(spec).await?, keyring()?);
        send_many(&builder(ctx, &queue, &keys).build()?, &queue, MESSAGES).await?;
        let (source, answer) = (keys.clone(), watch::Sender::new(answer));
        let source = Arc::new(SwitchedKeys { keys: source, answer });
        let hasty = RetryPolicy::default().with_delays(MS * 50, MS * 300);
        let client = builder(ctx, &queue, &keys).with_key_provider(source.clone());
        let client = client.with_retry(hasty).build()?;
        let (handled, most_deliveries) = (Arc::default(), Arc::default());
        Ok(Self { queue, source, client, handled, most_deliveries })
    }

    fn start(&self, options: ProcessorOptions) -> Processor {
        let (handled, most) = (Arc::clone(&self.handled), Arc::clone(&self.most_deliveries));
        self.client.process(options.with_concurrency(MESSAGES), move |message| {
            most.fetch_max(message.metadata.delivery_count, Ordering::SeqCst);
            handled.fetch_add(1, Ordering::SeqCst);
            async { Ok(()) }
        })
    }
}

/// An outage of several locks: the messages are kept, and handled when the key is there.
async fn key_outage_uses_up_no_deliveries(ctx: Ctx) -> CaseResult {
    uses_up_no_deliveries(&ctx, Answer::Error).await
}

/// A source that takes the question and does not answer for several locks.
async fn key_silence_uses_up_no_deliveries(ctx: Ctx) -> CaseResult {
    uses_up_no_deliveries(&ctx, Answer::Nothing).await
}

async fn uses_up_no_deliveries(ctx: &Ctx, meanwhile: Answer) -> CaseResult {
    let outage = Outage::begin(ctx, meanwhile).await?;
    let processor = outage.start(ProcessorOptions::default());
    ctx.sleep(5 * ctx.timing().short_lock).await;
    check_eq!(outage.handled.load(Ordering::SeqCst), 0, "nothing is handled without its key");
    outage.source.answer.send_replace(Answer::Key);
    reaches(ctx, &outage.handled, MESSAGES).await?;
    processor.stop(ctx.timing().patience).await;
    if ctx.has(Feature::DeliveryCount) {
        let most = outage.most_deliveries.load(Ordering::SeqCst);
        check_eq!(most, 1, "no delivery was used up");
    }
    check_eq!(outage.handled.load(Ordering::SeqCst), MESSAGES, "each was handled once");
    outage.queue.dead_letters().await?.nothing("an outage dead-letters nothing").await?;
    nothing_comes(ctx, &outage.client, "every message was completed").await
}

/// The control: what goes back to the broker each time is dead before long.
async fn key_outage_without_a_hold_dead_letters(ctx: Ctx) -> CaseResult {
    let outage = Outage::begin(&ctx, Answer::Error).await?;
    let processor = outage.start(ProcessorOptions::default().with_hold(0));
    let dead = outage.queue.dead_letters().await?;
    dead.exactly(MESSAGES).await?;
    processor.stop(ctx.timing().patience).await;
    check_eq!(outage.handled.load(Ordering::SeqCst), 0, "nothing was handled");
    Ok(())
}
