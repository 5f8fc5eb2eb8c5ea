//! Listening to a queue.

use std::sync::Arc;
use std::time::Duration;

use async_nats::{Message as NatsMessage, Subscriber};
use async_trait::async_trait;
use futures_util::{FutureExt, StreamExt};
use sealmq_queue_core::{
    Delivery, DeliveryMetadata, Feature, Receipt, Receiver, TransportError, TransportErrorKind,
    new_message_id,
};
use tokio::sync::{Mutex, watch};
use tokio::time::{Instant, timeout_at};

use super::shared::Shared;
use crate::settler::DeletedSettler;
use crate::stop::Stop;
use crate::wire;

pub(super) struct CoreReceiver {
    shared: Arc<Shared>,
    subscriber: Mutex<Subscriber>,
    closed: watch::Sender<bool>,
}

impl CoreReceiver {
    /// Listens to a queue, in a queue group or for itself. What is sent once this has returned is
    /// heard.
    pub(super) async fn open(
        shared: &Arc<Shared>,
        queue: &str,
        group: Option<&str>,
    ) -> Result<Self, TransportError> {
        let subject = shared.subject(queue)?;
        shared.connection.check_open()?;
        let since = Instant::now();
        let client = &shared.connection.client;
        let subscribed = match group {
            Some(group) => client.queue_subscribe(subject.clone(), group.to_owned()).await,
            None => client.subscribe(subject.clone()).await,
        };
        let subscriber = subscribed.map_err(|error| {
            let context = format!("listening to queue {queue}");
            TransportError::new(TransportErrorKind::Unavailable, context).with_source(error)
        })?;
        shared.connection.round_trip().await?;
        shared.connection.check_permitted(&subject, since).await?;
        Ok(Self {
            shared: Arc::clone(shared),
            subscriber: Mutex::new(subscriber),
            closed: watch::Sender::new(false),
        })
    }

    fn stop(&self) -> Stop {
        let connection = self.shared.connection.closing();
        Stop { receiver: self.closed.subscribe(), connection }
    }

    fn delivery(&self, message: NatsMessage) -> Delivery {
        let broker_id = format!("core/{}", new_message_id());
        let message = wire::decode(message.headers.as_ref(), message.payload, &broker_id);
        let settler = DeletedSettler(self.shared.capabilities.transport);
        let receipt = Receipt::new(DeliveryMetadata::new(broker_id), Box::new(settler));
        Delivery { message, receipt }
    }

    /// The first message, and those that are there together with it.
    async fn listen(&self, max: usize, deadline: Instant) -> Result<Vec<Delivery>, TransportError> {
        let Ok(mut subscriber) = timeout_at(deadline, self.subscriber.lock()).await else {
            return Ok(Vec::new());
        };
        let first = match timeout_at(deadline, subscriber.next()).await {
            Ok(Some(first)) => first,
            Ok(None) => return Err(TransportError::closed("connection")),
            Err(_) => return Ok(Vec::new()),
        };
        let mut deliveries = vec![self.delivery(first)];
        while deliveries.len() < max
            && let Some(Some(message)) = subscriber.next().now_or_never()
        {
            deliveries.push(self.delivery(message));
        }
        Ok(deliveries)
    }
}

#[async_trait]
impl Receiver for CoreReceiver {
    async fn recv(&self, max: usize, wait: Duration) -> Result<Vec<Delivery>, TransportError> {
        let mut stop = self.stop();
        stop.check()?;
        if max == 0 {
            return Ok(Vec::new());
        }
        let deadline = Instant::now() + wait.min(Duration::from_secs(86_400));
        tokio::select! {
            biased;
            () = stop.stopped() => stop.check().map(|()| Vec::new()),
            heard = self.listen(max, deadline) => heard,
        }
    }

    async fn recv_deferred(
        &self,
        _sequence_number: u64,
    ) -> Result<Option<Delivery>, TransportError> {
        self.shared.capabilities.require(Feature::Defer)?;
        Ok(None)
    }

    async fn close(&self) -> Result<(), TransportError> {
        if !self.closed.send_replace(true) {
            // From here on the group's other receivers get the messages.
            let _ = self.subscriber.lock().await.unsubscribe().await; // a closed client has none
        }
        Ok(())
    }
}
