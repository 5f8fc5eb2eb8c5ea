//! Sending: what is accepted is stored, what is not comes back, and nothing is half sent.

use std::collections::BTreeSet;
use std::time::Duration;

use sealmq_queue_core::{Feature, Message, Transport, TransportErrorKind};
use sealmq_transport_nats::NatsQueueSettings;

use crate::support::{Queue, connect, invalid_field, kind, nothing, one, take, try_send, unique};

#[tokio::test]
async fn a_message_arrives_with_all_of_its_metadata() {
    let queue = Queue::new().await;
    let sent = Message::new((0..=255u8).collect::<Vec<_>>())
        .with_session_id("group.7")
        .with_correlation_id("request 17")
        .with_reply_to("answers/größe")
        .with_message_type("OrderPlaced")
        .with_content_type("application/octet-stream")
        .with_attribute("tenant", "acme")
        .with_attribute("Tenant", " Grüße\t🦀 ")
        .with_attribute("empty", "")
        .with_attribute("Nats-Rollup", "all")
        .with_attribute("Sealmq-Message-Id", "another");
    queue.send(sent.clone()).await;
    let delivery = one(&*queue.open().await).await;
    assert_eq!(delivery.message, sent);
}

#[tokio::test]
async fn attributes_cannot_give_orders_to_the_server() {
    let queue = Queue::new().await;
    queue.send_many(3).await;
    let orders = [("Nats-Rollup", "all"), ("Nats-TTL", "1s"), ("Nats-Expected-Stream", "other")];
    for (name, value) in orders {
        queue.send(Message::new("order").with_attribute(name, value)).await;
    }
    take(&*queue.open().await, 6).await;
}

#[tokio::test]
async fn a_message_sent_again_is_accepted_and_dropped() {
    let queue = Queue::new().await;
    let message = Message::with_id("the-same", "first");
    let first = queue.send(message.clone()).await;
    assert!(!first.duplicate);
    let again = queue.send(Message::with_id("the-same", "other bytes")).await;
    assert!(again.duplicate);
    assert_eq!(again.sequence_number, first.sequence_number);
    let receiver = queue.open().await;
    let taken = take(&*receiver, 1).await;
    assert_eq!(taken[0].body, "first");
    assert!(queue.send(message).await.duplicate, "also once it was completed");
    nothing(&*receiver).await;
}

#[tokio::test]
async fn an_id_is_forgotten_after_the_window() {
    let window = Duration::from_millis(200);
    let queue = Queue::with(NatsQueueSettings::default().with_duplicate_window(window)).await;
    let message = Message::with_id("the-same", "body");
    queue.send(message.clone()).await;
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    assert!(!queue.send(message).await.duplicate);
}

#[tokio::test]
async fn a_large_batch_is_reported_in_its_order() {
    let queue = Queue::new().await;
    let messages: Vec<_> = (0..1_500).map(|n| Message::new(format!("{n}"))).collect();
    let report = queue.transport.send(&queue.name, messages).await;
    let numbers: Vec<u64> =
        report.into_iter().map(|sent| sent.unwrap().sequence_number.unwrap()).collect();
    assert_eq!(numbers, (1..=1_500).collect::<Vec<_>>(), "stored in the order of the batch");
}

#[tokio::test]
async fn a_full_queue_refuses_message_by_message() {
    let queue = Queue::with(NatsQueueSettings::default().with_max_messages(3)).await;
    let messages: Vec<_> = (0..5).map(|n| Message::new(format!("{n}"))).collect();
    let report = queue.transport.send(&queue.name, messages.clone()).await;
    for (index, (result, message)) in report.into_iter().zip(messages).enumerate() {
        match result {
            Ok(_) => assert!(index < 3),
            Err(failure) => {
                let throttled = TransportErrorKind::Throttled { retry_after: None };
                assert_eq!(failure.error.kind(), &throttled);
                assert!(failure.error.is_retryable());
                assert_eq!(*failure.message, message);
            }
        }
    }
    let taken = take(&*queue.open().await, 3).await;
    let bodies: BTreeSet<_> = taken.iter().map(|message| message.body.clone()).collect();
    assert_eq!(bodies, ["0", "1", "2"].map(|body| body.into()).into());
}

#[tokio::test]
async fn a_missing_queue_is_not_found_and_gives_the_message_back() {
    let transport = connect().await;
    let missing = unique("missing");
    let message = Message::new("to nowhere");
    let mut report = transport.send(&missing, vec![message.clone()]).await;
    let failure = report.remove(0).unwrap_err();
    assert_eq!(failure.error.kind(), &TransportErrorKind::NotFound);
    assert_eq!(*failure.message, message);
}

#[tokio::test]
async fn queues_of_any_name_keep_their_messages_apart() {
    let transport = connect().await;
    let suffix = unique("");
    let names = ["a.b", "a b", "größe/日本", "*", ">", "%", "a=dead", "a"];
    for name in names {
        let queue = format!("{name}{suffix}");
        transport.create_queue(&queue, &NatsQueueSettings::default()).await.unwrap();
        let message = Message::new(name.as_bytes().to_vec());
        try_send(&transport, &queue, message).await.unwrap();
    }
    for name in names {
        let source = sealmq_queue_core::Source::queue(format!("{name}{suffix}"));
        let receiver = transport.open(&source, Default::default()).await.unwrap();
        let taken = take(&*receiver, 1).await;
        assert_eq!(taken[0].body, name.as_bytes());
        nothing(&*receiver).await;
    }
}

#[tokio::test]
async fn the_largest_body_fits_and_one_byte_more_is_refused_before_any_io() {
    let queue = Queue::new().await;
    let mut message = Message::new("").with_attribute("tenant", "acme");
    let limits = queue.transport.capabilities().limits.clone();
    let most = limits.max_body_bytes(message.metadata_bytes());
    message.body = vec![0xa5; most].into();
    queue.send(message.clone()).await;
    assert_eq!(one(&*queue.open().await).await.message.body, message.body);

    message.body = vec![0xa5; most + 1].into();
    let too_large = TransportErrorKind::TooLarge { size_bytes: most + 1, limit_bytes: most };
    let missing = unique("missing");
    assert_eq!(kind(try_send(&queue.transport, &missing, message).await), too_large);
}

#[tokio::test]
async fn headers_that_would_not_fit_are_refused_before_any_io() {
    let transport = connect().await;
    let missing = unique("missing");
    let long = Message::new("").with_attribute("long", "v".repeat(70_000));
    assert_eq!(invalid_field(try_send(&transport, &missing, long).await), "attributes");
    // As long as can be: percent-encoding trebles these.
    let longest = Message::new("").with_attribute("long", "%".repeat(20_700));
    let queue = Queue::new().await;
    queue.send(longest.clone()).await;
    assert_eq!(one(&*queue.open().await).await.message, longest);
}

#[tokio::test]
async fn illegal_header_names_are_refused_before_any_io() {
    let transport = connect().await;
    let missing = unique("missing");
    let names = ["", "has space", "has:colon", "line\r\nbreak", "schlüssel", "AWS.x"];
    for name in names {
        let message = Message::new("").with_attribute(name, "value");
        assert_eq!(invalid_field(try_send(&transport, &missing, message).await), "attributes");
    }
    for value in ["a\r\nNats-Rollup: all", "\0", "a\nb"] {
        let message = Message::new("").with_attribute("name", value);
        assert_eq!(invalid_field(try_send(&transport, &missing, message).await), "attributes");
    }
}

#[tokio::test]
async fn one_invalid_message_keeps_the_whole_batch_from_being_sent() {
    let queue = Queue::new().await;
    let spoilt = [
        Message::new("").with_attribute("long", "v".repeat(70_000)),
        Message::new("").with_time_to_live(Duration::ZERO),
        Message::with_id("not an id", ""),
    ];
    for spoilt in spoilt {
        let batch = vec![Message::new("fine"), spoilt, Message::new("fine too")];
        let report = queue.transport.send(&queue.name, batch.clone()).await;
        let failures: Vec<_> = report.into_iter().map(Result::unwrap_err).collect();
        let refused_for_another = TransportErrorKind::InvalidInput { field: "batch" };
        assert_eq!(failures[0].error.kind(), &refused_for_another);
        assert_ne!(failures[1].error.kind(), &refused_for_another);
        assert_eq!(failures[2].error.kind(), &refused_for_another);
        let given_back: Vec<_> = failures.into_iter().map(|failure| *failure.message).collect();
        assert_eq!(given_back, batch);
    }
    nothing(&*queue.open().await).await;
}

#[tokio::test]
async fn an_empty_batch_does_no_io() {
    let transport = connect().await;
    transport.close().await.unwrap();
    assert!(transport.send(&unique("missing"), Vec::new()).await.is_empty());
}

#[tokio::test]
async fn a_message_of_another_client_is_received_as_it_is() {
    let queue = Queue::new().await;
    let theirs = async_nats::connect(crate::support::url()).await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("traceparent", "00-%41");
    let subject = format!("sealmq.queue.{}", queue.name);
    theirs.publish_with_headers(subject, headers, "theirs".into()).await.unwrap();
    theirs.flush().await.unwrap();
    let delivery = one(&*queue.open().await).await;
    assert_eq!(delivery.message.body, "theirs");
    assert_eq!(delivery.message.attributes["traceparent"], "00-%41");
    assert!(!delivery.message.id.is_empty());
}

#[tokio::test]
async fn the_capabilities_say_what_this_server_can_do() {
    let transport = connect().await;
    let capabilities = transport.capabilities();
    let present = [
        Feature::Settlement,
        Feature::DelayedAbandon,
        Feature::ExtendLock,
        Feature::DeadLetter,
        Feature::MaxDeliveries,
        Feature::DeliveryCount,
        Feature::ScheduledSend,
        Feature::CancelScheduled,
        Feature::TimeToLive,
        Feature::OrderedGroups,
        Feature::Deduplication,
        Feature::Peek,
        Feature::Depth,
        Feature::Redrive,
    ];
    assert!(present.iter().all(|feature| capabilities.has(*feature)));
    let absent = [Feature::Defer, Feature::Sessions, Feature::SessionState];
    assert!(absent.iter().all(|feature| !capabilities.has(*feature)));
    assert!(!capabilities.detects_lost_lock && !capabilities.fences_stale_holder);
}
