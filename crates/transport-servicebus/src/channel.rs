//! What a receiver and its deliveries share: the entity, the inbox, and the session where there is
//! one.

use std::sync::Arc;

use sealmq_queue_core::TransportError;
use tokio::sync::mpsc;

use crate::entity::Entity;
use crate::error;
use crate::hub::Hub;
use crate::inbox::Inbox;
use crate::management::{Fields, Operation};
use crate::pump::Command;
use crate::receiving_link::HeldSession;
use fe2o3_amqp::types::primitives::Value;

/// One open entity or session.
pub(crate) struct Channel {
    pub(crate) hub: Arc<Hub>,
    pub(crate) entity: Entity,
    pub(crate) inbox: Arc<Inbox>,
    pub(crate) commands: mpsc::UnboundedSender<Command>,
    pub(crate) session: Option<HeldSession>,
}

impl Channel {
    /// A request about the entity, and about the session where one is held.
    pub(crate) fn operation(&self, name: &'static str, mut fields: Fields) -> Operation {
        let Some(session) = &self.session else {
            return Operation::new(name, fields);
        };
        fields.push(("session-id", Value::String(session.id.clone())));
        Operation::new(name, fields).of_link(self.inbox.link().as_deref())
    }

    /// `LockLost` once the session is lost: its id alone would reach whoever holds it now.
    pub(crate) fn check_session(&self) -> Result<(), TransportError> {
        self.hub.check_open()?;
        match self.inbox.ended() {
            Some(error) => Err(error),
            // Closed, and nothing in flight: the session was let go.
            _ if self.inbox.link().is_none() => {
                Err(error::lock_lost(format!("session of {}", self.entity)))
            }
            _ => Ok(()),
        }
    }

    /// "com.microsoft:renew-session-lock".
    pub(crate) async fn renew_session(&self) -> Result<(), TransportError> {
        self.check_session()?;
        let operation = self.operation("renew-session-lock", Vec::new());
        self.hub.request(&self.entity, &operation).await.map(drop)
    }
}
