//! What requests say: which key, which context, and no secret.

use sealmq_crypto_core::{KeyManagementService, TenantId, WrapContext};
use sealmq_keys_aws::AwsKmsConfig;
use sealmq_test_kit::HttpProxy;
use serde_json::{Value, json};

use crate::support::proxy::{count, is};
use crate::support::{address, context, key, kms_endpoint, service, tenant, unique};

async fn body(proxy: &HttpProxy, action: &str) -> Value {
    let requests = proxy.requests();
    let request = requests.iter().rfind(|request| is(request, action)).unwrap();
    serde_json::from_slice(&request.body).unwrap()
}

#[tokio::test]
async fn every_call_names_its_key_and_binds_the_context() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let key = key().await;
    let kms = service(AwsKmsConfig::shared([key.as_str()]), &proxy.url()).await;
    let made = kms.generate_dek(&context("acme")).await.unwrap();
    kms.encrypt_dek(&made.dek, &context("acme")).await.unwrap();
    kms.decrypt_dek(&made.wrapped, &context("acme")).await.unwrap();
    kms.rewrap_dek(&made.wrapped, &context("acme")).await.unwrap();
    let bound = json!({
        "format": "QRE1", "environment": "test", "tenant": "acme", "scope": "orders"
    });
    for action in ["GenerateDataKey", "Encrypt", "Decrypt"] {
        let body = body(&proxy, action).await;
        assert_eq!((&body["KeyId"], &body["EncryptionContext"]), (&json!(key), &bound), "{action}");
    }
    let rewrap = body(&proxy, "ReEncrypt").await;
    for (name, expected) in [
        ("SourceKeyId", &json!(key)),
        ("DestinationKeyId", &json!(key)),
        ("SourceEncryptionContext", &bound),
        ("DestinationEncryptionContext", &bound),
    ] {
        assert_eq!(&rewrap[name], expected, "{name}");
    }
    let without = WrapContext::new(None, TenantId::new("acme").unwrap(), "orders");
    kms.generate_dek(&without).await.unwrap();
    let bound = json!({ "format": "QRE1", "tenant": "acme", "scope": "orders" });
    assert_eq!(body(&proxy, "GenerateDataKey").await["EncryptionContext"], bound);
}

#[tokio::test]
async fn a_tenant_in_use_costs_one_call_for_each_dek() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let prefix = format!("alias/{}", unique("calls"));
    let config = AwsKmsConfig::per_tenant(&prefix)
        .with_auto_create(true)
        .with_alias_settling(std::time::Duration::ZERO);
    let kms = service(config, &proxy.url()).await;
    let first = kms.generate_dek(&context("acme")).await.unwrap();
    assert_eq!((count(&proxy, "CreateKey"), count(&proxy, "CreateAlias")), (1, 2));
    let before = proxy.requests().len();
    for _ in 0..3 {
        let made = kms.generate_dek(&context("acme")).await.unwrap();
        kms.decrypt_dek(&made.wrapped, &context("acme")).await.unwrap();
        kms.rewrap_dek(&first.wrapped, &context("acme")).await.unwrap();
    }
    assert_eq!(proxy.requests().len() - before, 9);
    kms.rotate_kek(&tenant("acme")).await.unwrap();
    let before = proxy.requests().len();
    kms.generate_dek(&context("acme")).await.unwrap();
    assert_eq!(proxy.requests().len() - before, 1, "the new version is known to who made it");
}

#[tokio::test]
async fn what_cannot_be_a_wrapped_dek_is_refused_without_a_call() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let kms = service(AwsKmsConfig::shared(["mrk-1"]), &proxy.url()).await;
    for wrapped in [vec![], vec![0; 4], vec![0; 1025], vec![0, 0, 0, 0, 1], vec![0, 0, 0, 2, 1]] {
        assert!(kms.decrypt_dek(&wrapped, &context("acme")).await.is_err());
        assert!(kms.rewrap_dek(&wrapped, &context("acme")).await.is_err());
    }
    assert!(proxy.requests().is_empty());
}
