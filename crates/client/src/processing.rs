//! What users say of a processor and hear of it: options, outcomes of handlers, the report of a stop.

use std::time::Duration;

/// How a processor works.
#[non_exhaustive]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProcessorOptions {
    /// Handlers at work at once, at most. Can be changed while it runs.
    pub concurrency: usize,
    /// Messages fetched by one receive, at most.
    pub batch: usize,
    /// How long one receive waits for messages.
    pub wait: Duration,
    /// How long after it failed a message is held back, before it doubles with each delivery.
    pub retry_delay: Duration,
    /// Whether locks are renewed while handlers work.
    pub renew_locks: bool,
    /// Messages that are kept, under lock and beside the handlers, until their key can be had, at
    /// most: what goes back counts as delivered, and a broker dead-letters after so many times. One
    /// whose key was not had within a second is kept as well. When so many are kept, nothing more
    /// is received until a source of keys answers; where one does, and others are out, one more to
    /// keep sends the one kept longest back. With 0 each goes back at once. Messages can be kept
    /// where locks are renewed, or where there are none.
    pub hold: usize,
}

impl Default for ProcessorOptions {
    /// One handler at a time, and 256 messages that wait for a key.
    fn default() -> Self {
        Self {
            concurrency: 1,
            batch: 32,
            wait: Duration::from_secs(20),
            retry_delay: Duration::from_secs(1),
            renew_locks: true,
            hold: 256,
        }
    }
}

impl ProcessorOptions {
    /// The same options with up to this many handlers at once.
    #[must_use]
    pub fn with_concurrency(mut self, concurrency: usize) -> Self {
        self.concurrency = concurrency;
        self
    }

    /// The same options with failed messages held back for this long at first.
    #[must_use]
    pub fn with_retry_delay(mut self, retry_delay: Duration) -> Self {
        self.retry_delay = retry_delay;
        self
    }

    /// The same options, renewing locks or not.
    #[must_use]
    pub fn with_renew_locks(mut self, renew_locks: bool) -> Self {
        self.renew_locks = renew_locks;
        self
    }

    /// The same options with up to this many messages kept until their key can be had.
    #[must_use]
    pub fn with_hold(mut self, hold: usize) -> Self {
        self.hold = hold;
        self
    }
}

/// Why a handler did not do its work, and what is to become of the message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerError {
    /// It may work later: the message goes back to the queue.
    Retry {
        /// How long it is held back; `None` for the processor's own back-off.
        delay: Option<Duration>,
    },
    /// It never will: the message goes to the dead-letter queue, still sealed.
    DeadLetter {
        /// A short code to count and filter by; the broker sees it.
        reason: String,
        /// A sentence for a person; the broker sees it.
        description: String,
    },
}

impl HandlerError {
    /// It may work later, after the processor's own back-off.
    pub fn retry() -> Self {
        Self::Retry { delay: None }
    }

    /// It may work after this long.
    pub fn retry_after(delay: Duration) -> Self {
        Self::Retry { delay: Some(delay) }
    }

    /// It never will.
    pub fn dead_letter(reason: impl Into<String>, description: impl Into<String>) -> Self {
        Self::DeadLetter { reason: reason.into(), description: description.into() }
    }
}

/// Any error of a handler means that it may work later; its text stays in this process.
impl<E: std::error::Error> From<E> for HandlerError {
    fn from(_: E) -> Self {
        Self::retry()
    }
}

/// What a stop found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StopReport {
    /// Handlers that were cut off at the deadline; their messages went back to the queue.
    pub cancelled: usize,
}
