//! Secrets that are no keys, many versions, and versions that are switched off.

use sealmq_crypto_core::{EncryptionKeyId, KeyErrorKind, KeyProvider};
use sealmq_keys_azure::{AzureSecretsConfig, AzureSecretsProvider};

use crate::support::{ALL, VAULT, connection, python, token, unique};

async fn store(secret: &str) -> AzureSecretsProvider {
    let connection = connection(r#"{"secrets": ["get", "list"]}"#).await;
    AzureSecretsProvider::new(AzureSecretsConfig::new(connection, secret)).unwrap()
}

async fn operator(program: &str, arguments: &[&str]) -> String {
    python(&VAULT, &token(ALL, "access-policy").await, program, arguments)
}

#[tokio::test]
async fn a_secret_that_is_no_key_is_malformed_and_not_shown() {
    let secret = unique("secret");
    operator("secrets.set_secret(ARGS[0], 'hunter2-hunter2-hunter2')", &[&secret]).await;
    let store = store(&secret).await;
    let id = store.current_key_id().await.unwrap();
    let error = store.get_key(&id).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Malformed);
    assert!(!format!("{error:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_not_found() {
    let store = store(&unique("secret")).await;
    let error = store.current_key_id().await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::KeyNotFound);
    assert!(store.valid_key_ids().await.unwrap().is_empty());
}

#[tokio::test]
async fn lists_of_several_pages_are_read_to_their_end() {
    let secret = unique("secret");
    let program = "[secrets.set_secret(ARGS[0], str(n)) for n in range(60)]";
    operator(program, &[&secret]).await;
    assert_eq!(store(&secret).await.valid_key_ids().await.unwrap().len(), 60);
}

#[tokio::test]
async fn nothing_seals_while_the_current_version_is_disabled() {
    let secret = unique("secret");
    let program = "secrets.set_secret(ARGS[0], 'x'); secrets.set_secret(ARGS[0], 'y')\n\
        secrets.update_secret_properties(ARGS[0], enabled=False)";
    operator(program, &[&secret]).await;
    let store = store(&secret).await;
    let error = store.current_key_id().await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Disabled);
    assert_eq!(store.valid_key_ids().await.unwrap().len(), 1);
}

/// A frame's key id is put into no path.
#[tokio::test]
async fn ids_that_are_no_versions_are_not_asked_for() {
    let secret = unique("secret");
    let store = store(&secret).await;
    for id in ["../other", "?x=y", "", "ABCDEF00000000000000000000000000"] {
        let Ok(id) = EncryptionKeyId::new(id) else { continue };
        let error = store.get_key(&id).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::KeyNotFound);
    }
    assert!(crate::support::counts("secrets/get", &secret).await.is_empty());
}
