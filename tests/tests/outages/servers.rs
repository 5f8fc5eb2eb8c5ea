//! OpenBao, PostgreSQL and NATS are killed and started again, each and then together.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealmq_client::{ClientErrorKind, ProcessorOptions, QueueClient, RetryPolicy};
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

/// Many messages under many DEKs, in a queue that dead-letters what is delivered a second time, and
/// no key service for longer than their locks: each is kept until it can be opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_wait_for_their_keys_and_use_up_no_delivery() {
    const ONCE: &str = "once";
    const MESSAGES: usize = 40;
    let mut servers = Servers::start().await;
    let broker = servers.broker().await;
    let ack_wait = Duration::from_secs(5);
    let settings = NatsQueueSettings::default().with_ack_wait(ack_wait).with_max_deliveries(1);
    broker.create_queue(ONCE, &settings).await.unwrap();
    let sender = servers.client().await.for_queue(ONCE).unwrap();
    let receiver = servers.client().await.for_queue(ONCE).unwrap();
    let message = |n: usize| Message::new(format!("waits {n}"));
    for n in 0..MESSAGES {
        sender.send(message(n)).await.unwrap();
    }
    servers.kill(&[Vault, Postgres]).await;
    let handled = Arc::new(Mutex::new(BTreeSet::new()));
    let noted = Arc::clone(&handled);
    let processor = receiver.process(ProcessorOptions::default(), move |message| {
        noted.lock().unwrap().insert((message.body().clone(), message.metadata.delivery_count));
        async { Ok(()) }
    });
    tokio::time::sleep(3 * ack_wait).await;
    assert!(handled.lock().unwrap().is_empty(), "no key service is there");
    servers.start_again(&[Vault, Postgres]).await;
    let all = async {
        while handled.lock().unwrap().len() < MESSAGES {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("every message opens");
    assert_eq!(processor.stop(Duration::from_secs(10)).await.cancelled, 0);
    let all_once = (0..MESSAGES).map(|n| (message(n).body, 1)).collect();
    assert_eq!(*handled.lock().unwrap(), all_once);
    for source in [Source::queue(ONCE), Source::dead_letter(ONCE)] {
        assert_eq!(broker.depth(&source).await.unwrap(), 0, "{source:?}");
    }
}
