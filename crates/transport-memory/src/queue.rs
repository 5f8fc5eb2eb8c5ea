//! The state of one queue and its dead-letter queue, changed by one caller at a time.

use std::time::Duration;

use sealmq_queue_core::{
    Message, SendFailure, SendReceipt, SendReport, Settlement, TransportError, TransportErrorKind,
};

use crate::clock::Tick;
use crate::config::QueueSettings;
use crate::deduplication::Deduplication;
use crate::groups::Wake;
use crate::store::{Arrival, LockKey, Lost, Store};

/// The queue itself, or its dead-letter queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    Main,
    Dead,
}

pub(crate) struct QueueState {
    pub(crate) main: Store,
    pub(crate) dead: Store,
    deduplication: Option<Deduplication>,
    default_time_to_live: Option<Duration>,
    max_messages: usize,
    /// One sequence for both sides: a moved message never meets a number it had.
    last_sequence: u64,
}

impl QueueState {
    pub(crate) fn new(settings: &QueueSettings) -> Self {
        let dead = QueueSettings::default().with_max_deliveries(None);
        Self {
            main: Store::new(settings),
            dead: Store::new(&dead),
            deduplication: settings.deduplication_window.map(Deduplication::new),
            default_time_to_live: settings.default_time_to_live,
            max_messages: settings.max_messages.unwrap_or(usize::MAX),
            last_sequence: 0,
        }
    }

    pub(crate) fn side(&mut self, side: Side) -> &mut Store {
        match side {
            Side::Main => &mut self.main,
            Side::Dead => &mut self.dead,
        }
    }

    /// Does what has become due by `now`.
    pub(crate) fn advance(&mut self, now: Tick) {
        self.main.advance(now);
        self.bury(now);
        self.dead.advance(now);
    }

    /// When something will change by itself next.
    pub(crate) fn next_due(&mut self) -> Tick {
        self.main.next_due().min(self.dead.next_due())
    }

    pub(crate) fn take_wakes(&mut self) -> (Wake, Wake) {
        (self.main.take_wake(), self.dead.take_wake())
    }

    /// Stores what fits and is not a duplicate, message by message.
    pub(crate) fn send(&mut self, messages: Vec<Message>, now: Tick) -> SendReport {
        let send = |message| self.send_one(message, now);
        messages.into_iter().map(send).collect()
    }

    fn send_one(&mut self, message: Message, now: Tick) -> Result<SendReceipt, SendFailure> {
        if let Some(original) =
            self.deduplication.as_mut().and_then(|seen| seen.original(&message.id, now))
        {
            return Ok(SendReceipt::duplicate_of(Some(original)));
        }
        if self.main.entries().len() >= self.max_messages {
            let message = Box::new(message);
            return Err(SendFailure { error: self.full(), message });
        }
        let sequence = self.next_sequence();
        if let Some(seen) = &mut self.deduplication {
            seen.remember(&message.id, sequence, now);
        }
        self.main.insert(sequence, self.arrival(message, now), now);
        Ok(SendReceipt::new(Some(sequence)))
    }

    fn arrival(&self, message: Message, now: Tick) -> Arrival {
        let time_to_live = message.time_to_live.or(self.default_time_to_live);
        Arrival {
            delay: message.delay.unwrap_or_default(),
            expires_at: time_to_live.map_or(Tick::NEVER, |ttl| now.after(ttl)),
            dead_letter: None,
            message,
        }
    }

    fn full(&self) -> TransportError {
        let kind = TransportErrorKind::Throttled { retry_after: None };
        TransportError::new(kind, format!("the queue holds {} messages", self.max_messages))
    }

    fn next_sequence(&mut self) -> u64 {
        self.last_sequence += 1;
        self.last_sequence
    }

    /// Settles a delivery of either side.
    pub(crate) fn settle(
        &mut self,
        side: Side,
        key: LockKey,
        settlement: Settlement,
        now: Tick,
    ) -> Result<(), Lost> {
        self.side(side).settle(key, settlement, now)?;
        self.bury(now);
        Ok(())
    }

    /// Moves what left the queue for the dead-letter queue there: a new copy of the same message.
    fn bury(&mut self, now: Tick) {
        for departure in self.main.take_departures() {
            let sequence = self.next_sequence();
            let arrival = Arrival {
                message: departure.message,
                delay: Duration::ZERO,
                expires_at: Tick::NEVER,
                dead_letter: Some(departure.info),
            };
            self.dead.insert(sequence, arrival, now);
        }
    }

    /// Moves up to `max` messages back from the dead-letter queue, as far as there is room.
    pub(crate) fn redrive(&mut self, max: usize, now: Tick) -> Result<usize, TransportError> {
        let room = self.max_messages.saturating_sub(self.main.entries().len());
        if room == 0 && max > 0 && self.dead.ready() > 0 {
            return Err(self.full());
        }
        let mut moved = 0;
        while moved < max.min(room) {
            let Some(message) = self.dead.pop() else { break };
            let sequence = self.next_sequence();
            let arrival = Arrival { delay: Duration::ZERO, ..self.arrival(message, now) };
            self.main.insert(sequence, arrival, now);
            moved += 1;
        }
        Ok(moved)
    }
}
