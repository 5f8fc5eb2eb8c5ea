//! Sending through the wrapper.

use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealmq_queue_core::{
    Message, SendFailure, SendReceipt, SendReport, Source, Transport, TransportError,
    TransportErrorKind,
};
use tokio::time::Instant;

use crate::sabotage::Sabotage;
use crate::tamper;
use crate::world::World;

/// What `Sabotage::Panics` panics with.
pub(crate) const WANTED_PANIC: &str = "the adapter panics";

/// The sending half of a connection.
pub(crate) struct SabotagedSender {
    inner: Arc<dyn Transport>,
    world: Arc<World>,
    through_proxy: bool,
    has_sent: AtomicBool,
    held_up: Mutex<Vec<Message>>,
    made_at: Instant,
}

impl SabotagedSender {
    pub(crate) fn new(inner: &Arc<dyn Transport>, world: &Arc<World>, through_proxy: bool) -> Self {
        Self {
            inner: Arc::clone(inner),
            world: Arc::clone(world),
            through_proxy,
            has_sent: AtomicBool::new(false),
            held_up: Mutex::default(),
            made_at: Instant::now(),
        }
    }

    /// Whether anything was sent yet.
    pub(crate) fn has_sent(&self) -> bool {
        self.has_sent.load(Ordering::Relaxed)
    }

    /// Sends as the transport does, but for the sabotage.
    pub(crate) async fn send(&self, queue: &str, messages: Vec<Message>) -> SendReport {
        let world = &self.world;
        self.has_sent.store(true, Ordering::Relaxed);
        if messages.is_empty() && world.is(Sabotage::RefusesEmptyBatches) {
            let error = TransportError::invalid_input("batch", "empty");
            return all_fail(vec![Message::new("")], &error);
        }
        if let Err(error) = world.reach_broker(self.through_proxy) {
            return all_fail(messages, &error);
        }
        if let Some(error) = self.refusal(queue, &messages).await {
            return all_fail(messages, &error);
        }
        if self.through_proxy && world.swallow_next.swap(false, Ordering::Relaxed) {
            if world.is(Sabotage::ConfirmsLostAnswer) {
                return messages.iter().map(|_| Ok(SendReceipt::default())).collect();
            }
            self.inner.send(queue, messages.clone()).await;
            let lost = TransportError::new(TransportErrorKind::Unavailable, "no answer");
            return all_fail(messages, &lost);
        }
        let mut report = self.send_tampered(queue, &messages).await;
        if world.is(Sabotage::ReportsInReverse) {
            report.reverse();
        }
        report
    }

    /// Whether the broker has no such queue.
    pub(crate) async fn is_missing(&self, queue: &str) -> bool {
        let depth = self.inner.depth(&Source::queue(queue)).await;
        matches!(depth, Err(error) if *error.kind() == TransportErrorKind::NotFound)
    }

    /// The outcome of a batch that never reaches the broker, if that is the sabotage.
    async fn refusal(&self, queue: &str, messages: &[Message]) -> Option<TransportError> {
        let capabilities = self.inner.capabilities();
        let limits = &capabilities.limits;
        let bytes: usize = messages.iter().map(|message| message.body.len()).sum();
        let too_large = |limit_bytes| {
            let kind = TransportErrorKind::TooLarge { size_bytes: bytes, limit_bytes };
            Some(TransportError::new(kind, "batch"))
        };
        match self.world.how {
            Sabotage::Hangs => pending().await,
            Sabotage::Panics => std::panic::panic_any(WANTED_PANIC),
            Sabotage::AsksBrokerBeforeChecking if self.is_missing(queue).await => {
                Some(TransportError::new(TransportErrorKind::NotFound, queue))
            }
            Sabotage::RefusesLargeBatches if bytes > limits.max_message_bytes => {
                too_large(limits.max_message_bytes)
            }
            Sabotage::RefusesLargestBody => {
                let limit = limits.max_body_bytes(messages.first()?.metadata_bytes());
                if bytes >= limit { too_large(limit) } else { None }
            }
            Sabotage::DiesWhenIdle if self.made_at.elapsed() > Duration::from_secs(300) => {
                Some(TransportError::closed("idle connection"))
            }
            Sabotage::ShowsAttributesInErrors => {
                let error = messages.iter().find_map(|m| m.validate(capabilities).err())?;
                let context = format!("{:?}", messages[0].attributes);
                Some(TransportError::new(error.kind().clone(), context))
            }
            _ => None,
        }
    }

    async fn send_tampered(&self, queue: &str, messages: &[Message]) -> SendReport {
        let world = &self.world;
        let valid = |message: &Message| message.validate(self.inner.capabilities()).is_ok();
        if !messages.iter().all(valid) {
            let report = self.inner.send(queue, messages.to_vec()).await;
            if world.is(Sabotage::SendsTheRestOfAnInvalidBatch) {
                let rest = messages.iter().filter(|message| valid(message)).cloned().collect();
                self.inner.send(queue, rest).await;
            }
            return report;
        }
        let mut sent = tamper::with_messages(world, messages.to_vec());
        if world.is(Sabotage::SendsOneLate) {
            let mut line = self.held_up.lock().unwrap();
            line.extend(sent);
            let due = line.len().saturating_sub(1);
            sent = line.drain(..due).collect();
        }
        let report = self.inner.send(&world.address(queue), sent).await;
        let failed = report.iter().any(Result::is_err);
        let hides_failure = world.is(Sabotage::SwallowsForMissingQueues);
        if hides_failure || !failed && report.len() != messages.len() {
            return messages.iter().map(|_| Ok(SendReceipt::new(None))).collect();
        }
        report
    }
}

/// The report of a batch of which nothing was sent.
fn all_fail(messages: Vec<Message>, error: &TransportError) -> SendReport {
    let failure = |message| SendFailure { error: error.clone(), message: Box::new(message) };
    messages.into_iter().map(|message| Err(failure(message))).collect()
}
