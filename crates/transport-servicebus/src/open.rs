//! Opening receivers: on an entity, on the next session, on a session by its name.

use std::sync::Arc;
use std::time::Duration;

use sealmq_queue_core::{
    ReceiveMode, ReceiverOptions, SessionSelector, TransportError, TransportErrorKind as Kind,
};
use tokio::time::{Instant, sleep};

use crate::capabilities::NAME;
use crate::entity::Entity;
use crate::error;
use crate::hub::Hub;
use crate::receiver::ServiceBusReceiver;
use crate::receiving_link::{self, HeldSession, ReceivingLink, Wanted};

/// How much longer than the broker we wait for a session.
const GRACE: Duration = Duration::from_secs(1);
/// How long to wait before asking again for a session that another holds.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Refuses options that the broker has not.
pub(crate) fn check(options: &ReceiverOptions) -> Result<(), TransportError> {
    match options.lock_duration {
        None => Ok(()),
        Some(_) => Err(TransportError::unsupported(NAME, "a lock duration of the receiver")),
    }
}

/// A receiver on an entity.
pub(crate) async fn open(
    hub: &Arc<Hub>,
    entity: &Entity,
    mode: ReceiveMode,
    prefetch: usize,
) -> Result<ServiceBusReceiver, TransportError> {
    let address = entity.address();
    let attaching = hub.attach(entity, |session| receiving_link::attach(session, address.clone()));
    let link = hub.in_time(&format!("open {entity}"), attaching).await;
    let link = link.map_err(|error| match error.kind() {
        Kind::InvalidInput { field: "operation" } => {
            let reason = "a queue of sessions is received from by accepting a session";
            TransportError::invalid_input("source", reason).with_source(error)
        }
        _ => error,
    })?;
    ServiceBusReceiver::start(hub, entity.clone(), link, None, mode, prefetch)
}

/// A receiver on a session; `None` if there was none to take within `wait`.
pub(crate) async fn accept_session(
    hub: &Arc<Hub>,
    entity: &Entity,
    selector: SessionSelector,
    wait: Duration,
    options: &ReceiverOptions,
) -> Result<Option<ServiceBusReceiver>, TransportError> {
    let id = match selector {
        SessionSelector::Named(id) if id.is_empty() || id.chars().count() > 128 => {
            return Err(TransportError::invalid_input("session", "1 to 128 characters"));
        }
        SessionSelector::Named(id) => Some(id),
        SessionSelector::Next => None,
    };
    let deadline = Instant::now() + wait.min(Duration::from_secs(86_400));
    let mut pause = FIRST_PAUSE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let wanted = Wanted { id: id.clone(), timeout: left };
        match attach(hub, entity, wanted, left).await {
            Ok((link, held)) => {
                let (mode, prefetch) = (options.mode, options.prefetch);
                let receiver = ServiceBusReceiver::start(
                    hub,
                    entity.clone(),
                    link,
                    Some(held),
                    mode,
                    prefetch,
                )?;
                return Ok(Some(receiver));
            }
            // The broker says at once that another holds a session, and does not wait for it.
            Err(error) if *error.kind() == Kind::SessionLocked => {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Err(error);
                }
                sleep(pause.min(left)).await;
                pause = (2 * pause).min(LONGEST_PAUSE);
            }
            Err(error) if is_timeout(&error) && id.is_none() => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

async fn attach(
    hub: &Arc<Hub>,
    entity: &Entity,
    wanted: Wanted,
    wait: Duration,
) -> Result<(ReceivingLink, HeldSession), TransportError> {
    let address = entity.address();
    let is_named = wanted.id.is_some();
    let attaching = hub.attach(entity, |session| {
        receiving_link::attach_to_session(session, address.clone(), wanted.clone())
    });
    let context = format!("accept a session of {entity}");
    let limit = if is_named { hub.config.operation_timeout } else { wait + GRACE };
    let attached = hub.within(limit.max(GRACE), &context, attaching).await;
    attached.map_err(|error| match error.kind() {
        Kind::InvalidInput { field: "operation" } => {
            let reason = format!("{entity} has no sessions");
            TransportError::invalid_input("queue", reason).with_source(error)
        }
        _ => error,
    })
}

/// Whether the broker waited for a session in vain, as opposed to not being there.
fn is_timeout(error: &TransportError) -> bool {
    error::condition_of(error).is_some_and(|condition| condition == "com.microsoft:timeout")
}
