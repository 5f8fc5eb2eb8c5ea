//! What the wrappers of one case share: the sabotage, and a network that can fail.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use sealmq_queue_core::{TransportError, TransportErrorKind};

use crate::sabotage::Sabotage;
use crate::settler::Hold;

/// The surroundings of one case.
pub(crate) struct World {
    /// The promise that is broken.
    pub(crate) how: Sabotage,
    /// Whether the broker is down for everyone.
    pub(crate) broker_down: AtomicBool,
    /// Whether the proxy lets nothing through.
    pub(crate) proxy_cut: AtomicBool,
    /// Whether somebody noticed an outage.
    was_down: AtomicBool,
    /// Whether the proxy swallows the next answer.
    pub(crate) swallow_next: AtomicBool,
    /// Whether dead-letter queues are out of order.
    pub(crate) dead_letters_broken: AtomicBool,
    /// Every queue of the case.
    pub(crate) queues: Mutex<Vec<String>>,
    /// The latest hold of each message, by the broker's id.
    pub(crate) holds: Mutex<HashMap<String, Arc<Hold>>>,
    counter: AtomicUsize,
}

impl World {
    /// A world in which only this promise is broken.
    pub(crate) fn new(how: Sabotage) -> Arc<Self> {
        Arc::new(Self {
            how,
            broker_down: AtomicBool::new(false),
            proxy_cut: AtomicBool::new(false),
            was_down: AtomicBool::new(false),
            swallow_next: AtomicBool::new(false),
            dead_letters_broken: AtomicBool::new(false),
            queues: Mutex::default(),
            holds: Mutex::default(),
            counter: AtomicUsize::new(0),
        })
    }

    /// Whether this is the sabotage.
    pub(crate) fn is(&self, how: Sabotage) -> bool {
        self.how == how
    }

    /// The queue as the broker gets to see it.
    pub(crate) fn address(&self, queue: &str) -> String {
        let first = self.queues.lock().unwrap().first().cloned();
        match self.how {
            Sabotage::PutsAllInOneQueue => first.unwrap_or_else(|| queue.to_owned()),
            _ => queue.to_owned(),
        }
    }

    /// True at every tenth call.
    pub(crate) fn tenth(&self) -> bool {
        self.counter.fetch_add(1, Ordering::Relaxed) % 10 == 9
    }

    /// A number that was not given before.
    pub(crate) fn fresh(&self) -> usize {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// Fails as a call does whose broker cannot be reached.
    pub(crate) fn reach_broker(&self, through_proxy: bool) -> Result<(), TransportError> {
        let cut = through_proxy && self.proxy_cut.load(Ordering::Relaxed);
        let stays_down = self.is(Sabotage::StaysDown) && self.was_down.load(Ordering::Relaxed);
        if !cut && !self.broker_down.load(Ordering::Relaxed) && !stays_down {
            return Ok(());
        }
        self.was_down.store(true, Ordering::Relaxed);
        let kind = match self.how {
            Sabotage::TakesOutageForDenial => TransportErrorKind::Denied,
            _ => TransportErrorKind::Unavailable,
        };
        Err(TransportError::new(kind, "the simulated network"))
    }
}
