//! Messages in hand that nobody has got yet: they are given back rather than forgotten.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::join_all;
use sealmq_queue_core::TransportError;

use crate::channel::Channel;
use crate::error;
use crate::pulled::Pulled;

/// Messages that were pulled and not handed out. What is left when it is dropped is given back.
pub(crate) struct Held {
    pub(crate) channel: Arc<Channel>,
    pub(crate) messages: VecDeque<Pulled>,
}

impl Held {
    pub(crate) fn none(channel: &Arc<Channel>) -> Self {
        Self { channel: Arc::clone(channel), messages: VecDeque::new() }
    }

    /// Gives everything back, and waits until the server says that it has it.
    ///
    /// # Errors
    /// The first failure; what was not given back comes again once its lock has run out.
    pub(crate) async fn release(mut self) -> Result<(), TransportError> {
        let messages = std::mem::take(&mut self.messages);
        let give_back = |pulled: &Pulled| {
            let reply = pulled.reply().to_owned();
            let channel = Arc::clone(&self.channel);
            // Not by way of `Channel::settle`: a closing connection still has to give back.
            async move { channel.jetstream.connection.request(reply, Bytes::from("-NAK")).await }
        };
        let given_back = join_all(messages.iter().map(give_back)).await;
        let context = "giving back messages that were not handed out";
        let failed = given_back.into_iter().find_map(Result::err);
        failed.map_or(Ok(()), |error| Err(error::requesting(error, context)))
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.messages.is_empty() {
            return;
        }
        let messages = std::mem::take(&mut self.messages);
        let rest = Self { channel: Arc::clone(&self.channel), messages };
        self.channel.jetstream.connection.spawn(async move {
            if let Err(error) = rest.release().await {
                tracing::debug!(%error, "messages come again when their locks have run out");
            }
        });
    }
}
