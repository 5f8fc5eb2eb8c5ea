//! The probe of the vault: one list that uses no key, for every role, and what each answer means.

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_azure::{AzureConnection, AzureKeyVaultConfig, AzureKeyVaultService};
use sealmq_test_kit::free_port;

use crate::faults::{answered, arm, connections, faults, is_slow};
use crate::policies::{CREATOR, MODELS, RECEIVER, ROTATOR, SENDER, SHREDDER, STORE};
use crate::support::{
    ALL, AUDIENCE, VAULT, config, connection, connection_with, count, hsm, mac_keys, tenant, token,
    unique,
};

fn with_prefix(connection: AzureConnection, prefix: &str) -> AzureKeyVaultService {
    let config = AzureKeyVaultConfig::per_tenant(connection, prefix);
    AzureKeyVaultService::new(config.with_wrap_authentication(mac_keys())).unwrap()
}

#[tokio::test]
async fn one_list_asks_and_no_key_is_made() {
    let prefix = unique("health");
    let service = with_prefix(connection(ALL).await, &prefix);
    service.health().await.unwrap();
    service.health().await.unwrap();
    assert_eq!(answered("keys/listVersions", &prefix).await, 2);
    assert_eq!(count("keys/create", &prefix).await, 0);
}

/// Each role of the documentation, whether it may list or not.
#[tokio::test]
async fn every_role_is_healthy_with_the_permissions_that_it_has() {
    for model in MODELS {
        for role in [SENDER, RECEIVER, CREATOR, ROTATOR, SHREDDER, STORE] {
            let connection = connection_with(&VAULT, &token(role, model).await, AUDIENCE);
            let mapped = AzureKeyVaultConfig::mapped(connection.clone(), [(tenant(), "orders")]);
            for config in [config(connection), mapped.with_wrap_authentication(mac_keys())] {
                let health = AzureKeyVaultService::new(config).unwrap().health().await;
                assert!(health.is_ok(), "{model} {role}: {health:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_the_vault_does_not_know_is_denied() {
    let service = with_prefix(connection_with(&VAULT, "no-such-token", AUDIENCE), "test");
    assert_eq!(*service.health().await.unwrap_err().kind(), KeyErrorKind::Denied);
}

#[tokio::test]
async fn a_failing_vault_is_not_healthy_and_asked_once() {
    let prefix = unique("health");
    let [hasty, service] = connections().await.map(|connection| with_prefix(connection, &prefix));
    service.health().await.unwrap(); // the first call learns where to get tokens
    hasty.health().await.unwrap();
    for (fault, kind) in faults() {
        if fault.contains("{}") {
            continue; // an empty list, which is an answer
        }
        let before = answered("keys/listVersions", &prefix).await;
        arm(fault, "keys/listVersions", &prefix).await;
        let service = if is_slow(fault) { &hasty } else { &service };
        let error = service.health().await.unwrap_err();
        assert_eq!(error.kind(), &kind, "{fault}: {error:?}");
        assert_eq!(answered("keys/listVersions", &prefix).await, before + 1, "{fault}");
    }
    service.health().await.unwrap();
}

#[tokio::test]
async fn a_vault_that_stops_is_unavailable() {
    let server = hsm();
    let connection = connection_with(&server, "TOKEN_VALUE", "https://managedhsm.azure.net");
    let service = with_prefix(connection, "test");
    service.health().await.unwrap();
    drop(server);
    assert_eq!(*service.health().await.unwrap_err().kind(), KeyErrorKind::Unavailable);
    let mut nowhere = connection_with(&VAULT, "TOKEN_VALUE", AUDIENCE);
    nowhere.vault_url = format!("https://127.0.0.1:{}", free_port());
    let service = with_prefix(nowhere, "test");
    assert_eq!(*service.health().await.unwrap_err().kind(), KeyErrorKind::Unavailable);
}
