//! A service that fails, in every way it can: the right kind of error, after one attempt.

use std::time::{Duration, Instant};

use sealmq_crypto_core::{EncryptionKeyId, KeyError, KeyManagementService, KeyProvider};
use sealmq_keys_aws::{AwsKmsConfig, AwsKmsService, AwsSecretsConfig, AwsSecretsProvider};
use sealmq_test_kit::HttpProxy;

use crate::support::proxy::{faults, is_slow};
use crate::support::{address, connection, context, key, kms_endpoint, secrets_endpoint, unique};

/// The limit that slow faults meet, and one that no busy machine does.
pub(crate) const TIMEOUTS: [Duration; 2] = [Duration::from_secs(2), Duration::from_secs(60)];

#[tokio::test]
async fn a_failing_kms_is_asked_once_and_its_failure_has_the_right_kind() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let key = key().await;
    let [hasty, patient] = TIMEOUTS.map(|timeout| {
        let connection = connection(&proxy.url()).with_request_timeout(timeout);
        AwsKmsConfig::shared([key.as_str()]).with_connection(connection)
    });
    let hasty = AwsKmsService::connect(&hasty).await.unwrap();
    let patient = AwsKmsService::connect(&patient).await.unwrap();
    let context = context("acme");
    let made = patient.generate_dek(&context).await.unwrap();
    for (name, answer, kind) in faults() {
        for call in ["generate", "encrypt", "decrypt", "rewrap"] {
            let before = proxy.requests().len();
            proxy.answer(|_| true, answer.clone());
            let started = Instant::now();
            let kms = if is_slow(name) { &hasty } else { &patient };
            let error: KeyError = match call {
                "generate" => kms.generate_dek(&context).await.map(drop).unwrap_err(),
                "encrypt" => kms.encrypt_dek(&made.dek, &context).await.map(drop).unwrap_err(),
                "decrypt" => kms.decrypt_dek(&made.wrapped, &context).await.map(drop).unwrap_err(),
                _ => kms.rewrap_dek(&made.wrapped, &context).await.map(drop).unwrap_err(),
            };
            assert_eq!(error.kind(), &kind, "{name}, {call}: {error:?}");
            assert_eq!(proxy.requests().len(), before + 1, "{name}, {call}: one attempt");
            assert!(started.elapsed() < TIMEOUTS[1], "{name}, {call}: {:?}", started.elapsed());
            let opened = patient.decrypt_dek(&made.wrapped, &context).await;
            assert!(opened.is_ok(), "{name}: it goes on");
        }
    }
}

#[tokio::test]
async fn a_failing_secrets_manager_is_asked_once_and_its_failure_has_the_right_kind() {
    let proxy = HttpProxy::before(address(&secrets_endpoint())).await;
    let secret = unique("secret");
    let [hasty, patient] = TIMEOUTS.map(|timeout| {
        let connection = connection(&proxy.url()).with_request_timeout(timeout);
        AwsSecretsConfig::new(secret.as_str()).with_connection(connection)
    });
    let hasty = AwsSecretsProvider::connect(&hasty).await.unwrap();
    let patient = AwsSecretsProvider::connect(&patient).await.unwrap();
    let id = EncryptionKeyId::new(&"1".repeat(36)).unwrap();
    for (name, answer, kind) in faults() {
        for call in ["key", "current", "valid"] {
            let before = proxy.requests().len();
            proxy.answer(|_| true, answer.clone());
            let store = if is_slow(name) { &hasty } else { &patient };
            let error = match call {
                "key" => store.get_key(&id).await.map(drop).unwrap_err(),
                "current" => store.current_key_id().await.map(drop).unwrap_err(),
                _ => store.valid_key_ids().await.map(drop).unwrap_err(),
            };
            assert_eq!(error.kind(), &kind, "{name}, {call}: {error:?}");
            assert_eq!(proxy.requests().len(), before + 1, "{name}, {call}: one attempt");
        }
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable() {
    let nowhere = format!("http://127.0.0.1:{}", sealmq_test_kit::free_port());
    let config = AwsKmsConfig::shared(["mrk-1"]).with_connection(connection(&nowhere));
    let kms = AwsKmsService::connect(&config).await.unwrap();
    let error = kms.generate_dek(&context("acme")).await.unwrap_err();
    assert!(error.is_retryable(), "{error:?}");
}
