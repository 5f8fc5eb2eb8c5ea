//! Who calls: applications with a secret, workloads, managed identities.

use std::process::Command;
use std::time::Duration;

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService, TenantId};
use sealmq_keys_azure::{AzureConnection, AzureIdentity, AzureKeyVaultService, TlsConfig};
use uuid::Uuid;

use crate::support::{AUDIENCE, DIRECTORY, VAULT, config, context, tenant};

pub(crate) const SECRET: &str = "s3cret-of-the-application";
pub(crate) const ASSERTION: &str = "assertion-of-the-workload";

pub(crate) async fn identity(fields: &str) -> String {
    let id = Uuid::now_v7().to_string();
    VAULT.admin().request("PUT", &format!("/identities/{id}"), fields).await.unwrap();
    id
}

pub(crate) fn service(identity: AzureIdentity) -> AzureKeyVaultService {
    let connection = AzureConnection::new(VAULT.url(), identity)
        .with_audience(AUDIENCE)
        .with_authority_host(VAULT.authority_url())
        .with_tls(TlsConfig::new().with_root_ca_pem(VAULT.ca_pem()))
        .with_request_timeout(Duration::from_secs(5));
    AzureKeyVaultService::new(config(connection)).unwrap()
}

async fn serves(service: &AzureKeyVaultService, tenant: &TenantId) {
    let made = service.generate_dek(&context(tenant)).await.unwrap();
    assert!(service.decrypt_dek(&made.wrapped, &context(tenant)).await.unwrap() == made.dek);
}

pub(crate) async fn fault(operation: &str, id: &str, action: &str) {
    let json = format!(r#"{{"operation": "{operation}", "name": "{id}", {action}}}"#);
    VAULT.admin().request("POST", "/faults", &json).await.unwrap();
}

pub(crate) async fn tokens(operation: &str, id: &str) -> u64 {
    crate::support::count(operation, id).await
}

#[tokio::test]
async fn an_application_with_a_secret_gets_one_token_for_many_calls() {
    let id = identity(&format!(r#"{{"secret": "{SECRET}"}}"#)).await;
    let (service, tenant) =
        (service(AzureIdentity::client_secret(DIRECTORY, &id, SECRET)), tenant());
    for _ in 0..3 {
        serves(&service, &tenant).await;
    }
    assert_eq!(tokens("identity/token", &id).await, 1);
}

#[tokio::test]
async fn a_wrong_secret_is_denied_and_not_shown() {
    let id = identity(&format!(r#"{{"secret": "{SECRET}"}}"#)).await;
    let wrong = "wr0ng-secret";
    let service = service(AzureIdentity::client_secret(DIRECTORY, &id, wrong));
    let error = service.generate_dek(&context(&tenant())).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Denied);
    let shown = format!("{error} {error:?} {service:?}");
    assert!(!shown.contains(wrong), "{shown}");
}

#[tokio::test]
async fn an_authority_that_fails_is_unavailable_and_asked_once() {
    let id = identity(&format!(r#"{{"secret": "{SECRET}"}}"#)).await;
    let faults = [
        (r#""action": "fail""#, KeyErrorKind::Unavailable),
        (r#""action": "reset""#, KeyErrorKind::Unavailable),
        (r#""action": "garble""#, KeyErrorKind::Unavailable),
        (r#""action": "cut-body""#, KeyErrorKind::Unavailable),
        (
            r#""action": "throttle", "retry_after_s": 4"#,
            KeyErrorKind::Throttled { retry_after: Some(Duration::from_secs(4)) },
        ),
        (r#""action": "redirect", "location": "https://127.0.0.1:9/""#, KeyErrorKind::Unavailable),
    ];
    let tenant = tenant();
    for (n, (action, kind)) in faults.into_iter().enumerate() {
        let service = service(AzureIdentity::client_secret(DIRECTORY, &id, SECRET));
        fault("identity/token", &id, action).await;
        let error = service.generate_dek(&context(&tenant)).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{action}: {error:?}");
        assert_eq!(tokens("identity/token", &id).await, 2 * n as u64 + 1, "{action}");
        serves(&service, &tenant).await; // with the second token
    }
}

#[tokio::test]
async fn a_workload_shows_what_is_in_its_file() {
    let id = identity(&format!(r#"{{"assertion": "{ASSERTION}"}}"#)).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    std::fs::write(&file, ASSERTION).unwrap();
    serves(&service(AzureIdentity::workload_of(DIRECTORY, &id, &file)), &tenant()).await;
    std::fs::write(&file, "another").unwrap();
    let service = service(AzureIdentity::workload_of(DIRECTORY, &id, &file));
    let error = service.generate_dek(&context(&tenant())).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Denied);
}

#[tokio::test]
async fn a_workload_without_its_file_is_denied_at_once() {
    let missing = AzureIdentity::workload_of(DIRECTORY, "app", "/nowhere/token");
    let connection = AzureConnection::new(VAULT.url(), missing).with_audience(AUDIENCE);
    let error = AzureKeyVaultService::new(config(connection)).unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Denied);
}

/// A revoked token is refused, and what is refused is not tried for ever.
#[tokio::test]
async fn a_revoked_token_is_denied() {
    let token = crate::support::token(crate::support::ALL, "access-policy").await;
    let connection = crate::support::connection_with(&VAULT, &token, AUDIENCE);
    let (service, tenant) = (AzureKeyVaultService::new(config(connection)).unwrap(), tenant());
    serves(&service, &tenant).await;
    VAULT.admin().request("DELETE", &format!("/accepted-tokens/{token}"), "").await.unwrap();
    let error = service.generate_dek(&context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Denied);
}

/// A managed identity is found by the environment, which is a process's: the test runs itself in one
/// that has it.
#[tokio::test]
async fn managed_identities_are_found_by_the_environment() {
    if let Ok(id) = std::env::var("SEALMQ_TEST_CLIENT_ID") {
        return in_an_app_service(id).await;
    }
    let id = identity(r#"{"managed": true}"#).await;
    let myself = "identities::managed_identities_are_found_by_the_environment";
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", myself])
        .env("IDENTITY_ENDPOINT", format!("{}/msi/token", VAULT.imds_url()))
        .env("IDENTITY_HEADER", "IDENTITY_HEADER_VALUE")
        .env("SEALMQ_TEST_CLIENT_ID", &id)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

async fn in_an_app_service(id: String) {
    let tenant = tenant();
    serves(&service(AzureIdentity::managed(Some(id.clone()))), &tenant).await;
    for (action, kind) in [
        (r#""action": "fail", "status": 503"#, KeyErrorKind::Unavailable),
        (r#""action": "fail", "status": 410"#, KeyErrorKind::Unavailable),
        (
            r#""action": "throttle", "retry_after_s": null"#,
            KeyErrorKind::Throttled { retry_after: None },
        ),
        (r#""action": "reset""#, KeyErrorKind::Unavailable),
    ] {
        let service = service(AzureIdentity::managed(Some(id.clone())));
        let before = tokens("identity/managed", &id).await;
        fault("identity/managed", &id, action).await;
        let error = service.generate_dek(&context(&tenant)).await.unwrap_err();
        assert_eq!(*error.kind(), kind, "{action}: {error:?}");
        assert_eq!(tokens("identity/managed", &id).await, before + 1, "the SDK does not retry");
    }
    let unknown = service(AzureIdentity::managed(Some("nobody".into())));
    let error = unknown.generate_dek(&context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Denied);
}
