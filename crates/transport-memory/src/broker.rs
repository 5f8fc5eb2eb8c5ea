//! The broker: its queues by name, and the connections to it.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use sealmq_queue_core::{Capabilities, Feature, TransportError, TransportErrorKind};

use crate::clock::MemoryClock;
use crate::config::QueueSettings;
use crate::shared_queue::Queue;

/// All queues, shared by every connection.
pub(crate) struct Broker {
    pub(crate) capabilities: Capabilities,
    pub(crate) clock: MemoryClock,
    auto_create: bool,
    queues: RwLock<HashMap<String, Arc<Queue>>>,
}

impl Broker {
    pub(crate) fn new(capabilities: Capabilities, clock: MemoryClock, auto_create: bool) -> Self {
        Self { capabilities, clock, auto_create, queues: RwLock::new(HashMap::new()) }
    }

    /// Creates a queue; the same queue again is fine, another under its name is not.
    pub(crate) fn create_queue(
        &self,
        name: &str,
        mut settings: QueueSettings,
    ) -> Result<Arc<Queue>, TransportError> {
        if name.is_empty() {
            return Err(TransportError::invalid_input("queue", "must not be empty"));
        }
        settings.validate(&self.capabilities)?;
        if !self.capabilities.has(Feature::MaxDeliveries) {
            settings.max_deliveries = None;
        }
        let mut queues = self.queues.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(name) {
            if queue.settings != settings {
                let reason = format!("{name} exists with other settings");
                return Err(TransportError::invalid_input("queue", reason));
            }
            return Ok(Arc::clone(queue));
        }
        let queue = Arc::new(Queue::new(name, settings, self.clock.clone()));
        queues.insert(name.to_owned(), Arc::clone(&queue));
        Ok(queue)
    }

    pub(crate) fn queue(&self, name: &str) -> Result<Arc<Queue>, TransportError> {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queues.get(name) {
            return Ok(Arc::clone(queue));
        }
        drop(queues);
        if self.auto_create {
            return self.create_queue(name, QueueSettings::default());
        }
        let kind = TransportErrorKind::NotFound;
        Err(TransportError::new(kind, format!("queue {name}")))
    }

    fn wake_all(&self) {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        queues.values().for_each(|queue| queue.wake_all());
    }
}

/// One client's connection: what is closed is closed for all its clones and receivers.
pub(crate) struct Connection {
    pub(crate) broker: Arc<Broker>,
    closed: AtomicBool,
}

impl Connection {
    pub(crate) fn new(broker: Arc<Broker>) -> Self {
        Self { broker, closed: AtomicBool::new(false) }
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        self.broker.wake_all();
    }

    pub(crate) fn check_open(&self) -> Result<(), TransportError> {
        if self.closed.load(Ordering::Acquire) {
            return Err(TransportError::closed("transport memory"));
        }
        Ok(())
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// The queue of this name, if the connection is open.
    pub(crate) fn queue(&self, name: &str) -> Result<Arc<Queue>, TransportError> {
        self.check_open()?;
        self.broker.queue(name)
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let queues = self.queues.read().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<&String> = queues.keys().collect();
        names.sort_unstable();
        f.debug_struct("Broker")
            .field("clock", &self.clock)
            .field("queues", &names)
            .finish_non_exhaustive()
    }
}
