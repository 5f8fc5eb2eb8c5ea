//! Vault and OpenBao under test: Transit as a key service, KV as a key store, both under the
//! least-privilege policies that the adapter publishes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyManagementService, KeyProvider};
use sealmq_keys_vault::{
    VaultAuth, VaultClient, VaultConfig, VaultKvConfig, VaultKvProvider, VaultTransitConfig,
    VaultTransitService,
};
use sealmq_test_kit::{TcpProxy, VaultAdmin};

use crate::keys::kms::{KmsBackend, KmsHarness};
use crate::keys::provider::{KeyProviderBackend, KeyProviderHarness};
use crate::outcome::CaseResult;

const TRANSIT_USE: &str = include_str!("../../../crates/keys-vault/policies/transit-use.hcl");
const FIRST_USE: &str = include_str!("../../../crates/keys-vault/policies/transit-first-use.hcl");
const OPERATE: &str = include_str!("../../../crates/keys-vault/policies/transit-operate.hcl");
const KV_READ: &str = include_str!("../../../crates/keys-vault/policies/kv-read.hcl");
const TOKEN_SELF: &str = include_str!("../../../crates/keys-vault/policies/token-self.hcl");

/// The published policies for another mount.
fn rules(policies: &[&str], published: &str, mount: &str) -> String {
    let path = |policy: &&str| policy.replace(&format!("\"{published}/"), &format!("\"{mount}/"));
    policies.iter().map(path).collect()
}

async fn connect(admin: &VaultAdmin, token: &str) -> CaseResult<VaultClient> {
    Ok(VaultClient::connect(VaultConfig::new(admin.address(), VaultAuth::token(token))).await?)
}

/// [`VaultTransitService`]; every case has a mount of its own.
pub struct VaultTransitBackend;

#[async_trait]
impl KmsBackend for VaultTransitBackend {
    fn name(&self) -> &'static str {
        "vault-transit"
    }

    async fn harness(&self) -> CaseResult<Box<dyn KmsHarness>> {
        let admin = VaultAdmin::from_env();
        let mount = admin.mount_transit().await;
        let everything = [TRANSIT_USE, FIRST_USE, OPERATE, TOKEN_SELF];
        let everything = rules(&everything, "transit", &mount);
        let use_alone = rules(&[TRANSIT_USE, TOKEN_SELF], "transit", &mount);
        let token = admin.token_under(&everything, "").await;
        let token_for_use = admin.token_under(&use_alone, "").await;
        let strange = admin.mount_transit().await;
        Ok(Box::new(VaultTransitHarness { admin, mount, strange, token, token_for_use }))
    }
}

struct VaultTransitHarness {
    admin: VaultAdmin,
    mount: String,
    strange: String,
    token: String,
    token_for_use: String,
}

impl VaultTransitHarness {
    async fn service(&self, mount: &str, token: &str) -> CaseResult<Arc<VaultTransitService>> {
        let client = connect(&self.admin, token).await?;
        let config = VaultTransitConfig::new().with_mount(mount);
        Ok(Arc::new(VaultTransitService::new(client, config)?))
    }
}

#[async_trait]
impl KmsHarness for VaultTransitHarness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(self.service(&self.mount, &self.token).await?)
    }

    async fn stranger(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(self.service(&self.strange, self.admin.token()).await?)
    }

    async fn client_that_creates_nothing(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(self.service(&self.mount, &self.token_for_use).await?)
    }

    async fn client_of_a_service_that_is_down(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        let proxy = TcpProxy::before(self.admin.authority()).await;
        let address = format!("http://{}", proxy.address());
        let config = VaultConfig::new(address, VaultAuth::token(&*self.token));
        let client = VaultClient::connect(config).await?;
        drop(proxy); // after the login, which needs the server
        let config = VaultTransitConfig::new().with_mount(&*self.mount);
        Ok(Arc::new(VaultTransitService::new(client, config)?))
    }

    fn rotations_of_two_clients_may_clash(&self) -> bool {
        true // OpenBao: "transaction commit failed"
    }

    fn shows(&self) -> Vec<String> {
        let config = VaultConfig::new(self.admin.address(), VaultAuth::token(&*self.token));
        vec![format!("{config:?}"), format!("{:?}", VaultTransitConfig::new())]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![self.token.clone().into(), self.token_for_use.clone().into()]
    }

    async fn clean_up(&self) {
        for mount in [&self.mount, &self.strange] {
            self.admin.ask("DELETE", &format!("sys/mounts/{mount}"), "", "").await;
        }
    }
}

/// [`VaultKvProvider`]; every case has a mount of its own.
pub struct VaultKvBackend;

/// The secret of the published policy.
const SECRET: &str = "apps/orders";

#[async_trait]
impl KeyProviderBackend for VaultKvBackend {
    fn name(&self) -> &'static str {
        "vault-kv"
    }

    async fn harness(&self) -> CaseResult<Box<dyn KeyProviderHarness>> {
        let admin = VaultAdmin::from_env();
        let mount = admin.mount_kv().await;
        let keep = r#"{"max_versions":100}"#;
        admin.must("POST", &format!("{mount}/metadata/{SECRET}"), keep).await;
        let rules = rules(&[KV_READ, TOKEN_SELF], "secret", &mount);
        let token = admin.token_under(&rules, "").await;
        let harness = VaultKvHarness { admin, mount, token, versions: AtomicUsize::new(0) };
        harness.rotate().await?;
        Ok(Box::new(harness))
    }
}

struct VaultKvHarness {
    admin: VaultAdmin,
    mount: String,
    token: String,
    versions: AtomicUsize,
}

impl VaultKvHarness {
    fn config(&self) -> VaultKvConfig {
        VaultKvConfig::new(SECRET).with_mount(&*self.mount)
    }
}

#[async_trait]
impl KeyProviderHarness for VaultKvHarness {
    async fn client(&self) -> CaseResult<Arc<dyn KeyProvider>> {
        let client = connect(&self.admin, &self.token).await?;
        Ok(Arc::new(VaultKvProvider::new(client, self.config())?))
    }

    async fn rotate(&self) -> CaseResult<EncryptionKeyId> {
        let key = sealmq_crypto_core::format::armour(EncryptionKey::generate()?.expose_secret());
        let json = format!(r#"{{"data":{{"key":"{key}"}}}}"#);
        self.admin.must("POST", &format!("{}/data/{SECRET}", self.mount), &json).await;
        let version = self.versions.fetch_add(1, Ordering::Relaxed) + 1;
        Ok(EncryptionKeyId::new(&format!("orders.v{version}"))?)
    }

    async fn retire(&self, id: &EncryptionKeyId) -> CaseResult {
        let version = id.as_str().trim_start_matches("orders.v");
        let json = format!(r#"{{"versions":[{version}]}}"#);
        self.admin.must("POST", &format!("{}/delete/{SECRET}", self.mount), &json).await;
        Ok(())
    }

    fn shows(&self) -> Vec<String> {
        let config = VaultConfig::new(self.admin.address(), VaultAuth::token(&*self.token));
        vec![format!("{config:?}"), format!("{:?}", self.config())]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![self.token.clone().into()]
    }

    async fn clean_up(&self) {
        self.admin.ask("DELETE", &format!("sys/mounts/{}", self.mount), "", "").await;
    }
}
