//! Time: messages held back, cancelled and expired, by the server.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use sealmq_queue_core::{Message, Transport, TransportErrorKind};
use sealmq_transport_nats::NatsQueueSettings;

use crate::support::{Queue, kind, nothing, one, take, try_send, unique, url};

const DELAY: Duration = Duration::from_millis(1_500);

#[tokio::test]
async fn a_scheduled_message_comes_when_it_is_due_as_it_was_sent() {
    let queue = Queue::new().await;
    let sent = Message::new("held back").with_session_id("group").with_attribute("tenant", "acme");
    let start = Instant::now();
    queue.send(sent.clone().with_delay(DELAY)).await;
    let receiver = queue.open().await;
    let delivery = one(&*receiver).await;
    let took = start.elapsed();
    assert!(took >= DELAY && took < DELAY + Duration::from_secs(5), "{took:?}");
    assert_eq!(delivery.message, sent);
    delivery.receipt.complete().await.unwrap();
    nothing(&*receiver).await;
}

#[tokio::test]
async fn two_scheduled_messages_do_not_replace_each_other() {
    let queue = Queue::new().await;
    for body in ["one", "two", "three"] {
        queue.send(Message::new(body).with_delay(DELAY)).await;
    }
    take(&*queue.open().await, 3).await;
}

#[tokio::test]
async fn a_scheduled_message_sent_again_is_dropped() {
    let queue = Queue::new().await;
    let message = Message::new("once").with_delay(DELAY);
    assert!(!queue.send(message.clone()).await.duplicate);
    assert!(queue.send(message).await.duplicate);
    let receiver = queue.open().await;
    take(&*receiver, 1).await;
    tokio::time::sleep(DELAY).await;
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_delay_of_nothing_holds_nothing_back() {
    let queue = Queue::new().await;
    queue.send(Message::new("now").with_delay(Duration::ZERO)).await;
    assert_eq!(queue.open().await.recv(1, Duration::ZERO).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_cancelled_message_never_comes() {
    let queue = Queue::new().await;
    let receipt = queue.send(Message::new("cancelled").with_delay(DELAY)).await;
    let number = receipt.sequence_number.unwrap();
    assert!(queue.transport.cancel_scheduled(&queue.name, number).await.unwrap());
    assert!(!queue.transport.cancel_scheduled(&queue.name, number).await.unwrap());
    tokio::time::sleep(DELAY + Duration::from_secs(1)).await;
    nothing(&*queue.open().await).await;
}

#[tokio::test]
async fn what_is_due_or_was_never_held_back_cannot_be_cancelled() {
    let queue = Queue::new().await;
    let scheduled = queue.send(Message::new("due").with_delay(DELAY)).await;
    let receiver = queue.open().await;
    let due = one(&*receiver).await;
    let plain = queue.send(Message::new("plain")).await;
    let numbers = [
        scheduled.sequence_number.unwrap(),
        due.receipt.metadata().sequence_number.unwrap(),
        plain.sequence_number.unwrap(),
        1_000_000,
    ];
    for number in numbers {
        let cancelled = queue.transport.cancel_scheduled(&queue.name, number).await.unwrap();
        assert!(!cancelled, "{number}");
    }
    due.receipt.complete().await.unwrap();
    take(&*receiver, 1).await;
}

#[tokio::test]
async fn a_delay_over_the_limit_is_refused_before_any_io() {
    let transport = crate::support::connect().await;
    let too_long = transport.capabilities().limits.max_delay + Duration::from_secs(1);
    let message = Message::new("much later").with_delay(too_long);
    let refused = try_send(&transport, &unique("missing"), message).await;
    assert_eq!(kind(refused), TransportErrorKind::InvalidInput { field: "delay" });
}

#[tokio::test]
async fn an_expired_message_is_not_received() {
    let queue = Queue::new().await;
    let live = |secs| Message::new("perishable").with_time_to_live(Duration::from_secs(secs));
    queue.send(live(1)).await;
    let kept = live(3_600);
    queue.send(kept.clone()).await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let taken = take(&*queue.open().await, 1).await;
    assert_eq!(taken[0].id, kept.id);
}

#[tokio::test]
async fn the_time_to_live_of_a_scheduled_message_begins_when_it_is_due() {
    let queue = Queue::new().await;
    let message = Message::new("both").with_delay(Duration::from_secs(2));
    queue.send(message.with_time_to_live(Duration::from_secs(1))).await;
    take(&*queue.open().await, 1).await;
}

/// Streams that somebody else made may lack what messages ask for.
#[tokio::test]
async fn a_stream_without_times_refuses_them_as_unsupported() {
    let queue = Queue::new().await;
    let (stream, _) = queue.transport.stream_names(&queue.name).unwrap();
    let client = async_nats::connect(url()).await.unwrap();
    let context = jetstream::new(client);
    let mut config = context.get_stream(&stream).await.unwrap().cached_info().config.clone();
    context.delete_stream(&stream).await.unwrap();
    config.allow_message_ttl = false;
    config.allow_message_schedules = false;
    context.create_stream(config).await.unwrap();

    let perishable = Message::new("").with_time_to_live(Duration::from_secs(1));
    let feature = "time to live per message";
    let expected = TransportErrorKind::Unsupported { feature };
    assert_eq!(kind(queue.try_send(perishable).await), expected);
    let scheduled = Message::new("").with_delay(DELAY);
    let expected = TransportErrorKind::Unsupported { feature: "scheduled send" };
    assert_eq!(kind(queue.try_send(scheduled).await), expected);
}

#[tokio::test]
async fn a_bounded_queue_refuses_to_hold_messages_back() {
    let queue = Queue::with(NatsQueueSettings::default().with_max_messages(10)).await;
    let scheduled = Message::new("").with_delay(DELAY);
    let expected = TransportErrorKind::Unsupported { feature: "scheduled send" };
    assert_eq!(kind(queue.try_send(scheduled).await), expected);
    let perishable = Message::new("").with_time_to_live(Duration::from_secs(60));
    queue.send(perishable).await;
}
