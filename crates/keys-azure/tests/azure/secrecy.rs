//! What the SDK traces while it works: no token and no key.

use std::io::Write;
use std::sync::{Arc, Mutex};

use sealmq_crypto_core::{KeyManagementService, KeyProvider};
use sealmq_keys_azure::{
    AzureConnection, AzureIdentity, AzureKeyVaultService, AzureSecretsConfig, AzureSecretsProvider,
    TlsConfig,
};
use tracing_subscriber::fmt::MakeWriter;

use crate::support::{ALL, AUDIENCE, DIRECTORY, VAULT, config, context, hex, tenant, unique};

const SECRET: &str = "s3cret-that-no-trace-shows";
const KEY_BASE64: &str = "a2V5IHRoYXQgbm8gdHJhY2Ugc2hvd3MsIDMyIGJ5dGU=";

#[derive(Clone, Default)]
struct Traces(Arc<Mutex<Vec<u8>>>);

impl Write for Traces {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Traces {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

fn base64_of(bytes: &[u8]) -> String {
    use azure_core::base64::encode_url_safe;
    encode_url_safe(bytes)
}

#[tokio::test]
async fn traces_of_everything_show_no_token_and_no_key() {
    let traces = Traces::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(traces.clone())
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);

    let id = unique("app");
    let json = format!(r#"{{"secret": "{SECRET}", "permissions": {ALL}}}"#);
    VAULT.admin().request("PUT", &format!("/identities/{id}"), &json).await.unwrap();
    let connection =
        AzureConnection::new(VAULT.url(), AzureIdentity::client_secret(DIRECTORY, &id, SECRET))
            .with_audience(AUDIENCE)
            .with_authority_host(VAULT.authority_url())
            .with_tls(TlsConfig::new().with_root_ca_pem(VAULT.ca_pem()));
    let tenant = tenant();
    let service = AzureKeyVaultService::new(config(connection.clone())).unwrap();
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    service.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap();
    let secret = unique("secret");
    let value = format!(r#"{{"value": "{KEY_BASE64}"}}"#);
    VAULT.operate("PUT", &format!("/secrets/{secret}"), &value).await;
    let store = AzureSecretsProvider::new(AzureSecretsConfig::new(connection, &secret)).unwrap();
    let current = store.current_key_id().await.unwrap();
    store.get_key(&current).await.unwrap();

    let shown = String::from_utf8_lossy(&traces.0.lock().unwrap()).into_owned();
    assert!(shown.contains("/unwrapkey"), "the SDK traces at all");
    let dek = made.dek.expose_secret();
    let header_and_dek = [&b"QRE1\x01\0\0\0"[..], dek].concat();
    for hidden in [
        SECRET.to_owned(),
        KEY_BASE64.to_owned(),
        hex(dek),
        base64_of(&header_and_dek)[..50].to_owned(),
    ] {
        assert!(!shown.contains(&hidden), "a trace shows {hidden}");
    }
    let tokens = shown.split("Bearer ").skip(1).filter(|rest| !rest.starts_with("authorization="));
    assert_eq!(tokens.count(), 0, "a trace shows a token");
}
