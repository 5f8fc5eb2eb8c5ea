//! What the tests share: connections, queues of their own, deliveries.

pub(crate) mod proxy;

use std::time::Duration;

use aws_sdk_sqs::config::{BehaviorVersion, Credentials, Region};
use sealmq_queue_core::{
    Delivery, Message, Receiver, ReceiverOptions, Source, Transport, TransportErrorKind,
    new_message_id,
};
use sealmq_test_kit::required;
use sealmq_transport_sqs::{QueueType, SqsConfig, SqsQueueSettings, SqsTransport};

pub(crate) const SECRET: &str = "very-secret-access-key";
pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// How late something may be on a busy machine that has to happen at a time.
pub(crate) const LAG: Duration = Duration::from_secs(60);

pub(crate) fn endpoint() -> String {
    required("SEALMQ_SQS_ENDPOINT")
}

/// `host:port` of the server, for what stands before it.
pub(crate) fn address() -> String {
    let endpoint = endpoint();
    let address = endpoint.strip_prefix("http://").expect("a server without TLS");
    address.trim_end_matches('/').to_owned()
}

/// With the default credentials against AWS, which is reached by https, and made up ones else.
/// Polls are short, so that closing leaves none running; the server may be slow on a busy machine.
pub(crate) fn config_for(endpoint: &str) -> SqsConfig {
    let config = SqsConfig::new().with_endpoint_url(endpoint);
    let config = config.with_poll_wait(SECOND).with_request_timeout(60 * SECOND);
    match endpoint.starts_with("http://") {
        true => config.with_region("us-east-1").with_static_credentials("AKIDTEST", SECRET, None),
        false => config,
    }
}

pub(crate) async fn standard() -> SqsTransport {
    SqsTransport::connect(&config_for(&endpoint())).await.unwrap()
}

pub(crate) async fn fifo() -> SqsTransport {
    let config = config_for(&endpoint()).with_queue_type(QueueType::Fifo);
    SqsTransport::connect(&config).await.unwrap()
}

/// The SDK's own client: what others see of a queue.
pub(crate) fn raw_client() -> aws_sdk_sqs::Client {
    let http = aws_smithy_http_client::Builder::new().build_http();
    let config = aws_sdk_sqs::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("AKIDTEST", SECRET, None, None, "tests"))
        .endpoint_url(endpoint())
        .http_client(http)
        .build();
    aws_sdk_sqs::Client::from_conf(config)
}

pub(crate) async fn url_of(client: &aws_sdk_sqs::Client, queue: &str) -> String {
    client.get_queue_url().queue_name(queue).send().await.unwrap().queue_url.unwrap()
}

/// A name that no other test uses.
pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", &new_message_id().replace('-', "")[12..])
}

/// A queue of this test's own.
pub(crate) async fn queue(transport: &SqsTransport, settings: SqsQueueSettings) -> String {
    let fifo = transport.capabilities().transport == "sqs-fifo";
    let name = unique("test") + if fifo { ".fifo" } else { "" };
    transport.create_queue(&name, settings).await.unwrap();
    name
}

/// Settings with locks that do not run out during a test.
pub(crate) fn settings() -> SqsQueueSettings {
    SqsQueueSettings::default().with_max_receive_count(1_000)
}

/// Settings with locks that a test can wait for to run out.
pub(crate) fn short_locks() -> SqsQueueSettings {
    settings().with_visibility_timeout(2 * SECOND)
}

pub(crate) async fn outlast_short_lock() {
    tokio::time::sleep(Duration::from_millis(2_300)).await;
}

pub(crate) async fn open(transport: &SqsTransport, queue: &str) -> Box<dyn Receiver> {
    let source = Source::queue(queue);
    transport.open(&source, ReceiverOptions::default()).await.unwrap()
}

pub(crate) async fn open_dead_letters(transport: &SqsTransport, queue: &str) -> Box<dyn Receiver> {
    let source = Source::dead_letter(queue);
    transport.open(&source, ReceiverOptions::default()).await.unwrap()
}

/// Sends messages that must all be accepted.
pub(crate) async fn send(transport: &SqsTransport, queue: &str, messages: Vec<Message>) {
    for result in transport.send(queue, messages).await {
        result.unwrap();
    }
}

/// The next delivery, which must come.
pub(crate) async fn one(receiver: &dyn Receiver) -> Delivery {
    exactly(receiver, 1).await.remove(0)
}

/// The next deliveries, all of which must come.
pub(crate) async fn exactly(receiver: &dyn Receiver, count: usize) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    while deliveries.len() < count {
        let more = receiver.recv(count - deliveries.len(), PATIENCE).await.unwrap();
        assert!(!more.is_empty(), "of {count} messages {} came", deliveries.len());
        deliveries.extend(more);
    }
    deliveries
}

/// Nothing must come for a while.
pub(crate) async fn nothing(receiver: &dyn Receiver) {
    let more = receiver.recv(10, Duration::from_millis(400)).await.unwrap();
    assert!(more.is_empty(), "{more:?}");
}

/// The error of the only message of a batch.
pub(crate) async fn refusal(
    transport: &SqsTransport,
    queue: &str,
    message: Message,
) -> TransportErrorKind {
    let failure = transport.send(queue, vec![message.clone()]).await.remove(0).unwrap_err();
    assert_eq!(*failure.message, message, "a refused message is given back");
    failure.error.kind().clone()
}

pub(crate) fn numbered(count: usize) -> Vec<Message> {
    (0..count).map(|n| Message::new(format!("message {n}"))).collect()
}

pub(crate) fn bodies<'a>(deliveries: impl IntoIterator<Item = &'a Delivery>) -> Vec<String> {
    let text = |d: &Delivery| String::from_utf8(d.message.body.to_vec()).unwrap();
    let mut bodies: Vec<_> = deliveries.into_iter().map(text).collect();
    bodies.sort();
    bodies
}
