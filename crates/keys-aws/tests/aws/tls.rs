//! TLS: a private authority is trusted where it is named, and each refusal says which one it is.

use sealmq_crypto_core::{KeyError, KeyErrorKind, KeyManagementService, KeyProvider};
use sealmq_keys_aws::{
    AwsConnection, AwsKmsConfig, AwsKmsService, AwsSecretsConfig, AwsSecretsProvider, TlsConfig,
};
use sealmq_test_kit::{Authority, TlsDoor, TlsDoors, TlsProxy};

use crate::support::{
    address, boto3, connection, context, key, kms_endpoint, secrets_endpoint, unique,
};

fn tls(door: &TlsDoor) -> TlsConfig {
    let tls = TlsConfig::new().with_root_ca_pem(door.root_ca.as_str());
    match &door.client_certificate {
        Some((chain, key)) => tls.with_client_certificate_pem(chain.as_str(), key.as_str()),
        None => tls,
    }
}

fn at(port: u16) -> AwsConnection {
    connection(&format!("https://localhost:{port}"))
}

async fn generate(connection: AwsConnection, key: &str) -> Result<(), KeyError> {
    let config = AwsKmsConfig::shared([key]).with_connection(connection);
    let kms = AwsKmsService::connect(&config).await.unwrap();
    kms.generate_dek(&context("acme")).await.map(drop)
}

async fn current(connection: AwsConnection, secret: &str) -> Result<(), KeyError> {
    let config = AwsSecretsConfig::new(secret).with_connection(connection);
    AwsSecretsProvider::connect(&config).await.unwrap().current_key_id().await.map(drop)
}

#[tokio::test]
async fn each_refusal_of_kms_is_unavailable_and_says_why() {
    let (doors, key) = (TlsDoors::before(&address(&kms_endpoint())).await, key().await);
    let through = |door: &TlsDoor| at(door.port()).with_tls(tls(door));
    generate(through(&doors.open), &key).await.unwrap();
    for door in &doors.shut {
        let error = generate(through(door), &key).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Unavailable, "{}: {error:?}", door.name);
        door.check_says_why(&error);
    }
}

#[tokio::test]
async fn each_refusal_of_secrets_manager_is_unavailable_and_says_why() {
    let (doors, secret) = (TlsDoors::before(&address(&secrets_endpoint())).await, unique("tls"));
    boto3("secrets.create_secret(Name=sys.argv[3], SecretBinary=bytes(32))", &[&secret]);
    let through = |door: &TlsDoor| at(door.port()).with_tls(tls(door));
    current(through(&doors.open), &secret).await.unwrap();
    for door in &doors.shut {
        let error = current(through(door), &secret).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Unavailable, "{}: {error:?}", door.name);
        door.check_says_why(&error);
    }
}

#[tokio::test]
async fn a_private_authority_is_none_of_the_systems() {
    let proxy = TlsProxy::before(address(&kms_endpoint()), &Authority::new("ours"), None).await;
    let error = generate(at(proxy.port()), &key().await).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
}
