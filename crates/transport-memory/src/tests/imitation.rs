//! Limits and missing features of other brokers.

use sealmq_queue_core::{Feature, Limits, ReceiveMode, SessionSelector};

use super::*;

fn without(features: &[Feature]) -> MemoryTransport {
    let builder = MemoryTransport::builder().queue("q", QueueSettings::default());
    let builder = features.iter().fold(builder, |builder, feature| builder.without(*feature));
    builder.build().unwrap()
}

fn unsupported<T>(result: Result<T, sealmq_queue_core::TransportError>) -> bool {
    matches!(result.err().unwrap().kind(), TransportErrorKind::Unsupported { .. })
}

#[tokio::test]
async fn limits_are_kept_before_anything_is_stored() {
    let limits = Limits { max_message_bytes: 10, max_attributes: 1, ..Limits::default() };
    let builder = MemoryTransport::builder().limits(limits).queue("q", QueueSettings::default());
    let transport = builder.build().unwrap();
    let oversized = Message::with_id("id", vec![0; 9]);
    let two = Message::with_id("id", "").with_attribute("a", "").with_attribute("b", "");
    for bad in [oversized, two] {
        assert!(transport.send("q", vec![message("ok"), bad]).await.iter().all(Result::is_err));
    }
    assert!(transport.tap("q").unwrap().is_empty());
    send(&transport, [Message::with_id("id", vec![0; 8])]).await;
}

#[tokio::test]
async fn a_feature_taken_away_is_refused_without_effect() {
    let gone = [
        Feature::DelayedAbandon,
        Feature::ExtendLock,
        Feature::DeadLetter,
        Feature::Defer,
        Feature::ScheduledSend,
        Feature::CancelScheduled,
        Feature::TimeToLive,
        Feature::Sessions,
        Feature::OrderedGroups,
        Feature::Deduplication,
        Feature::Peek,
        Feature::Depth,
        Feature::Redrive,
    ];
    let transport = without(&gone);
    let queue = Source::queue("q");
    let options = ReceiverOptions::default;
    send_ids(&transport, &["a"]).await;
    let receiver = open(&transport).await;
    let receipt = recv_one(&*receiver).await.receipt;
    assert!(unsupported(receipt.extend(secs(1)).await));
    let failed = receipt.abandon(secs(1)).await.unwrap_err();
    let failed = failed.receipt.dead_letter("r", "d").await.unwrap_err();
    let failed = failed.receipt.defer().await.unwrap_err();
    assert!(unsupported(receiver.recv_deferred(1).await));
    assert!(unsupported(transport.peek(&queue, 0, 1).await));
    assert!(unsupported(transport.depth(&queue).await));
    assert!(unsupported(transport.redrive("q", 1).await));
    assert!(unsupported(transport.cancel_scheduled("q", 1).await));
    assert!(unsupported(transport.open(&Source::dead_letter("q"), options()).await));
    assert!(unsupported(
        transport.accept_session("q", SessionSelector::Next, NOW, options()).await
    ));
    for bad in [message("b").with_delay(secs(1)), message("b").with_time_to_live(secs(1))] {
        assert!(unsupported(
            transport.send("q", vec![bad]).await.pop().unwrap().map_err(|f| f.error)
        ));
    }
    let settings = QueueSettings::default;
    for needing in [
        settings().with_kind(QueueKind::Sessions),
        settings().with_kind(QueueKind::OrderedGroups),
        settings().with_deduplication_window(secs(1)),
    ] {
        assert!(unsupported(transport.create_queue("other", needing)));
    }
    failed.receipt.complete().await.unwrap();
    assert!(transport.tap("q").unwrap().is_empty());
}

#[tokio::test]
async fn without_settlement_only_receive_and_delete_is_left() {
    let transport = without(&[Feature::Settlement, Feature::MaxDeliveries]);
    transport.create_queue("q", QueueSettings::default()).unwrap();
    let queue = Source::queue("q");
    assert!(unsupported(transport.open(&queue, ReceiverOptions::default()).await));
    let options = ReceiverOptions::default().with_mode(ReceiveMode::ReceiveAndDelete);
    let receiver = transport.open(&queue, options).await.unwrap();
    send_ids(&transport, &["a"]).await;
    assert_eq!(recv_ids(&*receiver).await, ["a"]);
}
