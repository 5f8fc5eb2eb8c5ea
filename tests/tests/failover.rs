//! Two key services on every DEK, and what happens when one of them, or the only one, is away.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a broken assumption should stop the test where it stands"
)]

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{ClientErrorKind, QueueClient, QueueClientBuilder, RetryPolicy};
use sealmq_crypto_core::{
    Clock, CryptoConfig, EncryptionKey, EncryptionKeyId, KeyManagementService, ManualClock,
    SystemClock,
};
use sealmq_keys_postgres::{
    MasterKey, MasterKeys, PostgresClient, PostgresConfig, PostgresKeyService,
    PostgresKeyServiceConfig, migrate,
};
use sealmq_keys_vault::{
    VaultAuth, VaultClient, VaultConfig, VaultTransitConfig, VaultTransitService,
};
use sealmq_queue_core::{Message, Source, Transport};
use sealmq_test_kit::{TcpProxy, VaultAdmin, required};
use sealmq_transport_memory::{MemoryTransport, QueueSettings};

const QUEUE: &str = "orders";
const WAIT: Duration = Duration::from_millis(500);
const MINUTE: Duration = Duration::from_secs(60);

/// Vault behind a proxy.
struct Vault {
    proxy: TcpProxy,
    mount: String,
    token: String,
}

impl Vault {
    async fn new() -> Self {
        let admin = VaultAdmin::from_env();
        let proxy = TcpProxy::before(admin.authority()).await;
        let mount = admin.mount_transit().await;
        Self { proxy, mount, token: admin.token().to_owned() }
    }

    async fn service(&self) -> Arc<dyn KeyManagementService> {
        let address = format!("http://{}", self.proxy.address());
        let config = VaultConfig::new(&address, VaultAuth::token(&*self.token));
        let client = VaultClient::connect(config).await.unwrap();
        let config = VaultTransitConfig::new().with_mount(&self.mount);
        Arc::new(VaultTransitService::new(client, config).unwrap())
    }
}

/// PostgreSQL behind a proxy.
struct Postgres {
    proxy: TcpProxy,
    config: PostgresConfig,
    master: EncryptionKey,
}

impl Postgres {
    async fn new() -> Self {
        let url = required("SEALMQ_POSTGRES_URL");
        let (before, after) = url.split_once('@').unwrap();
        let (server, database) = after.split_once('/').unwrap();
        let proxy = TcpProxy::before(server).await;
        let url = format!("{before}@{}/{database}", proxy.address());
        let schema = format!("failover_{}", uuid::Uuid::now_v7().simple());
        let config = PostgresConfig::new(url).without_tls().with_schema(schema);
        migrate(&PostgresClient::new(&config).unwrap()).await.unwrap();
        Self { proxy, config, master: EncryptionKey::generate().unwrap() }
    }

    fn service(&self) -> Arc<dyn KeyManagementService> {
        let key = EncryptionKey::from_slice(self.master.expose_secret()).unwrap();
        let masters =
            MasterKeys::new(MasterKey::new(EncryptionKeyId::new("master-1").unwrap(), key));
        let config = PostgresKeyServiceConfig::new().with_auto_create(true);
        let client = PostgresClient::new(&self.config).unwrap();
        Arc::new(PostgresKeyService::new(client, masters, config).unwrap())
    }
}

fn broker() -> MemoryTransport {
    let broker = MemoryTransport::new();
    broker.create_queue(QUEUE, QueueSettings::default()).unwrap();
    broker
}

fn builder(broker: &MemoryTransport) -> QueueClientBuilder {
    QueueClient::builder(QUEUE)
        .with_transport(Arc::new(broker.connect_again()))
        .with_crypto(CryptoConfig::strict())
        .with_environment("failover")
        .with_tenant("acme")
        .with_retry(RetryPolicy::default().with_max_attempts(1))
}

/// A replica that was just started: it has no key yet.
async fn replica(broker: &MemoryTransport, vault: &Vault, postgres: &Postgres) -> QueueClient {
    let builder = builder(broker)
        .with_key_management("vault-kek", vault.service().await)
        .with_key_management("postgres-kek", postgres.service());
    builder.build().unwrap()
}

async fn takes(client: &QueueClient, body: &str) {
    let received = client.receive(1, WAIT).await.unwrap().pop().expect("a message comes");
    let message = received.unwrap_or_else(|rejected| panic!("it opens: {rejected:?}"));
    assert_eq!(message.body(), body);
    message.complete().await.unwrap();
}

#[tokio::test]
async fn a_message_opens_by_whichever_of_two_services_is_there() {
    let (broker, vault, postgres) = (broker(), Vault::new().await, Postgres::new().await);
    let sender = replica(&broker, &vault, &postgres).await;
    let (without_vault, without_postgres) =
        (replica(&broker, &vault, &postgres).await, replica(&broker, &vault, &postgres).await);

    sender.send(Message::new("one")).await.unwrap();
    vault.proxy.cut();
    takes(&without_vault, "one").await;
    vault.proxy.restore();

    sender.send(Message::new("two")).await.unwrap();
    postgres.proxy.cut();
    takes(&without_postgres, "two").await;
}

#[tokio::test]
async fn a_new_dek_needs_both_services_and_nothing_is_sent_without() {
    let (broker, vault, postgres) = (broker(), Vault::new().await, Postgres::new().await);
    let sender = replica(&broker, &vault, &postgres).await;
    postgres.proxy.cut();
    let failed = sender.send(Message::new("one")).await.unwrap_err();
    assert!(failed.error.is_retryable(), "{:?}", failed.error);
    assert_eq!(broker.depth(&Source::queue(QUEUE)).await.unwrap(), 0);
    postgres.proxy.restore();
    sender.send(*failed.message).await.unwrap();
    takes(&sender, "one").await;
}

#[tokio::test]
async fn a_service_that_is_away_stops_seals_at_the_hard_limit_and_opens_never() {
    let (broker, vault) = (broker(), Vault::new().await);
    let clock = Arc::new(ManualClock::at_unix_ms(SystemClock::new().unix_ms()));
    let builder = builder(&broker).with_key_management("vault-kek", vault.service().await);
    let client = builder.with_clock(clock.clone()).build().unwrap();
    client.send(Message::new("before")).await.unwrap();
    vault.proxy.cut();

    for minute in 0..10 {
        clock.advance(MINUTE);
        client.send(Message::new(format!("minute {minute}"))).await.unwrap();
    }
    takes(&client, "before").await;
    for minute in 0..10 {
        takes(&client, &format!("minute {minute}")).await;
    }
    client.send(Message::new("still to open")).await.unwrap();

    // The default hard limit is two hours.
    clock.advance(120 * MINUTE);
    let failed = client.send(Message::new("too late")).await.unwrap_err();
    assert!(failed.error.is_retryable(), "{:?}", failed.error);
    assert!(!matches!(failed.error.kind(), ClientErrorKind::Transport(_)));
    assert_eq!(broker.depth(&Source::queue(QUEUE)).await.unwrap(), 1, "no plaintext was sent");
    let waits = client.receive(1, WAIT).await.unwrap();
    let outcomes: Vec<_> = waits.iter().map(|received| format!("{received:?}")).collect();
    assert_eq!(
        broker.depth(&Source::dead_letter(QUEUE)).await.unwrap(),
        0,
        "nothing is dead-lettered because of an outage: {outcomes:?}"
    );

    vault.proxy.restore();
    client.send(*failed.message).await.unwrap();
}
