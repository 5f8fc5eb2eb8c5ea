//! TLS before a server that has none: with a private authority, and client certificates if wanted.

use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::Authority;

/// A proxy that ends TLS, and itself ends when it is dropped.
#[derive(Debug)]
pub struct TlsProxy {
    port: u16,
    running: AbortHandle,
}

impl TlsProxy {
    /// TLS before the server at `host:port`, with a certificate of this authority. With `clients`,
    /// clients need a certificate which that authority signed.
    ///
    /// # Panics
    /// When there is no port left to listen to.
    pub async fn before(
        server: impl Into<String>,
        authority: &Authority,
        clients: Option<&Authority>,
    ) -> Self {
        let (certificate, key) = authority.sign("localhost");
        Self::with_certificate(server, (&certificate, &key), clients).await
    }

    /// The same with this certificate and key, PEM.
    ///
    /// # Panics
    /// When they are no PEM, or there is no port left to listen to.
    pub async fn with_certificate(
        server: impl Into<String>,
        (certificate, key): (&str, &str),
        clients: Option<&Authority>,
    ) -> Self {
        let acceptor = acceptor(certificate, key, clients);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let running = tokio::spawn(serve(listener, acceptor, server.into()));
        Self { port, running: running.abort_handle() }
    }

    /// The port to connect to, on the loopback address.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

pub(crate) fn acceptor(certificate: &str, key: &str, clients: Option<&Authority>) -> TlsAcceptor {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()))
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, server: String) {
    while let Ok((client, _)) = listener.accept().await {
        let (acceptor, server) = (acceptor.clone(), server.clone());
        tokio::spawn(async move { pass(client, &acceptor, server).await });
    }
}

/// Ends the TLS of a client, and passes on what it says.
pub(crate) async fn pass(
    client: TcpStream,
    acceptor: &TlsAcceptor,
    server: String,
) -> std::io::Result<()> {
    let mut client = match acceptor.accept(client).into_fallible().await {
        Ok(client) => client,
        Err((error, mut refused)) => {
            // Who is refused gets to read why: a connection that is closed with something unread
            // is reset, and what was said last may be lost.
            tokio::io::copy(&mut refused, &mut tokio::io::sink()).await?;
            return Err(error);
        }
    };
    let mut upstream = TcpStream::connect(server).await?;
    copy_bidirectional(&mut client, &mut upstream).await.map(drop)
}
