//! Locks are renewed for as long as a handler works, and not a moment longer.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::QueueClient;
use sealmq_queue_core::{Feature, TransportErrorKind};
use sealmq_transport_memory::{MemoryTransport, QueueSettings};

use crate::processor_concurrency::{Work, options, send_numbers};
use crate::replay::tracking;
use crate::support::{
    Call, Events, Fault, FaultyTransport, LOCK, MINUTE, Metrics, QUEUE, SECOND, SwitchedGuard,
    World, next_rejected, sealing,
};

fn prepared(world: &World) -> (QueueClient, FaultyTransport, Arc<Work>) {
    let transport = FaultyTransport::new(&world.broker);
    let client = world.over(transport.clone(), sealing()).build().unwrap();
    (client, transport, Arc::default())
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_takes_three_locks_keeps_its_message() {
    let world = World::new();
    let (client, _, work) = prepared(&world);
    send_numbers(&client, 3).await;
    let processor = work.start(&client, options(3), 3 * LOCK);
    let other = work.start(&world.sealing(), options(3), SECOND);
    tokio::time::sleep(5 * LOCK).await;
    assert_eq!(work.done(), 3, "nobody else got any of them");
    assert!(world.stored().is_empty());
    for processor in [processor, other] {
        assert_eq!(processor.stop(MINUTE).await.cancelled, 0);
    }
}

/// The control: the message comes again while its handler still works.
#[tokio::test(start_paused = true)]
async fn without_renewal_the_message_is_lost_to_another_consumer() {
    let events = Events::record();
    let world = World::new();
    let (client, _, work) = prepared(&world);
    send_numbers(&client, 1).await;
    let processor = work.start(&client, options(1).with_renew_locks(false), 3 * LOCK);
    tokio::time::sleep(SECOND).await;
    let other = work.start(&world.sealing(), options(1), SECOND);
    tokio::time::sleep(5 * LOCK).await;
    assert_eq!(work.done(), 2);
    events.the("Message not settled, it may come again");
    for processor in [processor, other] {
        processor.stop(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn renewal_stops_when_the_message_is_settled() {
    let world = World::new();
    let (client, transport, work) = prepared(&world);
    send_numbers(&client, 1).await;
    let processor = work.start(&client, options(1), 2 * LOCK);
    tokio::time::sleep(2 * LOCK + SECOND).await;
    assert_eq!(work.done(), 1);
    let renewals = transport.calls(Call::Extend).len();
    assert!((3..=4).contains(&renewals), "every half lock: {renewals}");
    tokio::time::sleep(10 * LOCK).await;
    assert_eq!(transport.calls(Call::Extend).len(), renewals);
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_short_handler_renews_nothing() {
    let world = World::new();
    let (client, transport, work) = prepared(&world);
    send_numbers(&client, 20).await;
    let processor = work.start(&client, options(2), SECOND);
    tokio::time::sleep(MINUTE).await;
    assert_eq!((work.done(), transport.calls(Call::Extend).len()), (20, 0));
    processor.stop(MINUTE).await;
}

/// A renewal that fails once must not cost the lock: there is time to try again.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_before_the_lock_runs_out() {
    let world = World::new();
    let (client, transport, work) = prepared(&world);
    send_numbers(&client, 1).await;
    transport.fail(Call::Extend, 1, Fault::unreachable());
    let processor = work.start(&client, options(1), 3 * LOCK);
    let other = work.start(&world.sealing(), options(1), SECOND);
    tokio::time::sleep(5 * LOCK).await;
    assert_eq!(work.done(), 1, "the message did not come again");
    assert!(world.stored().is_empty());
    for processor in [processor, other] {
        processor.stop(MINUTE).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_is_lost_is_counted_and_the_handler_may_finish() {
    let events = Events::record();
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        let (client, transport, work) = prepared(&world);
        send_numbers(&client, 1).await;
        transport.fail(Call::Extend, 1, Fault::Refused(TransportErrorKind::LockLost));
        let processor = work.start(&client, options(1), LOCK);
        tokio::time::sleep(LOCK * 2 / 3).await;
        assert_eq!((work.running(), work.done()), (1, 0));
        tokio::time::sleep(LOCK * 2).await;
        assert!(work.done() >= 1);
        processor.stop(MINUTE).await;
    })
    .await;
    assert!(!events.named("Lock not renewed").is_empty());
    assert!(metrics.counter("queue_lock_lost_total", &[("queue", QUEUE)]) >= 1);
}

/// The reservation of the nonce is prolonged with the lock, so a replay is refused all the while,
/// by consumers too that know of the message from the guard alone.
#[tokio::test(start_paused = true)]
async fn the_nonce_stays_reserved_while_the_lock_is_renewed() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let guard = SwitchedGuard::new(world.clock.clone());
    let consumer = || world.with_keys(tracking()).with_replay_guard(guard.clone());
    let (client, other) = (consumer().build().unwrap(), consumer().build().unwrap());
    send_numbers(&client, 1).await;
    let copied = world.the_stored();
    let processor = work.start(&client, options(1), 4 * LOCK);
    tokio::time::sleep(3 * LOCK).await;
    world.inject(copied).await;
    assert_eq!(next_rejected(&other).await.error.code(), "replayed");
    tokio::time::sleep(4 * LOCK).await;
    assert_eq!((work.done(), world.dead().len()), (1, 1));
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_broker_without_lock_extension_is_not_asked_for_it() {
    let broker = MemoryTransport::builder().without(Feature::ExtendLock);
    let world = World::with_broker(broker.queue(QUEUE, QueueSettings::default()).build().unwrap());
    let (client, transport, work) = prepared(&world);
    send_numbers(&client, 1).await;
    let processor = work.start(&client, options(1), LOCK - SECOND);
    tokio::time::sleep(LOCK).await;
    assert_eq!((work.done(), transport.calls(Call::Extend).len()), (1, 0));
    processor.stop(Duration::ZERO).await;
}
