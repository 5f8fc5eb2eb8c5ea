//! TLS: a private authority is trusted where it is named, and nowhere else.

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_aws::{AwsConnection, AwsKmsConfig, AwsKmsService, TlsConfig};
use sealmq_test_kit::{Authority, TlsProxy};

use crate::support::{address, connection, context, key, kms_endpoint};

async fn generate(connection: AwsConnection, key: &str) -> Result<(), KeyErrorKind> {
    let config = AwsKmsConfig::shared([key]).with_connection(connection);
    let kms = AwsKmsService::connect(&config).await.unwrap();
    kms.generate_dek(&context("acme")).await.map(drop).map_err(|error| error.kind().clone())
}

#[tokio::test]
async fn only_the_named_authority_is_trusted() {
    let (ours, other) = (Authority::new("ours"), Authority::new("other"));
    let proxy = TlsProxy::before(address(&kms_endpoint()), &ours, None).await;
    let (url, key) = (format!("https://localhost:{}", proxy.port()), key().await);
    let with = |authority: &Authority| {
        connection(&url).with_tls(TlsConfig::new().with_root_ca_pem(authority.pem()))
    };
    assert_eq!(generate(with(&ours), &key).await, Ok(()));
    assert_eq!(generate(with(&other), &key).await, Err(KeyErrorKind::Denied));
    assert_eq!(generate(connection(&url), &key).await, Err(KeyErrorKind::Denied));
}

#[tokio::test]
async fn a_certificate_of_another_host_is_refused() {
    let ours = Authority::new("ours");
    let (certificate, key_pem) = ours.sign_for("other", &["other.example"]);
    let pair = (certificate.as_str(), key_pem.as_str());
    let proxy = TlsProxy::with_certificate(address(&kms_endpoint()), pair, None).await;
    let url = format!("https://localhost:{}", proxy.port());
    let connection = connection(&url).with_tls(TlsConfig::new().with_root_ca_pem(ours.pem()));
    assert_eq!(generate(connection, &key().await).await, Err(KeyErrorKind::Denied));
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_who_asks() {
    let (servers, clients) = (Authority::new("servers"), Authority::new("clients"));
    let proxy = TlsProxy::before(address(&kms_endpoint()), &servers, Some(&clients)).await;
    let (url, key) = (format!("https://localhost:{}", proxy.port()), key().await);
    let trusting = TlsConfig::new().with_root_ca_pem(servers.pem());
    let without = connection(&url).with_tls(trusting.clone());
    assert_eq!(generate(without, &key).await, Err(KeyErrorKind::Denied));
    let (chain, private) = clients.sign("caller");
    let with = connection(&url).with_tls(trusting.with_client_certificate_pem(chain, private));
    assert_eq!(generate(with, &key).await, Ok(()));
}
