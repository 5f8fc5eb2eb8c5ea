//! Asking a queue and waiting for the answer.

use std::time::Duration;

use sealmq_queue_core::{
    Message, Receiver, Transport, TransportError, TransportErrorKind, new_message_id,
};
use tokio::time::Instant;

use super::receiver::CoreReceiver;
use super::transport::NatsCoreTransport;

impl NatsCoreTransport {
    /// A name for a queue that only one asker listens to. What asks with a sealed message puts it
    /// into the message before it seals: the seal covers where answers go.
    pub fn new_reply_queue() -> String {
        format!("reply-{}", new_message_id())
    }

    /// Sends a message and waits for the message that answers it: the first one on its reply
    /// queue whose correlation id is the message's id. A message without a reply queue gets one.
    ///
    /// # Errors
    /// As sending and receiving; `NotFound` when nobody listens to the queue, `Unavailable` when
    /// no answer came within `timeout`. Asking again asks twice.
    pub async fn request(
        &self,
        queue: &str,
        mut message: Message,
        timeout: Duration,
    ) -> Result<Message, TransportError> {
        let deadline = Instant::now() + timeout;
        let reply_to = message.reply_to.get_or_insert_with(Self::new_reply_queue).clone();
        let id = message.id.clone();
        let answers = CoreReceiver::open(&self.shared, &reply_to, None).await?;
        for sent in self.send(queue, vec![message]).await {
            sent.map_err(|failure| failure.error)?;
        }
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            for answer in answers.recv(1, left).await? {
                if answer.message.correlation_id.as_ref() == Some(&id) {
                    return Ok(answer.message);
                }
            }
            if left.is_zero() {
                let context = format!("no answer from queue {queue}");
                return Err(TransportError::new(TransportErrorKind::Unavailable, context));
            }
        }
    }

    /// Sends the answer to a request: to its reply queue, with its id as correlation id unless
    /// the answer has one. A sealed answer has to bring it: the seal covers it.
    ///
    /// # Errors
    /// `InvalidInput` for `reply_to` when the request does not say where answers go; as sending,
    /// and `NotFound` when the asker does not wait any more.
    pub async fn reply(
        &self,
        request: &Message,
        mut answer: Message,
    ) -> Result<(), TransportError> {
        let Some(reply_to) = &request.reply_to else {
            let reason = "the request does not say where answers go";
            return Err(TransportError::invalid_input("reply_to", reason));
        };
        answer.correlation_id.get_or_insert_with(|| request.id.clone());
        for sent in self.send(reply_to, vec![answer]).await {
            sent.map_err(|failure| failure.error)?;
        }
        Ok(())
    }
}
