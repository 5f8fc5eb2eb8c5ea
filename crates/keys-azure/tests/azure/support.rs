//! What the tests share: a vault, callers with few permissions, keys of their own, the vendor's
//! client.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::time::OffsetDateTime;
use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, TenantId, WrapContext};
use sealmq_keys_azure::{
    AzureConnection, AzureIdentity, AzureKeyVaultConfig, AzureKeyVaultService, KekKind, TlsConfig,
};
use sealmq_keys_local::MemoryKeyring;
use sealmq_test_kit::{KeyVault, required};
use uuid::Uuid;

/// The keys of MACs that every service of these tests has.
pub(crate) const MAC_KEY: [u8; 32] = [0x5a; 32];
pub(crate) const MAC_KEY_ID: &str = "mac-1";
pub(crate) const AUDIENCE: &str = "https://vault.azure.net";
pub(crate) const ALL: &str = r#"{"keys": ["all"], "secrets": ["all"]}"#;
pub(crate) const DIRECTORY: &str = "11111111-2222-3333-4444-555555555555";

pub(crate) static VAULT: LazyLock<KeyVault> = LazyLock::new(KeyVault::from_env);

/// The server as a managed HSM, which ends when it is dropped.
pub(crate) fn hsm() -> KeyVault {
    let servers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/servers");
    KeyVault::start(&servers, &["--hsm"])
}

/// A token that a test was given.
#[derive(Debug)]
pub(crate) struct Given(pub(crate) String);

#[async_trait]
impl TokenCredential for Given {
    async fn get_token(
        &self,
        _: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        let expires = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        Ok(AccessToken::new(self.0.clone(), expires))
    }
}

pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", Uuid::now_v7().simple())
}

/// A new token with these permissions.
pub(crate) async fn token(permissions: &str, model: &str) -> String {
    let token = unique("token");
    let json = format!(
        r#"{{"token": "{token}", "permissions": {permissions}, "permission_model": "{model}"}}"#
    );
    VAULT.admin().request("POST", "/accepted-tokens", &json).await.unwrap();
    token
}

pub(crate) fn connection_with(vault: &KeyVault, token: &str, audience: &str) -> AzureConnection {
    let identity = AzureIdentity::custom(Arc::new(Given(token.to_owned())));
    AzureConnection::new(vault.url(), identity)
        .with_audience(audience)
        .with_tls(TlsConfig::new().with_root_ca_pem(vault.ca_pem()))
}

/// A connection of somebody with these permissions.
pub(crate) async fn connection(permissions: &str) -> AzureConnection {
    connection_with(&VAULT, &token(permissions, "access-policy").await, AUDIENCE)
}

pub(crate) fn mac_keys() -> Arc<MemoryKeyring> {
    let key = EncryptionKey::from_slice(&MAC_KEY).unwrap();
    Arc::new(MemoryKeyring::with_key(EncryptionKeyId::new(MAC_KEY_ID).unwrap(), key))
}

/// RSA keys of 2048 bits, which are made faster, without the authentication of wraps.
pub(crate) fn bare(connection: AzureConnection) -> AzureKeyVaultConfig {
    AzureKeyVaultConfig::per_tenant(connection, "test")
        .with_kind(KekKind::Rsa { bits: 2048, hsm: false })
        .with_auto_create(true)
}

pub(crate) fn config(connection: AzureConnection) -> AzureKeyVaultConfig {
    bare(connection).with_wrap_authentication(mac_keys())
}

pub(crate) async fn service(permissions: &str) -> AzureKeyVaultService {
    AzureKeyVaultService::new(config(connection(permissions).await)).unwrap()
}

/// A tenant whose name is that of its key, but for the prefix.
pub(crate) fn tenant() -> TenantId {
    TenantId::new(&Uuid::now_v7().simple().to_string()).unwrap()
}

pub(crate) fn key_of(tenant: &TenantId) -> String {
    format!("test-{tenant}")
}

pub(crate) fn context(tenant: &TenantId) -> WrapContext {
    WrapContext::new(Some("test"), tenant.clone(), "orders")
}

/// The version id that a form names.
pub(crate) fn version_of(form: &[u8]) -> String {
    form[5..21].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How often the vault did this to this object, whatever it answered.
pub(crate) async fn count(operation: &str, name: &str) -> u64 {
    counts(operation, name).await.values().filter_map(serde_json::Value::as_u64).sum()
}

/// The answers of the vault to this, by status.
pub(crate) async fn counts(
    operation: &str,
    name: &str,
) -> serde_json::Map<String, serde_json::Value> {
    let answer = VAULT.admin().request("GET", &format!("/requests?name={name}"), "").await.unwrap();
    let all: serde_json::Value = serde_json::from_str(&answer).unwrap();
    all[operation].as_object().cloned().unwrap_or_default()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    digits.map(|two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap()).collect()
}

/// Runs a program on Microsoft's SDK: `keys` and `secrets` are clients with this token, `crypto(name,
/// version)` a client that wraps; `binding`, `mac` and `inner` make the parts of a form.
pub(crate) fn python(vault: &KeyVault, token: &str, program: &str, arguments: &[&str]) -> String {
    const HEAD: &str = include_str!("python_head.py");
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, vault.ca_pem()).unwrap();
    let output = Command::new(required("SEALMQ_PYTHON"))
        .args(["-c", &format!("{HEAD}\n{program}"), vault.url(), token])
        .arg(&ca)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
