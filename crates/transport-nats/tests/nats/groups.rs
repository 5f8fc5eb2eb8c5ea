//! Ordered groups: messages of one session id come one after the other, and go on where they were.

use std::time::Duration;

use sealmq_queue_core::{Delivery, Message, Receiver, Transport};
use sealmq_transport_nats::NatsQueueSettings;

use crate::support::{Queue, connect, invalid_field, nothing, one, unique};

const PARTITIONS: u16 = 4;

async fn queue() -> Queue {
    Queue::with(NatsQueueSettings::default().with_ordered_groups(PARTITIONS)).await
}

fn of(session: &str, body: &str) -> Message {
    Message::new(body.to_owned()).with_session_id(session)
}

async fn next(receiver: &dyn Receiver, body: &str) -> Delivery {
    let delivery = one(receiver).await;
    assert_eq!(delivery.message.body, body);
    delivery
}

#[tokio::test]
async fn a_group_is_handed_out_one_message_at_a_time() {
    let queue = queue().await;
    let (receiver, other) = (queue.open().await, queue.open().await);
    let messages = (0..10).map(|n| of("a", &n.to_string())).collect();
    assert!(queue.transport.send(&queue.name, messages).await.iter().all(Result::is_ok));
    for n in 0..10 {
        let held = next(&*receiver, &n.to_string()).await;
        nothing(&*other).await;
        held.receipt.complete().await.unwrap();
    }
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_batch_holds_one_message_of_each_partition() {
    let queue = queue().await;
    let receiver = queue.open().await;
    for session in ["a", "b", "c", "d"] {
        queue.send(of(session, "1")).await;
        queue.send(of(session, "2")).await;
    }
    let mut sessions = Vec::new();
    while sessions.len() < 8 {
        let batch = receiver.recv(10, Duration::from_secs(5)).await.unwrap();
        assert!((1..=usize::from(PARTITIONS)).contains(&batch.len()), "{}", batch.len());
        for delivery in batch {
            assert_eq!(delivery.receipt.metadata().delivery_count, 1);
            sessions.push(delivery.message.session_id.clone().unwrap());
            delivery.receipt.complete().await.unwrap();
        }
    }
    for session in ["a", "b", "c", "d"] {
        assert_eq!(sessions.iter().filter(|seen| *seen == session).count(), 2);
    }
}

#[tokio::test]
async fn an_abandoned_message_comes_before_the_rest_of_its_group() {
    let queue = queue().await;
    let receiver = queue.open().await;
    queue.send(of("a", "first")).await;
    queue.send(of("a", "second")).await;
    next(&*receiver, "first").await.receipt.abandon(Duration::ZERO).await.unwrap();
    next(&*receiver, "first").await.receipt.abandon(Duration::from_millis(700)).await.unwrap();
    nothing(&*receiver).await;
    next(&*receiver, "first").await.receipt.complete().await.unwrap();
    next(&*receiver, "second").await.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_group_goes_on_without_its_dead_letter_which_can_come_back() {
    let queue = queue().await;
    let receiver = queue.open().await;
    queue.send(of("a", "broken")).await;
    queue.send(of("a", "fine")).await;
    next(&*receiver, "broken").await.receipt.dead_letter("Broken", "").await.unwrap();
    next(&*receiver, "fine").await.receipt.complete().await.unwrap();
    assert_eq!(queue.transport.redrive(&queue.name, 10).await.unwrap(), 1);
    let again = next(&*receiver, "broken").await;
    assert_eq!(again.message.session_id.as_deref(), Some("a"));
    again.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_message_that_is_held_back_joins_its_group_when_it_is_due() {
    let queue = queue().await;
    let receiver = queue.open().await;
    queue.send(of("a", "later").with_delay(Duration::from_secs(1))).await;
    queue.send(of("a", "now")).await;
    next(&*receiver, "now").await.receipt.complete().await.unwrap();
    next(&*receiver, "later").await.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn depth_and_peek_see_all_partitions() {
    let queue = queue().await;
    for session in ["a", "b", "c", "d", "e"] {
        queue.send(of(session, session)).await;
    }
    assert_eq!(queue.transport.depth(&queue.source()).await.unwrap(), 5);
    let peeked = queue.transport.peek(&queue.source(), 0, 10).await.unwrap();
    let bodies: Vec<_> = peeked.iter().map(|peeked| &peeked.message.body[..]).collect();
    assert_eq!(bodies, [b"a", b"b", b"c", b"d", b"e"]);
}

#[tokio::test]
async fn a_message_without_a_session_id_belongs_to_no_group() {
    let queue = queue().await;
    assert_eq!(invalid_field(queue.try_send(Message::new("alone")).await), "session_id");
    let mixed = vec![of("a", "has one"), Message::new("has none")];
    let mut report = queue.transport.send(&queue.name, mixed).await;
    let error = report.pop().unwrap().unwrap_err().error;
    assert_eq!(invalid_field::<()>(Err(error)), "session_id");
    let error = report.pop().unwrap().unwrap_err().error;
    assert_eq!(invalid_field::<()>(Err(error)), "batch");
    nothing(&*queue.open().await).await;
}

#[tokio::test]
async fn another_connection_learns_of_the_groups() {
    let queue = queue().await;
    let other = Queue { transport: connect().await, name: queue.name.clone() };
    other.send(of("customer/17.*", "from elsewhere")).await;
    let delivery = next(&*queue.open().await, "from elsewhere").await;
    assert_eq!(delivery.message.session_id.as_deref(), Some("customer/17.*"));
    delivery.receipt.complete().await.unwrap();
}

#[tokio::test]
async fn a_queue_keeps_its_partitions() {
    let queue = queue().await;
    queue.transport.verify_queue(&queue.name).await.unwrap();
    let same = NatsQueueSettings::default().with_ordered_groups(PARTITIONS);
    queue.transport.create_queue(&queue.name, &same).await.unwrap();
    for other in [None, Some(PARTITIONS + 1)] {
        let settings = NatsQueueSettings::default().with_ordered_groups(other);
        let refused = queue.transport.create_queue(&queue.name, &settings).await;
        assert_eq!(invalid_field(refused), "queue");
    }
    let plain = unique("plain");
    queue.transport.create_queue(&plain, &NatsQueueSettings::default()).await.unwrap();
    queue.transport.verify_queue(&plain).await.unwrap();
}
