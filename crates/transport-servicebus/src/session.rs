//! The hold on one session: renewing it, and the state kept with it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use fe2o3_amqp::types::primitives::Value;
use sealmq_queue_core::{Session, TransportError, TransportErrorKind as Kind};

use crate::channel::Channel;
use crate::receiving_link::HeldSession;

pub(crate) struct ServiceBusSession {
    channel: Arc<Channel>,
    held: HeldSession,
}

impl ServiceBusSession {
    /// The session of a channel, if it is one of a session.
    pub(crate) fn of(channel: &Arc<Channel>) -> Option<Self> {
        let held = channel.session.clone()?;
        Some(Self { channel: Arc::clone(channel), held })
    }
}

#[async_trait]
impl Session for ServiceBusSession {
    fn id(&self) -> &str {
        &self.held.id
    }

    fn lock_duration(&self) -> Duration {
        self.held.lock
    }

    async fn renew(&self) -> Result<(), TransportError> {
        self.channel.renew_session().await
    }

    async fn state(&self) -> Result<Option<Bytes>, TransportError> {
        self.channel.check_session()?;
        let operation = self.channel.operation("get-session-state", Vec::new());
        let mut reply = self.channel.hub.request(&self.channel.entity, &operation).await?;
        Ok(match reply.take("session-state") {
            Some(Value::Binary(state)) => Some(state.into_vec().into()),
            _ => None,
        })
    }

    async fn set_state(&self, state: Option<Bytes>) -> Result<(), TransportError> {
        let limit_bytes = self.channel.hub.capabilities.limits.max_message_bytes;
        let size_bytes = state.as_ref().map_or(0, Bytes::len);
        if size_bytes > limit_bytes {
            let kind = Kind::TooLarge { size_bytes, limit_bytes };
            return Err(TransportError::new(kind, "session state"));
        }
        self.channel.check_session()?;
        let state = state.map_or(Value::Null, |state| Value::Binary(state.to_vec().into()));
        let operation = self.channel.operation("set-session-state", vec![("session-state", state)]);
        self.channel.hub.request(&self.channel.entity, &operation).await.map(drop)
    }
}
