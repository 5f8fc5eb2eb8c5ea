//! Faults: cut connections, detached links, lost answers. None shows but by redeliveries, and no
//! message is lost.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sealmq_queue_core::{
    Message, ReceiverOptions, SendReceipt, Transport, TransportError, TransportErrorKind as Kind,
};
use sealmq_test_kit::TcpProxy;
use sealmq_transport_servicebus::ServiceBusTransport;
use serde_json::json;
use tokio::time::sleep;

use crate::support::{
    PATIENCE, QUIET, Queue, body, config_through, kind, many, nothing, one, persistently, proxy,
};

fn connect(proxy: &TcpProxy) -> ServiceBusTransport {
    ServiceBusTransport::new(config_through(proxy.port())).unwrap()
}

async fn send(
    transport: &ServiceBusTransport,
    queue: &Queue,
    body: &str,
) -> Result<SendReceipt, TransportError> {
    let message = Message::new(body.to_owned());
    let sent = transport.send(&queue.name, vec![message]).await.remove(0);
    sent.map_err(|failure| failure.error)
}

#[tokio::test]
async fn a_broken_connection_does_not_show() {
    let (queue, proxy) = (Queue::new("broken").await, proxy().await);
    let transport = connect(&proxy);
    let receiver = transport.open(&queue.source(), ReceiverOptions::default()).await.unwrap();
    for number in 0..5 {
        send(&transport, &queue, &format!("m{number}")).await.unwrap();
        let delivery = one(&*receiver).await;
        assert_eq!(body(&delivery), format!("m{number}"));
        proxy.break_connections();
        sleep(Duration::from_millis(50)).await;
        // The lock outlives the link: the settlement goes over the next connection.
        delivery.receipt.complete().await.unwrap();
        proxy.break_connections();
        sleep(Duration::from_millis(50)).await;
    }
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_call_that_waits_goes_on_over_an_outage() {
    let (queue, proxy) = (Queue::new("waiting").await, proxy().await);
    let transport = connect(&proxy);
    let receiver = transport.open(&queue.source(), ReceiverOptions::default()).await.unwrap();
    let outage = async {
        sleep(QUIET).await;
        proxy.cut();
        queue.send(Message::new("meanwhile")).await;
        sleep(Duration::from_secs(1)).await;
        proxy.restore();
    };
    let (received, ()) = tokio::join!(receiver.recv(1, PATIENCE), outage);
    assert_eq!(body(&received.unwrap()[0]), "meanwhile");
}

#[tokio::test]
async fn waiting_in_an_outage_ends_as_unavailable() {
    let (queue, proxy) = (Queue::new("outage").await, proxy().await);
    let transport = connect(&proxy);
    let receiver = transport.open(&queue.source(), ReceiverOptions::default()).await.unwrap();
    proxy.cut();
    let started = Instant::now();
    assert_eq!(kind(receiver.recv(1, Duration::from_secs(1)).await), Some(Kind::Unavailable));
    assert!(started.elapsed() >= Duration::from_secs(1));
    let error = send(&transport, &queue, "m").await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Unavailable);
    proxy.restore();
    persistently(|| send(&transport, &queue, "m")).await;
    assert_eq!(body(&one(&*receiver).await), "m");
}

#[tokio::test]
async fn detached_links_do_not_show() {
    let queue = Queue::new("detached").await;
    let receiver = queue.open().await;
    for number in 0..5 {
        queue.send(Message::new(format!("m{number}"))).await;
        let delivery = one(&*receiver).await;
        queue.fault("detach-links", json!({})).await;
        delivery.receipt.complete().await.unwrap();
        queue.fault("detach-links", json!({})).await;
    }
    nothing(&*receiver).await;
    assert_eq!(queue.count("active").await, 0);
}

#[tokio::test]
async fn what_was_fetched_ahead_survives_its_link() {
    let queue = Queue::new("survives").await;
    let receiver = queue.open_with(ReceiverOptions::default().with_prefetch(10)).await;
    queue.send_all((0..10).map(|n| Message::new(format!("m{n}"))).collect()).await;
    sleep(QUIET).await;
    queue.fault("detach-links", json!({})).await;
    sleep(QUIET).await;
    for delivery in many(&*receiver, 10).await {
        assert_eq!(delivery.receipt.metadata().delivery_count, 1);
        delivery.receipt.complete().await.unwrap();
    }
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_lost_answer_is_unavailable_and_never_sent_again_unasked() {
    let queue = Queue::new("lost-answer").await;
    queue.fault("cut-after-store", json!({})).await;
    let error = send(&queue.transport, &queue, "stored").await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Unavailable);
    queue.fault("cut-before-store", json!({})).await;
    let error = send(&queue.transport, &queue, "not stored").await.unwrap_err();
    assert_eq!(error.kind(), &Kind::Unavailable);
    let receiver = queue.open().await;
    assert_eq!(body(&one(&*receiver).await), "stored");
    nothing(&*receiver).await;
}

#[tokio::test]
async fn a_queue_that_cannot_be_attached_to_says_why() {
    let queue = Queue::new("refused").await;
    queue.fault("refuse-attach", json!({ "count": 2 })).await;
    let throttled = Kind::Throttled { retry_after: None };
    let opened = queue.transport.open(&queue.source(), ReceiverOptions::default()).await;
    assert_eq!(kind(opened), Some(throttled.clone()));
    assert_eq!(kind(send(&queue.transport, &queue, "m").await), Some(throttled));
    send(&queue.transport, &queue, "m").await.unwrap();
    let disabled = json!({ "condition": "com.microsoft:entity-disabled", "status": 400 });
    queue.fault("refuse-attach", disabled).await;
    let opened = queue.transport.open(&queue.source(), ReceiverOptions::default()).await;
    assert_eq!(kind(opened), Some(Kind::Denied));
}

#[tokio::test]
async fn a_queue_that_is_removed_is_not_found_and_may_come_back() {
    let queue = Queue::new("removed").await;
    let receiver = queue.open().await;
    queue.send(Message::new("gone")).await;
    one(&*receiver).await;
    queue.admin.delete(&format!("/queues/{}", queue.name)).await;
    assert_eq!(kind(receiver.recv(1, PATIENCE).await), Some(Kind::NotFound));
    assert_eq!(kind(send(&queue.transport, &queue, "m").await), Some(Kind::NotFound));
    queue.admin.put(&format!("/queues/{}", queue.name), &json!({})).await;
    queue.send(Message::new("back")).await;
    let back = async {
        loop {
            match receiver.recv(1, PATIENCE).await {
                Ok(batch) if !batch.is_empty() => return batch,
                Ok(_) | Err(_) => sleep(Duration::from_millis(100)).await,
            }
        }
    };
    let batch = tokio::time::timeout(PATIENCE, back).await.expect("it comes");
    assert_eq!(body(&batch[0]), "back");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_message_is_lost_over_many_cuts() {
    const MESSAGES: usize = 300;
    let queue = Queue::locking("many-cuts", Duration::from_secs(2)).await;
    let proxy = proxy().await;
    let transport = connect(&proxy);
    let receiver = transport
        .open(&queue.source(), ReceiverOptions::default().with_prefetch(20))
        .await
        .unwrap();
    let sending = async {
        for number in 0..MESSAGES {
            if number % 50 == 25 {
                proxy.break_connections();
            }
            let body = format!("m{number}");
            persistently(|| send(&transport, &queue, &body)).await;
        }
    };
    let receiving = async {
        let mut missing: BTreeSet<_> = (0..MESSAGES).map(|number| format!("m{number}")).collect();
        while !missing.is_empty() {
            match receiver.recv(20, PATIENCE).await {
                Ok(batch) => {
                    assert!(!batch.is_empty(), "{} messages do not come", missing.len());
                    for delivery in batch {
                        missing.remove(&body(&delivery));
                        let _ = delivery.receipt.complete().await; // or it comes again
                    }
                }
                Err(error) => assert!(error.is_retryable(), "{error:?}"),
            }
        }
    };
    tokio::join!(sending, receiving);
}
