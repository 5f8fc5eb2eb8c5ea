//! Two replicas of a service that share the guard: what one completed, the other refuses.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{QueueClient, Received, RejectionOutcome};
use sealmq_crypto_core::{CryptoConfig, CryptoErrorKind, ReplayGuard};
use sealmq_keys_local::MemoryKeyring;
use sealmq_queue_core::{Message, Source, Transport};
use sealmq_replay_nats::NatsReplayConfig;
use sealmq_test_kit::NatsServer;
use sealmq_transport_memory::{MemoryTransport, QueueSettings};

use crate::support::{BUCKET, guard_with};

const QUEUE: &str = "orders";

struct World {
    broker: MemoryTransport,
    keys: MemoryKeyring,
}

impl World {
    fn new() -> Self {
        let settings = QueueSettings::default();
        let broker = MemoryTransport::builder().queue(QUEUE, settings).build().unwrap();
        Self { broker, keys: MemoryKeyring::generate("orders-1".parse().unwrap()).unwrap() }
    }

    /// A replica with the strict policy; without a guard it has one in its own memory.
    fn replica(&self, guard: Option<Arc<dyn ReplayGuard>>) -> QueueClient {
        let builder = QueueClient::builder(QUEUE)
            .with_transport(Arc::new(self.broker.connect_again()))
            .with_key_provider(Arc::new(self.keys.clone()))
            .with_crypto(CryptoConfig::strict())
            .with_environment("test")
            .with_tenant("acme");
        match guard {
            Some(guard) => builder.with_replay_guard(guard).build().unwrap(),
            None => builder.build().unwrap(),
        }
    }

    /// What the attacker copies from the queue.
    fn copied(&self) -> Message {
        let stored = self.broker.tap(QUEUE).unwrap();
        stored.into_iter().find(|stored| stored.source == Source::queue(QUEUE)).unwrap().message
    }

    async fn inject(&self, message: Message) {
        for sent in self.broker.send(QUEUE, vec![message]).await {
            sent.map_err(|failure| failure.error).unwrap();
        }
    }
}

async fn shared(server: &NatsServer) -> Option<Arc<dyn ReplayGuard>> {
    let guard = guard_with(server, NatsReplayConfig::new(BUCKET)).await;
    Some(Arc::new(guard))
}

async fn next(client: &QueueClient) -> Received {
    let mut received = client.receive(1, Duration::from_secs(20)).await.unwrap();
    received.pop().expect("a message")
}

#[tokio::test]
async fn replicas_with_a_memory_each_both_work_on_a_message_and_its_copy() {
    let world = World::new();
    let (one, other) = (world.replica(None), world.replica(None));
    one.send(Message::new("pay 10 EUR")).await.unwrap();
    let copied = world.copied();
    next(&one).await.unwrap().complete().await.unwrap();
    world.inject(copied).await;
    assert_eq!(next(&other).await.unwrap().body(), "pay 10 EUR");
}

#[tokio::test]
async fn replicas_that_share_the_guard_refuse_a_copy_of_what_the_other_one_completed() {
    let server = NatsServer::start().await;
    let world = World::new();
    let one = world.replica(shared(&server).await);
    let other = world.replica(shared(&server).await);
    one.send(Message::new("pay 10 EUR")).await.unwrap();
    let copied = world.copied();
    next(&one).await.unwrap().complete().await.unwrap();
    world.inject(copied).await;
    let rejected = next(&other).await.unwrap_err();
    assert_eq!(rejected.error.kind(), &CryptoErrorKind::Replayed);
    assert_eq!(rejected.outcome, RejectionOutcome::DeadLettered);
    // What is new passes, also when it says the same.
    one.send(Message::new("pay 10 EUR")).await.unwrap();
    next(&other).await.unwrap().complete().await.unwrap();
}
