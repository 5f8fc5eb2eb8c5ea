//! Receiving from a queue or a dead-letter queue.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use sealmq_queue_core::{
    Certainty, Delivery, Feature, Receipt, ReceiveMode, Receiver, ReceiverOptions, SettleError,
    Settlement, TransportError,
};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::channel::Channel;
use crate::dead_letters::{self, TOO_MANY_DELIVERIES};
use crate::groups::pull_groups;
use crate::held::Held;
use crate::prefetch::Prefetch;
use crate::pull::pull;
use crate::pulled::Pulled;
use crate::settler::{DeletedSettler, JetStreamSettler};
use crate::stop::Stop;

/// Settlements of a batch that are under way at a time.
const CONCURRENT_SETTLEMENTS: usize = 256;

pub(crate) struct JetStreamReceiver {
    /// The first partition: settling goes by the message, whichever it came from.
    channel: Arc<Channel>,
    partitions: Vec<Arc<Channel>>,
    /// Whose turn it is to be asked first.
    turn: AtomicUsize,
    mode: ReceiveMode,
    closed: watch::Sender<bool>,
    prefetch: Option<Prefetch>,
    /// Messages that have left the queue and were not handed out yet.
    deleted: Arc<Mutex<VecDeque<Delivery>>>,
}

impl JetStreamReceiver {
    /// Opens the partitions with these options.
    ///
    /// # Errors
    /// `InvalidInput` for a lock duration other than the queue's: it cannot be had per receiver.
    pub(crate) fn new(
        partitions: Vec<Arc<Channel>>,
        options: &ReceiverOptions,
    ) -> Result<Self, TransportError> {
        let Some(channel) = partitions.first().cloned() else {
            return Err(TransportError::invalid_input("queue", "it has no consumer"));
        };
        let ack_wait = channel.rules.ack_wait;
        if options.lock_duration.is_some_and(|lock| lock != ack_wait) {
            let reason = format!("the queue locks for {} ms", ack_wait.as_millis());
            return Err(TransportError::invalid_input("lock_duration", reason));
        }
        let closed = watch::Sender::new(false);
        // What leaves the queue when it is handed out must not be fetched ahead, nor what keeps
        // its group waiting.
        let is_locked = options.mode == ReceiveMode::PeekLock && partitions.len() == 1;
        let ahead = is_locked && options.prefetch > 0;
        let prefetch = ahead.then(|| {
            let connection = channel.jetstream.connection.closing();
            let stop = Stop { receiver: closed.subscribe(), connection };
            Prefetch::start(&channel, options.prefetch, stop)
        });
        let (turn, deleted) = (AtomicUsize::new(0), Arc::default());
        Ok(Self { channel, partitions, turn, mode: options.mode, closed, prefetch, deleted })
    }

    fn stop(&self) -> Stop {
        let connection = self.channel.jetstream.connection.closing();
        Stop { receiver: self.closed.subscribe(), connection }
    }

    /// What may be handed out of what was pulled; messages that came too often are dead-lettered
    /// instead.
    async fn hand_out(&self, mut held: Held) -> Result<Vec<Delivery>, TransportError> {
        let too_many = self.channel.rules.too_many.unwrap_or(i64::MAX);
        let is_exhausted = |pulled: &Pulled| pulled.facts.delivered >= too_many;
        if held.messages.iter().any(is_exhausted) {
            let messages = std::mem::take(&mut held.messages);
            let (exhausted, rest): (VecDeque<_>, _) = messages.into_iter().partition(is_exhausted);
            held.messages = rest;
            // Tasks of their own: a call that is dropped now does not stop halfway.
            let burials = exhausted.into_iter().map(|pulled| {
                let channel = Arc::clone(&self.channel);
                tokio::spawn(async move { bury_exhausted(&channel, &pulled).await })
            });
            join_all(burials).await;
        }
        match self.mode {
            ReceiveMode::PeekLock => {
                let lock = Some(self.channel.rules.ack_wait);
                let messages = std::mem::take(&mut held.messages);
                Ok(messages.into_iter().map(|pulled| self.locked(pulled, lock)).collect())
            }
            ReceiveMode::ReceiveAndDelete => self.delete(held).await,
        }
    }

    fn locked(&self, pulled: Pulled, lock: Option<Duration>) -> Delivery {
        let message = pulled.decode(self.channel.stream());
        let metadata = self.channel.metadata(&pulled, lock);
        let settler = JetStreamSettler::new(&self.channel, pulled);
        Delivery { message, receipt: Receipt::new(metadata, Box::new(settler)) }
    }

    /// Takes messages off the queue and hands out those that have left it. In a task of its own:
    /// what leaves the queue while the call is dropped is handed out by the next.
    async fn delete(&self, mut held: Held) -> Result<Vec<Delivery>, TransportError> {
        let messages = std::mem::take(&mut held.messages);
        let (channel, deleted) = (Arc::clone(&self.channel), Arc::clone(&self.deleted));
        let task = tokio::spawn(async move {
            let completed = messages.iter().map(|pulled| channel.settle(pulled, "+ACK"));
            let outcomes = join_all(completed).await;
            let mut failed = Ok(());
            for (pulled, outcome) in messages.into_iter().zip(outcomes) {
                match outcome {
                    Ok(()) => lock(&deleted).push_back(unlocked(&channel, &pulled)),
                    Err(error) => failed = Err(error),
                }
            }
            failed
        });
        let failed = task.await.unwrap_or(Ok(()));
        let deliveries: Vec<_> = lock(&self.deleted).drain(..).collect();
        if deliveries.is_empty() { failed.map(|()| deliveries) } else { Ok(deliveries) }
    }

    fn take_deleted(&self, max: usize) -> Vec<Delivery> {
        let mut deleted = lock(&self.deleted);
        let count = max.min(deleted.len());
        deleted.drain(..count).collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn unlocked(channel: &Channel, pulled: &Pulled) -> Delivery {
    let settler = DeletedSettler(channel.jetstream.capabilities.transport);
    let receipt = Receipt::new(channel.metadata(pulled, None), Box::new(settler));
    Delivery { message: pulled.decode(channel.stream()), receipt }
}

/// Dead-letters a message that was delivered too often. If that fails its lock runs out, and the
/// next receiver tries again.
async fn bury_exhausted(channel: &Channel, pulled: &Pulled) {
    let description = format!("delivered {} times", pulled.facts.delivered - 1);
    let buried = dead_letters::bury(channel, pulled, TOO_MANY_DELIVERIES, &description).await;
    if let Err(error) = buried {
        let queue = channel.names.queue.as_str();
        tracing::warn!(%error, queue, "a message that was delivered too often stays in its queue");
    }
}

#[async_trait]
impl Receiver for JetStreamReceiver {
    async fn recv(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        self.stop().check()?;
        let deleted = self.take_deleted(max);
        if !deleted.is_empty() || max == 0 {
            return Ok(deleted);
        }
        let start = Instant::now();
        loop {
            let left = wait.saturating_sub(start.elapsed());
            let held = match &self.prefetch {
                Some(prefetch) => prefetch.take(max, left, self.stop()).await?,
                None if self.partitions.len() == 1 => {
                    pull(&self.channel, max, left, self.stop()).await?
                }
                None => {
                    let turn = self.turn.fetch_add(1, Ordering::Relaxed);
                    pull_groups(&self.partitions, turn, max, left, self.stop()).await?
                }
            };
            let had_none = held.messages.is_empty();
            let deliveries = self.hand_out(held).await?;
            if !deliveries.is_empty() || had_none {
                return Ok(deliveries);
            }
        }
    }

    async fn recv_deferred(
        &self,
        _sequence_number: u64,
    ) -> Result<Option<Delivery>, TransportError> {
        self.channel.jetstream.capabilities.require(Feature::Defer)?;
        Ok(None)
    }

    async fn settle_batch(
        &self,
        settlements: Vec<(Receipt, Settlement)>,
    ) -> Vec<Result<Certainty, SettleError>> {
        let settling = settlements.into_iter().map(|(receipt, how)| receipt.settle(how));
        stream::iter(settling).buffered(CONCURRENT_SETTLEMENTS).collect().await
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.closed.send_replace(true);
        match &self.prefetch {
            Some(prefetch) => prefetch.released().await,
            None => Ok(()),
        }
    }
}

impl Drop for JetStreamReceiver {
    fn drop(&mut self) {
        self.closed.send_replace(true);
    }
}
