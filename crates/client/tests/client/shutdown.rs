//! Shutting down: handlers finish, nothing stays locked, connection and keys are closed, in order.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{ClientErrorKind, HandlerError, ProcessorOptions, ShutdownReport};
use sealmq_keys_local::MemoryKms;
use sealmq_queue_core::{Message, SessionSelector, TransportErrorKind};
use sealmq_transport_memory::QueueSettings;
use tokio::time::Instant;

use crate::processor_concurrency::{Work, options, send_numbers};
use crate::support::{
    Call, Fault, FaultyTransport, LOCK, MINUTE, SECOND, SwitchedKeys, SwitchedKms, World,
    next_opened, sealing, take_texts,
};

fn report(cancelled: usize, unsettled: usize) -> ShutdownReport {
    let mut report = ShutdownReport::default();
    (report.cancelled, report.unsettled) = (cancelled, unsettled);
    report
}

#[tokio::test(start_paused = true)]
async fn handlers_finish_and_no_other_begins() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 10).await;
    let _processor = work.start(&client, options(3), 10 * SECOND);
    tokio::time::sleep(SECOND).await;
    let began = Instant::now();
    assert_eq!(client.shutdown(MINUTE).await.unwrap(), report(0, 0));
    assert_eq!(began.elapsed().as_secs(), 9, "as long as they took");
    assert_eq!((work.done(), world.stored().len()), (3, 7));
    assert_eq!(take_texts(&world.sealing(), 7).await.len(), 7, "the others can be had at once");
}

#[tokio::test(start_paused = true)]
async fn at_the_deadline_handlers_are_cut_off_and_their_messages_given_back() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 2).await;
    let _processor = work.start(&client, options(2), 60 * MINUTE);
    tokio::time::sleep(SECOND).await;
    let began = Instant::now();
    assert_eq!(client.shutdown(5 * SECOND).await.unwrap(), report(2, 0));
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(take_texts(&world.sealing(), 2).await.len(), 2, "at once, not after the lock");
}

/// Processors of every queue of the connection, however many there are.
#[tokio::test(start_paused = true)]
async fn all_processors_of_the_connection_stop() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    world.broker.create_queue("invoices", QueueSettings::default()).unwrap();
    let orders = world.sealing();
    let invoices = orders.for_queue("invoices").unwrap();
    for client in [&orders, &invoices] {
        send_numbers(client, 4).await;
    }
    let _processors =
        [&orders, &orders, &invoices].map(|client| work.start(client, options(1), 10 * SECOND));
    tokio::time::sleep(SECOND).await;
    assert_eq!(orders.shutdown(MINUTE).await.unwrap(), report(0, 0));
    assert_eq!(work.done(), 3);
    tokio::time::sleep(MINUTE).await;
    assert_eq!(work.done(), 3, "and none goes on");
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_sends_while_it_finishes_is_sent() {
    let world = World::new();
    world.broker.create_queue("answers", QueueSettings::default()).unwrap();
    let client = world.sealing();
    let answers = client.for_queue("answers").unwrap();
    client.send(Message::new("question")).await.unwrap();
    let _processor = client.process(ProcessorOptions::default(), move |_| {
        let answers = answers.clone();
        async move {
            tokio::time::sleep(10 * SECOND).await;
            answers.send(Message::new("answer")).await.map_err(|_| HandlerError::retry())?;
            Ok(())
        }
    });
    tokio::time::sleep(SECOND).await;
    assert_eq!(client.shutdown(MINUTE).await.unwrap(), report(0, 0));
    assert!(world.stored().is_empty(), "the question is answered");
    let answers = world.sealing().for_queue("answers").unwrap();
    assert_eq!(next_opened(&answers).await.body(), "answer");
}

#[tokio::test(start_paused = true)]
async fn receives_that_wait_end_and_nothing_is_received_any_more() {
    let world = World::new();
    let client = world.sealing();
    let receiving = {
        let client = client.clone();
        tokio::spawn(async move { client.receive(1, 600 * SECOND).await.map(drop) })
    };
    send_numbers(&world.sealing(), 1).await;
    let held = receiving.await.unwrap();
    held.unwrap();
    let (waiting, began) = (client.clone(), Instant::now());
    let waiting = tokio::spawn(async move { waiting.receive(1, 600 * SECOND).await.map(drop) });
    tokio::time::sleep(SECOND).await;
    client.shutdown(MINUTE).await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), &ClientErrorKind::Closed);
    assert_eq!(began.elapsed(), SECOND);
    let late = client.accept_session(SessionSelector::Next, SECOND).await.map(drop);
    assert_eq!(late.unwrap_err().kind(), &ClientErrorKind::Closed);
}

/// A program with a loop of its own settles what it holds; only then the connection is closed.
#[tokio::test(start_paused = true)]
async fn it_waits_for_messages_that_a_receive_handed_out() {
    let world = World::new();
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let held = next_opened(&client).await;
    let closing = client.clone();
    let closing = tokio::spawn(async move { closing.shutdown(MINUTE).await });
    tokio::time::sleep(10 * SECOND).await;
    assert!(!closing.is_finished());
    held.complete().await.unwrap();
    assert_eq!(closing.await.unwrap().unwrap(), report(0, 0));
    assert!(world.stored().is_empty());
}

#[tokio::test(start_paused = true)]
async fn messages_that_nobody_settles_are_counted_and_come_again_after_their_lock() {
    let world = World::new();
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let _held = next_opened(&client).await;
    let began = Instant::now();
    assert_eq!(client.shutdown(SECOND).await.unwrap(), report(0, 1));
    assert_eq!(began.elapsed(), SECOND);
    tokio::time::sleep(LOCK).await;
    assert_eq!(next_opened(&world.sealing()).await.body(), "0");
}

#[tokio::test(start_paused = true)]
async fn key_sources_are_closed_after_the_last_handler_and_by_close_they_are_not() {
    let world = World::new();
    let kms = SwitchedKms::new(&MemoryKms::new());
    let keys = SwitchedKeys::new(&world.keys);
    let of = || {
        let client = world.keyless(sealing()).with_key_management("kek-1", kms.clone());
        client.with_key_provider(keys.clone()).build().unwrap()
    };
    of().close().await.unwrap();
    assert!(!kms.switch.is_closed() && !keys.switch.is_closed(), "others may share them");

    let client = of();
    send_numbers(&client, 1).await;
    let watched = kms.clone();
    let _processor = client.process(ProcessorOptions::default(), move |_| {
        let kms = watched.clone();
        async move {
            tokio::time::sleep(5 * SECOND).await;
            assert!(!kms.switch.is_closed(), "a handler is still at work");
            Ok(())
        }
    });
    tokio::time::sleep(SECOND).await;
    assert_eq!(client.shutdown(MINUTE).await.unwrap(), report(0, 0));
    assert!(kms.switch.is_closed() && keys.switch.is_closed());
    assert!(world.stored().is_empty(), "the handler did not fail");
}

#[tokio::test(start_paused = true)]
async fn a_key_service_or_a_broker_that_hangs_or_fails_does_not_hold_it_up() {
    let world = World::new();
    let (kms, transport) =
        (SwitchedKms::new(&MemoryKms::new()), FaultyTransport::new(&world.broker));
    let client = world.keyless_over(transport.clone(), sealing());
    let client = client.with_key_management("kek-1", kms.clone()).build().unwrap();
    transport.fail(Call::Close, 1, Fault::unreachable());
    kms.switch.hang();
    let began = Instant::now();
    let error = client.shutdown(MINUTE).await.unwrap_err();
    let unavailable = ClientErrorKind::Transport(TransportErrorKind::Unavailable);
    assert_eq!(error.kind(), &unavailable, "the broker's comes first");
    assert_eq!(began.elapsed(), 10 * SECOND, "and the keys were closed all the same");
    assert!(client.send(Message::new("late")).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn repeating_it_is_fine_also_at_the_same_time() {
    let (world, work) = (World::new(), Arc::new(Work::default()));
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let processor = work.start(&client, options(1), 10 * SECOND);
    tokio::time::sleep(SECOND).await;
    let (one, other) = tokio::join!(client.shutdown(MINUTE), client.shutdown(Duration::MAX));
    assert_eq!((one.unwrap(), other.unwrap()), (report(0, 0), report(0, 0)));
    assert_eq!(client.shutdown(SECOND).await.unwrap(), report(0, 0));
    assert_eq!(processor.stop(SECOND).await.cancelled, 0);
    assert_eq!(work.done(), 1);
}

/// Started and shut down again and again while messages pour in: each is handled, each once.
#[tokio::test(start_paused = true)]
async fn shutting_down_under_load_loses_no_message_and_leaves_none_locked() {
    const MESSAGES: usize = 2_000;
    let (world, work) = (World::new(), Arc::new(Work::default()));
    send_numbers(&world.sealing(), MESSAGES).await;
    for round in 0..100 {
        let client = world.sealing();
        let _processor = work.start(&client, options(1 + round % 5), Duration::from_millis(29));
        tokio::time::sleep(Duration::from_millis(20 + 7 * (round as u64 % 11))).await;
        assert_eq!(client.shutdown(SECOND).await.unwrap(), report(0, 0));
    }
    let left = MESSAGES - work.done();
    assert!(left > 0, "it was shut down under load");
    assert_eq!(world.stored().len(), left, "each was handled once");
    assert_eq!(take_texts(&world.sealing(), left).await.len(), left, "none is locked");
}
