//! OpenBao, PostgreSQL and NATS are killed and started again, each and then together.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{ClientErrorKind, QueueClient, Received, RetryPolicy};
use sealmq_crypto_core::{
    CryptoConfig, CryptoErrorKind, EncryptionKey, EncryptionKeyId, KeyManagementService,
    KeyringPolicy,
};
use sealmq_keys_postgres::{
    MasterKey, MasterKeys, PostgresClient, PostgresConfig, PostgresKeyService,
    PostgresKeyServiceConfig, migrate,
};
use sealmq_keys_vault::{
    VaultAuth, VaultClient, VaultConfig, VaultTransitConfig, VaultTransitService,
};
use sealmq_queue_core::{Message, Source, Transport, TransportErrorKind};
use sealmq_test_kit::{NatsServer, PersistentVault, PostgresServer};
use sealmq_transport_nats::{NatsConfig, NatsQueueSettings, NatsTransport};

use crate::load::Load;

pub(crate) const QUEUE: &str = "orders";
pub(crate) const USE: &str = include_str!("../../../crates/keys-vault/policies/transit-use.hcl");
pub(crate) const TOKEN_SELF: &str =
    include_str!("../../../crates/keys-vault/policies/token-self.hcl");

struct Servers {
    vault: PersistentVault,
    postgres: PostgresServer,
    nats: NatsServer,
    vault_token: String,
    mount: String,
    master: EncryptionKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Server {
    Vault,
    Postgres,
    Nats,
}
use Server::{Nats, Postgres, Vault};

impl Servers {
    async fn start() -> Self {
        let (vault, postgres, nats) =
            tokio::join!(PersistentVault::start(), PostgresServer::start(), NatsServer::start());
        let admin = vault.admin();
        let mount = admin.mount_transit().await;
        let key = format!("{mount}/keys/sealmq-acme");
        admin.must("POST", &key, r#"{"type":"aes256-gcm96"}"#).await;
        let rules = USE.replace("\"transit/", &format!("\"{mount}/")) + TOKEN_SELF;
        let vault_token = admin.token_under(&rules, "").await;
        let master = EncryptionKey::generate().unwrap();
        let servers = Self { vault, postgres, nats, vault_token, mount, master };
        migrate(&PostgresClient::new(&servers.postgres()).unwrap()).await.unwrap();
        let settings = NatsQueueSettings::default().with_ack_wait(Duration::from_secs(5));
        servers.broker().await.create_queue(QUEUE, &settings).await.unwrap();
        servers
    }

    fn postgres(&self) -> PostgresConfig {
        PostgresConfig::new(self.postgres.url()).without_tls().with_schema("sealmq")
    }

    async fn broker(&self) -> NatsTransport {
        let config = NatsConfig::new(self.nats.url()).with_request_timeout(Duration::from_secs(1));
        NatsTransport::connect(&config).await.unwrap()
    }

    /// A process of its own. Each DEK seals four messages and is forgotten: both key services are
    /// asked all the time.
    async fn client(&self) -> QueueClient {
        let auth = VaultAuth::token(&*self.vault_token);
        let vault = VaultConfig::new(self.vault.admin().address(), auth);
        let vault = VaultClient::connect(vault).await.unwrap();
        let transit = VaultTransitConfig::new().with_mount(&*self.mount);
        let transit = VaultTransitService::new(vault, transit).unwrap();
        let key = EncryptionKey::from_slice(self.master.expose_secret()).unwrap();
        let masters =
            MasterKeys::new(MasterKey::new(EncryptionKeyId::new("master-1").unwrap(), key));
        let postgres = PostgresClient::new(&self.postgres()).unwrap();
        let postgres =
            PostgresKeyService::new(postgres, masters, PostgresKeyServiceConfig::new()).unwrap();
        let hasty = RetryPolicy::default().with_max_attempts(2);
        QueueClient::builder(QUEUE)
            .with_transport(Arc::new(self.broker().await) as Arc<dyn Transport>)
            .with_crypto(CryptoConfig::strict())
            .with_environment("test")
            .with_tenant("acme")
            .with_key_management("vault", Arc::new(transit) as Arc<dyn KeyManagementService>)
            .with_key_management("postgres", Arc::new(postgres))
            .with_keyring_policy(small_deks())
            .with_retry(hasty.with_delays(Duration::from_millis(20), Duration::from_millis(200)))
            .build()
            .unwrap()
    }

    async fn kill(&mut self, servers: &[Server]) {
        for server in servers {
            match server {
                Vault => self.vault.kill().await,
                Postgres => self.postgres.kill().await,
                Nats => self.nats.kill().await,
            }
        }
    }

    async fn start_again(&mut self, servers: &[Server]) {
        for server in servers {
            match server {
                Vault => self.vault.start_again().await,
                Postgres => self.postgres.start_again().await,
                Nats => self.nats.start_again().await,
            }
        }
    }
}

/// DEKs that seal four messages; two opened ones are remembered.
pub(crate) fn small_deks() -> KeyringPolicy {
    let mut policy = KeyringPolicy::default();
    (policy.max_messages, policy.cache_capacity) = (4, 2);
    policy
}

/// What a send may say while these are away.
fn is_expected(kind: &ClientErrorKind, away: &[Server]) -> bool {
    match kind {
        ClientErrorKind::Crypto(CryptoErrorKind::KeyUnavailable) => {
            away.contains(&Vault) || away.contains(&Postgres)
        }
        ClientErrorKind::Transport(TransportErrorKind::Unavailable) => away.contains(&Nats),
        _ => false,
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_that_die_and_come_back_lose_no_message_and_need_no_new_client() {
    let mut servers = Servers::start().await;
    let (sender, receiver) = (servers.client().await, servers.client().await);
    let load = Load::on(sender, &receiver);
    load.goes_on(20).await;
    let outages: [&[Server]; 4] = [&[Vault], &[Postgres], &[Nats], &[Vault, Postgres, Nats]];
    for away in outages {
        let before = load.failures().len();
        servers.kill(away).await;
        load.until("a send fails", || load.failures().len() > before + 1).await;
        servers.start_again(away).await;
        load.goes_on(20).await;
        let failures = &load.failures()[before..];
        assert!(failures.iter().all(|kind| is_expected(kind, away)), "{away:?}: {failures:?}");
    }
    load.end(&servers.broker().await, QUEUE).await;
}

/// What cannot be opened yet comes again and again, and each time counts as a delivery: a queue
/// that is to outlast every outage has no limit of them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_waits_for_its_keys_where_the_queue_lets_it() {
    const PATIENT: &str = "patient";
    let mut servers = Servers::start().await;
    let broker = servers.broker().await;
    let settings = NatsQueueSettings::default().with_max_deliveries(None);
    broker.create_queue(PATIENT, &settings).await.unwrap();
    let sender = servers.client().await.for_queue(PATIENT).unwrap();
    let receiver = servers.client().await.for_queue(PATIENT).unwrap();
    sender.send(Message::new("waits")).await.unwrap();
    servers.kill(&[Vault, Postgres]).await;
    for delivery in 1..=12 {
        let refused = next(&receiver).await.expect_err("no key service is there");
        assert!(refused.error.is_retryable(), "{:?}", refused.error);
        let dead = broker.depth(&Source::dead_letter(PATIENT)).await.unwrap();
        assert_eq!(dead, 0, "after delivery {delivery}");
    }
    servers.start_again(&[Vault, Postgres]).await;
    let message = loop {
        if let Ok(message) = next(&receiver).await {
            break message;
        }
    };
    assert_eq!(message.body(), "waits");
    message.complete().await.unwrap();
}

async fn next(client: &QueueClient) -> Received {
    let coming = async {
        loop {
            if let Some(received) = client.receive(1, Duration::from_secs(5)).await.unwrap().pop() {
                break received;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), coming).await.expect("a message comes")
}
