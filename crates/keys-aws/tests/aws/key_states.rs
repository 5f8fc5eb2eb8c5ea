//! States of a key that the server does not imitate: scripted answers, as KMS gives them.

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_aws::AwsKmsConfig;
use sealmq_test_kit::HttpProxy;

use crate::support::proxy::refused;
use crate::support::{address, context, key, kms_endpoint, service, tenant, unique};

#[tokio::test]
async fn each_state_of_a_key_is_told_apart() {
    use KeyErrorKind as K;
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let kms = service(AwsKmsConfig::shared([key().await]), &proxy.url()).await;
    let context = context("acme");
    let made = kms.generate_dek(&context).await.unwrap();
    let state = "KMSInvalidStateException";
    let table = [
        ("DisabledException", "arn:aws:kms:r:1:key/x is disabled.", K::Disabled),
        (state, "arn:aws:kms:r:1:key/x is pending deletion.", K::KeyNotFound),
        (state, "arn:aws:kms:r:1:key/x is pending replica deletion.", K::KeyNotFound),
        (state, "arn:aws:kms:r:1:key/x is pending import.", K::Disabled),
        (state, "arn:aws:kms:r:1:key/x is unavailable.", K::Unavailable),
        ("NotFoundException", "Key 'arn:aws:kms:r:1:key/x' does not exist", K::KeyNotFound),
        ("KeyUnavailableException", "try again", K::Unavailable),
        ("DependencyTimeoutException", "try again", K::Unavailable),
        ("IncorrectKeyException", "The key ID does not identify the key.", K::ContextMismatch),
        ("InvalidCiphertextException", "", K::ContextMismatch),
        ("InvalidKeyUsageException", "", K::InvalidInput { field: "context" }),
        ("LimitExceededException", "", K::Denied),
    ];
    for (code, message, kind) in table {
        proxy.answer(|_| true, refused(400, code, message));
        let error = kms.generate_dek(&context).await.unwrap_err();
        assert_eq!(error.kind(), &kind, "{code} {message}");
        proxy.answer(|_| true, refused(400, code, message));
        let error = kms.decrypt_dek(&made.wrapped, &context).await.unwrap_err();
        assert_eq!(error.kind(), &kind, "{code} {message}");
        proxy.answer(|_| true, refused(400, code, message));
        let error = kms.rewrap_dek(&made.wrapped, &context).await.unwrap_err();
        assert_eq!(error.kind(), &kind, "{code} {message}");
    }
}

#[tokio::test]
async fn a_rotation_of_material_under_way_can_be_tried_again_and_one_too_many_cannot() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let kms = service(AwsKmsConfig::shared([key().await]), &proxy.url()).await;
    let table = [
        ("ConflictException", KeyErrorKind::Unavailable),
        ("LimitExceededException", KeyErrorKind::Denied),
        ("UnsupportedOperationException", KeyErrorKind::Denied),
    ];
    for (code, kind) in table {
        proxy.answer(|_| true, refused(400, code, ""));
        let error = kms.rotate_key_material(&tenant("acme")).await.unwrap_err();
        assert_eq!(error.kind(), &kind, "{code}");
    }
}

#[tokio::test]
async fn a_tenant_is_shredded_by_scheduling_the_deletion_of_every_version() {
    let prefix = format!("alias/{}", unique("states"));
    let config = AwsKmsConfig::per_tenant(&prefix)
        .with_auto_create(true)
        .with_alias_settling(std::time::Duration::ZERO)
        .with_deletion_window_days(7);
    let kms = service(config, &kms_endpoint()).await;
    kms.generate_dek(&context("acme")).await.unwrap();
    kms.rotate_kek(&tenant("acme")).await.unwrap();
    kms.delete_kek(&tenant("acme")).await.unwrap();
    for name in ["acme", "acme/v1", "acme/v2"] {
        let operator = crate::support::operator();
        let found =
            operator.describe_key().key_id(format!("{prefix}/{name}")).send().await.unwrap();
        let state = found.key_metadata().unwrap().key_state().unwrap().as_str().to_owned();
        assert_eq!(state, "PendingDeletion", "{name}");
    }
    let error = kms.rotate_kek(&tenant("acme")).await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::KeyNotFound);
}

#[tokio::test]
async fn where_creation_is_off_nothing_is_created_and_the_refusal_says_so() {
    let prefix = format!("alias/{}", unique("states"));
    let kms = service(AwsKmsConfig::per_tenant(&prefix), &kms_endpoint()).await;
    for error in [
        kms.generate_dek(&context("acme")).await.map(drop).unwrap_err(),
        kms.rotate_kek(&tenant("acme")).await.map(drop).unwrap_err(),
    ] {
        assert_eq!(error.kind(), &KeyErrorKind::Denied);
        assert!(error.to_string().contains("automatic creation is off"), "{error}");
    }
    let operator = crate::support::operator();
    let alias = format!("{prefix}/acme");
    assert!(operator.describe_key().key_id(alias).send().await.is_err());
}
