//! `[replay_guard]`: a copy of a message that one replica completed does not pass at another.

use std::time::Duration;

use sealmq_client::{HealthStatus, Part};
use sealmq_config::Service;
use sealmq_crypto_core::CryptoErrorKind;
use sealmq_queue_core::{Message, ReceiverOptions, Source, Transport};
use sealmq_test_kit::NatsServer;
use sealmq_transport_nats::{NatsConfig, NatsQueueSettings, NatsTransport};

use crate::database::Database;
use crate::support::{Files, connect, refused, said};

const WAIT: Duration = Duration::from_secs(60);
/// For how long the server takes a second message of one id for the first one.
const WINDOW: Duration = Duration::from_millis(100);

/// Somebody with the rights of the broker, who keeps a copy of what is in the queue.
struct Attacker(NatsTransport);

impl Attacker {
    async fn at(server: &NatsServer) -> Self {
        let transport = NatsTransport::connect(&NatsConfig::new(server.url())).await.unwrap();
        let settings = NatsQueueSettings::default().with_duplicate_window(WINDOW);
        transport.create_queue("orders", &settings).await.unwrap();
        Self(transport)
    }

    async fn copy(&self) -> Message {
        let (source, options) = (Source::queue("orders"), ReceiverOptions::default());
        let receiver = self.0.open(&source, options).await.unwrap();
        let delivery = receiver.recv(1, WAIT).await.unwrap().pop().unwrap();
        let copy = delivery.message.clone();
        delivery.receipt.abandon(Duration::ZERO).await.unwrap();
        receiver.close().await.unwrap();
        copy
    }

    async fn replay(&self, copy: Message) {
        tokio::time::sleep(WINDOW * 3).await;
        let report = self.0.send("orders", vec![copy]).await;
        assert!(report.iter().all(Result::is_ok));
    }
}

/// A message that one replica completes, and its copy at another: `None` if it passed there.
async fn attack(text: &str, server: &NatsServer) -> Option<CryptoErrorKind> {
    let attacker = Attacker::at(server).await;
    let (one, another) = (connect(text).await, connect(text).await);
    let orders = one.queue("orders").unwrap();
    orders.send(Message::new("pay 100")).await.unwrap();
    let copy = attacker.copy().await;
    let received = orders.receive(1, WAIT).await.unwrap().pop().unwrap();
    received.unwrap().complete().await.unwrap();
    one.close().await.unwrap(); // it is not to receive the copy
    attacker.replay(copy).await;
    let orders = another.queue("orders").unwrap();
    let received = orders.receive(1, WAIT).await.unwrap().pop().unwrap();
    let kind = received.err().map(|rejected| rejected.error.kind().clone());
    assert_guard_is(&another, &HealthStatus::Healthy).await;
    another.shutdown(WAIT).await.unwrap();
    kind
}

async fn assert_guard_is(service: &Service, status: &HealthStatus) {
    let health = service.health().await;
    assert_eq!(health.status(Part::ReplayGuard), Some(status), "{health}");
}

fn file(server: &NatsServer, files: &Files, guard: &str) -> String {
    let (url, keys) = (server.url(), files.keys());
    format!(
        "environment = 'test'\n[transport]\nkind = 'nats'\nurl = '{url}'\n{keys}{guard}\n\
         [queues.orders]\n"
    )
}

#[tokio::test]
async fn without_a_table_or_in_memory_a_replay_passes_at_another_replica() {
    let (server, files) = (NatsServer::start().await, Files::new().await);
    for guard in ["", "[replay_guard]\nkind = 'memory'\ncapacity = 1000\n"] {
        assert_eq!(attack(&file(&server, &files, guard), &server).await, None, "{guard}");
    }
}

#[tokio::test]
async fn on_nats_it_is_refused_on_the_transports_server_and_on_another() {
    let (server, files) = (NatsServer::start().await, Files::new().await);
    let other = NatsServer::start().await;
    let elsewhere = format!("url = '{}'\n", other.url());
    for at in ["", &elsewhere] {
        let guard = format!("[replay_guard]\nkind = 'nats'\nbucket = 'orders-replays'\n{at}");
        let text = file(&server, &files, &guard);
        assert_eq!(attack(&text, &server).await, Some(CryptoErrorKind::Replayed), "{at}");
    }
}

#[tokio::test]
async fn in_postgres_it_is_refused_and_what_is_expired_is_removed() {
    let (server, files) = (NatsServer::start().await, Files::new().await);
    let database = Database::new().await;
    let old = format!(
        "INSERT INTO {}.replay_nonces (consumer_group, nonce, phase, identity, lease_until, \
         expires_at) VALUES ('orders', '\\x00', 'committed', 'old', now() - interval '2 h', \
         now() - interval '1 h')",
        database.schema
    );
    database.postgres.run(&old).await;
    let lines = database.lines(&files, true);
    let guard = format!("[replay_guard]\nkind = 'postgres'\ngroup = 'orders'\n{lines}");
    let text = file(&server, &files, &guard);
    assert_eq!(attack(&text, &server).await, Some(CryptoErrorKind::Replayed));
    assert_eq!(
        database.count("replay_nonces", "phase = 'committed' AND expires_at > now()").await,
        1
    );
    // It is removed in the background of the first reservation.
    while database.count("replay_nonces", "identity = 'old'").await > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn a_guard_that_cannot_be_used_is_named_with_its_error() {
    let (mut server, files) = (NatsServer::start().await, Files::new().await);
    let own = NatsServer::start().await;
    let guard =
        format!("[replay_guard]\nkind = 'nats'\nbucket = 'orders'\nurl = '{}'\n", own.url());
    let missing = file(&server, &files, &format!("{guard}make_bucket = false\n"));
    let error = refused(&missing).await;
    assert_eq!(error.path(), "replay_guard", "{}", said(&error));
    assert!(said(&error).contains("the bucket does not exist"), "{}", said(&error));

    let short = file(&server, &files, &format!("{guard}replicas = 3\n"));
    let error = refused(&short).await;
    assert_eq!(error.path(), "replay_guard.replicas", "{}", said(&error));

    let database = Database::new().await;
    let lines = database.lines(&files, true).replace(&database.schema, "no_such_schema");
    let guard = format!("[replay_guard]\nkind = 'postgres'\ngroup = 'orders'\n{lines}");
    let error = refused(&file(&server, &files, &guard)).await;
    assert_eq!(error.path(), "replay_guard", "{}", said(&error));
    server.kill().await;
}
