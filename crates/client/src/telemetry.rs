//! The metrics of one queue. Labels never hold anything a sender can choose.

use std::sync::Mutex;
use std::time::Duration;

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use sealmq_crypto_core::{CryptoError, KeyEvent, KeyObserver};

/// Handles to the metrics of one queue, made once: install the recorder before the client.
pub(crate) struct QueueMetrics {
    queue: String,
    sent: [Counter; 2],
    received: [Counter; 2],
    seal_seconds: Histogram,
    open_seconds: Histogram,
    lock_lost: Counter,
    handler_failures: Counter,
    pub(crate) held: Gauge,
}

impl QueueMetrics {
    pub(crate) fn new(queue: &str, enabled: bool) -> Self {
        let name = || queue.to_owned();
        gauge!("queue_crypto_enabled", "queue" => name()).set(if enabled { 1.0 } else { 0.0 });
        Self {
            sent: ["false", "true"].map(|encrypted| {
                counter!("queue_messages_sent_total", "queue" => name(), "encrypted" => encrypted)
            }),
            received: ["false", "true"].map(|encrypted| {
                counter!("queue_messages_received_total", "queue" => name(), "encrypted" => encrypted)
            }),
            seal_seconds: histogram!("queue_seal_seconds", "queue" => name()),
            open_seconds: histogram!("queue_open_seconds", "queue" => name()),
            lock_lost: counter!("queue_lock_lost_total", "queue" => name()),
            handler_failures: counter!("queue_handler_failures_total", "queue" => name()),
            held: gauge!("queue_messages_held", "queue" => name()),
            queue: name(),
        }
    }

    pub(crate) fn sent(&self, encrypted: bool, messages: u64) {
        self.sent[usize::from(encrypted)].increment(messages);
    }

    pub(crate) fn received(&self, encrypted: bool, messages: u64) {
        self.received[usize::from(encrypted)].increment(messages);
    }

    /// The time per message of a batch that was sealed in one go.
    pub(crate) fn sealed(&self, elapsed: Duration, messages: usize) {
        record_share(&self.seal_seconds, elapsed, messages);
    }

    /// The time per message of a batch that was opened in one go.
    pub(crate) fn opened(&self, elapsed: Duration, messages: usize) {
        record_share(&self.open_seconds, elapsed, messages);
    }

    pub(crate) fn crypto_error(&self, error: &CryptoError) {
        let (queue, error_type) = (self.queue.clone(), error.code());
        counter!("queue_crypto_errors_total", "queue" => queue, "error_type" => error_type)
            .increment(1);
    }

    pub(crate) fn lock_lost(&self) {
        self.lock_lost.increment(1);
    }

    pub(crate) fn handler_failed(&self) {
        self.handler_failures.increment(1);
    }
}

fn record_share(histogram: &Histogram, elapsed: Duration, messages: usize) {
    if messages > 0 {
        histogram.record_many(elapsed.as_secs_f64() / messages as f64, messages);
    }
}

/// Counts what happens in the keyring of a client.
pub(crate) struct KeyMetrics {
    hits: Counter,
    misses: Counter,
    active: Mutex<Option<Gauge>>,
}

impl KeyMetrics {
    pub(crate) fn new() -> Self {
        Self {
            hits: counter!("queue_key_cache_total", "result" => "hit"),
            misses: counter!("queue_key_cache_total", "result" => "miss"),
            active: Mutex::new(None),
        }
    }
}

impl KeyObserver for KeyMetrics {
    fn observe(&self, event: KeyEvent<'_>) {
        match event {
            KeyEvent::CacheHit => self.hits.increment(1),
            KeyEvent::CacheMiss => self.misses.increment(1),
            KeyEvent::ServiceCall { service, operation, ok, elapsed } => {
                let outcome = if ok { "ok" } else { "error" };
                let service = service.to_owned();
                counter!("queue_key_service_calls_total", "service" => service.clone(),
                    "operation" => operation, "outcome" => outcome)
                .increment(1);
                histogram!("queue_key_service_seconds", "service" => service,
                    "operation" => operation)
                .record(elapsed.as_secs_f64());
            }
            KeyEvent::SealingKeyChanged { label, kek_version } => {
                // The label is one of the client's own keys, so there are few of them; a version
                // comes with a rotation.
                let version = kek_version.map_or_else(String::new, |version| version.0.to_string());
                let now = gauge!("queue_active_key", "key_id" => label.to_owned(),
                    "kek_version" => version.clone());
                let mut active =
                    self.active.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                if let Some(before) = active.replace(now.clone()) {
                    before.set(0.0);
                }
                now.set(1.0);
                tracing::info!(target: "sealmq", key_id = label, kek_version = version,
                    "Sealing key changed");
            }
            _ => {}
        }
    }
}
