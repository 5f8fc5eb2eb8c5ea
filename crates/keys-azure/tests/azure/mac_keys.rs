//! The keys of MACs: from a secret of the vault, rotated and taken out of use.

use std::sync::Arc;
use std::time::Duration;

use sealmq_crypto_core::{EncryptionKey, KeyErrorKind, KeyManagementService};
use sealmq_keys_azure::{AzureKeyVaultService, AzureSecretsConfig, AzureSecretsProvider};

use crate::support::{
    ALL, VAULT, bare, connection, context, counts, hex, python, tenant, token, unique,
};

const SET: &str = "import base64\n\
    value = base64.b64encode(bytes.fromhex(ARGS[1])).decode()\n\
    print(secrets.set_secret(ARGS[0], value).properties.version)";
const DISABLE: &str = "secrets.update_secret_properties(ARGS[0], ARGS[1], enabled=False)";

async fn set(secret: &str) -> String {
    let operator = token(ALL, "access-policy").await;
    let key = EncryptionKey::generate().unwrap();
    python(&VAULT, &operator, SET, &[secret, &hex(key.expose_secret())])
}

async fn service(secret: &str, remembered: Duration) -> AzureKeyVaultService {
    let connection = connection(ALL).await;
    let store = AzureSecretsConfig::new(connection.clone(), secret);
    let store = AzureSecretsProvider::new(store.with_refresh_interval(remembered)).unwrap();
    let config = bare(connection).with_wrap_authentication(Arc::new(store));
    AzureKeyVaultService::new(config).unwrap()
}

#[tokio::test]
async fn a_secret_of_the_vault_authenticates_wraps_and_is_read_once() {
    let (tenant, secret) = (tenant(), unique("macs"));
    set(&secret).await;
    let sender = service(&secret, Duration::from_secs(60)).await;
    let receiver = service(&secret, Duration::from_secs(60)).await;
    for _ in 0..5 {
        let made = sender.generate_dek(&context(&tenant)).await.unwrap();
        let opened = receiver.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap();
        assert!(opened == made.dek);
    }
    // The current version and its key, by each of the two.
    assert_eq!(counts("secrets/get", &secret).await["200"], 4);
    assert_eq!(counts("secrets/listVersions", &secret).await["200"], 2);
}

#[tokio::test]
async fn a_receiver_learns_of_a_new_mac_key_when_it_meets_it() {
    let (tenant, secret) = (tenant(), unique("macs"));
    set(&secret).await;
    let receiver = service(&secret, Duration::from_secs(3600)).await;
    let old = receiver.generate_dek(&context(&tenant)).await.unwrap();
    let version = set(&secret).await;
    let sender = service(&secret, Duration::from_secs(60)).await;
    let new = sender.generate_dek(&context(&tenant)).await.unwrap();
    let named = new.wrapped.windows(32).any(|part| part == version.as_bytes());
    assert!(named, "the new key makes MACs");
    tokio::time::sleep(Duration::from_millis(1100)).await; // its list is older than a second
    let opened = receiver.decrypt_dek(&new.wrapped, &context(&tenant)).await.unwrap();
    assert!(opened == new.dek);
    assert!(sender.decrypt_dek(&old.wrapped, &context(&tenant)).await.unwrap() == old.dek);
}

#[tokio::test]
async fn a_mac_key_out_of_use_authenticates_nothing() {
    let (tenant, secret) = (tenant(), unique("macs"));
    let version = set(&secret).await;
    let service = service(&secret, Duration::from_millis(1)).await;
    let old = service.generate_dek(&context(&tenant)).await.unwrap();
    set(&secret).await;
    assert!(service.decrypt_dek(&old.wrapped, &context(&tenant)).await.is_ok());
    let operator = token(ALL, "access-policy").await;
    python(&VAULT, &operator, DISABLE, &[&secret, &version]);
    tokio::time::sleep(Duration::from_millis(10)).await;
    let error = service.decrypt_dek(&old.wrapped, &context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::ContextMismatch);
}

/// Ids that an attacker makes up do not have the store asked more than once a second.
#[tokio::test]
async fn made_up_ids_do_not_have_the_store_asked() {
    let (tenant, secret) = (tenant(), unique("macs"));
    set(&secret).await;
    let service = service(&secret, Duration::from_secs(60)).await;
    let mut form = service.generate_dek(&context(&tenant)).await.unwrap().wrapped;
    let at = form.len() - 32 - 1 - 32; // the first character of the id
    for n in 0..50 {
        form[at] = b'g' + n % 20;
        let error = service.decrypt_dek(&form, &context(&tenant)).await.unwrap_err();
        let kinds = [KeyErrorKind::ContextMismatch, KeyErrorKind::Unavailable];
        assert!(kinds.contains(error.kind()), "{error:?}");
    }
    let lists = counts("secrets/listVersions", &secret).await["200"].as_u64().unwrap();
    assert!(lists <= 4, "{lists} lists");
}

/// Without the keys of MACs nothing is opened: the vault alone does not decide.
#[tokio::test]
async fn while_the_mac_keys_cannot_be_read_nothing_opens() {
    let (tenant, secret) = (tenant(), unique("macs"));
    set(&secret).await;
    let sender = service(&secret, Duration::from_secs(60)).await;
    let made = sender.generate_dek(&context(&tenant)).await.unwrap();
    let receiver = service(&secret, Duration::from_secs(60)).await;
    let fault = format!(r#"{{"action": "fail", "operation": "secrets/get", "name": "{secret}"}}"#);
    VAULT.admin().request("POST", "/faults", &fault).await.unwrap();
    let error = receiver.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
    assert!(receiver.decrypt_dek(&made.wrapped, &context(&tenant)).await.is_ok());
}
