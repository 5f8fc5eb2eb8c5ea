//! Stopping: handlers may finish, the deadline is kept, and no message is lost or kept locked.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealmq_client::{HandlerError, RetryPolicy, StopReport};
use sealmq_queue_core::Message;
use tokio::time::Instant;

use crate::processor_concurrency::{Work, options, send_numbers};
use crate::replay::tracking;
use crate::support::{
    Call, Events, Fault, FaultyTransport, LOCK, MINUTE, SECOND, SwitchedKeys, World, next_opened,
    nothing_comes, sealing,
};

const NONE_CANCELLED: usize = 0;

async fn timed_stop(processor: sealmq_client::Processor, deadline: Duration) -> (usize, Duration) {
    let started = Instant::now();
    let StopReport { cancelled, .. } = processor.stop(deadline).await;
    (cancelled, started.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_stop_waits_for_handlers_at_work_and_starts_no_more() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 10).await;
    let processor = work.start(&client, options(3), 10 * SECOND);
    tokio::time::sleep(SECOND).await;
    let (cancelled, took) = timed_stop(processor, MINUTE).await;
    assert_eq!((cancelled, work.done()), (NONE_CANCELLED, 3));
    assert_eq!(took.as_secs(), 9, "as long as they took, and no longer");
    assert_eq!(world.stored().len(), 7, "what was done is completed");
    tokio::time::sleep(MINUTE).await;
    assert_eq!(work.done(), 3);
    assert_eq!(next_opened(&client).await.message.metadata.delivery_count, 1);
}

#[tokio::test(start_paused = true)]
async fn a_stop_without_anything_at_work_returns_at_once() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let processor = work.start(&world.sealing(), options(3), SECOND);
    tokio::time::sleep(SECOND).await; // a receive is waiting for messages
    assert_eq!(timed_stop(processor, MINUTE).await, (NONE_CANCELLED, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_handlers_are_cut_off_and_their_messages_given_back() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 2).await;
    let processor = work.start(&client, options(2), 60 * MINUTE);
    tokio::time::sleep(SECOND).await;
    let (cancelled, took) = timed_stop(processor, 5 * SECOND).await;
    assert_eq!((cancelled, took.as_secs()), (2, 5));
    for _ in 0..2 {
        let again = next_opened(&client).await;
        assert_eq!(again.message.metadata.delivery_count, 2, "at once, not after its lock");
        again.complete().await.unwrap();
    }
    tokio::time::sleep(120 * MINUTE).await;
    assert_eq!(work.done(), 0, "what was cut off does not go on");
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_is_cut_off_does_nothing_after_its_message_was_given_back() {
    let world = World::new();
    let transport = FaultyTransport::new(&world.broker);
    let client = world.over(transport.clone(), sealing()).build().unwrap();
    send_numbers(&client, 1).await;
    let steps = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&steps);
    let processor = client.process(options(1), move |_| {
        let counted = Arc::clone(&counted);
        async move {
            loop {
                tokio::time::sleep(SECOND / 100).await;
                counted.fetch_add(1, Ordering::SeqCst);
            }
            #[expect(unreachable_code)]
            Ok::<_, HandlerError>(())
        }
    });
    tokio::time::sleep(SECOND).await;
    // Giving the message back takes a few attempts, and so a while.
    transport.fail(Call::Abandon, 3, Fault::unreachable());
    let stopping = tokio::spawn(processor.stop(Duration::ZERO));
    tokio::time::sleep(SECOND / 50).await;
    let at_deadline = steps.load(Ordering::SeqCst);
    assert_eq!(stopping.await.unwrap().cancelled, 1);
    assert_eq!(transport.calls(Call::Abandon).len(), 4);
    assert_eq!(steps.load(Ordering::SeqCst), at_deadline, "another consumer may have it by now");
}

#[tokio::test(start_paused = true)]
async fn after_a_cut_off_with_tracking_the_message_opens_again() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.with_keys(tracking()).build().unwrap();
    send_numbers(&client, 1).await;
    let processor = work.start(&client, options(1), 60 * MINUTE);
    tokio::time::sleep(SECOND).await;
    assert_eq!(processor.stop(SECOND).await.cancelled, 1);
    assert_eq!(next_opened(&client).await.body(), "0");
}

#[tokio::test(start_paused = true)]
async fn it_can_be_started_again_after_a_stop() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    for round in 1..4 {
        send_numbers(&client, 5).await;
        let processor = work.start(&client, options(2), SECOND);
        tokio::time::sleep(10 * SECOND).await;
        assert_eq!(processor.stop(MINUTE).await.cancelled, NONE_CANCELLED);
        assert_eq!(work.done(), 5 * round);
    }
    nothing_comes(&client).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_during_a_pause_returns() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 5).await;
    let processor = work.start(&client, options(1), 10 * SECOND);
    tokio::time::sleep(SECOND).await;
    processor.pause();
    let (cancelled, took) = timed_stop(processor, MINUTE).await;
    assert_eq!((cancelled, took.as_secs(), work.done()), (NONE_CANCELLED, 9, 1));
}

/// Two processors of one client, and a receive beside them, share what the client has open.
#[tokio::test(start_paused = true)]
async fn a_stop_does_not_disturb_others_of_the_same_client() {
    let events = Events::record();
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    let stopped = work.start(&client, options(1), SECOND);
    let other = work.start(&client, options(1), SECOND);
    let receiving = {
        let client = client.clone();
        tokio::spawn(async move { client.receive(1, 100 * SECOND).await.map(|batch| batch.len()) })
    };
    tokio::time::sleep(SECOND).await;
    stopped.stop(MINUTE).await;
    send_numbers(&client, 2).await;
    tokio::time::sleep(5 * SECOND).await;
    assert_eq!(work.done(), 1, "the other processor goes on");
    assert_eq!(receiving.await.unwrap().unwrap(), 1, "and so does the receive");
    assert!(events.named("Receiving failed, trying again").is_empty());
    other.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_may_wait_for_ever() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let processor = work.start(&client, options(1), 24 * 60 * MINUTE);
    tokio::time::sleep(SECOND).await;
    let (cancelled, took) = timed_stop(processor, Duration::MAX).await;
    assert_eq!((cancelled, work.done()), (NONE_CANCELLED, 1));
    assert!(took > 23 * 60 * MINUTE);
}

/// The broker is out of reach and every receive fails: that must not hold up a stop.
#[tokio::test(start_paused = true)]
async fn a_stop_during_an_outage_keeps_its_deadline() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let transport = FaultyTransport::new(&world.broker);
    let retry = RetryPolicy::default().with_delays(10 * SECOND, 10 * MINUTE);
    let client = world.over(transport.clone(), sealing()).with_retry(retry).build().unwrap();
    transport.fail(Call::Recv, usize::MAX, Fault::unreachable());
    let processor = work.start(&client, options(1), SECOND);
    for _ in 0..20 {
        tokio::time::sleep(MINUTE).await;
    }
    let (_, took) = timed_stop(processor, SECOND).await;
    assert!(took <= 2 * SECOND, "{took:?}");
}

/// The key service does not answer, and messages are there that cannot be opened without it.
#[tokio::test(start_paused = true)]
async fn a_stop_while_the_key_service_hangs_keeps_its_deadline() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let keys = SwitchedKeys::new(&world.keys);
    let client = world.keyless(sealing()).with_key_provider(keys.clone()).build().unwrap();
    send_numbers(&world.sealing(), 3).await;
    keys.switch.hang();
    let processor = work.start(&client, options(3), SECOND);
    tokio::time::sleep(SECOND).await;
    let (_, took) = timed_stop(processor, 5 * SECOND).await;
    assert!(took <= 6 * SECOND, "{took:?}");
    tokio::time::sleep(LOCK).await;
    assert_eq!(world.sealing().receive(10, SECOND).await.unwrap().len(), 3, "nothing is lost");
}

/// A client that was closed receives nothing any more: there is nothing to be tried again.
#[tokio::test(start_paused = true)]
async fn closing_the_client_leaves_nothing_to_do_but_to_stop() {
    let events = Events::record();
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let processor = work.start(&client, options(2), MINUTE);
    tokio::time::sleep(SECOND).await;
    client.close().await.unwrap();
    tokio::time::sleep(10 * MINUTE).await;
    assert!(events.named("Receiving failed, trying again").len() <= 1);
    assert_eq!(work.done(), 1, "the handler at work finished");
    assert_eq!(timed_stop(processor, MINUTE).await, (NONE_CANCELLED, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_it_goes_on_by_itself() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let transport = FaultyTransport::new(&world.broker);
    let client = world.over(transport.clone(), sealing()).build().unwrap();
    send_numbers(&client, 3).await;
    transport.fail(Call::Recv, 15, Fault::unreachable());
    let processor = work.start(&client, options(1), SECOND);
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(work.done(), 3);
    assert!(transport.calls(Call::Recv).len() < 40, "it backs off meanwhile");
    processor.stop(MINUTE).await;
}

/// A processor that is dropped cuts its handlers off; their messages come when their locks are over.
#[tokio::test(start_paused = true)]
async fn dropping_it_loses_nothing() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 3).await;
    let processor = work.start(&client, options(3), 60 * MINUTE);
    tokio::time::sleep(SECOND).await;
    drop(processor);
    nothing_comes(&client).await;
    tokio::time::sleep(LOCK).await;
    assert_eq!(client.receive(10, SECOND).await.unwrap().len(), 3);
    assert_eq!(work.done(), 0);
}

/// Started and stopped again and again while messages pour in: each is handled, and each once.
#[tokio::test(start_paused = true)]
async fn stopping_under_load_loses_no_message() {
    const MESSAGES: usize = 1_000;
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.with_keys(tracking()).build().unwrap();
    let sender = world.sealing();
    let sending = tokio::spawn(async move {
        for n in 0..MESSAGES {
            sender.send(Message::with_id(format!("m-{n}"), "body")).await.unwrap();
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    });
    for round in 0..200 {
        let processor = work.start(&client, options(1 + round % 9), Duration::from_millis(29));
        tokio::time::sleep(Duration::from_millis(50 + 13 * (round as u64 % 7))).await;
        assert_eq!(processor.stop(SECOND).await.cancelled, NONE_CANCELLED);
    }
    sending.await.unwrap();
    let processor = work.start(&client, options(10), Duration::from_millis(29));
    tokio::time::sleep(MINUTE).await;
    processor.stop(SECOND).await;
    let done: BTreeSet<_> = work.done.lock().unwrap().iter().cloned().collect();
    assert_eq!((done.len(), work.done()), (MESSAGES, MESSAGES), "each once");
    assert!(world.stored().is_empty() && world.dead().is_empty());
}

/// The same with a deadline that cuts handlers off: what is handled twice is not handled less than once.
#[tokio::test(start_paused = true)]
async fn cutting_off_under_load_loses_no_message() {
    const MESSAGES: usize = 300;
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, MESSAGES).await;
    let mut cancelled = 0;
    for round in 0..100 {
        let processor = work.start(&client, options(5), Duration::from_millis(100));
        tokio::time::sleep(Duration::from_millis(130 + round % 50)).await;
        cancelled += processor.stop(Duration::from_millis(20)).await.cancelled;
    }
    assert!(cancelled > 0, "the deadline did cut handlers off");
    let processor = work.start(&client, options(5), Duration::from_millis(100));
    tokio::time::sleep(5 * MINUTE).await;
    processor.stop(SECOND).await;
    let done: BTreeSet<_> = work.done.lock().unwrap().iter().cloned().collect();
    assert_eq!(done.len(), MESSAGES);
    assert!(world.stored().is_empty() && world.dead().is_empty());
}

/// Without a stop nobody waits: handlers end where they are, and their messages come again.
#[tokio::test(start_paused = true)]
async fn a_processor_that_is_dropped_ends_its_handlers() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 2).await;
    let processor = work.start(&client, options(2), MINUTE);
    tokio::time::sleep(SECOND).await;
    assert_eq!(work.running(), 2, "the control");
    drop(processor);
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(work.done(), 0, "no handler went on");
    for _ in 0..2 {
        assert_eq!(next_opened(&client).await.message.metadata.delivery_count, 2);
    }
}
