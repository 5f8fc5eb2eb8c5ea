//! Least privilege: each role does its work with the permissions that the documentation names, and
//! nothing else, under access policies and under roles.

use std::sync::Arc;

use sealmq_crypto_core::{KeyError, KeyErrorKind, KeyManagementService, KeyProvider};
use sealmq_keys_azure::{AzureKeyVaultService, AzureSecretsConfig, AzureSecretsProvider};

use crate::support::{
    ALL, AUDIENCE, VAULT, bare, config, connection_with, context, service, tenant, token, unique,
};

pub(crate) const SENDER: &str = r#"{"keys": ["list", "wrapKey"]}"#;
pub(crate) const RECEIVER: &str = r#"{"keys": ["unwrapKey"]}"#;
pub(crate) const CREATOR: &str = r#"{"keys": ["list", "get", "create", "wrapKey"]}"#;
pub(crate) const ROTATOR: &str = r#"{"keys": ["list", "rotate"]}"#;
pub(crate) const SHREDDER: &str = r#"{"keys": ["list", "get", "create", "delete", "purge"]}"#;
pub(crate) const STORE: &str = r#"{"secrets": ["get", "list"]}"#;

pub(crate) const MODELS: [&str; 2] = ["access-policy", "rbac"];

async fn role(permissions: &str, model: &str) -> AzureKeyVaultService {
    let token = token(permissions, model).await;
    let connection = connection_with(&VAULT, &token, AUDIENCE);
    AzureKeyVaultService::new(config(connection)).unwrap()
}

fn denied<T>(outcome: Result<T, KeyError>) {
    let Err(error) = outcome else { panic!("this is denied") };
    assert_eq!(*error.kind(), KeyErrorKind::Denied, "{error:?}");
}

#[tokio::test]
async fn a_sender_wraps_and_a_receiver_unwraps() {
    for model in MODELS {
        let tenant = tenant();
        service(ALL).await.generate_dek(&context(&tenant)).await.unwrap();
        let (sender, receiver) = (role(SENDER, model).await, role(RECEIVER, model).await);
        let made = sender.generate_dek(&context(&tenant)).await.unwrap();
        let opened = receiver.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap();
        assert!(opened == made.dek);
        denied(sender.decrypt_dek(&made.wrapped, &context(&tenant)).await);
        denied(receiver.generate_dek(&context(&tenant)).await);
        for role in [&sender, &receiver] {
            denied(role.rotate_kek(&tenant).await);
            denied(role.delete_kek(&tenant).await);
        }
        // A new tenant is not theirs to make.
        denied(sender.generate_dek(&context(&crate::support::tenant())).await);
    }
}

#[tokio::test]
async fn a_creator_gives_new_tenants_their_keys() {
    for model in MODELS {
        let tenant = tenant();
        let creator = role(CREATOR, model).await;
        let made = creator.generate_dek(&context(&tenant)).await.unwrap();
        let receiver = role(RECEIVER, model).await;
        assert!(receiver.decrypt_dek(&made.wrapped, &context(&tenant)).await.is_ok());
        denied(creator.decrypt_dek(&made.wrapped, &context(&tenant)).await);
        denied(creator.delete_kek(&tenant).await);
    }
}

#[tokio::test]
async fn a_rotator_rotates_and_a_shredder_shreds() {
    for model in MODELS {
        let tenant = tenant();
        let all = service(ALL).await;
        let made = all.generate_dek(&context(&tenant)).await.unwrap();
        let rotator = role(ROTATOR, model).await;
        assert_eq!(rotator.rotate_kek(&tenant).await.unwrap().0, 2);
        denied(rotator.generate_dek(&context(&tenant)).await);
        denied(rotator.delete_kek(&tenant).await);
        let shredder = role(SHREDDER, model).await;
        denied(shredder.generate_dek(&context(&tenant)).await);
        shredder.delete_kek(&tenant).await.unwrap();
        shredder.delete_kek(&tenant).await.unwrap();
        let error = all.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::KeyNotFound);
    }
}

/// Where purging is not allowed, shredding says so; the key is deleted all the same.
#[tokio::test]
async fn a_refused_purge_is_told() {
    for model in MODELS {
        let tenant = tenant();
        let all = service(ALL).await;
        let made = all.generate_dek(&context(&tenant)).await.unwrap();
        let careful = role(r#"{"keys": ["list", "get", "create", "delete"]}"#, model).await;
        denied(careful.delete_kek(&tenant).await);
        let error = all.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::KeyNotFound);
        all.delete_kek(&tenant).await.unwrap();
    }
}

#[tokio::test]
async fn a_store_reads_and_lists_secrets() {
    for model in MODELS {
        let secret = unique("secret");
        let value = r#"{"value": "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo="}"#;
        VAULT.operate("PUT", &format!("/secrets/{secret}"), value).await;
        let of = |token: &str| {
            let config = AzureSecretsConfig::new(connection_with(&VAULT, token, AUDIENCE), &secret);
            AzureSecretsProvider::new(config).unwrap()
        };
        let store = of(&token(STORE, model).await);
        let id = store.current_key_id().await.unwrap();
        assert_eq!(store.valid_key_ids().await.unwrap(), std::slice::from_ref(&id));
        store.get_key(&id).await.unwrap();
        let stranger = of(&token(SENDER, model).await);
        denied(stranger.current_key_id().await);
        denied(stranger.valid_key_ids().await);
        denied(stranger.get_key(&id).await);
        // The same store authenticates wraps, with nothing more for each role.
        let permissions = r#"{"keys": ["list", "wrapKey"], "secrets": ["get", "list"]}"#;
        let tenant = tenant();
        service(ALL).await.generate_dek(&context(&tenant)).await.unwrap();
        let connection = connection_with(&VAULT, &token(permissions, model).await, AUDIENCE);
        let macs = AzureSecretsConfig::new(connection.clone(), &secret);
        let macs = Arc::new(AzureSecretsProvider::new(macs).unwrap());
        let sender = bare(connection).with_wrap_authentication(macs).with_auto_create(false);
        let sender = AzureKeyVaultService::new(sender).unwrap();
        sender.generate_dek(&context(&tenant)).await.unwrap();
    }
}
