//! The end of a client: everything in order, or the connection at once.

use std::time::Duration;

use sealmq_crypto_core::CryptoError;
use sealmq_queue_core::{TransportError, TransportErrorKind};
use tokio::time::{Instant, timeout};

use crate::QueueClient;
use crate::error::ClientError;
use crate::lifecycle::{Phase, ShutdownReport};
use crate::processor::FOREVER;

/// How long the connection, and then the key sources, may take to close.
const CLOSING: Duration = Duration::from_secs(10);

impl QueueClient {
    /// Ends everything that was begun with this client and those of its other queues, in order:
    ///
    /// 1. Nothing is received any more: receives that wait end with `Closed`, and so do later ones;
    ///    streams end. [`QueueClient::health`] says that the client is not ready.
    /// 2. Handlers of all processors finish, and may send; messages that a receive handed out are
    ///    settled. Handlers that are still at work after `deadline` are cut off, and their messages
    ///    given back.
    /// 3. The connection is closed. What was fetched ahead is given back as it closes: another
    ///    consumer gets it at once and not when its lock has run out.
    /// 4. The key sources that the client was built with are closed: keys in memory are forgotten,
    ///    logins and leases are given back. Clients of other connections that share them lose them
    ///    too; where they are to stay, use [`Processor::stop`](crate::Processor::stop) and
    ///    [`QueueClient::close`], which do not touch keys.
    ///
    /// Metrics are handed to the recorder as they happen, so nothing of the client's is left to be
    /// flushed; an exporter that buffers is flushed by whoever installed it, after this.
    ///
    /// It returns by `deadline`, and what settling and closing take: closing is given up after ten
    /// seconds each for the connection and the keys. Repeating it is fine.
    ///
    /// # Errors
    /// Those of the transport, then those of the key sources; everything is closed all the same.
    pub async fn shutdown(&self, deadline: Duration) -> Result<ShutdownReport, ClientError> {
        let shared = &self.0.shared;
        let now = Instant::now();
        let stop_by = now.checked_add(deadline).unwrap_or(now + FOREVER);
        let report = shared.lifecycle.drain(stop_by).await;
        let connection = timeout(CLOSING, self.close()).await.unwrap_or_else(|_| {
            let context = "closing the connection took too long";
            Err(TransportError::new(TransportErrorKind::Unavailable, context).into())
        });
        let keys = match &shared.crypto {
            Some(crypto) => timeout(CLOSING, crypto.close()).await.unwrap_or_else(|_| {
                Err(CryptoError::unavailable("closing the key sources took too long"))
            }),
            None => Ok(()),
        };
        let ShutdownReport { cancelled, unsettled } = report;
        tracing::info!(target: "sealmq", cancelled, unsettled, "Client shut down");
        connection?;
        keys?;
        Ok(report)
    }

    /// Closes the connection at once, for the clients of all its queues; keys stay as they are.
    /// What was received can be settled until then, so stop processors first, or use
    /// [`QueueClient::shutdown`], which does. Repeating it is fine.
    ///
    /// # Errors
    /// The transport's; the client is closed all the same.
    pub async fn close(&self) -> Result<(), ClientError> {
        let released = self.0.release_receiver().await;
        if !self.0.shared.lifecycle.enter(Phase::Closed) {
            return Ok(());
        }
        self.0.shared.transport.close().await?;
        released
    }
}
