//! Tokens that end while a service goes on: they are replaced in time, and no call fails for it.

use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_azure::{AzureIdentity, AzureKeyVaultService};

use crate::identities::{ASSERTION, SECRET, fault, identity, service, tokens};
use crate::support::{DIRECTORY, VAULT, context, counts, key_of, tenant};

/// The SDK replaces a token five minutes before it ends: this one after two seconds.
const LIFETIME: &str = r#""token_lifetime_s": 302"#;
/// How long something may take that has to happen, however busy the machine is.
const PATIENCE: Duration = Duration::from_secs(180);

/// Calls without a pause, until there were so many tokens. Not one fails.
async fn outlives_its_tokens(service: &AzureKeyVaultService, operation: &str, id: &str) {
    let (tenant, done) = (tenant(), AtomicUsize::new(0));
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    let calls = || async {
        while done.load(Ordering::Relaxed) == 0 {
            let opened = service.decrypt_dek(&made.wrapped, &context(&tenant)).await;
            assert!(opened.expect("a call") == made.dek);
        }
    };
    let enough = async {
        while tokens(operation, id).await < 4 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        done.store(1, Ordering::Relaxed);
    };
    let all = async { tokio::join!(calls(), calls(), calls(), enough) };
    tokio::time::timeout(PATIENCE, all).await.expect("three changes of tokens");
    let answers = counts("keys/unwrapKey", &key_of(&tenant)).await;
    assert!(answers.keys().all(|status| status == "200"), "{answers:?}");
    assert!(!answers.is_empty());
}

#[tokio::test]
async fn tokens_of_an_application_are_replaced_before_they_end() {
    let id = identity(&format!(r#"{{"secret": "{SECRET}", {LIFETIME}}}"#)).await;
    let service = service(AzureIdentity::client_secret(DIRECTORY, &id, SECRET));
    outlives_its_tokens(&service, "identity/token", &id).await;
}

#[tokio::test]
async fn an_authority_that_is_away_fails_no_call_while_the_token_is_good() {
    let id = identity(&format!(r#"{{"secret": "{SECRET}", {LIFETIME}}}"#)).await;
    let service = service(AzureIdentity::client_secret(DIRECTORY, &id, SECRET));
    let tenant = tenant();
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    for _ in 0..3 {
        fault("identity/token", &id, r#""action": "fail""#).await;
    }
    let asked = async {
        while tokens("identity/token", &id).await < 4 {
            service.decrypt_dek(&made.wrapped, &context(&tenant)).await.expect("a call");
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.expect("the authority is asked");
}

#[tokio::test]
async fn a_token_that_has_ended_is_denied() {
    let id = identity(&format!(r#"{{"secret": "{SECRET}", "token_lifetime_s": 0}}"#)).await;
    let service = service(AzureIdentity::client_secret(DIRECTORY, &id, SECRET));
    let refused = service.generate_dek(&context(&tenant())).await.unwrap_err();
    assert_eq!(*refused.kind(), KeyErrorKind::Denied, "the control");
}

/// Run by the test below in a process of its own, with the identity in its environment.
#[tokio::test]
async fn child_of_the_environment_test() {
    let Ok(id) = std::env::var("CHILD_ID") else { return };
    let identity = match std::env::var("AZURE_FEDERATED_TOKEN_FILE") {
        Ok(_) => AzureIdentity::workload(),
        Err(_) => AzureIdentity::managed(Some(id.clone())),
    };
    let operation = std::env::var("CHILD_OPERATION").unwrap();
    outlives_its_tokens(&service(identity), &operation, &id).await;
}

fn runs(id: &str, operation: &str, variables: &[(&str, &str)]) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "token_refresh::child_of_the_environment_test"]);
    child.env_clear().envs(std::env::vars().filter(|(name, _)| name.starts_with("SEALMQ_")));
    child.env("CHILD_ID", id).env("CHILD_OPERATION", operation);
    let output = child.envs(variables.iter().copied()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn a_workload_and_a_managed_identity_that_the_environment_names_go_on() {
    let id = identity(&format!(r#"{{"assertion": "{ASSERTION}", {LIFETIME}}}"#)).await;
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(&file, ASSERTION).unwrap();
    let variables = [
        ("AZURE_TENANT_ID", DIRECTORY),
        ("AZURE_CLIENT_ID", &id),
        ("AZURE_FEDERATED_TOKEN_FILE", file.path().to_str().unwrap()),
    ];
    runs(&id, "identity/token", &variables);

    let id = identity(&format!(r#"{{"managed": true, {LIFETIME}}}"#)).await;
    let endpoint = format!("{}/msi/token", VAULT.imds_url());
    let header = ("IDENTITY_HEADER", "IDENTITY_HEADER_VALUE");
    runs(&id, "identity/managed", &[("IDENTITY_ENDPOINT", &endpoint), header]);
}
