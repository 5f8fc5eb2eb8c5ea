//! Locks that are renewed while something takes its time.

use std::convert::Infallible;
use std::future::pending;
use std::time::Duration;

use futures_util::future::join_all;
use sealmq_queue_core::{Feature, Message, Session};

use crate::error::ClientError;
use crate::queue::QueueContext;
use crate::receipt::MessageReceipt;

/// What can be renewed.
enum Lock<'a> {
    Of(&'a MessageReceipt),
    OfSession(&'a dyn Session),
}

impl Lock<'_> {
    async fn renew(&self, duration: Duration) -> Result<(), ClientError> {
        match self {
            Self::Of(receipt) => receipt.extend(duration).await,
            Self::OfSession(session) => Ok(session.renew().await?),
        }
    }
}

impl QueueContext {
    /// Runs the work to its end, and renews the locks of these messages meanwhile, or the hold of
    /// the session that they are of.
    pub(crate) async fn while_locked<T>(
        &self,
        messages: &[(Message, MessageReceipt)],
        session: Option<&dyn Session>,
        work: impl Future<Output = T>,
    ) -> T {
        let renewing = async {
            match session {
                Some(session) => {
                    self.keep_renewed(Lock::OfSession(session), session.lock_duration()).await;
                }
                None => {
                    join_all(messages.iter().map(|(_, receipt)| self.keep_locked(receipt))).await;
                }
            }
            pending::<Infallible>().await
        };
        tokio::select! {
            biased; // most work waits for nothing, and then no timer is set
            done = work => done,
            never = renewing => match never {},
        }
    }

    /// Renews the lock of a message, if it has one that can be, for as long as this is polled; ends
    /// when the lock is lost.
    pub(crate) async fn keep_locked(&self, receipt: &MessageReceipt) {
        let extendable = self.shared.transport.capabilities().has(Feature::ExtendLock);
        match receipt.metadata().lock_duration.filter(|_| extendable) {
            Some(duration) => self.keep_renewed(Lock::Of(receipt), duration).await,
            None => pending().await,
        }
    }

    /// Renews at half the time that a lock lasts; ends when it is lost.
    async fn keep_renewed(&self, lock: Lock<'_>, duration: Duration) {
        let mut pause = duration / 2;
        loop {
            tokio::time::sleep(pause).await;
            pause = duration / 2;
            if let Err(error) = lock.renew(duration).await {
                tracing::warn!(target: "sealmq", queue = self.queue, %error, "Lock not renewed");
                if !error.is_retryable() {
                    self.metrics.lock_lost();
                    return;
                }
                // Half of the lock is left: time to try again, more than once.
                pause = duration / 8;
            }
        }
    }
}
