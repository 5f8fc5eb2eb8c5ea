//! Which versions of a secret open.

use std::sync::Arc;

use sealmq_crypto_core::{EncryptionKeyId, KeyErrorKind, KeyProvider, KeyringPolicy, NamedKeys};
use sealmq_keys_aws::{AwsSecretsConfig, AwsSecretsProvider};
use sealmq_test_kit::{Answer, HttpProxy};

use crate::support::proxy::{is, refused};
use crate::support::{address, boto3, connection, provider, secrets_endpoint, unique};

/// A secret with as many versions, each 32 times its number: their ids, oldest first.
fn versions(name: &str, count: usize) -> Vec<EncryptionKeyId> {
    let write = "n = sys.argv[3]\n\
        ids = [secrets.create_secret(Name=n, SecretBinary=bytes([1]) * 32)['VersionId']]\n\
        for i in range(2, int(sys.argv[4]) + 1):\n\
        \x20   ids.append(secrets.put_secret_value(SecretId=n, SecretBinary=bytes([i]) * 32)['VersionId'])\n\
        print(*ids)\n";
    let printed = boto3(write, &[name, &count.to_string()]);
    printed.split(' ').map(|id| EncryptionKeyId::new(id).unwrap()).collect()
}

#[tokio::test]
async fn pinned_versions_open_whatever_their_labels() {
    let name = unique("secret");
    let ids = versions(&name, 4);
    let endpoint = secrets_endpoint();
    let plain = provider(&name, &endpoint).await;
    let config = AwsSecretsConfig::new(&name)
        .with_connection(connection(&endpoint))
        .with_pinned_version(ids[0].clone());
    let pinning = AwsSecretsProvider::connect(&config).await.unwrap();
    let error = plain.get_key(&ids[0]).await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::KeyNotFound);
    assert_eq!(pinning.get_key(&ids[0]).await.unwrap().expose_secret(), &[1; 32]);
    assert!(pinning.valid_key_ids().await.unwrap().contains(&ids[0]));
    assert_eq!(pinning.get_key(&ids[1]).await.unwrap_err().kind(), &KeyErrorKind::KeyNotFound);
    assert_eq!(plain.valid_key_ids().await.unwrap().len(), 2);
    assert_eq!(pinning.valid_key_ids().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_pending_version_neither_seals_nor_opens_until_it_is_current() {
    let name = unique("secret");
    let ids = versions(&name, 1);
    let pend = "print(secrets.put_secret_value(SecretId=sys.argv[3], SecretBinary=bytes([9]) * 32, \
        VersionStages=['AWSPENDING'])['VersionId'])\n";
    let pending = EncryptionKeyId::new(&boto3(pend, &[&name])).unwrap();
    let store = provider(&name, &secrets_endpoint()).await;
    assert_eq!(store.current_key_id().await.unwrap(), ids[0]);
    assert_eq!(store.valid_key_ids().await.unwrap(), ids);
    assert_eq!(store.get_key(&pending).await.unwrap_err().kind(), &KeyErrorKind::KeyNotFound);
    let promote = "secrets.update_secret_version_stage(SecretId=sys.argv[3], VersionStage='AWSCURRENT', \
        MoveToVersionId=sys.argv[4], RemoveFromVersionId=sys.argv[5])\n";
    boto3(promote, &[&name, pending.as_str(), ids[0].as_str()]);
    assert_eq!(store.current_key_id().await.unwrap(), pending);
    assert_eq!(store.get_key(&pending).await.unwrap().expose_secret(), &[9; 32]);
    assert!(store.valid_key_ids().await.unwrap().contains(&ids[0]), "as AWSPREVIOUS");
}

#[tokio::test]
async fn a_missing_a_deleted_and_a_malformed_secret_are_told_apart() {
    let endpoint = secrets_endpoint();
    let missing = provider(&unique("missing"), &endpoint).await;
    let error = missing.current_key_id().await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::KeyNotFound);

    let name = unique("deleted");
    let ids = versions(&name, 1);
    boto3("secrets.delete_secret(SecretId=sys.argv[3], RecoveryWindowInDays=7)\n", &[&name]);
    let deleted = provider(&name, &endpoint).await;
    assert_eq!(deleted.current_key_id().await.unwrap_err().kind(), &KeyErrorKind::Disabled);
    assert_eq!(deleted.get_key(&ids[0]).await.unwrap_err().kind(), &KeyErrorKind::Disabled);

    for value in ["not base64 at all", "AAAA", r#"{"key":"AAAA"}"#] {
        let name = unique("malformed");
        let write = "print(secrets.create_secret(Name=sys.argv[3], SecretString=sys.argv[4])['VersionId'])\n";
        let id = EncryptionKeyId::new(&boto3(write, &[&name, value])).unwrap();
        let error = provider(&name, &endpoint).await.get_key(&id).await.unwrap_err();
        assert_eq!(error.kind(), &KeyErrorKind::Malformed, "{value}");
        assert!(!format!("{error} {error:?}").contains(value), "{error:?}");
    }
}

#[tokio::test]
async fn an_answer_of_another_version_is_not_taken() {
    let proxy = HttpProxy::before(address(&secrets_endpoint())).await;
    let store = provider("orders", &proxy.url()).await;
    let (asked, came) = ("1".repeat(36), "2".repeat(36));
    let body = format!(
        r#"{{"VersionId":"{came}","VersionStages":["AWSCURRENT"],"SecretBinary":"AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="}}"#
    );
    proxy.answer(|request| is(request, "GetSecretValue"), Answer::json(200, body));
    let error = store.get_key(&EncryptionKeyId::new(&asked).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::Malformed);
    let denied = refused(400, "DecryptionFailure", "no access to the KMS key");
    proxy.answer(|request| is(request, "GetSecretValue"), denied);
    let error = store.get_key(&EncryptionKeyId::new(&asked).unwrap()).await.unwrap_err();
    assert_eq!(error.kind(), &KeyErrorKind::Denied);
}

#[tokio::test]
async fn the_id_of_a_frame_is_asked_for_only_if_the_secret_lists_it() {
    let name = unique("secret");
    versions(&name, 2);
    let proxy = HttpProxy::before(address(&secrets_endpoint())).await;
    let store = Arc::new(provider(&name, &proxy.url()).await);
    let keys = NamedKeys::new(store, &KeyringPolicy::default()).unwrap();
    assert!(keys.opening_key(&"f".repeat(36)).await.is_err());
    assert_eq!(proxy.count(|request| is(request, "GetSecretValue")), 0);
}
