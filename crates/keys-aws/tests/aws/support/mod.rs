//! What the tests share: services, keys of their own, the vendor's client.

pub(crate) mod proxy;

use std::process::Command;

use aws_sdk_kms::config::{BehaviorVersion, Credentials, Region};
use sealmq_crypto_core::{TenantId, WrapContext};
use sealmq_keys_aws::{
    AwsConnection, AwsKmsConfig, AwsKmsService, AwsSecretsConfig, AwsSecretsProvider,
};
use sealmq_test_kit::required;
use uuid::Uuid;

pub(crate) const SECRET: &str = "very-secret-access-key";
pub(crate) const TOKEN: &str = "very-secret-session-token";
pub(crate) const REGION: &str = "us-east-1";

pub(crate) fn kms_endpoint() -> String {
    required("SEALMQ_AWS_KMS_ENDPOINT")
}

pub(crate) fn secrets_endpoint() -> String {
    required("SEALMQ_AWS_SECRETS_ENDPOINT")
}

/// `host:port` of a server, for what stands before it.
pub(crate) fn address(endpoint: &str) -> String {
    endpoint.trim_start_matches("http://").trim_end_matches('/').to_owned()
}

/// With a limit on time that no busy machine meets: one server imitates all of AWS.
pub(crate) fn connection(endpoint: &str) -> AwsConnection {
    AwsConnection::new()
        .with_endpoint_url(endpoint)
        .with_request_timeout(std::time::Duration::from_secs(60))
        .with_region(REGION)
        .with_static_credentials("AKIDTEST", SECRET, None)
}

pub(crate) async fn service(config: AwsKmsConfig, endpoint: &str) -> AwsKmsService {
    AwsKmsService::connect(&config.with_connection(connection(endpoint))).await.unwrap()
}

pub(crate) async fn provider(secret: &str, endpoint: &str) -> AwsSecretsProvider {
    let config = AwsSecretsConfig::new(secret).with_connection(connection(endpoint));
    AwsSecretsProvider::connect(&config).await.unwrap()
}

pub(crate) fn unique(name: &str) -> String {
    format!("{name}-{}", Uuid::now_v7().simple())
}

pub(crate) fn tenant(name: &str) -> TenantId {
    TenantId::new(name).unwrap()
}

pub(crate) fn context(name: &str) -> WrapContext {
    WrapContext::new(Some("test"), tenant(name), "orders")
}

/// The SDK's own client: what an operator does.
pub(crate) fn operator() -> aws_sdk_kms::Client {
    let config = aws_sdk_kms::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(REGION))
        .credentials_provider(Credentials::new("AKIDTEST", SECRET, None, None, "tests"))
        .endpoint_url(kms_endpoint())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .build();
    aws_sdk_kms::Client::from_conf(config)
}

/// A key as an operator makes it: its ARN.
pub(crate) async fn key() -> String {
    let made = operator().create_key().send().await.unwrap();
    made.key_metadata().unwrap().arn().unwrap().to_owned()
}

/// Runs a program of the vendor's client, with `kms` and `secrets` clients at hand, and gives what
/// it prints.
pub(crate) fn boto3(program: &str, arguments: &[&str]) -> String {
    let head = "import base64, struct, sys, boto3\n\
        a = dict(region_name='us-east-1', aws_access_key_id='AKIDTEST', aws_secret_access_key='s')\n\
        kms = boto3.client('kms', endpoint_url=sys.argv[1], **a)\n\
        secrets = boto3.client('secretsmanager', endpoint_url=sys.argv[2], **a)\n";
    let output = Command::new(required("SEALMQ_PYTHON"))
        .args(["-c", &format!("{head}{program}")])
        .args([kms_endpoint(), secrets_endpoint()])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
