//! A vault that fails: each failure is of its class, and nothing is tried twice.

use std::time::{Duration, Instant};

use sealmq_crypto_core::{KeyError, KeyErrorKind, KeyManagementService, KeyProvider};
use sealmq_keys_azure::{
    AzureConnection, AzureKeyVaultService, AzureSecretsConfig, AzureSecretsProvider,
};

use crate::support::{ALL, VAULT, config, connection, context, counts, key_of, tenant, unique};

/// Each fault, what it comes to, and whether the vault sent an answer of its own.
pub(crate) fn faults() -> Vec<(&'static str, KeyErrorKind)> {
    use KeyErrorKind as K;
    vec![
        (
            r#""action": "throttle", "retry_after_s": 7"#,
            K::Throttled { retry_after: Some(Duration::from_secs(7)) },
        ),
        (r#""action": "throttle", "retry_after_s": null"#, K::Throttled { retry_after: None }),
        (r#""action": "fail""#, K::Unavailable),
        (r#""action": "fail", "status": 500, "code": "InternalServerError""#, K::Unavailable),
        (r#""action": "fail", "status": 504, "code": "GatewayTimeout""#, K::Unavailable),
        (r#""action": "reset""#, K::Unavailable),
        (r#""action": "reset-after""#, K::Unavailable),
        (r#""action": "cut-body""#, K::Unavailable),
        (r#""action": "delay", "delay_ms": 2500"#, K::Unavailable),
        (r#""action": "drip", "delay_ms": 100"#, K::Unavailable),
        (r#""action": "oversize""#, K::Unavailable),
        (r#""action": "garble""#, K::Unavailable),
        (r#""action": "garble", "content": "{}""#, K::Unavailable),
        (r#""action": "redirect", "location": "https://127.0.0.1:9/""#, K::Unavailable),
    ]
}

/// Whether it is a limit on time that ends the fault. Of all others the limit must be out of reach
/// of a busy machine.
pub(crate) fn is_slow(fault: &str) -> bool {
    fault.contains("delay") || fault.contains("drip")
}

/// A connection with a limit that slow faults meet, and one with a limit that nothing else does.
pub(crate) async fn connections() -> [AzureConnection; 2] {
    let connection = connection(ALL).await;
    [2, 60].map(|limit| connection.clone().with_request_timeout(Duration::from_secs(limit)))
}

pub(crate) async fn arm(fault: &str, operation: &str, name: &str) {
    let json = format!(r#"{{{fault}, "operation": "{operation}", "name": "{name}"}}"#);
    VAULT.admin().request("POST", "/faults", &json).await.unwrap();
}

pub(crate) async fn answered(operation: &str, name: &str) -> u64 {
    let counts = counts(operation, name).await;
    counts.iter().filter(|(status, _)| *status != "401").filter_map(|(_, n)| n.as_u64()).sum()
}

fn check<T>(outcome: Result<T, KeyError>, kind: &KeyErrorKind, fault: &str, since: Instant) {
    let Err(error) = outcome else { panic!("{fault} is no success") };
    assert_eq!(error.kind(), kind, "{fault}: {error:?}");
    assert!(error.is_retryable(), "{fault}");
    assert!(since.elapsed() < Duration::from_secs(60), "{fault} is over in time");
}

#[tokio::test]
async fn a_failing_wrap_is_of_its_class_and_done_once() {
    let tenant = tenant();
    let services = connections()
        .await
        .map(|connection| AzureKeyVaultService::new(config(connection)).unwrap());
    let [hasty, service] = &services;
    service.generate_dek(&context(&tenant)).await.unwrap();
    let key = key_of(&tenant);
    for operation in ["keys/wrapKey", "keys/listVersions"] {
        for (fault, kind) in faults() {
            if operation == "keys/listVersions" && fault.contains("{}") {
                continue; // an empty list, which has a test of its own
            }
            let before = answered(operation, &key).await;
            arm(fault, operation, &key).await;
            let since = Instant::now();
            let service = if is_slow(fault) { hasty } else { service };
            check(service.generate_dek(&context(&tenant)).await, &kind, fault, since);
            assert_eq!(answered(operation, &key).await, before + 1, "{fault} is met once");
        }
    }
    service.generate_dek(&context(&tenant)).await.unwrap();
}

#[tokio::test]
async fn a_failing_unwrap_is_of_its_class_and_done_once() {
    let tenant = tenant();
    let services = connections()
        .await
        .map(|connection| AzureKeyVaultService::new(config(connection)).unwrap());
    let [hasty, service] = &services;
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    let key = key_of(&tenant);
    for (fault, kind) in faults() {
        let before = answered("keys/unwrapKey", &key).await;
        arm(fault, "keys/unwrapKey", &key).await;
        let since = Instant::now();
        let service = if is_slow(fault) { hasty } else { service };
        let opened = service.decrypt_dek(&made.wrapped, &context(&tenant)).await;
        check(opened, &kind, fault, since);
        assert_eq!(answered("keys/unwrapKey", &key).await, before + 1, "{fault} is met once");
    }
    assert!(service.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap() == made.dek);
}

#[tokio::test]
async fn a_failing_read_of_a_secret_is_of_its_class_and_done_once() {
    let secret = unique("secret");
    let value = r#"{"value": "WlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlpaWlo="}"#;
    VAULT.operate("PUT", &format!("/secrets/{secret}"), value).await;
    let stores = connections().await.map(|connection| {
        AzureSecretsProvider::new(AzureSecretsConfig::new(connection, &secret)).unwrap()
    });
    let [hasty, store] = &stores;
    let id = store.current_key_id().await.unwrap();
    for (fault, kind) in faults() {
        if fault.contains("{}") {
            continue; // a secret without a value is no key: Malformed
        }
        let store = if is_slow(fault) { hasty } else { store };
        let before = answered("secrets/get", &secret).await;
        arm(fault, "secrets/get", &secret).await;
        let since = Instant::now();
        check(store.get_key(&id).await, &kind, fault, since);
        assert_eq!(answered("secrets/get", &secret).await, before + 1, "{fault} is met once");
        arm(fault, "secrets/listVersions", &secret).await;
        let since = Instant::now();
        check(store.valid_key_ids().await, &kind, fault, since);
    }
    assert_eq!(store.get_key(&id).await.unwrap().expose_secret(), &[0x5a; 32]);
}

/// An answer that shows no version leads to no second key.
#[tokio::test]
async fn a_list_that_lies_does_not_count_as_first_use() {
    let tenant = tenant();
    let service = AzureKeyVaultService::new(config(connection(ALL).await)).unwrap();
    service.generate_dek(&context(&tenant)).await.unwrap();
    let key = key_of(&tenant);
    arm(r#""action": "garble", "content": "{}""#, "keys/listVersions", &key).await;
    service.generate_dek(&context(&tenant)).await.unwrap(); // it is asked again before a creation
    assert_eq!(counts("keys/create", &key).await["200"], 1);
}

/// An answer that was lost after the key was created costs nothing but the call.
#[tokio::test]
async fn a_creation_whose_answer_is_lost_is_found_by_the_next_call() {
    let tenant = tenant();
    let service = AzureKeyVaultService::new(config(connection(ALL).await)).unwrap();
    let key = key_of(&tenant);
    arm(r#""action": "reset-after""#, "keys/create", &key).await;
    let error = service.generate_dek(&context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    assert_eq!(made.wrapped[1..5], 1u32.to_be_bytes());
    assert_eq!(answered("keys/create", &key).await, 1);
}
