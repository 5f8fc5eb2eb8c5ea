//! Handshakes with a real server: who is trusted, what is refused and why, files that change.
#![allow(
    clippy::unwrap_used,
    reason = "clippy knows helpers of tests only inside of a crate's own test modules"
)]

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sealmq_test_kit::{Authority, TlsProxy};
use sealmq_tls::{Refusal, TlsConfig, TlsVersion};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

/// A server that says back what it is told.
async fn echo() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() {
                    stream.write_all(&byte).await?;
                }
                io::Result::Ok(())
            });
        }
    });
    address
}

/// One byte there and back: with TLS 1.3 a server refuses a client only after its handshake.
async fn talk(client: &ClientConfig, proxy: &TlsProxy) -> Result<(), Option<Refusal>> {
    let connector = TlsConnector::from(Arc::new(client.clone()));
    let stream = TcpStream::connect(("127.0.0.1", proxy.port())).await.unwrap();
    let said = async {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = connector.connect(name, stream).await?;
        stream.write_all(b"x").await?;
        stream.read_exact(&mut [0]).await
    };
    said.await.map(drop).map_err(|error| Refusal::of(&error))
}

fn trusting(authority: &Authority) -> TlsConfig {
    TlsConfig::new().with_root_ca_pem(authority.pem())
}

#[tokio::test]
async fn an_authority_of_ones_own_is_trusted_and_no_other() {
    let (ours, others) = (Authority::new("one"), Authority::new("two"));
    let proxy = TlsProxy::before(echo().await, &ours, None).await;
    assert_eq!(talk(&trusting(&ours).client_config().unwrap(), &proxy).await, Ok(()));
    for tls in [trusting(&others), TlsConfig::new()] {
        let refused = talk(&tls.client_config().unwrap(), &proxy).await;
        assert_eq!(refused, Err(Some(Refusal::UnknownAuthority)));
    }
}

#[tokio::test]
async fn certificates_that_expired_or_name_another_are_told_apart() {
    let ours = Authority::new("ours");
    let server = echo().await;
    let client = trusting(&ours).client_config().unwrap();
    let (chain, key) = ours.sign_expired("localhost");
    let expired = TlsProxy::with_certificate(&server, (&chain, &key), None).await;
    assert_eq!(talk(&client, &expired).await, Err(Some(Refusal::Expired)));
    let (chain, key) = ours.sign_for("broker", &["broker.internal"]);
    let elsewhere = TlsProxy::with_certificate(&server, (&chain, &key), None).await;
    assert_eq!(talk(&client, &elsewhere).await, Err(Some(Refusal::WrongName)));
    let renamed = trusting(&ours).with_server_name("broker.internal").client_config().unwrap();
    assert_eq!(talk(&renamed, &elsewhere).await, Ok(()));
    let proxy = TlsProxy::before(&server, &ours, None).await;
    assert_eq!(talk(&renamed, &proxy).await, Err(Some(Refusal::WrongName)));
}

#[tokio::test]
async fn client_certificates_are_shown_and_missing_ones_are_named() {
    let (servers, clients, others) =
        (Authority::new("servers"), Authority::new("clients"), Authority::new("others"));
    let proxy = TlsProxy::before(echo().await, &servers, Some(&clients)).await;
    let with = |authority: &Authority| {
        let (chain, key) = authority.sign("client");
        trusting(&servers).with_client_certificate_pem(chain, key)
    };
    for version in [TlsVersion::V1_2, TlsVersion::V1_3] {
        let good = with(&clients).with_min_version(version).client_config().unwrap();
        assert_eq!(talk(&good, &proxy).await, Ok(()));
    }
    let none = trusting(&servers).client_config().unwrap();
    assert_eq!(talk(&none, &proxy).await, Err(Some(Refusal::ClientCertificateMissing)));
    let foreign = with(&others).client_config().unwrap();
    let refused = talk(&foreign, &proxy).await.unwrap_err().unwrap();
    assert!(matches!(refused, Refusal::ClientAuthorityUnknown | Refusal::ClientCertificateRefused));
}

/// Files that a sidecar keeps fresh.
struct Files {
    folder: tempfile::TempDir,
}

impl Files {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a file in one step, as the tools do.
    fn write(&self, name: &str, text: &str) {
        let (new, path) = (self.path("new"), self.path(name));
        std::fs::write(&new, text).unwrap();
        std::fs::rename(new, path).unwrap();
    }
}

fn paths(files: &Files) -> [PathBuf; 3] {
    ["ca.pem", "tls.crt", "tls.key"].map(|name| files.path(name))
}

#[tokio::test]
async fn authorities_and_certificates_are_replaced_with_their_files() {
    let files = Files::new();
    let (servers, clients) = (["s1", "s2"].map(Authority::new), ["c1", "c2"].map(Authority::new));
    let server = echo().await;
    let mut proxies = Vec::new();
    for (server_ca, client_ca) in servers.iter().zip(&clients) {
        proxies.push(TlsProxy::before(&server, server_ca, Some(client_ca)).await);
    }
    let put = |turn: usize| {
        files.write("ca.pem", &servers[turn].pem());
        let (chain, key) = clients[turn].sign("client");
        files.write("tls.crt", &chain);
        files.write("tls.key", &key);
    };
    put(0);
    let [ca, chain, key] = paths(&files);
    let tls = TlsConfig::new().with_root_ca(ca).with_client_certificate(chain, key);
    let client = tls.client_config().unwrap();
    assert_eq!(talk(&client, &proxies[0]).await, Ok(()));
    assert_eq!(talk(&client, &proxies[1]).await, Err(Some(Refusal::UnknownAuthority)));
    put(1);
    assert_eq!(talk(&client, &proxies[1]).await, Ok(()), "the same client, the new files");
    assert_eq!(talk(&client, &proxies[0]).await, Err(Some(Refusal::UnknownAuthority)));
}

#[tokio::test]
async fn half_a_pair_leaves_the_pair_before_in_force() {
    let files = Files::new();
    let (servers, clients) = (Authority::new("one"), Authority::new("two"));
    let proxy = TlsProxy::before(echo().await, &servers, Some(&clients)).await;
    let (chain, key) = clients.sign("client");
    files.write("tls.crt", &chain);
    files.write("tls.key", &key);
    let [_, chain_path, key_path] = paths(&files);
    let client = trusting(&servers).with_client_certificate(chain_path, key_path);
    let client = client.client_config().unwrap();
    let (next_chain, next_key) = clients.sign("client-with-another-name");
    files.write("tls.crt", &next_chain);
    assert_eq!(talk(&client, &proxy).await, Ok(()));
    files.write("tls.key", "");
    assert_eq!(talk(&client, &proxy).await, Ok(()));
    files.write("tls.key", &next_key);
    assert_eq!(talk(&client, &proxy).await, Ok(()));
}

#[tokio::test]
async fn a_key_of_another_certificate_is_refused_at_once() {
    let authority = Authority::new("ours");
    let ((chain, _), (_, other_key)) = (authority.sign("a"), authority.sign("b"));
    let tls = TlsConfig::new().with_client_certificate_pem(chain, other_key);
    assert_eq!(tls.client_config().unwrap_err().variable, "client_certificate");
}
