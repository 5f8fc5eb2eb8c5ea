//! Messages that were set aside, received by their numbers.

use std::sync::Arc;
use std::time::Duration;

use fe2o3_amqp::types::primitives::Value;
use sealmq_queue_core::{
    Delivery, Receipt, ReceiveMode, TransportError, TransportErrorKind as Kind,
};
use tokio::time::Instant;

use crate::channel::Channel;
use crate::error;
use crate::lock_time;
use crate::management::sequence_numbers;
use crate::settler::{DeletedSettler, LockSettler, Locked};
use crate::wire::{self, LockToken};

/// As requests state the mode: settled by the sender, or by us.
const SETTLED: u32 = 0;
const LOCKED: u32 = 1;

/// "com.microsoft:receive-by-sequence-number".
pub(crate) async fn receive(
    channel: &Arc<Channel>,
    sequence_number: u64,
    mode: ReceiveMode,
) -> Result<Option<Delivery>, TransportError> {
    let settle_mode = match mode {
        ReceiveMode::PeekLock => LOCKED,
        ReceiveMode::ReceiveAndDelete => SETTLED,
    };
    let fields = vec![
        ("sequence-numbers", sequence_numbers(&[sequence_number])),
        ("receiver-settle-mode", Value::Uint(settle_mode)),
    ];
    let context = format!("receive deferred message {sequence_number} of {}", channel.entity);
    let operation = channel.operation("receive-by-sequence-number", fields);
    let reply = channel.hub.request(&channel.entity, &operation).await;
    let mut reply = match reply {
        Err(error) if *error.kind() == Kind::NotFound => return Ok(None),
        reply => reply?,
    };
    let Some(Value::Map(mut entry)) = reply.take_list("messages").pop() else {
        return Ok(None);
    };
    let mut take = |key: &str| entry.swap_remove(&Value::String(key.to_owned()));
    let Some(Value::Binary(bytes)) = take("message") else {
        return Err(error::unavailable(format!("{context}: the reply has no message")));
    };
    let incoming = wire::decode_bytes(&bytes, channel.entity.is_dead_letter(), &context)?;
    let receipt = match (mode, take("lock-token")) {
        (ReceiveMode::PeekLock, Some(Value::Uuid(token))) => {
            let lock = match &channel.session {
                Some(session) => session.lock,
                None => lock_time::from_now_until(incoming.broker.locked_until),
            };
            let metadata = incoming.broker.metadata(Some(lock));
            let settler =
                settler(channel, LockToken::from(token), lock, incoming.broker, incoming.original);
            Receipt::new(metadata, Box::new(settler))
        }
        (ReceiveMode::PeekLock, _) => {
            return Err(error::unavailable(format!("{context}: the reply has no lock token")));
        }
        (ReceiveMode::ReceiveAndDelete, _) => {
            Receipt::new(incoming.broker.metadata(None), Box::new(DeletedSettler))
        }
    };
    Ok(Some(Delivery { message: incoming.message, receipt }))
}

fn settler(
    channel: &Arc<Channel>,
    token: LockToken,
    duration: Duration,
    broker: wire::Broker,
    original: wire::Original,
) -> LockSettler {
    let locked = Locked { duration, ends_at: Instant::now() + duration };
    LockSettler::new(Arc::clone(channel), None, Some(token), locked, broker, original)
}
