//! Azure Key Vault under test: keys of a vault and of a managed HSM as key service, secrets as key
//! store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use sealmq_crypto_core::{
    EncryptionKey, EncryptionKeyId, KeyErrorKind, KeyManagementService, KeyProvider,
};
use sealmq_keys_azure::{
    AzureConnection, AzureIdentity, AzureKeyVaultConfig, AzureKeyVaultService, AzureSecretsConfig,
    AzureSecretsProvider, KekKind, TlsConfig,
};
use sealmq_keys_local::MemoryKeyring;
use sealmq_test_kit::{KeyVault, free_port};
use uuid::Uuid;

use crate::keys::kms::{BadForm, KmsBackend, KmsHarness};
use crate::keys::provider::{KeyProviderBackend, KeyProviderHarness};
use crate::outcome::{CaseResult, Stop};

const DIRECTORY: &str = "11111111-2222-3333-4444-555555555555";
const CLIENT_SECRET: &str = "client-secret-that-must-not-be-seen";

/// What wraps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wraps {
    /// RSA keys, and a MAC over what they wrap: the default.
    AuthenticatedRsa,
    /// RSA keys alone: the danger that has to be asked for.
    UnauthenticatedRsa,
    /// Symmetric keys of a managed HSM.
    SymmetricHsm,
}

/// [`AzureKeyVaultService`] on a vault, or on a managed HSM.
pub struct KeyVaultKmsBackend {
    vault: Arc<KeyVault>,
    wraps: Wraps,
    mac_keys: MemoryKeyring,
}

impl KeyVaultKmsBackend {
    /// The service on this vault.
    ///
    /// # Panics
    /// When the kernel gives no randomness.
    pub fn new(vault: Arc<KeyVault>, wraps: Wraps) -> Self {
        let id = EncryptionKeyId::new("mac-1").unwrap();
        Self { vault, wraps, mac_keys: MemoryKeyring::generate(id).unwrap() }
    }
}

#[async_trait]
impl KmsBackend for KeyVaultKmsBackend {
    fn name(&self) -> &'static str {
        "keys-azure-keyvault"
    }

    fn case_timeout(&self) -> Duration {
        // Rotations wait for seconds to end, and one server imitates the vault for all cases.
        Duration::from_secs(90)
    }

    async fn harness(&self) -> CaseResult<Box<dyn KmsHarness>> {
        let connection = connection(&self.vault, self.wraps).await?;
        let (wraps, mac_keys) = (self.wraps, self.mac_keys.clone());
        Ok(Box::new(KmsOnVault { connection, wraps, mac_keys }))
    }
}

struct KmsOnVault {
    connection: AzureConnection,
    wraps: Wraps,
    mac_keys: MemoryKeyring,
}

impl KmsOnVault {
    fn config(&self, prefix: &str) -> AzureKeyVaultConfig {
        self.config_of(self.connection.clone(), prefix)
    }

    fn config_of(&self, connection: AzureConnection, prefix: &str) -> AzureKeyVaultConfig {
        let config = AzureKeyVaultConfig::per_tenant(connection, prefix)
            .with_auto_create(true)
            .with_kind(KekKind::Rsa { bits: 2048, hsm: false });
        match self.wraps {
            Wraps::AuthenticatedRsa => {
                config.with_wrap_authentication(Arc::new(self.mac_keys.clone()))
            }
            Wraps::UnauthenticatedRsa => config.danger_accept_unauthenticated_wraps(),
            Wraps::SymmetricHsm => config.with_kind(KekKind::SymmetricHsm),
        }
    }
}

#[async_trait]
impl KmsHarness for KmsOnVault {
    async fn client(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(AzureKeyVaultService::new(self.config("contract"))?))
    }

    async fn stranger(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        Ok(Arc::new(AzureKeyVaultService::new(self.config("stranger"))?))
    }

    async fn client_that_creates_nothing(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        let config = self.config("contract").with_auto_create(false);
        Ok(Arc::new(AzureKeyVaultService::new(config)?))
    }

    async fn client_of_a_service_that_is_down(&self) -> CaseResult<Arc<dyn KeyManagementService>> {
        let mut connection = self.connection.clone();
        connection.vault_url = format!("https://127.0.0.1:{}", free_port());
        let config = self.config_of(connection, "contract");
        Ok(Arc::new(AzureKeyVaultService::new(config)?))
    }

    fn refusals_of(&self, form: BadForm) -> Vec<KeyErrorKind> {
        use KeyErrorKind as K;
        let authenticated = self.wraps == Wraps::AuthenticatedRsa;
        match form {
            // The MAC covers the tenant, and is looked at first.
            BadForm::OtherTenant | BadForm::UnusedTenant if authenticated => {
                vec![K::ContextMismatch]
            }
            // Version ids are the vault's own: another key has none of them.
            BadForm::OtherTenant | BadForm::OtherKek => vec![K::WrongKeyVersion],
            other => other.usual_refusals(),
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(30)
    }

    fn shows(&self) -> Vec<String> {
        let config = self.config("contract");
        let service = AzureKeyVaultService::new(config.clone());
        vec![format!("{config:?}"), format!("{service:?}")]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![CLIENT_SECRET.into()]
    }
}

/// [`AzureSecretsProvider`]; every case has a secret of its own.
pub struct KeyVaultSecretsBackend {
    vault: Arc<KeyVault>,
}

impl KeyVaultSecretsBackend {
    /// The store on this vault.
    pub fn new(vault: Arc<KeyVault>) -> Self {
        Self { vault }
    }
}

#[async_trait]
impl KeyProviderBackend for KeyVaultSecretsBackend {
    fn name(&self) -> &'static str {
        "keys-azure-keyvault"
    }

    fn case_timeout(&self) -> Duration {
        Duration::from_secs(60)
    }

    async fn harness(&self) -> CaseResult<Box<dyn KeyProviderHarness>> {
        let connection = connection(&self.vault, Wraps::AuthenticatedRsa).await?;
        let secret = format!("contract-{}", Uuid::now_v7().simple());
        let config = AzureSecretsConfig::new(connection, secret);
        let harness = SecretOfVault { vault: Arc::clone(&self.vault), config };
        harness.rotate().await?;
        Ok(Box::new(harness))
    }
}

struct SecretOfVault {
    vault: Arc<KeyVault>,
    config: AzureSecretsConfig,
}

#[async_trait]
impl KeyProviderHarness for SecretOfVault {
    async fn client(&self) -> CaseResult<Arc<dyn KeyProvider>> {
        Ok(Arc::new(AzureSecretsProvider::new(self.config.clone())?))
    }

    async fn rotate(&self) -> CaseResult<EncryptionKeyId> {
        let value = base64(EncryptionKey::generate()?.expose_secret());
        let path = format!("/secrets/{}", self.config.secret);
        let json = format!(r#"{{"value": "{value}"}}"#);
        let answer = self.vault.operate("PUT", &path, &json).await;
        let id = answer.split(&format!("{path}/")).nth(1).and_then(|rest| rest.split('"').next());
        Ok(EncryptionKeyId::new(id.ok_or_else(|| Stop::broken("a version has an id"))?)?)
    }

    async fn retire(&self, id: &EncryptionKeyId) -> CaseResult {
        let path = format!("/secrets/{}/{id}", self.config.secret);
        self.vault.operate("PATCH", &path, r#"{"attributes": {"enabled": false}}"#).await;
        Ok(())
    }

    fn unknown_id(&self) -> CaseResult<EncryptionKeyId> {
        Ok(EncryptionKeyId::new("00000000000000000000000000000000")?)
    }

    fn shows(&self) -> Vec<String> {
        let provider = AzureSecretsProvider::new(self.config.clone());
        vec![format!("{:?}", self.config), format!("{provider:?}")]
    }

    fn secrets(&self) -> Vec<Vec<u8>> {
        vec![CLIENT_SECRET.into()]
    }
}

/// A connection of an application that may do what the role of the suite needs, and no more.
async fn connection(vault: &KeyVault, wraps: Wraps) -> CaseResult<AzureConnection> {
    let client_id = Uuid::now_v7().to_string();
    let permissions = r#"{"keys": ["list", "get", "create", "rotate", "wrapKey", "unwrapKey",
        "delete", "purge"], "secrets": ["get", "list"]}"#;
    let json = format!(r#"{{"secret": "{CLIENT_SECRET}", "permissions": {permissions}}}"#);
    let put = vault.admin().request("PUT", &format!("/identities/{client_id}"), &json).await;
    put.map_err(Stop::broken)?;
    let audience = match wraps {
        Wraps::SymmetricHsm => "https://managedhsm.azure.net",
        Wraps::AuthenticatedRsa | Wraps::UnauthenticatedRsa => "https://vault.azure.net",
    };
    let identity = AzureIdentity::client_secret(DIRECTORY, client_id, CLIENT_SECRET);
    Ok(AzureConnection::new(vault.url(), identity)
        .with_audience(audience)
        .with_authority_host(vault.authority_url())
        .with_tls(TlsConfig::new().with_root_ca_pem(vault.ca_pem()))
        .with_request_timeout(Duration::from_secs(30)))
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut three = [0; 4];
        three[1..=chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes(three);
        for n in 0..4 {
            let digit = ALPHABET[(bits >> (18 - 6 * n)) as usize & 63];
            text.push(if n <= chunk.len() { digit.into() } else { '=' });
        }
    }
    text
}
