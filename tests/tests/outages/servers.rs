//! OpenBao, PostgreSQL and NATS are killed and started again, each and then together, or hang.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use sealmq_client::{ClientErrorKind, Processor, ProcessorOptions, QueueClient, RetryPolicy};
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
use sealmq_queue_core::{Bytes, Message, Source, Transport, TransportErrorKind};
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

    /// A process of its own, with both key services.
    async fn client(&self) -> QueueClient {
        self.client_with(&[Vault, Postgres]).await
    }

    /// A process of its own. Each DEK seals four messages and is forgotten: its key services are
    /// asked all the time.
    async fn client_with(&self, key_services: &[Server]) -> QueueClient {
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
        let client = QueueClient::builder(QUEUE)
            .with_transport(Arc::new(self.broker().await) as Arc<dyn Transport>)
            .with_crypto(CryptoConfig::strict())
            .with_environment("test")
            .with_tenant("acme")
            .with_keyring_policy(small_deks())
            .with_retry(hasty.with_delays(Duration::from_millis(20), Duration::from_millis(200)));
        let services: [(_, _, Arc<dyn KeyManagementService>); 2] =
            [(Vault, "vault", Arc::new(transit)), (Postgres, "postgres", Arc::new(postgres))];
        let ours = services.into_iter().filter(|(server, ..)| key_services.contains(server));
        let client = ours
            .fold(client, |client, (_, alias, service)| client.with_key_management(alias, service));
        client.build().unwrap()
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

/// Messages under many DEKs, in a queue that dead-letters what is delivered a second time.
struct OnlyOnce {
    broker: NatsTransport,
    receiver: QueueClient,
    handled: Arc<Mutex<BTreeSet<(Bytes, u32)>>>,
}

impl OnlyOnce {
    const QUEUE: &str = "once";
    const MESSAGES: usize = 40;
    const ACK_WAIT: Duration = Duration::from_secs(5);

    async fn sealed(servers: &Servers, key_services: &[Server]) -> Self {
        let broker = servers.broker().await;
        let settings = NatsQueueSettings::default().with_ack_wait(Self::ACK_WAIT);
        broker.create_queue(Self::QUEUE, &settings.with_max_deliveries(1)).await.unwrap();
        let client =
            async || servers.client_with(key_services).await.for_queue(Self::QUEUE).unwrap();
        let (sender, receiver) = (client().await, client().await);
        for n in 0..Self::MESSAGES {
            sender.send(Self::message(n)).await.unwrap();
        }
        Self { broker, receiver, handled: Arc::default() }
    }

    fn message(n: usize) -> Message {
        Message::new(format!("waits {n}"))
    }

    fn receive(&self) -> Processor {
        let handled = Arc::clone(&self.handled);
        self.receiver.process(ProcessorOptions::default(), move |message| {
            handled
                .lock()
                .unwrap()
                .insert((message.body().clone(), message.metadata.delivery_count));
            async { Ok(()) }
        })
    }

    /// Longer than any lock lasts that is not renewed.
    async fn nothing_is_handled_for_long(&self) {
        tokio::time::sleep(3 * Self::ACK_WAIT).await;
        assert!(self.handled.lock().unwrap().is_empty(), "no key service is there");
    }

    async fn each_is_handled_on_its_first_delivery(&self, processor: Processor) {
        let all = async {
            while self.handled.lock().unwrap().len() < Self::MESSAGES {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(120), all).await.expect("every message opens");
        assert_eq!(processor.stop(Duration::from_secs(10)).await.cancelled, 0);
        let all_once = (0..Self::MESSAGES).map(|n| (Self::message(n).body, 1)).collect();
        assert_eq!(*self.handled.lock().unwrap(), all_once);
        for source in [Source::queue(Self::QUEUE), Source::dead_letter(Self::QUEUE)] {
            assert_eq!(self.broker.depth(&source).await.unwrap(), 0, "{source:?}");
        }
    }
}

/// No key service for longer than the locks last: each message is kept until it can be opened.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_wait_for_their_keys_and_use_up_no_delivery() {
    let mut servers = Servers::start().await;
    let queue = OnlyOnce::sealed(&servers, &[Vault, Postgres]).await;
    servers.kill(&[Vault, Postgres]).await;
    let processor = queue.receive();
    queue.nothing_is_handled_for_long().await;
    servers.start_again(&[Vault, Postgres]).await;
    queue.each_is_handled_on_its_first_delivery(processor).await;
}

/// A server that hangs takes connections and requests, and answers none.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_wait_for_a_key_service_that_hangs_too() {
    let servers = Servers::start().await;
    let queue = OnlyOnce::sealed(&servers, &[Vault]).await;
    servers.vault.freeze().await;
    let processor = queue.receive();
    queue.nothing_is_handled_for_long().await;
    servers.vault.thaw().await;
    queue.each_is_handled_on_its_first_delivery(processor).await;
}

/// Its requests time out after twice the time that locks last.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_another_key_service_answers_one_that_hangs_is_passed_over() {
    let servers = Servers::start().await;
    let queue = OnlyOnce::sealed(&servers, &[Vault, Postgres]).await;
    servers.vault.freeze().await;
    let processor = queue.receive();
    queue.each_is_handled_on_its_first_delivery(processor).await;
}
