//! What goes wrong on the way: the right kind of error, one attempt, and no secret in what is said.

use std::time::{Duration, Instant};

use sealmq_crypto_core::{KeyErrorKind, KeyManagementService};
use sealmq_keys_vault::{VaultAuth, VaultClient, VaultConfig};
use sealmq_test_kit::{Answer, HttpProxy, VaultAdmin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{context, is_transit, kind, mount_and_token, proxied, service};

#[tokio::test]
async fn each_fault_has_its_kind_and_is_met_once() {
    use KeyErrorKind as K;
    let errors = |text: &str| format!(r#"{{"errors":["{text}"]}}"#);
    let after = Some(Duration::from_secs(7));
    let table = [
        (
            Answer::json(429, errors("rate limit quota exceeded")).with_header("retry-after", "7"),
            K::Throttled { retry_after: after },
        ),
        (Answer::json(429, ""), K::Throttled { retry_after: None }),
        (Answer::json(500, errors("internal error")), K::Unavailable),
        (Answer::json(502, "<html>bad gateway</html>"), K::Unavailable),
        (Answer::json(503, errors("Vault is sealed")), K::Unavailable),
        (Answer::json(412, errors("required index state not present")), K::Unavailable),
        (Answer::Reset, K::Unavailable),
        (Answer::Swallow, K::Unavailable),
        (Answer::json(200, ""), K::Unavailable),
        (Answer::json(200, "not JSON"), K::Unavailable),
        (Answer::json(200, r#"{"data":null}"#), K::Unavailable),
        (Answer::json(200, r#"{"data":{"batch_results":[]}}"#), K::Unavailable),
        (Answer::json(200, r#"{"data":{"batch_results":[{}]}}"#), K::Unavailable),
        (Answer::json(400, errors("something new")), K::Denied),
    ];
    let (proxy, service, _) = proxied().await;
    let made = service.generate_dek(&context("acme")).await.unwrap();
    for (answer, expected) in table {
        let before = proxy.count(is_transit);
        proxy.answer(is_transit, answer.clone());
        let sealed = service.generate_dek(&context("acme")).await;
        assert_eq!(kind(sealed), expected, "{answer:?}");
        proxy.answer(is_transit, answer.clone());
        let opened = service.decrypt_dek(&made.wrapped, &context("acme")).await;
        assert_eq!(kind(opened), expected, "{answer:?}");
        assert_eq!(proxy.count(is_transit) - before, 2, "{answer:?}: nothing is repeated");
    }
    let opened = service.decrypt_dek(&made.wrapped, &context("acme")).await.unwrap();
    assert!(opened == made.dek, "it works again");
}

#[tokio::test]
async fn silence_ends_at_the_timeout() {
    let admin = VaultAdmin::from_env();
    let (mount, token) = mount_and_token(&admin).await;
    let proxy = HttpProxy::before(admin.authority()).await;
    let config = VaultConfig::new(proxy.url(), VaultAuth::token(token))
        .with_request_timeout(Duration::from_secs(4));
    let service = service(VaultClient::connect(config).await.unwrap(), &mount);
    proxy.answer(is_transit, Answer::Silence(Duration::from_secs(300)));
    let start = Instant::now();
    let refused = service.generate_dek(&context("acme")).await;
    assert_eq!(kind(refused), KeyErrorKind::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
    service.generate_dek(&context("acme")).await.unwrap();
}

/// A server that begins an answer and goes on byte by byte, for ever.
async fn dripping() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                let mut more = stream.write_all(head.as_bytes()).await;
                while more.is_ok() {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    more = stream.write_all(b"1\r\n \r\n").await;
                }
            });
        }
    });
    address
}

#[tokio::test]
async fn a_slow_drip_ends_at_the_timeout_however_much_comes() {
    let config = VaultConfig::new(dripping().await, VaultAuth::userpass("app", "hush"))
        .with_request_timeout(Duration::from_millis(300));
    let start = Instant::now();
    assert_eq!(kind(VaultClient::connect(config).await), KeyErrorKind::Unavailable);
    assert!(start.elapsed() < Duration::from_secs(60), "{:?}", start.elapsed());
}

#[tokio::test]
async fn an_oversized_answer_is_not_taken_whole() {
    let admin = VaultAdmin::from_env();
    let (mount, token) = mount_and_token(&admin).await;
    let proxy = HttpProxy::before(admin.authority()).await;
    let config =
        VaultConfig::new(proxy.url(), VaultAuth::token(token)).with_max_response_bytes(64 * 1024);
    let service = service(VaultClient::connect(config).await.unwrap(), &mount);
    for size in [64 * 1024 + 1, 16 << 20] {
        proxy.answer(is_transit, Answer::json(200, " ".repeat(size)));
        let refused = service.generate_dek(&context("acme")).await;
        assert_eq!(kind(refused), KeyErrorKind::Unavailable);
    }
    service.generate_dek(&context("acme")).await.unwrap();
}

#[tokio::test]
async fn an_error_page_that_repeats_the_request_is_not_repeated_here() {
    let (proxy, service, token) = proxied().await;
    let made = service.generate_dek(&context("acme")).await.unwrap();
    for status in [200, 302, 400, 403, 404, 429, 500, 503] {
        for page in [format!("<p>X-Vault-Token: {token}"), format!(r#"{{"errors":["{token}"]}}"#)] {
            proxy.answer(is_transit, Answer::json(status, page));
            let error = service.decrypt_dek(&made.wrapped, &context("acme")).await.unwrap_err();
            let mut shown = format!("{error} {error:?} {service:?}");
            let mut source = std::error::Error::source(&error);
            while let Some(error) = source {
                shown += &format!(" {error} {error:?}");
                source = error.source();
            }
            assert!(!shown.contains(&token), "{status}: {shown}");
        }
    }
}

#[tokio::test]
async fn a_vault_that_ignores_associated_data_is_refused() {
    let server = HttpProxy::before("127.0.0.1:1").await;
    for (version, refused) in [
        ("1.12.11", true),
        ("0.11.6", true),
        ("1.13.0", false),
        ("1.21.0+ent", false),
        ("2.7.2", false),
    ] {
        server.answer(
            |request| request.path == "/v1/sys/health",
            Answer::json(200, format!(r#"{{"version":"{version}"}}"#)),
        );
        server.always(Answer::json(200, r#"{"data":{"ttl":0}}"#));
        let config = VaultConfig::new(server.url(), VaultAuth::token("s.x"));
        let outcome = VaultClient::connect(config).await.map_err(|error| error.kind().clone());
        let too_old = KeyErrorKind::InvalidInput { field: "address" };
        assert_eq!(outcome.err(), refused.then_some(too_old), "{version}");
    }
}
