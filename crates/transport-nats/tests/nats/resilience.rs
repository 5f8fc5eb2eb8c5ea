//! Trouble: servers that restart, connections that break, consumers that are slow.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sealmq_queue_core::{Message, Receiver, ReceiverOptions, Transport, TransportErrorKind};
use sealmq_test_kit::{NatsServer, free_port};
use sealmq_transport_nats::{NatsConfig, NatsQueueSettings, NatsTransport};

use crate::support::{
    PATIENCE, Queue, config_of, connect_to, eventually, kind, one, proxy_before, take, try_send,
};

/// Sends until the message is accepted, as the client does.
async fn send_persistently(queue: &Queue, message: &Message) {
    eventually("a message is accepted", async || match queue.try_send(message.clone()).await {
        Ok(_) => true,
        Err(error) => {
            assert!(error.is_retryable(), "{error:?}");
            false
        }
    })
    .await;
}

/// Receives and completes over broken connections until each message has come.
async fn receive_persistently(receiver: &dyn Receiver, mut missing: BTreeSet<String>) {
    let mut progress = Instant::now();
    while !missing.is_empty() {
        assert!(progress.elapsed() < 3 * PATIENCE, "{} accepted messages are lost", missing.len());
        match receiver.recv(20, Duration::from_secs(5)).await {
            Ok(batch) => {
                for delivery in batch {
                    missing.remove(&delivery.message.id);
                    progress = Instant::now();
                    let _ = delivery.receipt.complete().await; // else it comes again
                }
            }
            Err(error) => {
                assert!(error.is_retryable(), "{error:?}");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

async fn survives_restarts(prefetch: usize) {
    const MESSAGES: usize = 600;
    let mut server = NatsServer::start().await;
    let config = config_of(&server).with_request_timeout(Duration::from_secs(2));
    let transport = NatsTransport::connect(&config).await.unwrap();
    let settings = NatsQueueSettings::default().with_ack_wait(Duration::from_secs(2));
    let queue = Queue::on(transport, settings.with_max_deliveries(None)).await;
    let receiver = queue.open_with(ReceiverOptions::default().with_prefetch(prefetch)).await;
    let messages: Vec<_> = (0..MESSAGES).map(|n| Message::new(format!("{n}"))).collect();
    let ids = messages.iter().map(|message| message.id.clone()).collect();
    let send = async {
        for (index, message) in messages.iter().enumerate() {
            if index == MESSAGES / 3 || index == MESSAGES / 2 {
                server.kill().await;
                server.start_again().await;
            }
            send_persistently(&queue, message).await;
        }
    };
    tokio::join!(send, receive_persistently(&*receiver, ids));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_message_is_lost_when_the_server_is_killed_twice() {
    survives_restarts(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_accepted_message_is_lost_when_the_server_is_killed_under_a_prefetching_receiver() {
    survives_restarts(20).await;
}

#[tokio::test]
async fn a_recv_that_waits_goes_on_after_a_restart() {
    let mut server = NatsServer::start().await;
    let queue = Queue::on(connect_to(&server).await, NatsQueueSettings::default()).await;
    let other = connect_to(&server).await;
    let receiver = queue.open().await;
    let trouble = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.kill().await;
        server.start_again().await;
        eventually("the server answers", async || other.health().await.is_ok()).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        try_send(&other, &queue.name, Message::new("after the restart")).await.unwrap();
    };
    let (batch, ()) = tokio::join!(receiver.recv(1, 3 * PATIENCE), trouble);
    assert_eq!(batch.unwrap()[0].message.body, "after the restart");
}

#[tokio::test]
async fn a_recv_that_waits_goes_on_after_its_connection_broke() {
    let server = NatsServer::start().await;
    let (proxy, url) = proxy_before(&server).await;
    let direct = Queue::on(connect_to(&server).await, NatsQueueSettings::default()).await;
    let config = NatsConfig::new(&*url).with_connect_timeout(PATIENCE);
    let through = NatsTransport::connect(&config).await.unwrap();
    let receiver = through.open(&direct.source(), ReceiverOptions::default()).await.unwrap();
    let trouble = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(200)).await;
        proxy.restore();
        tokio::time::sleep(Duration::from_secs(1)).await;
        direct.send_many(2).await;
    };
    let (batch, ()) = tokio::join!(receiver.recv(1, PATIENCE), trouble);
    assert_eq!(batch.unwrap().len(), 1);
    take(&*direct.open().await, 1).await; // no other request has taken it away
}

#[tokio::test]
async fn without_a_connection_calls_fail_as_unavailable_and_can_be_made_again() {
    let server = NatsServer::start().await;
    let (proxy, url) = proxy_before(&server).await;
    let config = NatsConfig::new(&*url).with_request_timeout(Duration::from_secs(3));
    let transport = NatsTransport::connect(&config).await.unwrap();
    let queue = Queue::on(transport, NatsQueueSettings::default()).await;
    queue.send(Message::new("held")).await;
    let receiver = queue.open().await;
    let held = one(&*receiver).await;
    proxy.cut();

    let unavailable = TransportErrorKind::Unavailable;
    assert_eq!(kind(queue.try_send(Message::new("waits")).await), unavailable);
    assert_eq!(kind(receiver.recv(1, Duration::from_millis(100)).await), unavailable);
    assert_eq!(kind(queue.transport.health().await), unavailable);
    let failed = held.receipt.complete().await.unwrap_err();
    assert_eq!(failed.error.kind(), &unavailable);
    proxy.restore();
    eventually("the connection is back", async || queue.transport.health().await.is_ok()).await;
    failed.receipt.complete().await.unwrap();
    send_persistently(&queue, &Message::new("sent")).await;
}

#[tokio::test]
async fn a_batch_that_is_not_acknowledged_fails_as_a_whole_within_the_bound() {
    let server = NatsServer::start().await;
    let (proxy, url) = proxy_before(&server).await;
    let config = NatsConfig::new(&*url).with_request_timeout(Duration::from_secs(1));
    let through = NatsTransport::connect(&config).await.unwrap();
    let queue = Queue::on(through, NatsQueueSettings::default()).await;
    proxy.cut();
    let messages: Vec<_> = (0..1_500).map(|n| Message::new(format!("{n}"))).collect();
    let start = Instant::now();
    let report = queue.transport.send(&queue.name, messages.clone()).await;
    assert!(start.elapsed() < Duration::from_secs(60), "took {:?}", start.elapsed());
    assert_eq!(report.len(), messages.len());
    for (result, message) in report.into_iter().zip(messages) {
        let failure = result.unwrap_err();
        assert_eq!(failure.error.kind(), &TransportErrorKind::Unavailable);
        assert_eq!(*failure.message, message);
    }
}

/// A send whose answer was lost may have happened: under the same id it is not stored twice.
#[tokio::test]
async fn a_send_that_failed_can_be_made_again_without_a_second_copy() {
    let server = NatsServer::start().await;
    let (proxy, url) = proxy_before(&server).await;
    let config = NatsConfig::new(&*url).with_request_timeout(Duration::from_secs(1));
    let through = NatsTransport::connect(&config).await.unwrap();
    let queue = Queue::on(through, NatsQueueSettings::default()).await;
    let direct = Queue { transport: connect_to(&server).await, name: queue.name.clone() };
    let messages: Vec<_> = (0..50).map(|n| Message::new(format!("{n}"))).collect();
    for message in &messages {
        let cut = async {
            tokio::task::yield_now().await;
            proxy.cut();
            tokio::time::sleep(Duration::from_millis(5)).await;
            proxy.restore();
        };
        let (first, ()) = tokio::join!(queue.try_send(message.clone()), cut);
        if first.is_err() {
            send_persistently(&queue, message).await;
        }
    }
    take(&*direct.open().await, messages.len()).await;
}

#[tokio::test]
async fn a_server_that_cannot_be_reached_is_unavailable_within_the_bound() {
    let nobody = || {
        let config = NatsConfig::new(format!("nats://127.0.0.1:{}", free_port()));
        config.with_connect_timeout(Duration::from_secs(300))
    };
    let start = Instant::now();
    let refused = NatsTransport::connect(&nobody()).await;
    assert_eq!(kind(refused), TransportErrorKind::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(60), "the first failure is reported");

    let retrying = nobody().with_initial_connect_retry(true);
    let bound = Duration::from_secs(2);
    let start = Instant::now();
    let refused = NatsTransport::connect(&retrying.with_connect_timeout(bound)).await;
    assert_eq!(kind(refused), TransportErrorKind::Unavailable);
    assert!(start.elapsed() < bound + Duration::from_secs(60), "{:?}", start.elapsed());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_unavailable_within_the_bound() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("nats://{}", listener.local_addr().unwrap());
    let bound = Duration::from_millis(500);
    let start = Instant::now();
    let refused = NatsTransport::connect(&NatsConfig::new(url).with_connect_timeout(bound)).await;
    assert_eq!(kind(refused), TransportErrorKind::Unavailable);
    assert!(start.elapsed() < bound + Duration::from_secs(60));
}

#[tokio::test]
async fn a_server_that_comes_up_late_is_waited_for_when_asked_to() {
    let mut server = NatsServer::start().await;
    server.kill().await;
    let config = config_of(&server).with_initial_connect_retry(true);
    let late = async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        server.start_again().await;
    };
    let (connected, ()) = tokio::join!(NatsTransport::connect(&config), late);
    connected.unwrap().health().await.unwrap();
}

#[tokio::test]
async fn the_second_server_of_a_list_is_tried_as_well() {
    let server = NatsServer::start().await;
    let config = NatsConfig::new(format!("nats://127.0.0.1:{}", free_port()));
    let transport = NatsTransport::connect(&config.with_url(server.url())).await.unwrap();
    transport.health().await.unwrap();
}

#[tokio::test]
async fn messages_wait_for_a_slow_consumer() {
    let queue = Queue::with(NatsQueueSettings::default().with_max_ack_pending(10)).await;
    let receiver = queue.open_with(ReceiverOptions::default().with_prefetch(100)).await;
    queue.send_many(1_000).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    take(&*receiver, 1_000).await;
}
