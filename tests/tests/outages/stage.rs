//! OpenBao, PostgreSQL and NATS of one test, which die, hang and come back, and their clients.

use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{QueueClient, QueueClientBuilder, RetryPolicy};
use sealmq_crypto_core::{
    CryptoConfig, EncryptionKey, EncryptionKeyId, KeyManagementService, KeyringPolicy, ReplayGuard,
    TenantId,
};
use sealmq_keys_postgres::{
    MasterKey, MasterKeys, PostgresClient, PostgresConfig, PostgresKeyService,
    PostgresKeyServiceConfig, PostgresReplayGuard, migrate,
};
use sealmq_keys_vault::{
    VaultAuth, VaultClient, VaultConfig, VaultTransitConfig, VaultTransitService,
};
use sealmq_queue_core::{Source, Transport, TransportError};
use sealmq_test_kit::{NatsServer, PersistentVault, PostgresServer};
use sealmq_transport_nats::{NatsConfig, NatsQueueSettings, NatsTransport};

pub(crate) const QUEUE: &str = "orders";
/// How long a lock lasts.
pub(crate) const ACK_WAIT: Duration = Duration::from_secs(5);
pub(crate) const USE: &str = include_str!("../../../crates/keys-vault/policies/transit-use.hcl");
pub(crate) const TOKEN_SELF: &str =
    include_str!("../../../crates/keys-vault/policies/token-self.hcl");

pub(crate) struct Servers {
    vault: PersistentVault,
    postgres: PostgresServer,
    nats: NatsServer,
    vault_token: String,
    mount: String,
    master: EncryptionKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Vault,
    Postgres,
    Nats,
}
use Server::{Nats, Postgres, Vault};

impl Servers {
    pub(crate) async fn start() -> Self {
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
        let settings = NatsQueueSettings::default().with_ack_wait(ACK_WAIT);
        servers.broker().await.create_queue(QUEUE, &settings).await.unwrap();
        servers
    }

    fn postgres(&self) -> PostgresConfig {
        PostgresConfig::new(self.postgres.url()).without_tls().with_schema("sealmq")
    }

    pub(crate) async fn broker(&self) -> NatsTransport {
        let config = NatsConfig::new(self.nats.url()).with_request_timeout(Duration::from_secs(1));
        patiently(async || NatsTransport::connect(&config).await).await
    }

    /// A process of its own, with both key services.
    pub(crate) async fn client(&self) -> QueueClient {
        self.client_with(&[Vault, Postgres]).await
    }

    pub(crate) async fn client_with(&self, key_services: &[Server]) -> QueueClient {
        self.builder(key_services).await.build().unwrap()
    }

    /// A process of its own. Each DEK seals four messages and is forgotten: its key services are
    /// asked all the time.
    pub(crate) async fn builder(&self, key_services: &[Server]) -> QueueClientBuilder {
        let hasty = RetryPolicy::default().with_max_attempts(2);
        let mut client = QueueClient::builder(QUEUE)
            .with_transport(Arc::new(self.broker().await) as Arc<dyn Transport>)
            .with_crypto(CryptoConfig::strict())
            .with_environment("test")
            .with_tenant("acme")
            .with_keyring_policy(small_deks())
            .with_retry(hasty.with_delays(Duration::from_millis(20), Duration::from_millis(200)));
        if key_services.contains(&Vault) {
            let transit: Arc<dyn KeyManagementService> = Arc::new(self.transit().await);
            client = client.with_key_management("vault", transit);
        }
        if key_services.contains(&Postgres) {
            client = client.with_key_management("postgres", Arc::new(self.postgres_keys()));
        }
        client
    }

    async fn transit(&self) -> VaultTransitService {
        let auth = VaultAuth::token(&*self.vault_token);
        let vault = VaultConfig::new(self.vault.admin().address(), auth);
        let vault = VaultClient::connect(vault).await.unwrap();
        VaultTransitService::new(vault, VaultTransitConfig::new().with_mount(&*self.mount)).unwrap()
    }

    fn postgres_keys(&self) -> PostgresKeyService {
        let key = EncryptionKey::from_slice(self.master.expose_secret()).unwrap();
        let masters =
            MasterKeys::new(MasterKey::new(EncryptionKeyId::new("master-1").unwrap(), key));
        let postgres = PostgresClient::new(&self.postgres()).unwrap();
        PostgresKeyService::new(postgres, masters, PostgresKeyServiceConfig::new()).unwrap()
    }

    /// The guard of all receivers, which share it.
    pub(crate) fn replay_guard(&self) -> Arc<dyn ReplayGuard> {
        let postgres = PostgresClient::new(&self.postgres()).unwrap();
        Arc::new(PostgresReplayGuard::new(postgres, QUEUE).unwrap().with_collection())
    }

    /// Both KEKs get another version.
    pub(crate) async fn rotate_keks(&self) {
        let key = format!("{}/keys/sealmq-acme/rotate", self.mount);
        self.vault.admin().must("POST", &key, "").await;
        self.postgres_keys().rotate_kek(&TenantId::new("acme").unwrap()).await.unwrap();
    }

    pub(crate) async fn kill(&mut self, servers: &[Server]) {
        for server in servers {
            match server {
                Vault => self.vault.kill().await,
                Postgres => self.postgres.kill().await,
                Nats => self.nats.kill().await,
            }
        }
    }

    pub(crate) async fn start_again(&mut self, servers: &[Server]) {
        for server in servers {
            match server {
                Vault => self.vault.start_again().await,
                Postgres => self.postgres.start_again().await,
                Nats => self.nats.start_again().await,
            }
        }
    }

    /// They take connections and requests, and answer none.
    pub(crate) async fn freeze(&self, servers: &[Server]) {
        for server in servers {
            match server {
                Vault => self.vault.freeze().await,
                Postgres => self.postgres.freeze().await,
                Nats => self.nats.freeze().await,
            }
        }
    }

    pub(crate) async fn thaw(&self, servers: &[Server]) {
        for server in servers {
            match server {
                Vault => self.vault.thaw().await,
                Postgres => self.postgres.thaw().await,
                Nats => self.nats.thaw().await,
            }
        }
    }
}

/// How many messages there are.
pub(crate) async fn depth(broker: &dyn Transport, source: &Source) -> u64 {
    patiently(async || broker.depth(source).await).await
}

/// A server that has just come back may be late to answer, on a busy machine more so.
async fn patiently<T>(ask: impl AsyncFn() -> Result<T, TransportError>) -> T {
    let mut attempts = 0;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(error) => {
                attempts += 1;
                assert!(error.is_retryable() && attempts < 60, "{error:?}");
                tokio::time::sleep(Duration::from_millis(500)).await;
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
