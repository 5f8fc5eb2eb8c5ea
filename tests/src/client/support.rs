//! A client for each case, with keys of its own, and what the cases do with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealmq_client::{
    QueueClient, QueueClientBuilder, ReceivedMessage, RejectedMessage, RetryPolicy,
};
use sealmq_crypto_core::{CryptoConfig, EncryptionKeyId};
use sealmq_keys_local::MemoryKeyring;
use sealmq_queue_core::{Message, Transport};
use tokio::time::Instant;

use crate::outcome::{CaseResult, Stop};
use crate::transport::{Ctx, Queue};

/// The name that the messages of every case are bound to, whatever the queue is called: so a
/// message can be moved from one queue to another by the case as an attacker would.
const LOGICAL_QUEUE: &str = "contract";

/// A keyring whose frames are as long as frames can be.
pub(crate) fn keyring() -> CaseResult<MemoryKeyring> {
    let longest = "k".repeat(64);
    Ok(MemoryKeyring::generate(EncryptionKeyId::new(&longest)?)?)
}

/// A client of this queue that seals with these keys, over the connection of the case.
pub(crate) fn builder(ctx: &Ctx, queue: &Queue, keys: &MemoryKeyring) -> QueueClientBuilder {
    builder_over(Arc::clone(ctx.transport()), ctx, queue, keys)
}

/// The same over a connection of its own.
pub(crate) fn builder_over(
    transport: Arc<dyn Transport>,
    ctx: &Ctx,
    queue: &Queue,
    keys: &MemoryKeyring,
) -> QueueClientBuilder {
    QueueClient::builder(queue.address())
        .with_logical_queue(LOGICAL_QUEUE)
        .with_transport(transport)
        .with_key_provider(Arc::new(keys.clone()))
        .with_crypto(CryptoConfig::default().with_enabled(true))
        .with_receiver_options(ctx.options())
        .with_retry(RetryPolicy::default().with_max_attempts(10))
}

/// Opens the client's receiver: where listening makes queues, what was sent before is not heard.
pub(super) async fn listen(client: &QueueClient) -> CaseResult {
    let early = client.receive(1, Duration::ZERO).await?;
    check!(early.is_empty(), "nothing was sent yet");
    Ok(())
}

/// Sends the message, which must be accepted.
pub(crate) async fn send(client: &QueueClient, message: Message) -> CaseResult {
    client.send(message).await?;
    Ok(())
}

/// So many messages as one batch, all of which must be accepted.
pub(crate) async fn send_many(client: &QueueClient, queue: &Queue, count: usize) -> CaseResult {
    for sent in client.send_batch(queue.messages(count)).await {
        sent?;
    }
    Ok(())
}

/// The next message, which must come and open.
pub(crate) async fn opened(ctx: &Ctx, client: &QueueClient) -> CaseResult<ReceivedMessage> {
    match next(ctx, client).await? {
        Ok(message) => Ok(message),
        Err(rejected) => Err(Stop::broken(format!("the message opens, but: {rejected:?}"))),
    }
}

/// The next message, which must come and not open.
pub(crate) async fn rejected(ctx: &Ctx, client: &QueueClient) -> CaseResult<Box<RejectedMessage>> {
    match next(ctx, client).await? {
        Ok(message) => Err(Stop::broken(format!("the message is refused, but: {message:?}"))),
        Err(rejected) => Ok(rejected),
    }
}

async fn next(ctx: &Ctx, client: &QueueClient) -> CaseResult<sealmq_client::Received> {
    let start = Instant::now();
    loop {
        let left = ctx.timing().patience.saturating_sub(start.elapsed());
        let mut received = client.receive(1, left).await?;
        check!(received.len() <= 1, "receive(1) returns at most one message");
        match received.pop() {
            Some(message) => return Ok(message),
            None => check!(!left.is_zero(), "the next message comes"),
        }
    }
}

/// Nothing more comes, because of `why`.
pub(crate) async fn nothing_comes(ctx: &Ctx, client: &QueueClient, why: &str) -> CaseResult {
    let received = client.receive(10, ctx.timing().quiet).await?;
    check!(received.is_empty(), "{why}, but {} more came: {received:?}", received.len());
    Ok(())
}

/// Waits until the count is reached, which must be soon.
pub(crate) async fn reaches(ctx: &Ctx, counter: &AtomicUsize, count: usize) -> CaseResult {
    until(ctx, &format!("{count} are counted"), || counter.load(Ordering::SeqCst) >= count).await
}

/// Waits until the condition holds, which must be soon.
pub(crate) async fn until(ctx: &Ctx, what: &str, holds: impl Fn() -> bool) -> CaseResult {
    let waiting = async {
        while !holds() {
            ctx.sleep(Duration::from_millis(10)).await;
        }
    };
    ctx.soon(what, waiting).await
}
