//! Where tokens go: to the vault that was named and to nobody else, whatever an answer says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use azure_core::http::{ClientOptions, RetryOptions, Transport};
use azure_core::time::OffsetDateTime;
use azure_security_keyvault_keys::{KeyClient, KeyClientOptions};
use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_azure::{AzureConnection, AzureIdentity, AzureKeyVaultService, TlsConfig};
use sealmq_test_kit::{Answer, Authority, HttpProxy, TlsProxy};

use crate::support::{
    ALL, AUDIENCE, VAULT, config, connection, context, key_of, python, service, tenant, token,
};

const TOKEN: &str = "token-that-is-the-vaults-alone";

/// Gives a token for whatever is asked, and remembers for what.
#[derive(Debug, Default)]
struct Obliging(Mutex<Vec<String>>);

#[async_trait]
impl TokenCredential for Obliging {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        self.0.lock().unwrap().extend(scopes.iter().map(ToString::to_string));
        let expires = OffsetDateTime::now_utc() + Duration::from_secs(3600);
        Ok(AccessToken::new(TOKEN, expires))
    }
}

/// A vault that says what it is told to.
struct Scripted {
    http: HttpProxy,
    tls: TlsProxy,
    authority: Authority,
}

impl Scripted {
    async fn new() -> Self {
        let http = HttpProxy::before("127.0.0.1:9").await;
        let authority = Authority::new("vaults");
        let server = format!("127.0.0.1:{}", http.port());
        let tls = TlsProxy::before(server, &authority, None).await;
        Self { http, tls, authority }
    }

    fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.tls.port())
    }

    /// Asks for a token for this audience, and answers what carries one so.
    fn answers(&self, audience: &str, answer: Answer) {
        let challenge = format!(r#"Bearer authorization="https://x/y", resource="{audience}""#);
        let challenge = Answer::json(401, "{}").with_header("www-authenticate", &challenge);
        self.http.answer(|request| request.header("authorization").is_none(), challenge);
        self.http.always(answer);
    }

    fn tokens_seen(&self) -> usize {
        self.http.count(|request| {
            request.header("authorization").is_some_and(|value| value.contains(TOKEN))
        })
    }

    fn service(&self, credential: Arc<Obliging>) -> AzureKeyVaultService {
        let connection = AzureConnection::new(self.url(), AzureIdentity::custom(credential))
            .with_audience(AUDIENCE)
            .with_tls(TlsConfig::new().with_root_ca_pem(self.authority.pem()));
        AzureKeyVaultService::new(config(connection)).unwrap()
    }

    /// The SDK as it comes, but for trust and retries.
    fn plain_sdk(&self, credential: Arc<Obliging>) -> KeyClient {
        let mut roots = rustls::RootCertStore::empty();
        use rustls::pki_types::pem::PemObject;
        let pem = self.authority.pem();
        let root = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        roots.add(root).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = reqwest::Client::builder().tls_backend_preconfigured(tls).build().unwrap();
        let client_options = ClientOptions {
            retry: RetryOptions::none(),
            transport: Some(Transport::new(Arc::new(client))),
            ..ClientOptions::default()
        };
        let options = KeyClientOptions {
            client_options,
            verify_challenge_resource: Some(false),
            ..KeyClientOptions::default()
        };
        KeyClient::new(&self.url(), credential, Some(options)).unwrap()
    }
}

async fn list(client: &KeyClient) {
    use futures_util::TryStreamExt;
    let pages = client.list_key_properties_versions("key", None).unwrap();
    let _ = pages.try_collect::<Vec<_>>().await; // what the second page brings does not matter
}

/// A page that says where the next one is.
fn page(next: &str) -> Answer {
    Answer::json(200, format!(r#"{{"value": [], "nextLink": "{next}/keys/key/versions"}}"#))
}

#[tokio::test]
async fn the_next_page_of_a_list_is_asked_of_the_vault_alone() {
    // Of one authority, so that it is not TLS that keeps the token.
    let vault = Scripted::new().await;
    let thief = HttpProxy::before("127.0.0.1:9").await;
    thief.always(Answer::json(200, r#"{"value": []}"#));
    let server = format!("127.0.0.1:{}", thief.port());
    let thief_tls = TlsProxy::before(server, &vault.authority, None).await;
    let elsewhere = format!("https://127.0.0.1:{}", thief_tls.port());
    vault.answers(AUDIENCE, page(&elsewhere));
    list(&vault.plain_sdk(Arc::default())).await;
    let stolen = |request: &sealmq_test_kit::Request| {
        request.header("authorization").is_some_and(|value| value.contains(TOKEN))
    };
    assert_eq!(thief.count(stolen), 1, "the attack works on the SDK as it comes");

    vault.answers(AUDIENCE, page(&elsewhere));
    let error = vault.service(Arc::default()).generate_dek(&context(&tenant())).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
    assert_eq!(thief.count(|_| true), 1, "the token went nowhere else");
    assert!(vault.tokens_seen() > 0);
}

#[tokio::test]
async fn a_vault_gets_no_token_for_somebody_else() {
    let management = "https://management.azure.com";
    let vault = Scripted::new().await;
    vault.answers(management, Answer::json(200, r#"{"value": []}"#));
    let credential = Arc::<Obliging>::default();
    list(&vault.plain_sdk(Arc::clone(&credential))).await;
    assert_eq!(*credential.0.lock().unwrap(), [format!("{management}/.default")]);
    assert_eq!(vault.tokens_seen(), 1, "the attack works on the SDK as it comes");

    vault.answers(management, Answer::json(200, r#"{"value": []}"#));
    let credential = Arc::<Obliging>::default();
    let service = vault.service(Arc::clone(&credential));
    let error = service.generate_dek(&context(&tenant())).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Denied);
    assert!(credential.0.lock().unwrap().is_empty(), "no token was asked for");
    assert_eq!(vault.tokens_seen(), 1);
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let tenant = tenant();
    let service = service(ALL).await;
    let made = service.generate_dek(&context(&tenant)).await.unwrap();
    let key = key_of(&tenant);
    let thief = HttpProxy::before("127.0.0.1:9").await;
    thief.always(Answer::json(200, r#"{"value": "AAAA"}"#));
    for operation in ["keys/get", "keys/unwrapKey", "keys/wrapKey", "keys/listVersions"] {
        let fault = format!(
            r#"{{"action": "redirect", "operation": "{operation}", "name": "{key}",
                "location": "{}/"}}"#,
            thief.url()
        );
        VAULT.admin().request("POST", "/faults", &fault).await.unwrap();
    }
    // A client that follows takes its token along.
    let program = "import ssl, urllib.request\n\
        request = urllib.request.Request(f'{URL}/keys/{ARGS[0]}/?api-version=7.6')\n\
        request.add_header('Authorization', f'Bearer {TOKEN}')\n\
        urllib.request.urlopen(request, context=ssl.create_default_context(cafile=CA))";
    let stolen = token(ALL, "access-policy").await;
    let (key, sent) = (key.clone(), stolen.clone());
    tokio::task::spawn_blocking(move || python(&VAULT, &sent, program, &[&key])).await.unwrap();
    let took = thief.requests().first().and_then(|r| r.header("authorization").map(str::to_owned));
    assert!(took.is_some_and(|value| value.contains(&stolen)), "the attack works on the control");

    let error = service.decrypt_dek(&made.wrapped, &context(&tenant)).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
    for _ in 0..2 {
        let error = service.generate_dek(&context(&tenant)).await.unwrap_err();
        assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
    }
    assert_eq!(thief.count(|_| true), 1, "nobody else came");
}

#[tokio::test]
async fn a_vault_of_another_authority_gets_nothing() {
    let vault = Scripted::new().await;
    vault.answers(AUDIENCE, Answer::json(200, r#"{"value": []}"#));
    let mut connection = connection(ALL).await; // trusts the authority of the tests' vault
    connection.vault_url = vault.url();
    let service = AzureKeyVaultService::new(config(connection)).unwrap();
    let error = service.generate_dek(&context(&tenant())).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
    assert_eq!(vault.http.count(|_| true), 0);
}

/// What cannot be reached is not what refuses.
#[tokio::test]
async fn a_vault_that_is_not_there_is_unavailable() {
    let mut connection = connection(ALL).await;
    connection.vault_url = format!("https://127.0.0.1:{}", sealmq_test_kit::free_port());
    let service = AzureKeyVaultService::new(config(connection)).unwrap();
    let error = service.generate_dek(&context(&tenant())).await.unwrap_err();
    assert_eq!(*error.kind(), KeyErrorKind::Unavailable);
}
