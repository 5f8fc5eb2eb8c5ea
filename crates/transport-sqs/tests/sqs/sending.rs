//! Sending: batches, delays, and what comes back when something fails.

use std::time::Instant;

use sealmq_queue_core::{Message, Transport, TransportErrorKind};

use crate::support::proxy::{Proxy, success};
use crate::support::*;

#[tokio::test]
async fn a_batch_of_25_takes_three_requests() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&standard().await, &queue).await;
    send(&transport, &queue, numbered(25)).await;
    assert_eq!(proxy.count("SendMessageBatch"), 3);
    let received = exactly(&*receiver, 25).await;
    let mut expected: Vec<_> = (0..25).map(|n| format!("message {n}")).collect();
    expected.sort();
    assert_eq!(bodies(&received), expected);
}

#[tokio::test]
async fn a_request_holds_a_mebibyte_at_most() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&standard().await, &queue).await;
    let large: Vec<_> = (0..4).map(|n| Message::new(vec![n; 300_000])).collect();
    send(&transport, &queue, large).await;
    assert_eq!(proxy.count("SendMessageBatch"), 2, "400 kB each as base64");
    assert_eq!(exactly(&*receiver, 4).await.len(), 4);
}

#[tokio::test]
async fn one_invalid_message_keeps_the_batch_from_being_sent() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let mut batch = numbered(3);
    batch[1] = batch[1].clone().with_attribute("two..periods", "v");
    let sent = batch.clone();
    let report = transport.send("missing", batch).await;
    let failures: Vec<_> = report.into_iter().map(|result| result.unwrap_err()).collect();
    let fields = failures.iter().map(|failure| failure.error.kind().clone());
    let invalid = |field| TransportErrorKind::InvalidInput { field };
    assert_eq!(
        fields.collect::<Vec<_>>(),
        [invalid("batch"), invalid("attributes"), invalid("batch")]
    );
    let given_back: Vec<_> = failures.into_iter().map(|failure| *failure.message).collect();
    assert_eq!(given_back, sent);
    assert_eq!(proxy.total(), 0);
}

#[tokio::test]
async fn what_the_service_refuses_of_a_batch_fails_in_its_place() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let queue = queue(&transport, settings()).await;
    let entry = |id: u8| format!(r#"{{"Id":"{id}","MessageId":"m","MD5OfMessageBody":"x"}}"#);
    let failed = |id: u8, code: &str, fault: bool, message: &str| {
        format!(r#"{{"Id":"{id}","Code":"{code}","SenderFault":{fault},"Message":"{message}"}}"#)
    };
    let answer = format!(
        r#"{{"Successful":[{},{}],"Failed":[{},{},{}]}}"#,
        entry(5),
        entry(0),
        failed(3, "InternalError", false, "try again"),
        failed(1, "InvalidMessageContents", true, "Value secret is bad. Reason: bad character"),
        failed(4, "RequestThrottled", false, "slow down"),
    );
    proxy.answer("SendMessageBatch", success(answer));
    let sent = numbered(6);
    let report = transport.send(&queue, sent.clone()).await;
    let kinds: Vec<_> = report
        .iter()
        .map(|result| result.as_ref().map_err(|failure| failure.error.kind().clone()).err())
        .collect();
    use TransportErrorKind as K;
    assert_eq!(
        kinds,
        [
            None,
            Some(K::InvalidInput { field: "message" }),
            Some(K::Unavailable), // the answer does not mention it
            Some(K::Unavailable),
            Some(K::Throttled { retry_after: None }),
            None,
        ]
    );
    for (message, result) in sent.into_iter().zip(report) {
        if let Err(failure) = result {
            assert_eq!(*failure.message, message);
            assert!(!format!("{:?}", failure.error).contains("secret"));
        }
    }
}

#[tokio::test]
async fn a_delay_holds_a_message_back() {
    let transport = standard().await;
    let queue = queue(&transport, settings()).await;
    let receiver = open(&transport, &queue).await;
    let start = Instant::now();
    let late = Message::new("late").with_delay(std::time::Duration::from_millis(1_500));
    let now = Message::new("now").with_delay(std::time::Duration::ZERO);
    send(&transport, &queue, vec![late, now]).await;
    let first = one(&*receiver).await;
    assert_eq!(first.message.body, "now");
    let second = one(&*receiver).await;
    assert_eq!(second.message.body, "late");
    assert!(start.elapsed() >= 2 * SECOND, "a started second counts whole");
}

#[tokio::test]
async fn sending_to_a_missing_queue_gives_the_message_back() {
    let transport = standard().await;
    let kind = refusal(&transport, &unique("missing"), Message::new("nowhere")).await;
    assert_eq!(kind, TransportErrorKind::NotFound);
    let kind = refusal(&transport, "no such name", Message::new("nowhere")).await;
    assert_eq!(kind, TransportErrorKind::InvalidInput { field: "queue" });
}
