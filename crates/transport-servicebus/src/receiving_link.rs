//! A link to receive on: attached to an entity, or to a session of it.

use std::time::{Duration, SystemTime};

use fe2o3_amqp::Receiver;
use fe2o3_amqp::link::receiver::CreditMode;
use fe2o3_amqp::session::SessionHandle;
use fe2o3_amqp::types::definitions::{Fields, ReceiverSettleMode, SenderSettleMode};
use fe2o3_amqp::types::messaging::{FilterSet, Source, Target};
use fe2o3_amqp::types::primitives::{Symbol, Value};
use sealmq_queue_core::{TransportError, new_message_id};
use serde_amqp::described::Described;
use serde_amqp::descriptor::Descriptor;

use crate::error;
use crate::lock_time;

const SESSION_FILTER: &str = "com.microsoft:session-filter";
const TIMEOUT: &str = "com.microsoft:timeout";
const LOCKED_UNTIL: &str = "com.microsoft:locked-until-utc";
/// 1970 in ticks of 100 ns since the year 1, as .NET counts.
const EPOCH_TICKS: i64 = 621_355_968_000_000_000;

/// A link that is attached, and the session it lives in.
#[derive(Debug)]
pub(crate) struct ReceivingLink {
    pub(crate) receiver: Receiver,
    pub(crate) session: SessionHandle<()>,
    pub(crate) name: String,
}

/// Which session of an entity to hold.
#[derive(Debug, Clone)]
pub(crate) struct Wanted {
    /// Its id; `None` for any.
    pub(crate) id: Option<String>,
    /// How long the broker waits for one.
    pub(crate) timeout: Duration,
}

/// A session that is held.
#[derive(Debug, Clone)]
pub(crate) struct HeldSession {
    pub(crate) id: String,
    pub(crate) lock: Duration,
}

/// Attaches a link that hands out locked messages of an entity, and none before it is asked to.
pub(crate) async fn attach(
    session: SessionHandle<()>,
    address: String,
) -> Result<ReceivingLink, TransportError> {
    attach_with(session, &address, None, None).await
}

/// Attaches a link to a session, which is held for as long as the link lasts.
pub(crate) async fn attach_to_session(
    session: SessionHandle<()>,
    address: String,
    wanted: Wanted,
) -> Result<(ReceivingLink, HeldSession), TransportError> {
    let id = wanted.id.clone().map_or(Value::Null, Value::String);
    let filter =
        Described { descriptor: Descriptor::Name(Symbol::from(SESSION_FILTER)), value: id };
    let mut filters = FilterSet::new();
    filters.insert(Symbol::from(SESSION_FILTER), Value::Described(Box::new(filter)));
    let timeout_ms = u32::try_from(wanted.timeout.as_millis()).unwrap_or(u32::MAX).max(1);
    let mut properties = Fields::new();
    properties.insert(Symbol::from(TIMEOUT), Value::Uint(timeout_ms));

    let link = attach_with(session, &address, Some(filters), Some(properties)).await?;
    let granted = link.receiver.source().as_ref().and_then(session_id).or(wanted.id);
    let Some(id) = granted else {
        return Err(error::unavailable(format!("accept a session of {address}: it has no id")));
    };
    let until = link.receiver.properties(|properties| properties.as_ref().and_then(locked_until));
    let lock = lock_time::from_now_until(until);
    Ok((link, HeldSession { id, lock }))
}

async fn attach_with(
    mut session: SessionHandle<()>,
    address: &str,
    filters: Option<FilterSet>,
    properties: Option<Fields>,
) -> Result<ReceivingLink, TransportError> {
    let name = format!("sealmq-{}", new_message_id());
    let mut source = Source::builder().address(address).build();
    source.filter = filters;
    let mut builder = Receiver::builder()
        .name(name.as_str())
        .source(source)
        .target(Target::builder().address(name.as_str()).build())
        .sender_settle_mode(SenderSettleMode::Unsettled)
        .receiver_settle_mode(ReceiverSettleMode::First)
        .credit_mode(CreditMode::Manual)
        .verify_incoming_source(false);
    if let Some(properties) = properties {
        builder = builder.properties(properties);
    }
    let attached = builder.attach(&mut session).await;
    let receiver =
        attached.map_err(|error| error::failed(error, &format!("attach to {address}")))?;
    Ok(ReceivingLink { receiver, session, name })
}

/// The session that the broker says the link is for.
fn session_id(source: &Source) -> Option<String> {
    match source.filter.as_ref()?.get(&Symbol::from(SESSION_FILTER))? {
        Value::String(id) => Some(id.clone()),
        Value::Described(described) => match &described.value {
            Value::String(id) => Some(id.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn locked_until(properties: &Fields) -> Option<SystemTime> {
    let Value::Long(ticks) = properties.get(&Symbol::from(LOCKED_UNTIL))? else {
        return None;
    };
    let since_epoch = u64::try_from(ticks.checked_sub(EPOCH_TICKS)?).ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_micros(since_epoch / 10))
}
