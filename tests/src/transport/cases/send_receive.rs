//! Sending and receiving: what goes in comes out, once, and waiting ends when it should.

use std::collections::BTreeMap;
use std::time::Duration;

use sealmq_queue_core::{ReceiveMode, Source, TransportErrorKind};
use tokio::task::JoinSet;

use crate::outcome::{CaseResult, Stop};
use crate::transport::case::case_table;
use crate::transport::queue::refused;
use crate::transport::{Case, Ctx, Queue, Reader};

use super::support::{bodies, check_same};

pub(super) const CASES: &[Case] = case_table! { "send_receive":
    send_receive_roundtrip [];
    send_receive_two_in_order_of_sets [];
    many_messages_10_000_no_loss_no_extra [] slow;
    receive_empty_returns_empty_within_wait [];
    receive_late_arrival_returns_before_wait [];
    partial_batch_returns_immediately [];
    full_batch_then_partial [];
    two_queues_do_not_leak [];
    competing_consumers_each_message_once [] many_threads;
    concurrent_senders_20_tasks [] many_threads;
    open_missing_ok_but_send_fails_not_found [];
    open_missing_ok_but_receive_fails_not_found [];
    send_only_client_without_receiver [];
    consumer_half_without_producer [];
    receive_and_delete_never_redelivers [];
};

/// A message arrives with its body and all of its metadata.
async fn send_receive_roundtrip(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let sent = queue
        .message("an order")
        .with_correlation_id("request-17")
        .with_reply_to("answers")
        .with_message_type("OrderPlaced")
        .with_content_type("application/json")
        .with_attribute("tenant", "acme");
    queue.send(sent.clone()).await?;
    let delivery = reader.one().await?;
    check_same(&delivery.message, &sent)?;
    check!(
        delivery.receipt.metadata().dead_letter.is_none(),
        "a message of the queue itself was not dead-lettered"
    );
    reader.complete(delivery).await?;
    reader.nothing("one message was sent").await
}

/// Two messages sent one after the other both arrive; in which order is not promised.
async fn send_receive_two_in_order_of_sets(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    queue.send(queue.message("first")).await?;
    queue.send(queue.message("second")).await?;
    let taken = reader.take_all(2).await?;
    check_eq!(bodies(&taken), ["first", "second"], "both messages arrive");
    Ok(())
}

/// Of ten thousand messages none is lost and none is made up.
async fn many_messages_10_000_no_loss_no_extra(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let sent = queue.messages(ctx.harness().many());
    for batch in sent.chunks(500) {
        queue.send_all(batch.to_vec()).await?;
    }
    let taken = reader.take_all(sent.len()).await?;
    let mut expected: BTreeMap<_, _> = sent.iter().map(|m| (&m.id, &m.body)).collect();
    for message in &taken {
        check_eq!(
            expected.remove(&message.id),
            Some(&message.body),
            "each message arrives once, with its own body"
        );
    }
    Ok(())
}

/// Receiving from an empty queue returns an empty batch after `wait`, or at once without one.
async fn receive_empty_returns_empty_within_wait(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let timing = ctx.timing();
    for wait in [Duration::ZERO, timing.short_lock] {
        let (batch, took) = ctx.timed(reader.recv(10, wait)).await;
        check!(batch?.is_empty(), "an empty queue gives an empty batch");
        check!(took <= wait + timing.slack, "recv returns after {wait:?}, but took {took:?}");
        check!(took >= wait.mul_f32(0.9), "recv waits {wait:?} for messages, but took {took:?}");
    }
    Ok(())
}

/// A message that arrives while `recv` waits ends the waiting.
async fn receive_late_arrival_returns_before_wait(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let wait = ctx.timing().patience;
    let send_late = async {
        ctx.sleep(ctx.timing().quiet).await;
        queue.send(queue.message("late")).await
    };
    let ((batch, took), sent) = tokio::join!(ctx.timed(reader.recv(10, wait)), send_late);
    sent?;
    check_eq!(batch?.len(), 1, "recv returns the message it waited for");
    check!(took < wait / 2, "recv returns when the message arrives, but took {took:?} of {wait:?}");
    Ok(())
}

/// A batch that is not full is returned without waiting for more.
async fn partial_batch_returns_immediately(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    queue.send_all(queue.messages(3)).await?;
    let wait = ctx.timing().patience;
    let (batch, took) = ctx.timed(reader.recv(10, wait)).await;
    check!(!batch?.is_empty(), "messages that wait are received");
    check!(took < wait / 2, "recv returns with what is there, but took {took:?} of {wait:?}");
    Ok(())
}

/// A full batch holds no more than asked for; the rest comes with the next ones.
async fn full_batch_then_partial(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    queue.send_all(queue.messages(15)).await?;
    let mut left = 15;
    while left > 0 {
        let batch = reader.recv(10, ctx.timing().patience).await?;
        check!(!batch.is_empty(), "the rest is received: {left} messages");
        check!(batch.len() <= left, "no message is received twice");
        left -= batch.len();
        reader.complete_all(batch).await?;
    }
    reader.nothing("all 15 messages were received").await
}

/// What is sent to one queue never shows up in another.
async fn two_queues_do_not_leak(ctx: Ctx) -> CaseResult {
    let (orders, invoices) = (ctx.queue().await?, ctx.queue().await?);
    let (from_orders, from_invoices) = (orders.reader().await?, invoices.reader().await?);
    orders.send(orders.message("order")).await?;
    invoices.send(invoices.message("invoice")).await?;
    let taken = from_orders.take_all(1).await?;
    check_eq!(bodies(&taken), ["order"], "a queue holds its own messages");
    let taken = from_invoices.take_all(1).await?;
    check_eq!(bodies(&taken), ["invoice"], "a queue holds its own messages");
    Ok(())
}

/// Consumers that compete for a queue share its messages: each goes to one of them.
async fn competing_consumers_each_message_once(ctx: Ctx) -> CaseResult {
    const MESSAGES: usize = 200;
    let queue = ctx.queue().await?;
    let mut consumers = JoinSet::new();
    for _ in 0..4 {
        consumers.spawn(take_until_quiet(ctx.clone(), queue.reader().await?));
    }
    queue.send_all(queue.messages(MESSAGES)).await?;
    let mut ids = Vec::new();
    while let Some(taken) = consumers.join_next().await {
        ids.extend(taken??);
    }
    check_eq!(ids.len(), MESSAGES, "every message goes to one consumer");
    ids.sort();
    ids.dedup();
    check_eq!(ids.len(), MESSAGES, "no message goes to two consumers");
    Ok(())
}

/// The ids of all messages until none has come for a while.
async fn take_until_quiet(ctx: Ctx, reader: Reader) -> CaseResult<Vec<String>> {
    let quiet = ctx.timing().quiet + ctx.timing().slack;
    let mut ids = Vec::new();
    loop {
        let batch = reader.recv(5, quiet).await?;
        if batch.is_empty() {
            return Ok(ids);
        }
        let taken = reader.complete_all(batch).await?;
        ids.extend(taken.into_iter().map(|message| message.id));
    }
}

/// Twenty tasks send over one connection at once, and every message arrives.
async fn concurrent_senders_20_tasks(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let mut senders = JoinSet::new();
    for sender in 0..20 {
        senders.spawn(send_25(queue.clone(), sender));
    }
    while let Some(sent) = senders.join_next().await {
        sent??;
    }
    let mut bodies = bodies(&reader.take_all(500).await?);
    bodies.dedup();
    check_eq!(bodies.len(), 500, "the messages of all senders arrive");
    Ok(())
}

async fn send_25(queue: Queue, sender: usize) -> CaseResult {
    for index in 0..25 {
        queue.send(queue.message(format!("{sender}/{index}"))).await?;
    }
    Ok(())
}

/// Sending to a queue that does not exist fails with `NotFound` and gives the message back.
async fn open_missing_ok_but_send_fails_not_found(ctx: Ctx) -> CaseResult {
    let missing = ctx.missing_queue()?;
    let message = ctx.message("to nowhere");
    let mut report = ctx.transport().send(&missing, vec![message.clone()]).await;
    let failure = refused(report.remove(0))?;
    check_eq!(
        failure.error.kind(),
        &TransportErrorKind::NotFound,
        "sending to a missing queue fails as not found"
    );
    check!(!failure.error.is_retryable(), "a missing queue does not come into being by retrying");
    check_eq!(*failure.message, message, "the message is given back");
    Ok(())
}

/// Receiving from a queue that does not exist fails with `NotFound`, here or at the first `recv`;
/// unless listening is what makes queues: then nothing is there to receive yet.
async fn open_missing_ok_but_receive_fails_not_found(ctx: Ctx) -> CaseResult {
    let source = Source::queue(ctx.missing_queue()?);
    let outcome = match ctx.transport().open(&source, ctx.options()).await {
        Err(error) => Err(error),
        Ok(receiver) => receiver.recv(1, ctx.timing().quiet).await,
    };
    if ctx.expectations().listening_makes_queues {
        check!(outcome?.is_empty(), "a queue that nobody knows of yet is empty");
        return Ok(());
    }
    let kind = outcome.map_err(|error| error.kind().clone()).err();
    check_eq!(
        kind,
        Some(TransportErrorKind::NotFound),
        "receiving from a missing queue fails as not found"
    );
    Ok(())
}

/// A connection that only sends needs no receiver; what it sent outlives it.
async fn send_only_client_without_receiver(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let sender = ctx.connect_again().await?;
    let sending = queue.through(&sender);
    sending.send(sending.message("sent and gone")).await?;
    sender.close().await?;
    let taken = reader.take_all(1).await?;
    check_eq!(bodies(&taken), ["sent and gone"], "the message arrives");
    Ok(())
}

/// A connection that only receives needs no sender; it gets what others send.
async fn consumer_half_without_producer(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let consumer = ctx.connect_again().await?;
    let reader = queue.through(&consumer).reader().await?;
    reader.nothing("nothing was sent yet").await?;
    queue.send(queue.message("from elsewhere")).await?;
    let taken = reader.take_all(1).await?;
    check_eq!(bodies(&taken), ["from elsewhere"], "the message arrives");
    Ok(())
}

/// A message that leaves the queue when it is handed out never comes again.
async fn receive_and_delete_never_redelivers(ctx: Ctx) -> CaseResult {
    let queue = ctx.short_lock_queue().await?;
    let options = ctx.options().with_mode(ReceiveMode::ReceiveAndDelete);
    let reader = match queue.try_reader_with(options).await {
        Err(error) if matches!(error.kind(), TransportErrorKind::Unsupported { .. }) => {
            return Err(Stop::skip("the transport only hands out locked messages"));
        }
        reader => reader?,
    };
    queue.send(queue.message("only once")).await?;
    drop(reader.one().await?);
    ctx.outlast_short_lock().await;
    reader.nothing("the message left when it was handed out").await
}
