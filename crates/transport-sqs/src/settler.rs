//! Settling one delivery with the receipt handle it was received under.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::types::Message as SqsMessage;
use futures_util::future::join;
use sealmq_queue_core::{
    Certainty, Feature, Settlement, Settler, TransportError, TransportErrorKind,
};
use tokio::time::Instant;

use crate::changes::Change;
use crate::dead_letter::{self, Note};
use crate::lane::Lane;
use crate::time::{lock_seconds, visibility_seconds};
use crate::turn::Turn;

pub(crate) struct SqsSettler {
    lane: Arc<Lane>,
    /// As it was received: a dead letter is the same message.
    received: SqsMessage,
    locked_until: Mutex<Instant>,
    /// Whether it stands in the dead-letter queue already and only its deletion is missing.
    copied: AtomicBool,
    /// In its group, if the queue is ordered.
    turn: Option<Turn>,
}

impl SqsSettler {
    pub(crate) fn new(
        lane: Arc<Lane>,
        received: SqsMessage,
        locked_until: Instant,
        turn: Option<Turn>,
    ) -> Self {
        let locked_until = Mutex::new(locked_until);
        Self { lane, received, locked_until, copied: AtomicBool::new(false), turn }
    }

    /// A FIFO queue refuses an expired handle; our own clock says so without asking. It started
    /// after the queue's, so it never says so too early.
    fn check_lock(&self) -> Result<(), TransportError> {
        self.lane.connection.check_open()?;
        let locked_until = *self.locked_until.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lane.connection.is_fifo() && Instant::now() >= locked_until {
            return Err(self.lane.lock_lost());
        }
        Ok(())
    }

    async fn make(&self, change: Change, field: &'static str) -> Result<(), TransportError> {
        let handle = self.received.receipt_handle().unwrap_or_default();
        self.lane.changes.make(handle, change, field).await
    }

    /// Copies first and deletes second: a crash in between leaves a duplicate, never a loss.
    async fn dead_letter(&self, note: &Note) -> Result<(), TransportError> {
        if !self.copied.load(Ordering::Acquire) {
            let target = self.lane.dead_letter_queue().await?;
            let copy = dead_letter::copy(&self.received, Some(note), "dead-letter")?;
            dead_letter::send(&self.lane.connection, target, copy).await?;
            self.copied.store(true, Ordering::Release);
        }
        self.make(Change::Delete, "settlement").await
    }

    /// Gives the message back after `delay`, and with it what waits behind it in its group.
    async fn abandon(&self, delay: Duration) -> Result<(), TransportError> {
        let seconds = visibility_seconds("delay", delay)?;
        self.check_lock()?;
        let followers = self.turn.as_ref().map(|turn| turn.give_up(delay)).unwrap_or_default();
        let giving =
            join(self.make(Change::Visibility(seconds), "delay"), self.lane.give_back(followers));
        // Followers that could not be given back come again after their lock.
        let (given_back, _) = self.lane.changes.together(giving).await;
        given_back
    }

    async fn apply(&self, settlement: Settlement) -> Result<Certainty, TransportError> {
        let transport = self.lane.connection.capabilities.transport;
        match settlement {
            Settlement::Complete => {
                self.check_lock()?;
                self.make(Change::Delete, "settlement").await?;
            }
            Settlement::Abandon { delay } => self.abandon(delay).await?,
            Settlement::DeadLetter { .. } if self.lane.is_dead_letter => {
                let reason = "the message is in the dead-letter queue already";
                return Err(TransportError::invalid_input("settlement", reason));
            }
            Settlement::DeadLetter { reason, description } => {
                self.check_lock()?;
                self.dead_letter(&Note::new(&reason, &description)).await?;
            }
            Settlement::Defer => {
                return Err(TransportError::unsupported(transport, Feature::Defer.name()));
            }
            _ => return Err(TransportError::unsupported(transport, "this settlement")),
        }
        Ok(self.lane.certainty())
    }

    async fn prolong(&self, duration: Duration) -> Result<(), TransportError> {
        let seconds = lock_seconds("duration", duration)?;
        self.check_lock()?;
        let asked_at = Instant::now();
        self.make(Change::Visibility(seconds), "duration").await?;
        let mut locked_until = self.locked_until.lock().unwrap_or_else(PoisonError::into_inner);
        *locked_until = asked_at + Duration::from_secs(seconds.unsigned_abs().into());
        if let Some(turn) = &self.turn {
            turn.prolong(*locked_until);
        }
        Ok(())
    }

    /// Whoever holds the message now, or receives it next, is followed by the rest of its group.
    fn notice<T>(&self, outcome: Result<T, TransportError>) -> Result<T, TransportError> {
        let lost = |error: &TransportError| *error.kind() == TransportErrorKind::LockLost;
        if let (Some(turn), true) = (&self.turn, outcome.as_ref().is_err_and(lost)) {
            turn.lose();
        }
        outcome
    }
}

#[async_trait]
impl Settler for SqsSettler {
    async fn settle(&self, settlement: Settlement) -> Result<Certainty, TransportError> {
        let leaves = !matches!(settlement, Settlement::Abandon { .. });
        let certainty = self.notice(self.apply(settlement).await)?;
        if let (Some(turn), true) = (&self.turn, leaves) {
            turn.pass_on();
        }
        Ok(certainty)
    }

    async fn extend(&self, duration: Duration) -> Result<(), TransportError> {
        self.notice(self.prolong(duration).await)
    }
}
