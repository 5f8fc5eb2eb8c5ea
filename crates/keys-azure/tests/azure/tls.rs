//! TLS: each refusal says which one it is, and nothing was sent by then.

use sealmq_crypto_core::{KeyError, KeyErrorKind, KeyManagementService, KeyProvider};
use sealmq_keys_azure::{
    AzureConnection, AzureKeyVaultService, AzureSecretsConfig, AzureSecretsProvider, TlsConfig,
};
use sealmq_test_kit::{Answer, HttpProxy, TlsDoor, TlsDoors};

use crate::support::{AUDIENCE, VAULT, config, connection_with};

/// A vault without TLS of its own, which asks for a token and then says this to everything.
async fn vault(says: &str) -> HttpProxy {
    let http = HttpProxy::before("127.0.0.1:9").await;
    let challenge = format!(r#"Bearer authorization="https://x/y", resource="{AUDIENCE}""#);
    let challenge = Answer::json(401, "{}").with_header("www-authenticate", &challenge);
    http.screen(move |request| match request.header("authorization") {
        Some(_) => None,
        None => Some(challenge.clone()),
    });
    http.always(Answer::json(200, says));
    http
}

fn through(door: &TlsDoor) -> AzureConnection {
    let mut tls = TlsConfig::new().with_root_ca_pem(door.root_ca.as_str());
    if let Some((chain, key)) = &door.client_certificate {
        tls = tls.with_client_certificate_pem(chain.as_str(), key.as_str());
    }
    let mut connection = connection_with(&VAULT, "TOKEN_VALUE", AUDIENCE).with_tls(tls);
    connection.vault_url = format!("https://localhost:{}", door.port());
    connection
}

async fn check(vault: &HttpProxy, ask: impl AsyncFn(AzureConnection) -> Result<(), KeyError>) {
    let doors = TlsDoors::before(&format!("127.0.0.1:{}", vault.port())).await;
    ask(through(&doors.open)).await.unwrap();
    let came = vault.requests().len();
    for door in &doors.shut {
        let error = ask(through(door)).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Unavailable, "{}: {error:?}", door.name);
        door.check_says_why(&error);
    }
    assert_eq!(vault.requests().len(), came, "nothing came through");
}

#[tokio::test]
async fn each_refusal_of_a_vaults_keys_is_unavailable_and_says_why() {
    let vault = vault(r#"{"value": []}"#).await;
    let ask = async |connection| AzureKeyVaultService::new(config(connection))?.health().await;
    check(&vault, ask).await;
}

#[tokio::test]
async fn each_refusal_of_a_vaults_secrets_is_unavailable_and_says_why() {
    let id = "https://localhost/secrets/s/00000000000000000000000000000001";
    let vault = vault(&format!(r#"{{"value": "WlpaWlpa", "id": "{id}"}}"#)).await;
    let ask = async |connection| {
        let store = AzureSecretsProvider::new(AzureSecretsConfig::new(connection, "s"))?;
        store.current_key_id().await.map(drop)
    };
    check(&vault, ask).await;
}
