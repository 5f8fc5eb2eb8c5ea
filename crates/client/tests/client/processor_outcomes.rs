//! What becomes of a message by what its handler says: done, again later, never again, or a panic.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealmq_client::{HandlerError, Processor, ProcessorOptions, QueueClient, RetryPolicy};
use sealmq_queue_core::{Feature, ReceiveMode, ReceiverOptions};
use sealmq_transport_memory::{MemoryTransport, QueueSettings};
use tokio::time::Instant;

use crate::processor_concurrency::{options, send_numbers};
use crate::replay::tracking;
use crate::support::{CANARY, Events, MINUTE, Metrics, QUEUE, SECOND, World, contains, sealing};

type Outcome = Result<(), HandlerError>;

/// When each message came, by its body.
type Arrivals = Arc<Mutex<HashMap<String, Vec<Instant>>>>;

/// Handlers that say what `outcome` says of the body and the number of the delivery.
fn start(
    client: &QueueClient,
    options: ProcessorOptions,
    outcome: impl Fn(&str, usize) -> Outcome + Send + Sync + 'static,
) -> (Processor, Arrivals) {
    let arrivals = Arrivals::default();
    let noted = Arc::clone(&arrivals);
    let processor = client.process(options, move |message| {
        let body = String::from_utf8(message.body().to_vec()).unwrap();
        let deliveries = {
            let mut noted = noted.lock().unwrap();
            let times = noted.entry(body.clone()).or_default();
            times.push(Instant::now());
            times.len()
        };
        let outcome = outcome(&body, deliveries);
        async move { outcome }
    });
    (processor, arrivals)
}

fn pauses(arrivals: &Arrivals, body: &str) -> Vec<Duration> {
    arrivals.lock().unwrap()[body].windows(2).map(|pair| pair[1] - pair[0]).collect()
}

fn deliveries(arrivals: &Arrivals, body: &str) -> usize {
    arrivals.lock().unwrap()[body].len()
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_handler_succeeds_is_completed() {
    let world = World::new();
    let client = world.sealing();
    send_numbers(&client, 5).await;
    let (processor, arrivals) = start(&client, options(2), |_, _| Ok(()));
    tokio::time::sleep(5 * MINUTE).await;
    assert!(world.stored().is_empty());
    assert!((0..5).all(|n| deliveries(&arrivals, &n.to_string()) == 1));
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_handler_fails_comes_again_after_a_growing_delay() {
    let world = World::new();
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let options = options(1).with_retry_delay(2 * SECOND);
    let (processor, arrivals) =
        start(
            &client,
            options,
            |_, deliveries| {
                if deliveries < 7 { Err(HandlerError::retry()) } else { Ok(()) }
            },
        );
    tokio::time::sleep(10 * MINUTE).await;
    let expected = [2, 4, 8, 16, 30, 30].map(Duration::from_secs);
    assert_eq!(pauses(&arrivals, "0"), expected, "doubling, up to the longest of the retry policy");
    assert!(world.stored().is_empty() && world.dead().is_empty());
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_say_how_long_the_message_is_to_be_held_back() {
    let world = World::new();
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let (processor, arrivals) = start(&client, options(1), |_, deliveries| match deliveries {
        1 => Err(HandlerError::retry_after(100 * SECOND)),
        2 => Err(HandlerError::retry_after(Duration::ZERO)),
        _ => Ok(()),
    });
    tokio::time::sleep(5 * MINUTE).await;
    assert_eq!(pauses(&arrivals, "0"), [100 * SECOND, Duration::ZERO]);
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn any_error_of_a_handler_is_a_retry_and_its_text_stays_in_this_process() {
    let events = Events::record();
    let world = World::new();
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let (processor, arrivals) = start(&client, options(1), |_, deliveries| {
        if deliveries == 1 {
            Err(std::io::Error::other(CANARY))?;
        }
        Ok(())
    });
    tokio::time::sleep(MINUTE).await;
    assert_eq!(deliveries(&arrivals, "0"), 2);
    assert!(!format!("{:?}", events.all()).contains(CANARY));
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_handler_may_dead_letter_with_a_reason_and_the_message_stays_sealed() {
    let world = World::new();
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let sealed = world.the_stored();
    let (processor, arrivals) = start(&client, options(1), |_, _| {
        Err(HandlerError::dead_letter("InvalidOrder", "no such product"))
    });
    tokio::time::sleep(MINUTE).await;
    assert_eq!(deliveries(&arrivals, "0"), 1);
    assert_eq!(world.the_dead(), (sealed, "InvalidOrder".to_owned()));
    let info = world.dead()[0].metadata.dead_letter.clone().unwrap();
    assert_eq!(info.description.as_deref(), Some("no such product"));
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_handler_panics_comes_again() {
    let events = Events::record();
    let world = World::new();
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let (processor, arrivals) = start(&client, options(1), |_, deliveries| {
        assert!(deliveries > 2, "the panic that this test is about");
        Ok(())
    });
    tokio::time::sleep(MINUTE).await;
    assert_eq!(deliveries(&arrivals, "0"), 3);
    assert_eq!(events.named("A handler panicked").len(), 2);
    assert!(world.stored().is_empty() && world.dead().is_empty());
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn a_panic_inside_the_future_is_treated_alike() {
    let world = World::new();
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let processor = client.process(options(1), move |_| {
        let call = counted.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            assert!(call > 0, "the panic that this test is about");
            Ok(())
        }
    });
    tokio::time::sleep(MINUTE).await;
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    assert!(world.stored().is_empty());
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn failing_handlers_do_not_hold_up_the_others() {
    let world = World::new();
    let client = world.sealing();
    send_numbers(&client, 100).await;
    let (processor, arrivals) =
        start(&client, options(4), |body, deliveries| match body.parse::<usize>().unwrap() % 10 {
            3 if deliveries < 4 => Err(HandlerError::retry()),
            5 if deliveries < 3 => panic!("the panic that this test is about"),
            7 => Err(HandlerError::dead_letter("seven", "of ten")),
            _ => Ok(()),
        });
    tokio::time::sleep(5 * MINUTE).await;
    processor.stop(MINUTE).await;
    assert!(world.stored().is_empty());
    assert_eq!(world.dead().len(), 10);
    for n in 0..100 {
        let expected = match n % 10 {
            3 => 4,
            5 => 3,
            _ => 1,
        };
        assert_eq!(deliveries(&arrivals, &n.to_string()), expected, "message {n}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_that_cannot_be_opened_reach_no_handler_and_stop_nothing() {
    let world = World::new();
    let client = world.sealing();
    send_numbers(&client, 10).await;
    world.tamper(|message| message.id = "changed".into()).await;
    let (processor, arrivals) = start(&client, options(1), |_, _| Ok(()));
    tokio::time::sleep(MINUTE).await;
    processor.stop(MINUTE).await;
    assert_eq!(arrivals.lock().unwrap().len(), 9);
    assert_eq!(world.the_dead().1, "authentication_failed");
}

#[tokio::test(start_paused = true)]
async fn failures_of_handlers_are_counted() {
    let ((), metrics) = Metrics::of(async {
        let world = World::new();
        let client = world.sealing();
        send_numbers(&client, 3).await;
        let (processor, _) = start(&client, options(1), |body, deliveries| match body {
            "0" if deliveries < 3 => Err(HandlerError::retry()),
            "1" => Err(HandlerError::dead_letter("a", "b")),
            _ => Ok(()),
        });
        tokio::time::sleep(MINUTE).await;
        processor.stop(MINUTE).await;
    })
    .await;
    assert_eq!(metrics.counter("queue_handler_failures_total", &[("queue", QUEUE)]), 3);
}

#[tokio::test(start_paused = true)]
async fn without_delayed_abandon_a_failed_message_comes_again_at_once() {
    let broker = MemoryTransport::builder().without(Feature::DelayedAbandon);
    let world = World::with_broker(broker.queue(QUEUE, QueueSettings::default()).build().unwrap());
    let client = world.sealing();
    send_numbers(&client, 1).await;
    let (processor, arrivals) = start(&client, options(1), |_, deliveries| {
        if deliveries < 3 { Err(HandlerError::retry()) } else { Ok(()) }
    });
    tokio::time::sleep(MINUTE).await;
    assert_eq!(pauses(&arrivals, "0"), [Duration::ZERO, Duration::ZERO]);
    processor.stop(MINUTE).await;
}

#[tokio::test(start_paused = true)]
async fn reasons_and_descriptions_are_all_that_the_broker_learns_of_a_failure() {
    let world = World::new();
    let client = world.with_keys(sealing()).with_retry(RetryPolicy::none()).build().unwrap();
    client.send(sealmq_queue_core::Message::new(CANARY)).await.unwrap();
    let processor = client
        .process(options(1), |_| async { Err(HandlerError::dead_letter("reason", "description")) });
    tokio::time::sleep(MINUTE).await;
    processor.stop(MINUTE).await;
    assert!(!contains(&world.the_dead().0.body, CANARY.as_bytes()));
}

/// Where messages leave the queue when they are handed out there is nothing to settle, and nothing
/// to warn of; a replay is refused all the same.
#[tokio::test(start_paused = true)]
async fn where_nothing_is_settled_handlers_work_without_warnings() {
    let events = Events::record();
    let broker = MemoryTransport::builder().without(Feature::Settlement);
    let world = World::with_broker(broker.queue(QUEUE, QueueSettings::default()).build().unwrap());
    let at_most_once = ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete);
    let client = world.with_keys(tracking()).with_receiver_options(at_most_once);
    let client = client.build().unwrap();
    send_numbers(&client, 1).await;
    let copied = world.the_stored();
    let (processor, arrivals) = start(&client, options(1), |_, _| Ok(()));
    tokio::time::sleep(3 * MINUTE).await;
    world.inject(copied).await;
    tokio::time::sleep(MINUTE).await;
    processor.stop(MINUTE).await;
    assert_eq!(deliveries(&arrivals, "0"), 1);
    let warnings = events.all().into_iter().filter(|e| e.level <= tracing::Level::WARN);
    let warnings: Vec<_> = warnings.map(|event| event.name).collect();
    assert_eq!(warnings, ["Message rejected"], "of the replay, and of nothing else");
}
