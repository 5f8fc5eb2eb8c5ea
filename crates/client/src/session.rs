//! The exclusive hold on one session: its messages and its state, sealed like any other.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use sealmq_crypto_core::format::{Frame, Marker, find_marker};
use sealmq_crypto_core::{
    CryptoError, CryptoErrorKind, EncryptedMessage, EncryptionContext, PlaintextVerdict,
};
use sealmq_queue_core::{Feature, Receiver, Session, TransportError};

use crate::bound::STATE_TYPE;
use crate::error::ClientError;
use crate::incoming::Received;
use crate::queue::QueueContext;

/// A session that this client holds.
///
/// The hold lasts for the lock duration; [`SessionClient::renew`] prolongs it. Dropping it gives
/// the session up when the lock has run out, [`SessionClient::close`] at once.
pub struct SessionClient {
    queue: Arc<QueueContext>,
    receiver: Box<dyn Receiver>,
}

impl SessionClient {
    pub(crate) fn new(queue: Arc<QueueContext>, receiver: Box<dyn Receiver>) -> Self {
        Self { queue, receiver }
    }

    fn session(&self) -> Result<&dyn Session, ClientError> {
        self.receiver.session().ok_or_else(|| {
            let transport = self.queue.shared.transport.capabilities().transport;
            TransportError::unsupported(transport, Feature::Sessions.name()).into()
        })
    }

    /// The session's id.
    ///
    /// # Errors
    /// `Unsupported` from an adapter that gave a receiver without a session.
    pub fn id(&self) -> Result<&str, ClientError> {
        Ok(self.session()?.id())
    }

    /// Receives up to `max` messages of the session, in order, or none within `wait`. A message
    /// that cannot be opened is settled like in any queue and does not block the session. The hold
    /// is renewed while keys or the replay store are waited for.
    ///
    /// # Errors
    /// `LockLost` when the hold was lost; else the transport's.
    pub async fn receive(&self, max: usize, wait: Duration) -> Result<Vec<Received>, ClientError> {
        let deliveries = self.receiver.recv(max, wait).await?;
        Ok(self.queue.open_deliveries(deliveries, self.receiver.session()).await)
    }

    /// How long the hold lasts from the moment it was taken or renewed.
    ///
    /// # Errors
    /// As [`SessionClient::id`].
    pub fn lock_duration(&self) -> Result<Duration, ClientError> {
        Ok(self.session()?.lock_duration())
    }

    /// Holds the session for another lock duration from now.
    ///
    /// # Errors
    /// `LockLost` when the hold was lost.
    pub async fn renew(&self) -> Result<(), ClientError> {
        Ok(self.session()?.renew().await?)
    }

    /// The state kept with the session, opened.
    ///
    /// # Errors
    /// The errors of opening a message (a state has no maximum age), and the transport's.
    pub async fn state(&self) -> Result<Option<Bytes>, ClientError> {
        let Some(stored) = self.session()?.state().await? else { return Ok(None) };
        let shared = &self.queue.shared;
        if find_marker(&stored) == Marker::None {
            return match shared.config.check_received_plaintext(shared.clock.unix_ms())? {
                PlaintextVerdict::Pass | PlaintextVerdict::PassWithAlert => Ok(Some(stored)),
            };
        }
        let sealed = EncryptedMessage::parse(stored)?;
        let Some(crypto) = &shared.crypto else {
            let key_id = Frame::parse(sealed.as_bytes())?.key_reference().label().to_owned();
            return Err(CryptoError::new(CryptoErrorKind::KeyNotFound { key_id }).into());
        };
        let opened = crypto.decrypt(sealed, &self.state_context()?).await?;
        Ok(Some(opened.danger_release_at_any_age()))
    }

    /// Replaces the state kept with the session; it is sealed as messages are.
    ///
    /// # Errors
    /// The errors of sealing a message, and the transport's.
    pub async fn set_state(&self, state: Option<Bytes>) -> Result<(), ClientError> {
        let shared = &self.queue.shared;
        let stored = match (state, &shared.crypto) {
            (None, _) => None,
            (Some(state), Some(crypto)) if shared.config.enabled => {
                Some(crypto.encrypt(&state, &self.state_context()?).await?.into_bytes())
            }
            (Some(state), _) => {
                shared.config.check_sent_plaintext()?;
                if find_marker(&state) != Marker::None {
                    let reason = "begins with the marker of sealed states and encryption is off";
                    return Err(ClientError::invalid_input("state", reason));
                }
                Some(state)
            }
        };
        Ok(self.session()?.set_state(stored).await?)
    }

    /// Gives the session up, so that another receiver may take it.
    ///
    /// # Errors
    /// The transport's.
    pub async fn close(self) -> Result<(), ClientError> {
        Ok(self.receiver.close().await?)
    }

    fn state_context(&self) -> Result<EncryptionContext, ClientError> {
        let id = self.id()?;
        let context = EncryptionContext::builder(&self.queue.scope, id)
            .message_type(Some(STATE_TYPE))
            .session_id(Some(id));
        Ok(context.build()?)
    }
}

impl fmt::Debug for SessionClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionClient").field("session", &self.id().ok()).finish_non_exhaustive()
    }
}
