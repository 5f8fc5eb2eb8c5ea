//! TLS with a private authority and client certificates, whatever the environment says.

use std::path::PathBuf;

use sealmq_crypto_core::KeyErrorKind;
use sealmq_keys_vault::{TlsConfig, VaultAuth, VaultClient, VaultConfig, VaultHealth};
use sealmq_test_kit::{Authority, TlsDoor, TlsDoors, TlsProxy, VaultAdmin};
use tokio::process::Command;

use crate::support::kind;

fn config(port: u16) -> VaultConfig {
    let token = VaultAuth::token(VaultAdmin::from_env().token());
    VaultConfig::new(format!("https://localhost:{port}"), token)
}

fn trusting(authorities: impl Into<PathBuf>) -> TlsConfig {
    TlsConfig::new().with_root_ca(authorities)
}

async fn works(config: VaultConfig) {
    let client = VaultClient::connect(config).await.unwrap();
    assert_eq!(client.health().await, VaultHealth::Ready);
}

async fn fails(config: VaultConfig) {
    assert_eq!(kind(VaultClient::connect(config).await), KeyErrorKind::Unavailable);
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_configured_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    let server = TlsProxy::before(VaultAdmin::from_env().authority(), &ours, None).await;
    works(config(server.port()).with_tls(trusting(ours.write(folder.path(), "ours")))).await;
    fails(config(server.port())).await;
}

fn tls(door: &TlsDoor) -> TlsConfig {
    let tls = TlsConfig::new().with_root_ca_pem(door.root_ca.as_str());
    match &door.client_certificate {
        Some((chain, key)) => tls.with_client_certificate_pem(chain.as_str(), key.as_str()),
        None => tls,
    }
}

#[tokio::test]
async fn each_refusal_is_unavailable_and_says_why() {
    let doors = TlsDoors::before(VaultAdmin::from_env().authority()).await;
    works(config(doors.open.port()).with_tls(tls(&doors.open))).await;
    for door in &doors.shut {
        let connected = VaultClient::connect(config(door.port()).with_tls(tls(door))).await;
        let error = connected.err().unwrap();
        assert_eq!(*error.kind(), KeyErrorKind::Unavailable, "{}: {error:?}", door.name);
        door.check_says_why(&error);
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_to_a_server_that_wants_one() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    let server = TlsProxy::before(VaultAdmin::from_env().authority(), &ours, Some(&ours)).await;
    let ca = ours.write(folder.path(), "ours");
    let (chain, key) = ours.write_signed(folder.path(), "app");
    let with = |tls| config(server.port()).with_tls(tls);
    works(with(trusting(&ca).with_client_certificate(&chain, &key))).await;
    let unusable = [
        (trusting("/nowhere.pem"), "root_ca"),
        (trusting(&key), "root_ca"),
        (TlsConfig::new().with_client_certificate(&chain, &chain), "client_certificate"),
        (TlsConfig::new().with_client_certificate("/nowhere.pem", &key), "client_certificate"),
    ];
    for (tls, field) in unusable {
        let refused = kind(VaultClient::connect(config(1).with_tls(tls)).await);
        assert_eq!(refused, KeyErrorKind::InvalidInput { field });
    }
}

/// Run by the test below in a process of its own, with the settings in its environment.
#[tokio::test]
async fn child_of_the_environment_test() {
    let (Ok(port), Ok(ca)) = (std::env::var("CHILD_PORT"), std::env::var("CHILD_CA")) else {
        return;
    };
    let port = port.parse().unwrap();
    fails(config(port)).await;
    works(config(port).with_tls(trusting(&ca))).await;
}

#[tokio::test]
async fn no_setting_of_the_environment_weakens_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new("ours");
    let server = TlsProxy::before(VaultAdmin::from_env().authority(), &ours, None).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "tls::child_of_the_environment_test"]);
    child.env("CHILD_PORT", server.port().to_string());
    child.env("CHILD_CA", ours.write(folder.path(), "ours"));
    for skip in ["VAULT_SKIP_VERIFY", "BAO_SKIP_VERIFY"] {
        child.env(skip, "1");
    }
    child.env("VAULT_CACERT", folder.path().join("ours.pem"));
    child.env("VAULT_ADDR", "http://127.0.0.1:1").env("VAULT_TOKEN", "s.other");
    for proxy in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"] {
        child.env(proxy, "http://127.0.0.1:1"); // nobody is there
    }
    let output = child.output().await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
