//! What ends and is replaced while a service goes on: tokens, users, certificates, KEKs.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{QueueClient, RetryPolicy};
use sealmq_crypto_core::{CredentialSource, CryptoConfig, KeyManagementService};
use sealmq_keys_postgres::PostgresClient;
use sealmq_keys_vault::{
    VaultAuth, VaultClient, VaultConfig, VaultDatabaseCredentials, VaultTransitConfig,
    VaultTransitService,
};
use sealmq_queue_core::Transport;
use sealmq_test_kit::{Authority, NatsServer, VaultAdmin};
use sealmq_transport_nats::{NatsConfig, NatsQueueSettings, NatsTransport, TlsConfig};
use tempfile::TempDir;

use crate::load::Load;
use crate::stage::{QUEUE, TOKEN_SELF, USE, small_deks};
use crate::world::{World, acme, service};

/// So often everything is replaced.
const TURNS: usize = 3;

/// NATS that wants a certificate, and the files that its clients show it.
struct Broker {
    server: NatsServer,
    files: TempDir,
}

impl Broker {
    async fn start() -> Self {
        let authority = Authority::new("first");
        let server = NatsServer::with_tls(&authority, "verify: true").await;
        let broker = Self { server, files: tempfile::tempdir().unwrap() };
        write(&authority, broker.files.path(), "client");
        broker
    }

    fn config(&self, tls: TlsConfig) -> NatsConfig {
        let url = format!("tls://localhost:{}", self.server.port());
        NatsConfig::new(url).with_tls(tls).with_request_timeout(Duration::from_secs(2))
    }

    fn tls(&self) -> TlsConfig {
        let file = |name: &str| self.files.path().join(name);
        let tls = TlsConfig::new().with_root_ca(file("authority.pem"));
        tls.with_client_certificate(file("client.pem"), file("client.key"))
    }

    /// The same as it is now, whatever becomes of the files.
    fn tls_that_stays(&self) -> TlsConfig {
        let read = |name: &str| std::fs::read(self.files.path().join(name)).unwrap();
        let tls = TlsConfig::new().with_root_ca_pem(read("authority.pem"));
        tls.with_client_certificate_pem(read("client.pem"), read("client.key"))
    }

    async fn connect(&self) -> NatsTransport {
        NatsTransport::connect(&self.config(self.tls())).await.unwrap()
    }

    /// Another authority signs both sides from now on; the server takes no other.
    async fn replace_certificates(&mut self) {
        let authority = Authority::new("next");
        write(&authority, self.files.path(), "client");
        write(&authority, self.server.folder(), "server");
        self.server.kill().await;
        self.server.start_again().await;
    }
}

fn write(authority: &Authority, folder: &Path, name: &str) {
    authority.write(folder, "authority");
    authority.write_signed(folder, name);
}

/// Transit, and logins whose tokens live for seconds.
struct Vault {
    mount: String,
    logins: String,
}

impl Vault {
    async fn new(world: &World) -> Self {
        let mount = world.vault.mount_transit().await;
        let key = format!("{mount}/keys/sealmq-acme");
        world.vault.must("POST", &key, r#"{"type":"aes256-gcm96"}"#).await;
        let rules = USE.replace("\"transit/", &format!("\"{mount}/")) + TOKEN_SELF;
        let policies = format!("{},{}", world.policy, world.vault.policy(&rules).await);
        let at = VaultAdmin::unique("userpass");
        world.vault.must("POST", &format!("sys/auth/{at}"), r#"{"type":"userpass"}"#).await;
        let json = format!(
            r#"{{"password":"hush","token_policies":"{policies}","token_ttl":"3s","token_max_ttl":"6s"}}"#
        );
        world.vault.must("POST", &format!("auth/{at}/users/app"), &json).await;
        Self { mount, logins: at }
    }

    fn auth(&self) -> VaultAuth {
        VaultAuth::userpass("app", "hush").with_mount(&*self.logins)
    }

    async fn transit(&self, world: &World) -> VaultTransitService {
        let config = VaultConfig::new(world.proxy.url(), self.auth());
        let client = VaultClient::connect(config).await.unwrap();
        let config = VaultTransitConfig::new().with_mount(&*self.mount);
        VaultTransitService::new(client, config).unwrap()
    }
}

async fn client(
    world: &World,
    vault: &Vault,
    credentials: &VaultDatabaseCredentials,
    broker: &Broker,
) -> QueueClient {
    let patient = RetryPolicy::default().with_max_attempts(60);
    let transit: Arc<dyn KeyManagementService> = Arc::new(vault.transit(world).await);
    QueueClient::builder(QUEUE)
        .with_transport(Arc::new(broker.connect().await) as Arc<dyn Transport>)
        .with_crypto(CryptoConfig::strict())
        .with_environment("test")
        .with_tenant("acme")
        .with_key_management("vault", transit)
        .with_key_management("postgres", Arc::new(world.service(credentials)))
        .with_keyring_policy(small_deks())
        .with_retry(patient.with_delays(Duration::from_millis(50), Duration::from_secs(1)))
        .build()
        .unwrap()
}

async fn rotate_keks(world: &World, vault: &Vault) {
    let key = format!("{}/keys/sealmq-acme/rotate", vault.mount);
    world.vault.must("POST", &key, "").await;
    let operator = PostgresClient::new(&world.config()).unwrap();
    let (user, password) = world.postgres.login();
    operator.replace_credentials(user, password);
    service(operator).rotate_kek(acme().tenant()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_ends_is_replaced_three_times_and_no_message_is_lost_for_it() {
    let (world, mut broker) = tokio::join!(World::new(3, 6), Broker::start());
    let vault = Vault::new(&world).await;
    let settings = NatsQueueSettings::default().with_ack_wait(Duration::from_secs(5));
    broker.connect().await.create_queue(QUEUE, &settings).await.unwrap();
    let credentials = world.credentials_as(vault.auth()).await;
    let sender = client(&world, &vault, &credentials, &broker).await;
    let receiver = client(&world, &vault, &credentials, &broker).await;
    let first = broker.tls_that_stays();
    NatsTransport::connect(&broker.config(first.clone())).await.expect("the control");

    let load = Load::on(sender, &receiver);
    load.goes_on(20).await;
    for _ in 0..TURNS {
        let user = credentials.current().unwrap().user().to_owned();
        let logins = world.count("/login/");
        rotate_keks(&world, &vault).await;
        load.goes_on(10).await;
        broker.replace_certificates().await;
        load.goes_on(10).await;
        // The sender's, the receiver's and that of the database's users.
        load.until("all log in again", || world.count("/login/") >= logins + 3).await;
        load.until("there is another user", || credentials.current().unwrap().user() != user).await;
        load.goes_on(10).await;
    }
    assert_eq!(load.failures(), [], "no send fails after its retries");
    load.end(&broker.connect().await, QUEUE).await;
    let refused = NatsTransport::connect(&broker.config(first)).await;
    assert!(refused.is_err(), "the control: the first certificates are good for nothing");
}
