//! The hold of a session as its receiver sees it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use sealmq_queue_core::{
    Capabilities, Feature, Message, Session, SessionSelector, TransportError, TransportErrorKind,
};
use tokio::task::coop::consume_budget;

use crate::channel::Channel;
use crate::clock::Tick;
use crate::groups::Groups;
use crate::queue::Side;
use crate::session::{Accepted, HoldKey};

pub(crate) struct HeldSession {
    channel: Arc<Channel>,
    key: HoldKey,
    id: Arc<str>,
    lock_duration: Duration,
}

impl HeldSession {
    /// Takes the hold of a session; `None` if there was none to take within `wait`.
    pub(crate) async fn accept(
        channel: &Arc<Channel>,
        selector: &SessionSelector,
        wait: Duration,
        lock_duration: Duration,
    ) -> Result<Option<Self>, TransportError> {
        if let SessionSelector::Named(id) = selector {
            check_session_id(id)?;
        }
        consume_budget().await;
        let mut busy = false;
        let accepted = channel.queue.wait_for(Side::Main, wait, |state, now| {
            channel.connection.check_open()?;
            let token = state.main.next_token();
            let until = now.after(lock_duration);
            let accepted = state.main.groups().map(|g| g.accept(selector, token, until));
            busy = matches!(accepted, Some(Accepted::Busy));
            match accepted {
                Some(Accepted::Held(key, id)) => Ok(Some((key, id))),
                _ => Ok(None),
            }
        });
        match accepted.await? {
            Some((key, id)) => {
                let channel = Arc::clone(channel);
                Ok(Some(Self { channel, key, id, lock_duration }))
            }
            None if busy => {
                let context = format!("queue {}", channel.queue.name);
                Err(TransportError::new(TransportErrorKind::SessionLocked, context))
            }
            None => Ok(None),
        }
    }

    /// The right to the session.
    pub(crate) fn key(&self) -> HoldKey {
        self.key
    }

    /// Lets the session go as soon as nothing of it is in flight.
    pub(crate) fn let_go(&self) {
        self.channel.queue.with(|state, _| {
            if let Some(groups) = state.main.groups() {
                groups.close(self.key);
            }
        });
    }

    /// Acts on the session while it is held.
    fn with_hold<T>(&self, act: impl FnOnce(&mut Groups, Tick) -> T) -> Result<T, TransportError> {
        self.channel.connection.check_open()?;
        let done = self.channel.queue.with(|state, now| {
            let groups = state.main.groups()?;
            groups.held(self.key)?;
            Some(act(groups, now))
        });
        done.ok_or_else(|| self.channel.lock_lost("session"))
    }

    fn require_state(&self) -> Result<(), TransportError> {
        let capabilities = &self.channel.connection.broker.capabilities;
        capabilities.require(Feature::SessionState)
    }
}

/// Holds a session id asked for to the rules of one sent.
fn check_session_id(id: &str) -> Result<(), TransportError> {
    let sent = Message::with_id("probe", Bytes::new()).with_session_id(id);
    sent.validate(&Capabilities::new("memory"))
}

#[async_trait]
impl Session for HeldSession {
    fn id(&self) -> &str {
        &self.id
    }

    fn lock_duration(&self) -> Duration {
        self.lock_duration
    }

    async fn renew(&self) -> Result<(), TransportError> {
        self.with_hold(|groups, now| {
            groups.prolong(self.key.group, now.after(self.lock_duration));
        })
    }

    async fn state(&self) -> Result<Option<Bytes>, TransportError> {
        self.require_state()?;
        self.with_hold(|groups, _| groups.get(self.key.group).and_then(|g| g.state.clone()))
    }

    async fn set_state(&self, state: Option<Bytes>) -> Result<(), TransportError> {
        self.require_state()?;
        let limit_bytes = self.channel.connection.broker.capabilities.limits.max_message_bytes;
        let size_bytes = state.as_ref().map_or(0, Bytes::len);
        if size_bytes > limit_bytes {
            let kind = TransportErrorKind::TooLarge { size_bytes, limit_bytes };
            return Err(TransportError::new(kind, "session state"));
        }
        self.with_hold(|groups, _| {
            groups.update(self.key.group, |group| group.state = state);
        })
    }
}
