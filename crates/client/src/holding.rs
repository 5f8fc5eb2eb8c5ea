//! Messages that are kept under lock until their key can be had.
//!
//! A message that cannot be opened because a key service is down could go back to the broker, but
//! the broker counts each delivery and dead-letters after so many of them. So it is kept instead,
//! beside the handlers and not in their places, and tried again. So is one whose key service takes
//! long to answer. There is room for so many. When it is taken and nothing can be opened at all, no
//! more is received: the rest waits with the broker, where it does not count as delivered. When
//! only some keys are out, messages of others are to pass: one more to keep takes the place of the
//! one kept longest, which goes back.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use metrics::Gauge;
use sealmq_queue_core::{Delivery, Feature, Message};
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use crate::events;
use crate::health::PATIENCE;
use crate::incoming::IncomingMessage;
use crate::outcomes::{Refusal, Waiting};
use crate::processing::ProcessorOptions;
use crate::queue::QueueContext;
use crate::receipt::MessageReceipt;

/// The most that a batch is waited for: longer than a key service takes that is well, and short to
/// those who wait behind it.
const MOST_PATIENCE: Duration = Duration::from_secs(1);

/// The messages that one processor keeps.
pub(crate) struct Holds {
    queue: Arc<QueueContext>,
    /// From the one kept longest; each is told here to go back.
    places: VecDeque<oneshot::Sender<()>>,
    capacity: usize,
    /// Whether the last batch brought nothing that could be judged.
    blind: bool,
    /// Told when a message that was kept has been opened or refused for good.
    decided: Arc<Notify>,
}

/// What the next receive is to do while keys are missing.
pub(crate) struct Pace {
    pub(crate) most: usize,
    waits: bool,
    queue: Arc<QueueContext>,
    decided: Arc<Notify>,
}

impl Pace {
    /// Waits until messages can be judged again, or may be. Cancel-safe.
    pub(crate) async fn wait(&self) {
        if !self.waits {
            return;
        }
        tokio::select! {
            () = self.decided.notified() => {}
            () = self.queue.can_judge() => {}
        }
    }
}

impl Holds {
    pub(crate) fn new(queue: Arc<QueueContext>, options: &ProcessorOptions) -> Self {
        let capacity = if can_hold(&queue, options) { options.hold } else { 0 };
        let (places, decided) = (VecDeque::new(), Arc::default());
        Self { queue, places, capacity, blind: false, decided }
    }

    /// How long keys, and then the replay store, are waited for before messages are kept: a small
    /// part of the shortest lock, which is not renewed until then. `None` where none is kept.
    pub(crate) fn patience(&self, deliveries: &[Delivery]) -> Option<Duration> {
        let locks =
            deliveries.iter().filter_map(|delivery| delivery.receipt.metadata().lock_duration);
        let shortest = locks.min().unwrap_or(Duration::MAX);
        (self.capacity > 0).then(|| MOST_PATIENCE.min(shortest / 8))
    }

    /// Notes how many messages of a batch could not be judged.
    pub(crate) fn note_batch(&mut self, received: usize, undecided: usize) {
        if received > 0 {
            self.blind = undecided == received;
        }
    }

    /// While nothing can be judged, no more is taken than there is room for.
    pub(crate) fn pace(&mut self, most: usize) -> Pace {
        let (queue, decided) = (Arc::clone(&self.queue), Arc::clone(&self.decided));
        match self.blind.then(|| self.room()) {
            Some(0) if self.capacity > 0 => Pace { most, waits: true, queue, decided },
            Some(room @ 1..) => Pace { most: most.min(room), waits: false, queue, decided },
            _ => Pace { most, waits: false, queue, decided },
        }
    }

    /// A place for one more message, if any are kept.
    pub(crate) fn place(&mut self) -> Option<Place> {
        if self.capacity == 0 {
            return None;
        }
        if self.room() == 0
            && let Some(oldest) = self.places.pop_front()
        {
            let _ = oldest.send(()); // or it ended just now
        }
        let (give_back, told) = oneshot::channel();
        self.places.push_back(give_back);
        let held = self.queue.metrics.held.clone();
        held.increment(1.0);
        Some(Place { told, held, decided: Arc::clone(&self.decided) })
    }

    fn room(&mut self) -> usize {
        self.places.retain(|place| !place.is_closed());
        self.capacity.saturating_sub(self.places.len())
    }
}

/// Whether a message can be kept at all: under a lock that is renewed, or because it has none.
fn can_hold(queue: &QueueContext, options: &ProcessorOptions) -> bool {
    let extends = queue.shared.transport.capabilities().has(Feature::ExtendLock);
    !queue.can_give_back() || (options.renew_locks && extends)
}

impl QueueContext {
    /// Ends when something answers that messages are judged by; asks for it ever more rarely.
    async fn can_judge(&self) {
        let mut attempt = 1;
        loop {
            tokio::time::sleep(self.shared.retry.delay(attempt)).await;
            if timeout(PATIENCE, self.judges()).await == Ok(true) {
                return;
            }
            attempt += 1;
        }
    }

    async fn judges(&self) -> bool {
        let keys = async {
            match &self.shared.crypto {
                Some(crypto) => crypto.any_source_answers().await,
                None => true,
            }
        };
        let guard = async {
            match &self.shared.replay_guard {
                Some(guard) => guard.health().await.is_ok(),
                None => true,
            }
        };
        let (keys, guard) = tokio::join!(keys, guard);
        keys && guard
    }
}

/// A message's place among those that are kept.
pub(crate) struct Place {
    told: oneshot::Receiver<()>,
    held: Gauge,
    decided: Arc<Notify>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.held.decrement(1.0);
    }
}

/// How a message ended to be kept.
pub(crate) enum Kept {
    Opened(Box<IncomingMessage>),
    /// It can never be opened, or needs not be.
    Refused(Refusal),
    /// Another takes its place.
    NoRoom,
    LockLost,
    Stopped,
}

impl Place {
    /// Tries to open the message until that is decided or its place is taken.
    pub(crate) async fn open(
        mut self,
        queue: &QueueContext,
        message: &Message,
        receipt: &MessageReceipt,
        waiting: &mut Waiting,
    ) -> Kept {
        let mut failures = u32::from(!matches!(waiting, Waiting::For(_)));
        let mut reported = matches!(waiting, Waiting::After(_));
        let opened = loop {
            let opening = async {
                match waiting {
                    Waiting::For(awaited) => queue.open_at_last(message, receipt, awaited).await,
                    Waiting::After(_) | Waiting::Behind => {
                        let asked = waiting.asked_to_wait();
                        tokio::time::sleep(queue.shared.retry.delay_as_asked(failures, asked))
                            .await;
                        queue.open_again(message, receipt).await
                    }
                }
            };
            let opened = tokio::select! {
                opened = opening => opened,
                _ = &mut self.told => return Kept::NoRoom,
            };
            match opened.map_err(Refusal::may_pass) {
                Ok(opened) => break Ok(opened),
                Err(Err(refusal)) => break Err(refusal),
                Err(Ok(still)) => *waiting = still,
            }
            if let Waiting::After(error) = waiting {
                if !reported {
                    events::rejected(&queue.subject(message), error);
                    reported = true;
                }
                queue.metrics.crypto_error(error);
            }
            failures += 1;
        };
        self.decided.notify_one();
        opened.map_or_else(Kept::Refused, |opened| Kept::Opened(Box::new(opened)))
    }
}
