//! What configurations take and refuse, and what they show.

use std::sync::Arc;

use sealmq_crypto_core::{EncryptionKey, EncryptionKeyId, KeyErrorKind, KeyProvider, TenantId};

use sealmq_settings::Settings;

use super::*;

struct NoKeys;

#[async_trait::async_trait]
impl KeyProvider for NoKeys {
    async fn get_key(&self, _: &EncryptionKeyId) -> Result<Arc<EncryptionKey>, KeyError> {
        Err(KeyError::new(KeyErrorKind::KeyNotFound, ""))
    }

    async fn current_key_id(&self) -> Result<EncryptionKeyId, KeyError> {
        Err(KeyError::new(KeyErrorKind::KeyNotFound, ""))
    }

    async fn valid_key_ids(&self) -> Result<Vec<EncryptionKeyId>, KeyError> {
        Ok(Vec::new())
    }
}

fn connection() -> AzureConnection {
    AzureConnection::new("https://contoso.vault.azure.net", AzureIdentity::managed(None))
}

fn safe(config: AzureKeyVaultConfig) -> AzureKeyVaultConfig {
    config.with_wrap_authentication(Arc::new(NoKeys))
}

fn field(outcome: Result<(), KeyError>) -> &'static str {
    match outcome.unwrap_err().kind() {
        KeyErrorKind::InvalidInput { field } => field,
        other => panic!("{other:?}"),
    }
}

fn of<'a>(pairs: &'a [(&'static str, &'static str)]) -> Settings<'a> {
    Settings::from_lookup(|name| {
        pairs.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn rsa_needs_authentication_or_the_word_danger() {
    let config = AzureKeyVaultConfig::per_tenant(connection(), "sealmq");
    assert_eq!(field(config.validate()), "wrap_authentication");
    assert!(safe(config.clone()).validate().is_ok());
    assert!(config.clone().danger_accept_unauthenticated_wraps().validate().is_ok());
    let symmetric = config.with_kind(KekKind::SymmetricHsm);
    assert!(symmetric.validate().is_ok());
    assert_eq!(field(safe(symmetric.clone()).validate()), "wrap_authentication");
    let dangerous = symmetric.danger_accept_unauthenticated_wraps();
    assert_eq!(field(dangerous.validate()), "danger_accept_unauthenticated_wraps");
}

#[test]
fn what_is_not_acceptable_is_named() {
    for url in [
        "http://a.vault.azure.net",
        "a.vault.azure.net",
        "https://a.vault.azure.net/keys",
        "https://me:pw@a.vault.azure.net",
        "https://a.vault.azure.net?x",
    ] {
        let mut connection = connection();
        connection.vault_url = url.into();
        assert_eq!(field(connection.validate()), "vault_url", "{url}");
    }
    let elsewhere = AzureConnection::new("https://vault.example", AzureIdentity::managed(None));
    assert_eq!(field(elsewhere.validate()), "audience");
    assert!(elsewhere.with_audience("https://vault.azure.net").validate().is_ok());
    assert_eq!(field(connection().with_audience("vault").validate()), "audience");
    assert_eq!(field(connection().with_authority_host("http://x").validate()), "authority_host");
    let hasty = connection().with_request_timeout(Duration::ZERO);
    assert_eq!(field(hasty.validate()), "request_timeout");
    let nameless = TlsConfig::new().with_server_name("no name");
    assert_eq!(field(connection().with_tls(nameless).validate()), "tls_server_name");
    for (identity, expected) in [
        (AzureIdentity::managed(Some("a b".into())), "client_id"),
        (AzureIdentity::client_secret("", "id", "secret"), "tenant_id"),
        (AzureIdentity::client_secret("tenant", "id", ""), "client_secret"),
    ] {
        assert_eq!(field(AzureConnection { identity, ..connection() }.validate()), expected);
    }
    for prefix in ["", "Upper", "a_b", &"p".repeat(41)] {
        let config = safe(AzureKeyVaultConfig::per_tenant(connection(), prefix));
        assert_eq!(field(config.validate()), "name_prefix", "{prefix}");
    }
    let odd = KekKind::Rsa { bits: 1024, hsm: false };
    let config = safe(AzureKeyVaultConfig::per_tenant(connection(), "p")).with_kind(odd);
    assert_eq!(field(config.validate()), "kind");
    assert_eq!(field(AzureSecretsConfig::new(connection(), "a/b").validate()), "secret");
}

#[test]
fn tenants_have_keys_of_their_own() {
    let tenant = |name| TenantId::new(name).unwrap();
    let mapped = |keys: Vec<(TenantId, &str)>| {
        safe(AzureKeyVaultConfig::mapped(connection(), keys)).validate()
    };
    assert!(mapped(vec![(tenant("a"), "key-a"), (tenant("b"), "key-b")]).is_ok());
    assert_eq!(field(mapped(vec![(tenant("a"), "key"), (tenant("b"), "KEY")])), "keys");
    assert_eq!(field(mapped(vec![])), "keys");
    assert_eq!(field(mapped(vec![(tenant("a"), "a/b")])), "keys");
}

#[test]
fn the_environment_says_all_of_it() {
    let variables = [
        ("SEALMQ_AZURE_VAULT_URL", "https://contoso.managedhsm.azure.net"),
        ("SEALMQ_AZURE_IDENTITY", "client-secret"),
        ("SEALMQ_AZURE_TENANT_ID", "contoso.example"),
        ("SEALMQ_AZURE_CLIENT_ID", "app"),
        ("SEALMQ_AZURE_CLIENT_SECRET", "s3cret"),
        ("SEALMQ_AZURE_TENANT_KEYS", "acme=key-1, globex=key-2"),
        ("SEALMQ_AZURE_KEK_KIND", "symmetric-hsm"),
        ("SEALMQ_AZURE_PURGE", "false"),
    ];
    let config = AzureKeyVaultConfig::from_settings(&of(&variables)).unwrap();
    assert_eq!(config.connection.scope().unwrap(), "https://managedhsm.azure.net/.default");
    assert_eq!(config.kind, KekKind::SymmetricHsm);
    assert!(!config.purge && !config.auto_create);
    assert_eq!(config.key_of(&TenantId::new("globex").unwrap()).unwrap(), "key-2");
    assert!(config.key_of(&TenantId::new("other").unwrap()).is_none());
    assert!(!format!("{config:?}").contains("s3cret"), "{config:?}");
}

#[test]
fn the_environment_cannot_say_danger() {
    let variables = [
        ("SEALMQ_AZURE_VAULT_URL", "https://contoso.vault.azure.net"),
        ("SEALMQ_AZURE_KEY_PREFIX", "sealmq"),
    ];
    let error = AzureKeyVaultConfig::from_settings(&of(&variables)).unwrap_err();
    assert_eq!(field(Err(error)), "wrap_authentication");
    let with_secret = [&variables[..], &[("SEALMQ_AZURE_WRAP_SECRET", "macs")]].concat();
    let config = AzureKeyVaultConfig::from_settings(&of(&with_secret)).unwrap();
    assert_eq!(config.kind, KekKind::Rsa { bits: 3072, hsm: false });
    let wrong = [&variables[..], &[("SEALMQ_AZURE_KEK_KIND", "rsa-1024")]].concat();
    let error = AzureKeyVaultConfig::from_settings(&of(&wrong)).unwrap_err();
    assert_eq!(field(Err(error)), "SEALMQ_AZURE_KEK_KIND");
}
