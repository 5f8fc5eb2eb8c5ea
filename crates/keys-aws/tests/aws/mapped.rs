//! Keys that the configuration maps tenants to, and one key for all of them.

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_aws::AwsKmsConfig;
use sealmq_test_kit::HttpProxy;

use crate::support::proxy::count;
use crate::support::{address, context, key, kms_endpoint, operator, service, tenant, unique};

#[tokio::test]
async fn each_tenant_has_its_keys_and_the_last_one_of_its_list_wraps() {
    let (old, new, other) = (key().await, key().await, key().await);
    let before = service(AwsKmsConfig::mapped([(tenant("a"), [&old])]), &kms_endpoint()).await;
    let context = context("a");
    let made = before.generate_dek(&context).await.unwrap();
    assert_eq!(made.wrapped[..4], 1_u32.to_be_bytes());

    let keys = [(tenant("a"), vec![old, new]), (tenant("b"), vec![other])];
    let after = service(AwsKmsConfig::mapped(keys), &kms_endpoint()).await;
    assert!(after.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
    let moved = after.rewrap_dek(&made.wrapped, &context).await.unwrap();
    assert_eq!(moved[..4], 2_u32.to_be_bytes(), "the last key of the list wraps");
    assert!(after.decrypt_dek(&moved, &context).await.unwrap() == made.dek);
    let error = before.decrypt_dek(&moved, &context).await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::WrongKeyVersion, "not in this list");
    assert!(after.decrypt_dek(&made.wrapped, &crate::support::context("b")).await.is_err());
}

#[tokio::test]
async fn a_tenant_that_is_not_mapped_is_refused_without_a_call() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let kms = service(AwsKmsConfig::mapped([(tenant("a"), [key().await])]), &proxy.url()).await;
    let error = kms.generate_dek(&context("b")).await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::Denied);
    let error = kms.decrypt_dek(&[0, 0, 0, 1, 9], &context("b")).await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::KeyNotFound);
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn capabilities_say_what_the_mapping_allows_and_the_rest_is_refused_without_a_call() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let key = key().await;
    let mapped = service(AwsKmsConfig::mapped([(tenant("a"), [&key])]), &proxy.url()).await;
    let shared = service(AwsKmsConfig::shared([&key]), &proxy.url()).await;
    let per_tenant = service(AwsKmsConfig::per_tenant("alias/x"), &proxy.url()).await;
    for (kms, rotation, deletion) in
        [(&mapped, false, true), (&shared, false, false), (&per_tenant, true, true)]
    {
        let capabilities = kms.capabilities();
        assert_eq!((capabilities.rotation, capabilities.deletion), (rotation, deletion));
        assert!(capabilities.associated_data && capabilities.server_side_rewrap);
    }
    for error in [
        mapped.rotate_kek(&tenant("a")).await.map(drop).unwrap_err(),
        shared.rotate_kek(&tenant("a")).await.map(drop).unwrap_err(),
        shared.delete_kek(&tenant("a")).await.unwrap_err(),
    ] {
        assert_eq!(error.kind(), &KeyErrorKind::Denied, "{error}");
    }
    assert!(proxy.requests().is_empty());
}

#[tokio::test]
async fn a_mapped_tenant_is_shredded_by_the_deletion_of_its_keys_alone() {
    let (ours, theirs) = (key().await, key().await);
    let keys = [(tenant("a"), [&ours]), (tenant("b"), [&theirs])];
    let kms = service(AwsKmsConfig::mapped(keys), &kms_endpoint()).await;
    kms.delete_kek(&tenant("a")).await.unwrap();
    kms.delete_kek(&tenant("a")).await.unwrap();
    kms.delete_kek(&tenant("never mapped")).await.unwrap();
    for (key, expected) in [(ours, "PendingDeletion"), (theirs, "Enabled")] {
        let found = operator().describe_key().key_id(key).send().await.unwrap();
        assert_eq!(found.key_metadata().unwrap().key_state().unwrap().as_str(), expected);
    }
}

#[tokio::test]
async fn an_alias_is_resolved_once_and_stays_what_it_was() {
    let (first, second) = (key().await, key().await);
    let alias = format!("alias/{}", unique("orders"));
    operator().create_alias().alias_name(&alias).target_key_id(&first).send().await.unwrap();
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let kms = service(AwsKmsConfig::shared([alias.as_str()]), &proxy.url()).await;
    let context = context("acme");
    let made = kms.generate_dek(&context).await.unwrap();
    for _ in 0..3 {
        kms.generate_dek(&context).await.unwrap();
        kms.decrypt_dek(&made.wrapped, &context).await.unwrap();
    }
    assert_eq!(count(&proxy, "DescribeKey"), 1);
    operator().update_alias().alias_name(&alias).target_key_id(&second).send().await.unwrap();
    assert!(kms.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
    assert_eq!(count(&proxy, "DescribeKey"), 1);
    // Every request names the key itself.
    for request in proxy.requests().iter().filter(|request| request.text().contains("Ciphertext")) {
        assert!(request.text().contains(&format!(r#""KeyId":"{first}""#)), "{}", request.text());
    }
    let absent = service(AwsKmsConfig::shared(["alias/absent"]), &kms_endpoint()).await;
    let error = absent.generate_dek(&context).await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::KeyNotFound);
}
