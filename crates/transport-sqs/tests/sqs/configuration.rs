//! Setting up: queues, credentials, regions.

use std::time::Duration;

use sealmq_queue_core::{
    Certainty, DeliveryGuarantee, Feature, ReceiverOptions, Source, Support, Transport,
    TransportErrorKind,
};
use sealmq_transport_sqs::{QueueType, SqsConfig, SqsQueueSettings, SqsTransport};

use crate::support::proxy::Proxy;
use crate::support::*;

#[tokio::test]
async fn a_queue_is_created_with_its_dead_letter_queue() {
    let transport = standard().await;
    let name = unique("created");
    let settings = SqsQueueSettings::default()
        .with_visibility_timeout(45 * SECOND)
        .with_retention(Duration::from_secs(3_600))
        .with_max_receive_count(7);
    transport.create_queue(&name, settings.clone()).await.unwrap();
    transport.create_queue(&name, settings.clone()).await.unwrap();
    let raw = raw_client();
    let attributes = |queue: String| {
        let raw = raw.clone();
        async move {
            let request = raw.get_queue_attributes().queue_url(url_of(&raw, &queue).await);
            let request = request.attribute_names("All".into());
            let attributes = request.send().await.unwrap().attributes.unwrap();
            move |name: &str| attributes[&name.into()].clone()
        }
    };
    let main = attributes(name.clone()).await;
    assert_eq!(main("VisibilityTimeout"), "45");
    assert_eq!(main("MessageRetentionPeriod"), "3600");
    assert!(main("RedrivePolicy").contains(&format!("{name}-dlq")));
    assert!(main("RedrivePolicy").contains('7'));
    let dead = attributes(format!("{name}-dlq")).await;
    assert_eq!(dead("MessageRetentionPeriod"), (14 * 86_400).to_string());
    let other = settings.with_visibility_timeout(46 * SECOND);
    let error = transport.create_queue(&name, other).await.unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field: "queue" });
    transport.delete_queue(&name).await.unwrap();
    let error = transport.delete_queue(&name).await.unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::NotFound);
}

#[tokio::test]
async fn settings_out_of_range_are_refused_before_any_request() {
    let proxy = Proxy::start().await;
    let transport = proxy.transport().await;
    let default = SqsQueueSettings::default;
    let hours = |hours: u64| Duration::from_secs(hours * 3_600);
    let cases = [
        ("visibility_timeout", default().with_visibility_timeout(hours(13))),
        ("retention", default().with_retention(59 * SECOND)),
        ("retention", default().with_retention(hours(15 * 24))),
        ("max_receive_count", default().with_max_receive_count(0)),
        ("max_receive_count", default().with_max_receive_count(1_001)),
    ];
    for (field, settings) in cases {
        let error = transport.create_queue("refused", settings).await.unwrap_err();
        assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field });
    }
    for name in ["no spaces", "fifo.fifo", &"n".repeat(78)] {
        let error = transport.create_queue(name, default()).await.unwrap_err();
        assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field: "queue" });
    }
    assert_eq!(proxy.total(), 0);
}

#[tokio::test]
async fn a_queue_that_locks_nothing_needs_a_lock_from_its_receiver() {
    let transport = standard().await;
    let queue = queue(&transport, settings().with_visibility_timeout(Duration::ZERO)).await;
    let source = Source::queue(&queue);
    let error = transport.open(&source, ReceiverOptions::default()).await.err().unwrap();
    assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field: "lock_duration" });
    let options = ReceiverOptions::default().with_lock_duration(30 * SECOND);
    assert!(transport.open(&source, options).await.is_ok());
}

#[tokio::test]
async fn a_bad_configuration_is_refused_when_connecting() {
    let config = config_for("http://127.0.0.1:1").with_region("Not A Region");
    let error = SqsTransport::connect(&config).await.unwrap_err();
    assert_eq!(error.kind(), &TransportErrorKind::InvalidInput { field: "region" });
}

#[tokio::test]
async fn each_type_of_queue_declares_what_it_can_do() {
    use Feature as F;
    let both = [
        (F::Settlement, Support::Native),
        (F::DelayedAbandon, Support::Native),
        (F::ExtendLock, Support::Native),
        (F::DeadLetter, Support::Emulated),
        (F::MaxDeliveries, Support::Native),
        (F::Depth, Support::Native),
        (F::Redrive, Support::Emulated),
        (F::DeliveryCount, Support::None),
        (F::Defer, Support::None),
        (F::CancelScheduled, Support::None),
        (F::TimeToLive, Support::None),
        (F::Sessions, Support::None),
        (F::SessionState, Support::None),
        (F::Peek, Support::None),
    ];
    for queue_type in [QueueType::Standard, QueueType::Fifo] {
        let config = config_for("http://127.0.0.1:1").with_queue_type(queue_type);
        let transport = SqsTransport::connect(&config).await.unwrap();
        let capabilities = transport.capabilities();
        for (feature, support) in both {
            assert_eq!(capabilities.support(feature), support, "{queue_type:?} {feature:?}");
        }
        let fifo = queue_type == QueueType::Fifo;
        assert_eq!(capabilities.has(F::ScheduledSend), !fifo);
        assert_eq!(capabilities.has(F::OrderedGroups), fifo);
        assert_eq!(capabilities.has(F::Deduplication), fifo);
        assert_eq!(capabilities.detects_lost_lock, fifo);
        assert_eq!(capabilities.fences_stale_holder, fifo);
        assert_eq!(capabilities.settlement_certainty == Certainty::Confirmed, fifo);
        assert_eq!(capabilities.guarantee, DeliveryGuarantee::AtLeastOnce);
        assert_eq!(capabilities.limits.max_attributes, 9);
        assert_eq!(capabilities.limits.max_message_bytes, 1_047_552);
    }
}

/// Set in the process that [`credentials_that_nobody_has_are_a_denial`] starts.
const WITHOUT_CREDENTIALS: &str = "SEALMQ_TEST_WITHOUT_CREDENTIALS";

#[tokio::test]
async fn credentials_that_nobody_has_are_a_denial() {
    if std::env::var_os(WITHOUT_CREDENTIALS).is_some() {
        let config =
            SqsConfig::new().with_region("us-east-1").with_endpoint_url("http://127.0.0.1:1");
        let error = SqsTransport::connect(&config).await.unwrap().health().await.unwrap_err();
        assert_eq!(error.kind(), &TransportErrorKind::Denied, "{error:?}");
        return;
    }
    // A process without the variables and the files in which credentials are looked for.
    let test = "configuration::credentials_that_nobody_has_are_a_denial";
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env_clear()
        .env(WITHOUT_CREDENTIALS, "1")
        .env("HOME", "/nonexistent")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .status();
    assert!(status.unwrap().success());
}
