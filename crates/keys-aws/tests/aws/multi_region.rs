//! Multi-region keys: the same id in every region. The server loses their ciphertexts, so the
//! answers of another region are scripted.

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_aws::AwsKmsConfig;
use sealmq_test_kit::{Answer, HttpProxy};

use crate::support::proxy::is;
use crate::support::{address, context, kms_endpoint, operator, service, unique};

const MRK: &str = "mrk-1234abcd12ab34cd56ef1234567890ab";
/// 32 bytes of 1, as base64.
const DEK: &str = "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";

fn opened_by(key: &str) -> Answer {
    Answer::json(200, format!(r#"{{"KeyId":"{key}","Plaintext":"{DEK}"}}"#))
}

#[tokio::test]
async fn a_replica_opens_what_the_primary_wrapped() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let primary = format!("arn:aws:kms:eu-central-1:111122223333:key/{MRK}");
    let replica = format!("arn:aws:kms:us-east-1:111122223333:key/{MRK}");
    let context = context("acme");

    let there = service(AwsKmsConfig::shared([MRK]), &proxy.url()).await;
    let made = format!(r#"{{"KeyId":"{primary}","Plaintext":"{DEK}","CiphertextBlob":"AAAA"}}"#);
    proxy.answer(|request| is(request, "GenerateDataKey"), Answer::json(200, made));
    let made = there.generate_dek(&context).await.unwrap();

    let here = service(AwsKmsConfig::shared([replica.as_str()]), &proxy.url()).await;
    proxy.answer(|request| is(request, "Decrypt"), opened_by(&replica));
    assert!(here.decrypt_dek(&made.wrapped, &context).await.unwrap() == made.dek);
    let asked = proxy.requests().pop().unwrap().text();
    assert!(asked.contains(&format!(r#""KeyId":"{replica}""#)), "{asked}");
}

#[tokio::test]
async fn an_answer_by_another_key_is_not_taken() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let kms = service(AwsKmsConfig::shared([MRK]), &proxy.url()).await;
    let other = "arn:aws:kms:us-east-1:111122223333:key/mrk-ffffffffffffffffffffffffffffffff";
    for (action, call) in [("Decrypt", 0), ("GenerateDataKey", 1), ("ReEncrypt", 2)] {
        let body = format!(
            r#"{{"KeyId":"{other}","SourceKeyId":"{other}","Plaintext":"{DEK}","CiphertextBlob":"AAAA"}}"#
        );
        proxy.answer(move |request| is(request, action), Answer::json(200, body));
        let (form, context) = ([0, 0, 0, 1, 9], context("acme"));
        let error = match call {
            0 => kms.decrypt_dek(&form, &context).await.map(drop).unwrap_err(),
            1 => kms.generate_dek(&context).await.map(drop).unwrap_err(),
            _ => kms.rewrap_dek(&form, &context).await.map(drop).unwrap_err(),
        };
        assert_eq!(error.kind(), &KeyErrorKind::Malformed, "{action}");
    }
}

#[tokio::test]
async fn an_answer_that_holds_no_dek_is_malformed() {
    let proxy = HttpProxy::before(address(&kms_endpoint())).await;
    let kms = service(AwsKmsConfig::shared([MRK]), &proxy.url()).await;
    for body in [
        "{}".to_owned(),
        format!(r#"{{"KeyId":"{MRK}"}}"#),
        format!(r#"{{"KeyId":"{MRK}","Plaintext":"AQEB"}}"#),
    ] {
        proxy.answer(|_| true, Answer::json(200, body.as_str()));
        let error = kms.decrypt_dek(&[0, 0, 0, 1, 9], &context("acme")).await.unwrap_err();
        assert_eq!(error.kind(), &KeyErrorKind::Malformed, "{body}");
        proxy.answer(|_| true, Answer::json(200, body.as_str()));
        let error = kms.generate_dek(&context("acme")).await.unwrap_err();
        assert_eq!(error.kind(), &KeyErrorKind::Malformed, "{body}");
    }
}

#[tokio::test]
async fn keys_are_created_as_multi_region_keys_where_that_is_asked_for() {
    let prefix = format!("alias/{}", unique("mrk"));
    let config = AwsKmsConfig::per_tenant(&prefix).with_auto_create(true).with_multi_region(true);
    let kms = service(config, &kms_endpoint()).await;
    kms.generate_dek(&context("acme")).await.unwrap();
    let found = operator().describe_key().key_id(format!("{prefix}/acme")).send().await.unwrap();
    let metadata = found.key_metadata().unwrap();
    assert_eq!(metadata.multi_region(), Some(true));
    assert!(metadata.key_id().starts_with("mrk-"));
}
