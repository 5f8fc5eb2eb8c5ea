//! Opening, closing and starting over: nothing is lost on the way, and closed means closed.

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use sealmq_queue_core::TransportErrorKind;
use tokio::task::JoinSet;

use crate::outcome::CaseResult;
use crate::transport::case::case_table;
use crate::transport::queue::refused;
use crate::transport::{Case, Ctx};

pub(super) const CASES: &[Case] = case_table! { "lifecycle":
    send_on_closed_fails_closed [];
    receive_on_closed_fails_closed [];
    close_is_idempotent_and_concurrent_10x [] many_threads;
    close_ends_pending_recv [];
    no_loss_across_consumer_restarts [Settlement] slow;
    cancelled_recv_loses_nothing [];
    stop_releases_buffered_messages [Settlement];
};

/// A closed connection sends nothing: the message comes back with `Closed`.
async fn send_on_closed_fails_closed(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let closed = ctx.connect_again().await?;
    closed.close().await?;
    let message = queue.message("too late");
    let failure = refused(queue.through(&closed).try_send(message.clone()).await?)?;
    check_eq!(
        failure.error.kind(),
        &TransportErrorKind::Closed,
        "a closed connection sends nothing"
    );
    check_eq!(*failure.message, message, "the message is given back");
    reader.nothing("the message was not sent").await
}

/// Neither a closed connection nor a closed receiver receives anything.
async fn receive_on_closed_fails_closed(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let closed = Some(TransportErrorKind::Closed);
    let wait = ctx.timing().patience;
    let kind = |error: sealmq_queue_core::TransportError| error.kind().clone();

    let reader = queue.reader().await?;
    reader.close().await?;
    let received = reader.receiver().recv(1, wait).await;
    check_eq!(received.map_err(kind).err(), closed, "a closed receiver says so");

    let connection = ctx.connect_again().await?;
    let reader = queue.through(&connection).reader().await?;
    connection.close().await?;
    let received = reader.receiver().recv(1, wait).await;
    check_eq!(received.map_err(kind).err(), closed, "the receiver of a closed connection says so");
    let opened = connection.open(&queue.source(), ctx.options()).await;
    check_eq!(opened.map(drop).map_err(kind).err(), closed, "a closed connection opens nothing");
    Ok(())
}

/// Closing again, also at the same time, is fine.
async fn close_is_idempotent_and_concurrent_10x(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let connection = ctx.connect_again().await?;
    let reader = queue.through(&connection).reader().await?;
    let mut closing = JoinSet::new();
    for _ in 0..10 {
        let (reader, connection) = (reader.clone(), Arc::clone(&connection));
        closing.spawn(async move {
            reader.close().await?;
            connection.close().await
        });
    }
    while let Some(closed) = closing.join_next().await {
        closed??;
    }
    reader.close().await?;
    connection.close().await?;
    Ok(())
}

/// A `recv` that waits ends when its receiver is closed, and not when its wait is over.
async fn close_ends_pending_recv(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader().await?;
    let wait = 2 * ctx.timing().patience;
    let close_later = async {
        ctx.sleep(ctx.timing().quiet).await;
        reader.close().await
    };
    let ((received, took), closed) =
        tokio::join!(ctx.timed(reader.receiver().recv(1, wait)), close_later);
    closed?;
    check_matches!(
        received.as_ref().map(Vec::len).map_err(|error| error.kind()),
        Ok(0) | Err(TransportErrorKind::Closed),
        "a recv that is closed away receives nothing"
    );
    check!(took < wait / 2, "it ends with the close, but took {took:?}");
    Ok(())
}

/// Consumers that come and go, leaving every other delivery unsettled, lose nothing.
async fn no_loss_across_consumer_restarts(ctx: Ctx) -> CaseResult {
    const CONSUMERS: usize = 5;
    let queue = ctx.short_lock_queue().await?;
    let sent = queue.messages(ctx.harness().many() / 20);
    queue.send_all(sent.clone()).await?;
    let mut left: BTreeSet<_> = sent.iter().map(|message| message.id.clone()).collect();
    for _ in 0..CONSUMERS {
        let reader = queue.reader_with(ctx.options().with_prefetch(10)).await?;
        for _ in 0..sent.len() / CONSUMERS / 10 {
            let batch = reader.recv(10, ctx.timing().patience).await?;
            for (index, delivery) in batch.into_iter().enumerate() {
                let id = delivery.message.id.clone();
                check!(left.contains(&id), "a completed message does not come again");
                if index % 2 == 0 {
                    reader.complete(delivery).await?;
                    left.remove(&id);
                }
            }
        }
        reader.close().await?;
    }
    let rest = queue.reader().await?.take_all(left.len()).await?;
    for message in rest {
        check!(left.remove(&message.id), "a completed message does not come again");
    }
    check!(left.is_empty(), "no message is lost, but {left:?}");
    Ok(())
}

/// A `recv` that is dropped while it waits, even as a message arrives, loses no message.
async fn cancelled_recv_loses_nothing(ctx: Ctx) -> CaseResult {
    let queue = ctx.short_lock_queue().await?;
    let reader = queue.reader().await?;
    let sent = queue.messages(20);
    let mut left: BTreeSet<_> = sent.iter().map(|message| message.id.clone()).collect();
    for (index, message) in sent.into_iter().enumerate() {
        let mut receiving = Box::pin(reader.recv(5, ctx.timing().patience));
        let mut received = poll_fn(|task| Poll::Ready(receiving.as_mut().poll(task))).await;
        queue.send(message).await?;
        if index % 2 == 0 && received.is_pending() {
            // Time for the message to be on its way to the call that is about to be dropped.
            let little = pin!(ctx.sleep(Duration::from_millis(5)));
            tokio::select! {
                biased;
                () = little => {}
                batch = receiving.as_mut() => received = Poll::Ready(batch),
            }
        }
        drop(receiving);
        if let Poll::Ready(batch) = received {
            for message in reader.complete_all(batch?).await? {
                check!(left.remove(&message.id), "no message is received twice");
            }
        }
    }
    let count = left.len();
    for message in reader.take_all(count).await? {
        left.remove(&message.id);
    }
    check!(left.is_empty(), "what a dropped recv had taken comes again within the lock: {left:?}");
    Ok(())
}

/// Messages that were fetched ahead are receivable again once their receiver is closed.
async fn stop_releases_buffered_messages(ctx: Ctx) -> CaseResult {
    let queue = ctx.queue().await?;
    let reader = queue.reader_with(ctx.options().with_prefetch(10)).await?;
    queue.send_all(queue.messages(10)).await?;
    let first = reader.one().await?;
    ctx.sleep(ctx.timing().quiet).await; // time to fetch the others ahead
    reader.complete(first).await?;
    reader.close().await?;
    let next = queue.reader().await?;
    next.take_all(9).await?;
    Ok(())
}
