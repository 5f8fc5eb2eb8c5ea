//! Workers with accounts of their own: one may only seal, one may only open, an observer neither.
//!
//! Each account is a login to Vault under the least-privilege policy that is published for it. What
//! the policy refuses is `Denied`, and costs no message: it is there for the next one.

#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a broken assumption should stop the test where it stands"
)]

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use sealmq_client::{FailedSend, QueueClient, RejectedMessage, RejectionOutcome};
use sealmq_crypto_core::{
    CryptoConfig, CryptoErrorKind, EncryptionKeyId, KeyError, KeyErrorKind, KeyManagementService,
    TenantId,
};
use sealmq_keys_vault::{
    VaultAuth, VaultClient, VaultConfig, VaultSecretId, VaultTransitConfig, VaultTransitCrypto,
    VaultTransitKey, VaultTransitService,
};
use sealmq_queue_core::{Message, Source, Transport};
use sealmq_test_kit::{VaultAdmin, required, text_of};
use sealmq_transport_memory::{MemoryTransport, QueueSettings};
use sealmq_transport_nats::{NatsConfig, NatsQueueSettings, NatsTransport};

const SEAL: &str = include_str!("../../crates/keys-vault/policies/transit-seal.hcl");
const OPEN: &str = include_str!("../../crates/keys-vault/policies/transit-open.hcl");
const USE: &str = include_str!("../../crates/keys-vault/policies/transit-use.hcl");
const TOKEN_SELF: &str = include_str!("../../crates/keys-vault/policies/token-self.hcl");

/// How long a message may take to come, or to come back.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the keys are used.
#[derive(Debug, Clone, Copy)]
enum Mode {
    /// Transit wraps DEKs.
    Wraps,
    /// Transit seals the bodies.
    Remote,
}

/// What a worker may do.
#[derive(Debug, Clone, Copy)]
enum Account {
    /// Logs in by AppRole.
    Sealer,
    /// Logs in by user name and password.
    Opener,
    /// May read the broker, and log in to Vault by a token.
    Observer,
    /// The control: may do both, and logs in as the observer does.
    Both,
}

struct World {
    admin: VaultAdmin,
    mount: String,
    mode: Mode,
    broker: Arc<dyn Transport>,
    queue: String,
}

impl World {
    async fn new(mode: Mode, broker: Arc<dyn Transport>, queue: &str) -> Self {
        let admin = VaultAdmin::from_env();
        let mount = admin.mount_transit().await;
        let json = r#"{"type":"aes256-gcm96"}"#;
        admin.must("POST", &format!("{mount}/keys/sealmq-acme"), json).await;
        Self { admin, mount, mode, broker, queue: queue.to_owned() }
    }

    async fn policy(&self, published: &str) -> String {
        let rules = published.replace("\"transit/", &format!("\"{}/", self.mount)) + TOKEN_SELF;
        self.admin.policy(&rules).await
    }

    async fn auth_method(&self, kind: &str) -> String {
        let mount = VaultAdmin::unique(kind);
        let json = format!(r#"{{"type":"{kind}"}}"#);
        self.admin.must("POST", &format!("sys/auth/{mount}"), &json).await;
        mount
    }

    async fn auth(&self, account: Account) -> VaultAuth {
        let policies = match account {
            Account::Sealer => SEAL,
            Account::Opener => OPEN,
            Account::Observer => "",
            Account::Both => USE,
        };
        let policy = self.policy(policies).await;
        let json = format!(r#"{{"token_policies":"{policy}","token_no_default_policy":true}}"#);
        match account {
            Account::Sealer => {
                let at = self.auth_method("approle").await;
                self.admin.must("POST", &format!("auth/{at}/role/sender"), &json).await;
                let id = format!("auth/{at}/role/sender/role-id");
                let role_id = text_of(&self.admin.must("GET", &id, "").await, "role_id");
                let id = format!("auth/{at}/role/sender/secret-id");
                let secret_id = text_of(&self.admin.must("POST", &id, "{}").await, "secret_id");
                let secret_id = VaultSecretId::Plain(secret_id.into());
                VaultAuth::approle(role_id, secret_id).with_mount(at)
            }
            Account::Opener => {
                let at = self.auth_method("userpass").await;
                let json = json.replacen('{', r#"{"password":"hush","#, 1);
                self.admin.must("POST", &format!("auth/{at}/users/receiver"), &json).await;
                VaultAuth::userpass("receiver", "hush").with_mount(at)
            }
            Account::Observer | Account::Both => {
                let json = format!(r#"{{"policies":["{policy}"],"no_default_policy":true}}"#);
                let made = self.admin.must("POST", "auth/token/create", &json).await;
                VaultAuth::token(text_of(&made, "client_token"))
            }
        }
    }

    /// A process of its own of this account: it remembers no key of another one.
    async fn worker(&self, account: Account) -> QueueClient {
        let config = VaultConfig::new(self.admin.address(), self.auth(account).await);
        let vault = VaultClient::connect(config).await.unwrap();
        let builder = QueueClient::builder(&self.queue)
            .with_transport(Arc::clone(&self.broker))
            .with_crypto(CryptoConfig::strict())
            .with_environment("test")
            .with_tenant("acme");
        let builder = match self.mode {
            Mode::Wraps => {
                let config = VaultTransitConfig::new().with_mount(&*self.mount);
                let service = VaultTransitService::new(vault, config).unwrap();
                builder.with_key_management("transit", Arc::new(service))
            }
            Mode::Remote => {
                let id = EncryptionKeyId::new("transit-acme").unwrap();
                let key = VaultTransitKey::new(id, "sealmq-acme").unwrap();
                let key = key.with_mount(&*self.mount).unwrap();
                builder.with_crypto_provider(Arc::new(VaultTransitCrypto::new(vault, key)))
            }
        };
        builder.build().unwrap()
    }

    async fn waiting(&self) -> u64 {
        self.broker.depth(&Source::queue(&*self.queue)).await.unwrap()
    }

    async fn dead(&self) -> u64 {
        self.broker.depth(&Source::dead_letter(&*self.queue)).await.unwrap()
    }
}

/// Each mode on each broker.
async fn worlds() -> Vec<World> {
    let nats = NatsTransport::connect(&NatsConfig::new(required("SEALMQ_NATS_URL"))).await.unwrap();
    let nats = Arc::new(nats);
    let mut worlds = Vec::new();
    for mode in [Mode::Wraps, Mode::Remote] {
        let memory = MemoryTransport::new();
        memory.create_queue("orders", QueueSettings::default()).unwrap();
        worlds.push(World::new(mode, Arc::new(memory), "orders").await);
        let queue = VaultAdmin::unique("workers");
        nats.create_queue(&queue, &NatsQueueSettings::default()).await.unwrap();
        worlds.push(World::new(mode, Arc::clone(&nats) as _, &queue).await);
    }
    worlds
}

/// What the key service said.
fn said(error: &(dyn Error + 'static)) -> KeyErrorKind {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<KeyError>() {
            return error.kind().clone();
        }
        next = error.source();
    }
    panic!("the key service said nothing: {error:?}");
}

async fn next(client: &QueueClient) -> Result<String, Box<RejectedMessage>> {
    let coming = async {
        loop {
            if let Some(received) = client.receive(1, Duration::from_secs(5)).await.unwrap().pop() {
                break received;
            }
        }
    };
    let received = tokio::time::timeout(PATIENCE, coming).await.expect("a message comes")?;
    let body = String::from_utf8(received.body().to_vec()).unwrap();
    received.complete().await.unwrap();
    Ok(body)
}

/// Receiving is refused, and the message goes back, held back for a while.
async fn cannot_open(world: &World, client: &QueueClient) {
    let rejected = next(client).await.expect_err("it does not open");
    assert_eq!(rejected.error.kind(), &CryptoErrorKind::KeyUnavailable, "no word of the message");
    assert_eq!(said(&rejected.error), KeyErrorKind::Denied, "{:?}", world.mode);
    assert!(matches!(rejected.outcome, RejectionOutcome::Abandoned { .. }), "{rejected:?}");
    assert_eq!(world.dead().await, 0, "{:?}", world.mode);
}

/// Sending to an empty queue is refused, nothing is sent, and the message is given back as it was.
async fn cannot_seal(world: &World, client: &QueueClient, body: &str) {
    let FailedSend { error, message, .. } =
        client.send(Message::new(body.to_owned())).await.expect_err("it is not sealed");
    assert_eq!(said(&error), KeyErrorKind::Denied, "{:?}", world.mode);
    assert_eq!(message.body, body);
    assert_eq!(world.waiting().await, 0, "{:?}", world.mode);
}

#[tokio::test]
async fn who_seals_and_who_opens_exchange_messages() {
    for world in worlds().await {
        let (sealer, opener) =
            (world.worker(Account::Sealer).await, world.worker(Account::Opener).await);
        for n in 0..5 {
            sealer.send(Message::new(format!("order {n}"))).await.unwrap();
            assert_eq!(next(&opener).await.unwrap(), format!("order {n}"));
        }
        assert_eq!((world.waiting().await, world.dead().await), (0, 0));
    }
}

#[tokio::test]
async fn who_only_seals_opens_nothing_and_the_message_waits_for_who_may() {
    for world in worlds().await {
        world.worker(Account::Sealer).await.send(Message::new("an order")).await.unwrap();
        cannot_open(&world, &world.worker(Account::Sealer).await).await;
        assert_eq!(next(&world.worker(Account::Opener).await).await.unwrap(), "an order");
    }
}

#[tokio::test]
async fn who_only_opens_seals_nothing_and_loses_no_message() {
    for world in worlds().await {
        let opener = world.worker(Account::Opener).await;
        cannot_seal(&world, &opener, "a forged order").await;
        // The control: what stopped it is the policy.
        world.worker(Account::Both).await.send(Message::new("an order")).await.unwrap();
        assert_eq!(next(&opener).await.unwrap(), "an order");
    }
}

#[tokio::test]
async fn an_observer_can_do_neither_and_disturbs_nobody() {
    for world in worlds().await {
        let (sealer, opener) =
            (world.worker(Account::Sealer).await, world.worker(Account::Opener).await);
        let observer = world.worker(Account::Observer).await;
        cannot_seal(&world, &observer, "a forged order").await;
        sealer.send(Message::new("an order")).await.unwrap();
        cannot_open(&world, &observer).await;
        assert_eq!(next(&opener).await.unwrap(), "an order");
        // The control: the same login with the right to use keys opens and seals.
        sealer.send(Message::new("another")).await.unwrap();
        let both = world.worker(Account::Both).await;
        assert_eq!(next(&both).await.unwrap(), "another");
        both.send(Message::new("a third")).await.unwrap();
        assert_eq!(next(&opener).await.unwrap(), "a third");
        assert_eq!((world.waiting().await, world.dead().await), (0, 0));
    }
}

/// None of the accounts can make, change or destroy a key.
#[tokio::test]
async fn no_worker_administers_keys() {
    let memory = MemoryTransport::new();
    let world = World::new(Mode::Wraps, Arc::new(memory), "orders").await;
    for account in [Account::Sealer, Account::Opener, Account::Observer, Account::Both] {
        let config = VaultConfig::new(world.admin.address(), world.auth(account).await);
        let vault = VaultClient::connect(config).await.unwrap();
        let config = VaultTransitConfig::new().with_mount(&*world.mount);
        let service = VaultTransitService::new(vault, config).unwrap();
        let acme = TenantId::new("acme").unwrap();
        for refused in [service.rotate_kek(&acme).await.map(drop), service.delete_kek(&acme).await]
        {
            assert_eq!(refused.unwrap_err().kind(), &KeyErrorKind::Denied, "{account:?}");
        }
    }
}
