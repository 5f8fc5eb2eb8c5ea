//! Receiving messages that are gone once they are handed out.
//!
//! They are received locked and removed right before: a link that sends them settled would lose
//! those on their way when it ends.

use std::time::Duration;

use futures_util::future::join_all;
use sealmq_queue_core::{Delivery, TransportError, TransportErrorKind as Kind};

use crate::arrived::Arrived;
use crate::management::lock_tokens;
use crate::outcome::Outcome;
use crate::pump::{Command, LinkDelivery};
use crate::receiver::{ServiceBusReceiver, deleted};

impl ServiceBusReceiver {
    /// Up to `max` messages, each removed. One that could not be removed comes another time.
    pub(crate) async fn recv_and_remove(
        &self,
        max: usize,
        wait: Duration,
    ) -> Result<Vec<Delivery>, TransportError> {
        loop {
            let mut held = Held { receiver: self, arrived: self.next(max, wait).await? };
            if held.arrived.is_empty() {
                return Ok(Vec::new());
            }
            let removals = held.arrived.iter().map(|arrived| remove(self, arrived));
            let outcomes = join_all(removals).await;
            let arrived = std::mem::take(&mut held.arrived);
            let (mut removed, mut failed, mut error) = (Vec::new(), Vec::new(), None);
            for (mut arrived, outcome) in arrived.into_iter().zip(outcomes) {
                match outcome {
                    Ok(()) => removed.push(deleted(arrived)),
                    // The answer to the first try was lost, and in its time nobody else had the lock.
                    Err(lost) if *lost.kind() == Kind::LockLost => {
                        if arrived.perhaps_removed && arrived.received_at.elapsed() < arrived.lock {
                            removed.push(deleted(arrived));
                        }
                    }
                    Err(other) => {
                        arrived.perhaps_removed |= *other.kind() == Kind::Unavailable;
                        failed.push(arrived);
                        error = Some(other);
                    }
                }
            }
            self.channel().inbox.put_back(failed);
            match error {
                Some(error) if removed.is_empty() => return Err(error),
                None if removed.is_empty() => {} // all locks were lost: the messages come again
                _ => return Ok(removed),
            }
        }
    }
}

/// Messages that go back when the call that took them is dropped. Some may be gone by then.
struct Held<'a> {
    receiver: &'a ServiceBusReceiver,
    arrived: Vec<Arrived>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut arrived = std::mem::take(&mut self.arrived);
        for arrived in &mut arrived {
            arrived.perhaps_removed = true;
        }
        self.receiver.channel().inbox.put_back(arrived);
    }
}

async fn remove(receiver: &ServiceBusReceiver, arrived: &Arrived) -> Result<(), TransportError> {
    let channel = receiver.channel();
    let Some(token) = &arrived.token else {
        return Err(crate::error::lock_lost("a delivery without a lock token"));
    };
    let mut fields = Outcome::Completed.to_fields();
    fields.push(("lock-tokens", lock_tokens([token.to_uuid()])));
    let operation = channel.operation("update-disposition", fields);
    channel.hub.request(&channel.entity, &operation).await?;
    let delivery = LinkDelivery { info: arrived.info.clone(), epoch: arrived.epoch };
    let outcome = Outcome::Completed.to_state();
    let _ = channel.commands.send(Command::Forget { delivery, outcome });
    Ok(())
}
