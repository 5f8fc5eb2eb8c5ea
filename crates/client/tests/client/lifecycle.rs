//! One connection for many queues, streams, and closing for good.

use std::sync::Arc;

use futures_util::StreamExt;
use sealmq_client::{ClientError, ClientErrorKind, RetryPolicy};
use sealmq_queue_core::{Message, SessionSelector, TransportErrorKind};
use sealmq_transport_memory::QueueSettings;

use crate::support::{
    Call, Fault, FaultyTransport, LOCK, SECOND, World, next_opened, sealing, take_texts,
};

fn closed(result: Result<impl Sized, ClientError>) -> bool {
    matches!(result.map(drop).unwrap_err().kind(), ClientErrorKind::Closed)
}

#[tokio::test(start_paused = true)]
async fn clients_of_several_queues_share_one_connection_and_its_keys() {
    let world = World::new();
    world.broker.create_queue("invoices", QueueSettings::default()).unwrap();
    let orders = world.sealing();
    let invoices = orders.for_queue("invoices").unwrap();
    assert_eq!((orders.queue(), invoices.queue()), ("orders", "invoices"));
    orders.send(Message::new("an order")).await.unwrap();
    invoices.send(Message::new("an invoice")).await.unwrap();
    assert!(next_opened(&invoices).await.message.is_encrypted());
    assert_eq!(take_texts(&orders, 1).await, ["an order"]);

    orders.close().await.unwrap();
    assert!(closed(invoices.receive(1, SECOND).await), "closed for all queues of the connection");
    assert!(!orders.for_queue("invoices").unwrap().health().await.is_ready());
}

#[tokio::test(start_paused = true)]
async fn each_queue_is_a_context_of_its_own() {
    let world = World::new();
    world.broker.create_queue("invoices", QueueSettings::default()).unwrap();
    let orders = world.sealing();
    orders.send(Message::new("an order")).await.unwrap();
    world.inject_into("invoices", world.the_stored()).await;
    let invoices = orders.for_queue("invoices").unwrap();
    let rejected = crate::support::next_rejected(&invoices).await;
    assert_eq!(rejected.error.code(), "authentication_failed");
}

#[tokio::test(start_paused = true)]
async fn closing_is_idempotent_also_at_the_same_time() {
    let world = World::new();
    let client = world.sealing();
    let closing = (0..10).map(|_| client.close());
    for closed in futures_util::future::join_all(closing).await {
        closed.unwrap();
    }
    client.close().await.unwrap();
    client.clone().close().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn after_close_every_call_says_closed() {
    let world = World::new();
    let client = world.sealing();
    client.send(Message::new("before")).await.unwrap();
    client.close().await.unwrap();

    let message = Message::new("too late").with_attribute("region", "eu-1");
    let failed = client.send(message.clone()).await.unwrap_err();
    assert_eq!(failed.error.kind(), &ClientErrorKind::Closed);
    assert_eq!(*failed.message, message, "the message comes back");
    assert!(closed(client.receive(1, SECOND).await));
    assert!(!client.health().await.is_ready());
    assert!(closed(client.accept_session(SessionSelector::Next, SECOND).await));
    assert!(closed(client.dead_letters().await));
    assert_eq!(world.stored().len(), 1, "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn close_ends_a_receive_that_waits() {
    let world = World::new();
    let client = world.sealing();
    let receiving = {
        let client = client.clone();
        tokio::spawn(async move { client.receive(1, 600 * SECOND).await })
    };
    tokio::time::sleep(SECOND).await;
    let before = tokio::time::Instant::now();
    client.close().await.unwrap();
    assert!(closed(receiving.await.unwrap()));
    assert_eq!(before.elapsed(), std::time::Duration::ZERO);
}

/// What was received before can no longer be settled, and comes again elsewhere.
#[tokio::test(start_paused = true)]
async fn closing_loses_nothing_that_was_not_settled() {
    let world = World::new();
    let client = world.sealing();
    client.send(Message::new("body")).await.unwrap();
    let held = next_opened(&client).await;
    client.close().await.unwrap();
    held.complete().await.unwrap_err();
    tokio::time::sleep(LOCK).await;
    assert_eq!(next_opened(&world.sealing()).await.body(), "body");
}

#[tokio::test(start_paused = true)]
async fn a_missing_queue_is_not_found() {
    let world = World::new();
    let client = world.sealing().for_queue("missing").unwrap();
    let not_found = ClientErrorKind::Transport(TransportErrorKind::NotFound);
    let failed = client.send(Message::new("body")).await.unwrap_err();
    assert_eq!(failed.error.kind(), &not_found);
    assert_eq!(client.receive(1, SECOND).await.unwrap_err().kind(), &not_found);
}

#[tokio::test(start_paused = true)]
async fn a_stream_gives_one_message_after_the_other_until_the_client_is_closed() {
    let world = World::new();
    let client = world.sealing();
    for n in 0..10 {
        client.send(Message::new(format!("{n}"))).await.unwrap();
    }
    let closer = client.clone();
    let stream = client.stream(3);
    let mut stream = std::pin::pin!(stream);
    for n in 0..10 {
        let message = stream.next().await.unwrap().unwrap().unwrap();
        assert_eq!(message.body(), n.to_string().as_str());
        message.complete().await.unwrap();
    }
    tokio::spawn(async move {
        tokio::time::sleep(90 * SECOND).await;
        closer.close().await.unwrap();
    });
    assert!(stream.next().await.is_none(), "it waits for messages, and ends with the client");
}

#[tokio::test(start_paused = true)]
async fn an_error_stands_in_the_stream_and_does_not_end_it() {
    let world = World::new();
    let transport = FaultyTransport::new(&world.broker);
    let client = world.over(transport.clone(), sealing()).with_retry(RetryPolicy::none());
    let client = client.build().unwrap();
    client.send(Message::new("body")).await.unwrap();
    transport.fail(Call::Recv, 2, Fault::unreachable());
    let mut stream = std::pin::pin!(client.stream(1));
    for _ in 0..2 {
        let error = stream.next().await.unwrap().unwrap_err();
        assert!(error.is_retryable());
    }
    assert_eq!(stream.next().await.unwrap().unwrap().unwrap().body(), "body");
}

#[tokio::test(start_paused = true)]
async fn a_client_can_be_shared_between_tasks() {
    let world = World::new();
    let client = Arc::new(world.sealing());
    let sending = (0..50).map(|n| {
        let client = Arc::clone(&client);
        tokio::spawn(async move { client.send(Message::new(format!("{n}"))).await.is_ok() })
    });
    for sent in futures_util::future::join_all(sending).await {
        assert!(sent.unwrap());
    }
    assert_eq!(take_texts(&client, 50).await.len(), 50);
}
