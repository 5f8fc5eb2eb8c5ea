//! Making queues: on request, on demand, or not at all.

use std::time::Duration;

use async_nats::jetstream;
use sealmq_queue_core::{Message, ReceiverOptions, Source, Transport, TransportErrorKind};
use sealmq_transport_nats::{NatsProvisioning, NatsQueueSettings, NatsStorage, NatsTransport};

use crate::support::{config, connect, invalid_field, kind, take, try_send, unique, url};

#[tokio::test]
async fn a_queue_can_be_created_again_with_the_same_settings() {
    let transport = connect().await;
    let queue = unique("queue");
    let settings = NatsQueueSettings::default()
        .with_ack_wait(Duration::from_secs(5))
        .with_max_deliveries(3)
        .with_max_messages(100)
        .with_storage(NatsStorage::Memory)
        .with_max_age(Duration::from_secs(3_600))
        .with_dead_letter_max_age(Duration::from_secs(7_200));
    for _ in 0..2 {
        transport.create_queue(&queue, &settings).await.unwrap();
    }
    transport.verify_queue(&queue).await.unwrap();
}

#[tokio::test]
async fn a_queue_of_other_settings_is_refused() {
    let transport = connect().await;
    let queue = unique("queue");
    let settings = NatsQueueSettings::default;
    transport.create_queue(&queue, &settings()).await.unwrap();
    let others = [
        settings().with_ack_wait(Duration::from_secs(5)),
        settings().with_max_deliveries(3),
        settings().with_duplicate_window(Duration::from_secs(10)),
        settings().with_max_messages(10),
        settings().with_storage(NatsStorage::Memory),
    ];
    for other in others {
        let refused = transport.create_queue(&queue, &other).await;
        assert_eq!(invalid_field(refused), "queue", "{other:?}");
    }
    transport.verify_queue(&queue).await.unwrap();
}

#[tokio::test]
async fn what_the_server_cannot_provide_is_refused() {
    let transport = connect().await;
    let settings = NatsQueueSettings::default().with_replicas(3);
    let refused = transport.create_queue(&unique("queue"), &settings).await;
    assert_eq!(invalid_field(refused), "settings", "one server cannot keep three copies");
}

#[tokio::test]
async fn settings_and_names_are_checked_before_any_io() {
    let transport = connect().await;
    transport.close().await.unwrap();
    let settings = NatsQueueSettings::default();
    let spoilt = settings.clone().with_ack_wait(Duration::ZERO);
    assert_eq!(invalid_field(transport.create_queue("queue", &spoilt).await), "ack_wait");
    for queue in ["", &"q".repeat(300)] {
        assert_eq!(invalid_field(transport.create_queue(queue, &settings).await), "queue");
        let sent = try_send(&transport, queue, Message::new("")).await;
        assert_eq!(invalid_field(sent), "queue");
    }
}

#[tokio::test]
async fn queues_are_made_on_demand_when_asked_for() {
    let settings = NatsQueueSettings::default().with_ack_wait(Duration::from_secs(7));
    let config = config().with_provisioning(NatsProvisioning::OnDemand(settings));
    let transport = NatsTransport::connect(&config).await.unwrap();

    let sent_first = unique("sent-first");
    try_send(&transport, &sent_first, Message::new("body")).await.unwrap();
    let open = async |source: Source| transport.open(&source, ReceiverOptions::default()).await;
    let receiver = open(Source::queue(&sent_first)).await.unwrap();
    let batch = receiver.recv(1, Duration::from_secs(10)).await.unwrap();
    assert_eq!(batch[0].receipt.metadata().lock_duration, Some(Duration::from_secs(7)));

    open(Source::queue(unique("opened-first"))).await.unwrap();
    open(Source::dead_letter(unique("dead-first"))).await.unwrap();
    assert_eq!(transport.depth(&Source::queue(unique("counted-first"))).await.unwrap(), 0);
}

#[tokio::test]
async fn a_queue_made_on_demand_is_made_again_after_it_was_deleted() {
    let on_demand = NatsProvisioning::OnDemand(NatsQueueSettings::default());
    let transport = NatsTransport::connect(&config().with_provisioning(on_demand)).await.unwrap();
    let queue = unique("queue");
    try_send(&transport, &queue, Message::new("gone")).await.unwrap();
    connect().await.delete_queue(&queue).await.unwrap(); // by somebody else
    let lost = try_send(&transport, &queue, Message::new("refused")).await;
    assert_eq!(kind(lost), TransportErrorKind::NotFound);
    try_send(&transport, &queue, Message::new("stored")).await.unwrap();
    let receiver =
        transport.open(&Source::queue(&queue), ReceiverOptions::default()).await.unwrap();
    assert_eq!(take(&*receiver, 1).await[0].body, "stored");
}

#[tokio::test]
async fn a_queue_on_demand_is_taken_as_it_is_when_it_exists() {
    let queue = unique("queue");
    let settings = NatsQueueSettings::default().with_ack_wait(Duration::from_secs(5));
    connect().await.create_queue(&queue, &settings).await.unwrap();
    let on_demand = NatsProvisioning::OnDemand(NatsQueueSettings::default());
    let transport = NatsTransport::connect(&config().with_provisioning(on_demand)).await.unwrap();
    try_send(&transport, &queue, Message::new("body")).await.unwrap();
}

#[tokio::test]
async fn a_queue_that_is_not_fit_is_told_apart() {
    let transport = connect().await;
    let missing = unique("missing");
    assert_eq!(kind(transport.verify_queue(&missing).await), TransportErrorKind::NotFound);

    let context = jetstream::new(async_nats::connect(url()).await.unwrap());
    let queue = unique("theirs");
    let (stream, _) = transport.stream_names(&queue).unwrap();
    let subject = format!("sealmq.queue.{queue}");
    let theirs =
        jetstream::stream::Config { name: stream, subjects: vec![subject], ..Default::default() };
    let theirs = context.create_stream(theirs).await.unwrap();
    let not_found = transport.verify_queue(&queue).await;
    assert_eq!(kind(not_found), TransportErrorKind::NotFound, "it has no consumer");
    let unacknowledged = jetstream::consumer::pull::Config {
        durable_name: Some("sealmq".into()),
        ack_policy: jetstream::consumer::AckPolicy::None,
        ..Default::default()
    };
    theirs.create_consumer(unacknowledged).await.unwrap();
    assert_eq!(invalid_field(transport.verify_queue(&queue).await), "queue");
    let opened = transport.open(&Source::queue(&queue), ReceiverOptions::default()).await;
    assert_eq!(invalid_field(opened.map(drop)), "queue");
}

#[tokio::test]
async fn a_subject_that_another_stream_has_taken_is_no_queue() {
    let transport = NatsTransport::connect(&config().with_subject_prefix("taken")).await.unwrap();
    let context = jetstream::new(async_nats::connect(url()).await.unwrap());
    let wide = jetstream::stream::Config {
        name: "wide".into(),
        subjects: vec!["taken.>".into()],
        ..Default::default()
    };
    context.create_stream(wide).await.unwrap();
    let queue = unique("queue");
    let sent = try_send(&transport, &queue, Message::new("swallowed")).await;
    assert_eq!(kind(sent), TransportErrorKind::NotFound);
    let created = transport.create_queue(&queue, &NatsQueueSettings::default()).await;
    assert_eq!(invalid_field(created), "queue");
}

#[tokio::test]
async fn prefixes_keep_two_systems_on_one_server_apart() {
    let queue = unique("queue");
    let theirs = config().with_stream_prefix("theirs-").with_subject_prefix("theirs.queues");
    let (ours, theirs) = (connect().await, NatsTransport::connect(&theirs).await.unwrap());
    for transport in [&ours, &theirs] {
        transport.create_queue(&queue, &NatsQueueSettings::default()).await.unwrap();
    }
    try_send(&ours, &queue, Message::new("ours")).await.unwrap();
    assert_eq!(theirs.depth(&Source::queue(&queue)).await.unwrap(), 0);
    assert_eq!(theirs.stream_names("a.b").unwrap().0, "theirs-a%2Eb");
}

#[tokio::test]
async fn a_deleted_queue_is_gone_with_its_dead_letters() {
    let transport = connect().await;
    let queue = unique("queue");
    transport.create_queue(&queue, &NatsQueueSettings::default()).await.unwrap();
    transport.delete_queue(&queue).await.unwrap();
    assert_eq!(kind(transport.verify_queue(&queue).await), TransportErrorKind::NotFound);
    assert_eq!(kind(transport.delete_queue(&queue).await), TransportErrorKind::NotFound);
}
