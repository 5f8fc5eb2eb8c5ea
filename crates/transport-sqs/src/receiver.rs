//! Receiving from a queue or its dead-letter queue.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::types::MessageSystemAttributeName as SystemAttribute;
use futures_util::future::join_all;
use sealmq_queue_core::{
    Certainty, Delivery, DeliveryMetadata, Feature, Receipt, Receiver, SettleError, Settlement,
    TransportError,
};
use tokio::time::Instant;

use crate::buffer::{Fetched, Taken};
use crate::dead_letter;
use crate::inbox::Inbox;
use crate::settler::SqsSettler;
use crate::turn::Turn;
use crate::wire::{incoming, received_marker, system_attribute};

/// The pause between polls that do not wait, which are those of less than a second.
const SHORT_POLL_PAUSE: Duration = Duration::from_millis(250);

/// How much later than asked for a poll may end: time passes between asking and polling.
const SLOP: Duration = Duration::from_millis(50);

/// A wait that is as good as forever.
const FOREVER: Duration = Duration::from_secs(365 * 24 * 3_600);

pub(crate) struct SqsReceiver {
    inbox: Arc<Inbox>,
}

impl SqsReceiver {
    pub(crate) fn new(inbox: Arc<Inbox>) -> Self {
        Self { inbox }
    }

    fn delivery(&self, (fetched, place): Taken) -> Delivery {
        let lane = &self.inbox.lane;
        let turn = place.map(|place| Turn::new(&self.inbox, place));
        let Fetched { message: received, at } = fetched;
        let marker = received_marker(&received);
        let mut metadata = DeliveryMetadata::new(received.message_id.clone().unwrap_or_default());
        let number = |name| system_attribute(&received, &name)?.parse::<u64>().ok();
        let count = number(SystemAttribute::ApproximateReceiveCount).unwrap_or(1);
        metadata.delivery_count = u32::try_from(count).unwrap_or(u32::MAX).max(1);
        metadata.enqueued_at = number(SystemAttribute::SentTimestamp)
            .map(|millis| std::time::UNIX_EPOCH + Duration::from_millis(millis));
        metadata.lock_duration = Some(left_of(lane.lock, at.elapsed()));
        metadata.dead_letter = lane.is_dead_letter.then(|| dead_letter::info(marker.as_ref()));
        let message = incoming(&received, marker);
        let settler = SqsSettler::new(Arc::clone(lane), received, at + lane.lock, turn);
        Delivery { message, receipt: Receipt::new(metadata, Box::new(settler)) }
    }
}

/// What is left of a lock; what was fetched a moment ago is as good as fresh.
fn left_of(lock: Duration, age: Duration) -> Duration {
    if age <= lock / 10 { lock } else { lock.saturating_sub(age) }
}

/// One call of `recv`: what to wait for next.
struct Call {
    max: usize,
    deadline: Instant,
    awaited: Option<u64>,
    pause_until: Option<Instant>,
}

enum Next {
    Take(Vec<Taken>),
    /// Something changes, or this time comes.
    Wait(Option<Instant>),
}

impl Call {
    fn next(&mut self, inbox: &Arc<Inbox>) -> Result<Next, TransportError> {
        inbox.check_open()?;
        let taken = inbox.take(self.max);
        if !taken.is_empty() {
            return Ok(Next::Take(taken));
        }
        if let Some(error) = self.awaited.and_then(|number| inbox.failure(number)) {
            return Err(error);
        }
        let now = Instant::now();
        let left = self.deadline.saturating_duration_since(now);
        match inbox.poll_under_way() {
            // Its own timeout bounds it.
            Some(poll) if poll.ends_at <= self.deadline + SLOP => {
                self.awaited = Some(poll.number);
                Ok(Next::Wait(None))
            }
            Some(_) if left.is_zero() => Ok(Next::Take(Vec::new())),
            Some(_) => Ok(Next::Wait(Some(self.deadline))),
            None if self.awaited.is_some() && left.is_zero() => Ok(Next::Take(Vec::new())),
            None => match self.pause(inbox, now, left) {
                Some(pause_until) => Ok(Next::Wait(Some(pause_until))),
                None => {
                    self.awaited = Some(inbox.poll(left + SLOP));
                    Ok(Next::Wait(None))
                }
            },
        }
    }

    /// After an empty poll, what is left of a wait in seconds is waited for by the next one; less
    /// than that is filled with polls that do not wait.
    fn pause(&mut self, inbox: &Inbox, now: Instant, left: Duration) -> Option<Instant> {
        let waits = !inbox.lane.connection.poll_seconds(left).is_zero();
        if self.awaited.take().is_some() && !waits {
            self.pause_until = Some(now + left.min(SHORT_POLL_PAUSE));
        }
        let pause_until = self.pause_until.filter(|until| *until > now);
        self.pause_until = pause_until;
        pause_until
    }
}

#[async_trait]
impl Receiver for SqsReceiver {
    async fn recv(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        let inbox = &self.inbox;
        if max == 0 {
            inbox.check_open()?;
            return Ok(Vec::new());
        }
        let _wanted = inbox.want(max);
        let deadline = Instant::now() + wait.min(FOREVER);
        let mut call = Call { max, deadline, awaited: None, pause_until: None };
        loop {
            let mut changed = pin!(inbox.changed());
            changed.as_mut().enable(); // before looking, so that no change is missed
            match call.next(inbox)? {
                Next::Take(taken) => {
                    return Ok(taken.into_iter().map(|taken| self.delivery(taken)).collect());
                }
                Next::Wait(until) => match until.into_iter().chain(inbox.next_turn()).min() {
                    None => changed.await,
                    Some(until) => {
                        let _ = tokio::time::timeout_at(until, changed).await;
                    }
                },
            }
        }
    }

    async fn recv_deferred(
        &self,
        _sequence_number: u64,
    ) -> Result<Option<Delivery>, TransportError> {
        let transport = self.inbox.lane.connection.capabilities.transport;
        Err(TransportError::unsupported(transport, Feature::Defer.name()))
    }

    async fn settle_batch(
        &self,
        settlements: Vec<(Receipt, Settlement)>,
    ) -> Vec<Result<Certainty, SettleError>> {
        let settling = settlements.into_iter().map(|(receipt, how)| receipt.settle(how));
        self.inbox.lane.changes.together(join_all(settling)).await
    }

    async fn close(&self) -> Result<(), TransportError> {
        self.inbox.close().await
    }
}

impl Drop for SqsReceiver {
    fn drop(&mut self) {
        self.inbox.abandon();
    }
}
