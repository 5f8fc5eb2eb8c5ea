//! A redirect never receives a token; with an ordinary client it does.

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_vault::{VaultAuth, VaultClient, VaultConfig};
use sealmq_test_kit::{Answer, HttpProxy, Request};

use crate::support::{context, is_transit, kind, proxied};

/// Somebody on another host who would like to have tokens.
async fn thief() -> (HttpProxy, String) {
    let thief = HttpProxy::before("127.0.0.1:1").await;
    thief.always(Answer::json(200, r#"{"data":{}}"#));
    let url = format!("http://localhost:{}/v1/stolen", thief.port());
    (thief, url)
}

fn to(url: &str, status: u16) -> Answer {
    Answer::json(status, "").with_header("location", url)
}

#[tokio::test]
async fn an_ordinary_client_hands_the_token_to_the_redirects_host() {
    let (thief, url) = thief().await;
    let server = HttpProxy::before("127.0.0.1:1").await;
    server.always(to(&url, 307));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let tls = rustls::ClientConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth();
    let ordinary = reqwest::Client::builder().tls_backend_preconfigured(tls).no_proxy();
    let ordinary = ordinary.build().unwrap();
    let request = ordinary.post(server.url()).header("x-vault-token", "s.hush").body("{}");
    request.send().await.unwrap();
    assert_eq!(thief.requests()[0].header("x-vault-token"), Some("s.hush"), "the control leaks");
}

#[tokio::test]
async fn our_client_follows_no_redirect() {
    for status in [301, 302, 303, 307, 308] {
        let (thief, url) = thief().await;
        let (proxy, service, _) = proxied().await;
        proxy.answer(is_transit, to(&url, status));
        let refused = service.generate_dek(&context("acme")).await;
        assert_eq!(kind(refused), KeyErrorKind::Unavailable, "{status}");
        assert!(thief.requests().is_empty(), "{status}");
        assert_eq!(proxy.count(is_transit), 1, "it is not repeated");
        service.generate_dek(&context("acme")).await.unwrap();
    }
}

#[tokio::test]
async fn a_login_follows_no_redirect_with_its_password() {
    let (thief, url) = thief().await;
    let server = HttpProxy::before("127.0.0.1:1").await;
    server.always(to(&url, 307));
    let config = VaultConfig::new(server.url(), VaultAuth::userpass("app", "hush"));
    assert_eq!(kind(VaultClient::connect(config).await), KeyErrorKind::Unavailable);
    let is_login = |request: &Request| request.path.contains("/login/");
    assert_eq!((thief.requests().len(), server.count(is_login)), (0, 1));
}
