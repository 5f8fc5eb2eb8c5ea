//! Someone with full access to the broker and no key: looks at, takes and puts messages as they are.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sealmq::transport::{Delivery, Receiver};
use sealmq::{
    DeadLetterInfo, Feature, Message, ReceiverOptions, Source, Transport, TransportError,
    TransportErrorKind,
};
use tokio::sync::Mutex;
use tokio::time::sleep;

use super::terms::WAIT;

/// The most messages that are looked at together.
const AT_ONCE: usize = 64;
/// How long receiving waits where it stands in for looking.
const GLANCE: Duration = Duration::from_secs(1);
/// How long a look that found nothing new rests.
const PAUSE: Duration = Duration::from_millis(20);

/// The one who observes, or attacks. Works through the transport alone, with a connection of its
/// own, so that it can do on every broker what whoever runs the broker can do there.
pub(super) struct Outsider {
    pub(super) transport: Arc<dyn Transport>,
    receivers: Mutex<HashMap<Source, Arc<dyn Receiver>>>,
}

/// A message as the broker stores it.
pub(super) struct Stored {
    pub(super) broker_id: String,
    pub(super) message: Message,
    pub(super) dead_letter: Option<DeadLetterInfo>,
}

impl From<&Delivery> for Stored {
    fn from(delivery: &Delivery) -> Self {
        let metadata = delivery.receipt.metadata();
        Self {
            broker_id: metadata.broker_id.clone(),
            message: delivery.message.clone(),
            dead_letter: metadata.dead_letter.clone(),
        }
    }
}

/// What came of putting a message on a queue.
pub(super) enum Put {
    Done,
    /// The broker, or what it can carry, does not let anybody do it; with the reason.
    Impossible(String),
}

impl Outsider {
    /// An outsider with this connection.
    pub(super) fn new(transport: Arc<dyn Transport>) -> Self {
        Self { transport, receivers: Mutex::default() }
    }

    /// Whether the broker lets messages be looked at where they stand.
    pub(super) fn can_peek(&self) -> bool {
        self.transport.capabilities().has(Feature::Peek)
    }

    /// Looks until there is a message in the queue whose broker id is not known, for as long as
    /// anybody waits for a message, and gives all those. They stay in the queue; where the broker
    /// knows no other way they are received and put back.
    pub(super) async fn look(
        &self,
        queue: &str,
        known: &HashSet<String>,
    ) -> Result<Vec<Stored>, TransportError> {
        let source = Source::queue(queue);
        let deadline = Instant::now() + WAIT;
        loop {
            let mut stored = match self.can_peek() {
                true => self.peek(&source).await?,
                false => self.receive_and_put_back(&source, known).await?,
            };
            stored.retain(|stored| !known.contains(&stored.broker_id));
            if !stored.is_empty() || Instant::now() >= deadline {
                return Ok(stored);
            }
            sleep(PAUSE).await;
        }
    }

    async fn peek(&self, source: &Source) -> Result<Vec<Stored>, TransportError> {
        let peeked = self.transport.peek(source, 0, AT_ONCE).await?;
        let stored = peeked.into_iter().map(|peeked| Stored {
            broker_id: peeked.metadata.broker_id,
            message: peeked.message,
            dead_letter: peeked.metadata.dead_letter,
        });
        Ok(stored.collect())
    }

    /// One receive may give a part of the queue only: what it gave is held until something new has
    /// come or nothing comes any more, and then put back.
    async fn receive_and_put_back(
        &self,
        source: &Source,
        known: &HashSet<String>,
    ) -> Result<Vec<Stored>, TransportError> {
        let receiver = self.receiver(source).await?;
        let (mut stored, mut held) = (Vec::new(), Vec::new());
        loop {
            let received = receiver.recv(AT_ONCE, GLANCE).await?;
            let is_over = received.is_empty();
            let first = stored.len();
            stored.extend(received.iter().map(Stored::from));
            held.extend(received);
            let has_new = stored[first..].iter().any(|s| !known.contains(&s.broker_id));
            if is_over || has_new || held.len() >= AT_ONCE {
                break;
            }
        }
        for delivery in held {
            delivery.receipt.abandon(Duration::ZERO).await.map_err(|failed| failed.error)?;
        }
        Ok(stored)
    }

    /// Takes a message off a queue or a dead-letter queue, if one comes within `wait`.
    pub(super) async fn take(
        &self,
        source: &Source,
        wait: Duration,
    ) -> Result<Option<Stored>, TransportError> {
        let mut received = self.receiver(source).await?.recv(1, wait).await?;
        let Some(delivery) = received.pop() else { return Ok(None) };
        let stored = Stored::from(&delivery);
        delivery.receipt.complete().await.map_err(|failed| failed.error)?;
        Ok(Some(stored))
    }

    /// Puts a message on a queue, as it is. Where the broker drops what it has seen a short while
    /// ago, this waits until it has forgotten it.
    pub(super) async fn put(&self, queue: &str, message: &Message) -> Result<Put, TransportError> {
        let deadline = Instant::now() + WAIT;
        loop {
            let sent = self.transport.send(queue, vec![message.clone()]).await.pop();
            match sent {
                Some(Ok(receipt)) if !receipt.duplicate => return Ok(Put::Done),
                Some(Ok(_)) if Instant::now() < deadline => sleep(PAUSE).await,
                Some(Ok(_)) => return Ok(Put::Impossible("dropped as a duplicate".to_owned())),
                Some(Err(failure)) => match failure.error.kind() {
                    TransportErrorKind::InvalidInput { .. }
                    | TransportErrorKind::TooLarge { .. }
                    | TransportErrorKind::Unsupported { .. } => {
                        return Ok(Put::Impossible(failure.error.to_string()));
                    }
                    _ => return Err(failure.error),
                },
                None => return Err(TransportError::closed("connection")),
            }
        }
    }

    /// The receiver of a source, opened once.
    async fn receiver(&self, source: &Source) -> Result<Arc<dyn Receiver>, TransportError> {
        let mut receivers = self.receivers.lock().await;
        if let Some(receiver) = receivers.get(source) {
            return Ok(Arc::clone(receiver));
        }
        let opened = self.transport.open(source, ReceiverOptions::default()).await?;
        let receiver: Arc<dyn Receiver> = Arc::from(opened);
        receivers.insert(source.clone(), Arc::clone(&receiver));
        Ok(receiver)
    }
}
