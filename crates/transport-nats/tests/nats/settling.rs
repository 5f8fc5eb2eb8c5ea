//! Settling: confirmed by the server, which does not know whose lock it is.

use std::time::{Duration, Instant};

use sealmq_queue_core::{Certainty, Message, Settlement, Transport, TransportErrorKind};

use crate::support::{PATIENCE, QUIET, Queue, SHORT_LOCK, nothing, one};

/// Time after which a short lock has run out for certain.
const OUTLASTED: Duration = Duration::from_millis(1_500);

async fn one_of(queue: &Queue) -> sealmq_queue_core::Delivery {
    queue.send(Message::new("to settle")).await;
    one(&*queue.open().await).await
}

#[tokio::test]
async fn a_completed_message_is_gone_and_that_is_confirmed() {
    let queue = Queue::short_lock().await;
    let delivery = one_of(&queue).await;
    assert_eq!(delivery.receipt.complete().await.unwrap(), Certainty::Confirmed);
    assert!(queue.transport.peek(&queue.source(), 0, 1).await.unwrap().is_empty());
    tokio::time::sleep(OUTLASTED).await;
    nothing(&*queue.open().await).await;
}

#[tokio::test]
async fn an_abandoned_message_comes_again_at_once() {
    let queue = Queue::new().await;
    let delivery = one_of(&queue).await;
    let start = Instant::now();
    let certainty = delivery.receipt.abandon(Duration::ZERO).await.unwrap();
    assert_eq!(certainty, Certainty::Confirmed);
    let again = one(&*queue.open().await).await;
    assert!(start.elapsed() < Duration::from_secs(25), "before its lock of 30 s runs out");
    assert_eq!(again.receipt.metadata().delivery_count, 2);
}

#[tokio::test]
async fn a_message_abandoned_with_a_delay_comes_again_after_it() {
    let queue = Queue::new().await;
    let delivery = one_of(&queue).await;
    let delay = Duration::from_millis(800);
    let start = Instant::now();
    delivery.receipt.abandon(delay).await.unwrap();
    one(&*queue.open().await).await;
    let took = start.elapsed();
    assert!(took >= delay && took < delay + Duration::from_secs(5), "{took:?}");
}

#[tokio::test]
async fn a_delay_beyond_all_measure_is_refused() {
    let queue = Queue::new().await;
    let refused = one_of(&queue).await.receipt.abandon(Duration::MAX).await.unwrap_err();
    assert_eq!(refused.error.kind(), &TransportErrorKind::InvalidInput { field: "delay" });
    refused.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn an_unsettled_message_comes_again_after_its_lock() {
    let queue = Queue::short_lock().await;
    drop(one_of(&queue).await);
    let receiver = queue.open().await;
    assert!(receiver.recv(1, SHORT_LOCK / 3).await.unwrap().is_empty());
    let again = one(&*receiver).await;
    assert_eq!(again.receipt.metadata().delivery_count, 2);
}

#[tokio::test]
async fn an_extension_begins_the_lock_anew() {
    let queue = Queue::short_lock().await;
    let held = one_of(&queue).await;
    let other = queue.open().await;
    for _ in 0..4 {
        tokio::time::sleep(SHORT_LOCK.mul_f64(0.4)).await;
        held.receipt.extend(SHORT_LOCK).await.unwrap();
    }
    assert!(other.recv(1, SHORT_LOCK / 3).await.unwrap().is_empty());
    held.receipt.complete().await.unwrap();
    tokio::time::sleep(OUTLASTED).await;
    nothing(&*other).await;
}

#[tokio::test]
async fn an_extension_beyond_the_queues_lock_is_refused() {
    let queue = Queue::short_lock().await;
    let held = one_of(&queue).await;
    for duration in [Duration::ZERO, SHORT_LOCK + Duration::from_millis(1), Duration::MAX] {
        let kind = held.receipt.extend(duration).await.unwrap_err().kind().clone();
        assert_eq!(kind, TransportErrorKind::InvalidInput { field: "duration" });
    }
    held.receipt.extend(SHORT_LOCK / 2).await.unwrap();
}

#[tokio::test]
async fn a_lost_lock_goes_unnoticed_as_declared() {
    let queue = Queue::short_lock().await;
    let held = one_of(&queue).await;
    tokio::time::sleep(OUTLASTED).await;
    assert_eq!(held.receipt.complete().await.unwrap(), Certainty::Confirmed);
    assert!(!queue.transport.capabilities().detects_lost_lock);
    nothing(&*queue.open().await).await;
}

/// nats-server #4786. Should this fail one day, `fences_stale_holder` may be declared.
#[tokio::test]
async fn a_former_holder_settles_the_delivery_of_the_present_one_as_declared() {
    let queue = Queue::short_lock().await;
    let stale = one_of(&queue).await;
    tokio::time::sleep(OUTLASTED).await;
    let receiver = queue.open().await;
    let _held = one(&*receiver).await;
    stale.receipt.complete().await.unwrap();
    tokio::time::sleep(OUTLASTED).await;
    nothing(&*receiver).await;
    assert!(!queue.transport.capabilities().fences_stale_holder);
}

#[tokio::test]
async fn two_receipts_of_one_message_can_both_complete_it() {
    let queue = Queue::short_lock().await;
    let first = one_of(&queue).await;
    tokio::time::sleep(OUTLASTED).await;
    let second = one(&*queue.open().await).await;
    second.receipt.complete().await.unwrap();
    first.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_delivery_can_be_settled_after_its_receiver_closed() {
    let queue = Queue::short_lock().await;
    queue.send(Message::new("body")).await;
    let receiver = queue.open().await;
    let delivery = one(&*receiver).await;
    receiver.close().await.unwrap();
    delivery.receipt.complete().await.unwrap();
    tokio::time::sleep(OUTLASTED).await;
    nothing(&*queue.open().await).await;
}

#[tokio::test]
async fn settling_does_not_wait_for_a_pending_recv() {
    let queue = Queue::new().await;
    queue.send(Message::new("held")).await;
    let receiver = queue.open().await;
    let held = one(&*receiver).await;
    let settle = async {
        tokio::time::sleep(QUIET).await;
        let start = Instant::now();
        held.receipt.complete().await.unwrap();
        assert!(start.elapsed() < PATIENCE / 2);
        queue.send(Message::new("wakes recv")).await;
    };
    let (pending, ()) = tokio::join!(receiver.recv(1, PATIENCE), settle);
    assert_eq!(pending.unwrap().len(), 1);
}

#[tokio::test]
async fn a_batch_is_settled_as_each_was_told_to() {
    let queue = Queue::new().await;
    queue.send_many(300).await;
    let receiver = queue.open().await;
    let batch = receiver.recv(300, PATIENCE).await.unwrap();
    assert_eq!(batch.len(), 300);
    let settlements = batch.into_iter().enumerate().map(|(index, delivery)| {
        let how = match index % 3 {
            0 => Settlement::Complete,
            1 => Settlement::Abandon { delay: Duration::ZERO },
            _ => Settlement::Defer,
        };
        (delivery.receipt, how)
    });
    let results = receiver.settle_batch(settlements.collect()).await;
    for (index, result) in results.into_iter().enumerate() {
        match index % 3 {
            2 => {
                let failed = result.unwrap_err();
                let unsupported = TransportErrorKind::Unsupported { feature: "deferral" };
                assert_eq!(failed.error.kind(), &unsupported);
                failed.receipt.complete().await.unwrap();
            }
            _ => assert_eq!(result.unwrap(), Certainty::Confirmed),
        }
    }
    crate::support::take(&*receiver, 100).await;
    nothing(&*receiver).await;
}
