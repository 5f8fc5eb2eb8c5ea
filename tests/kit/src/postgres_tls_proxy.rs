//! TLS before a PostgreSQL that has none: it answers the request for TLS, and then ends it.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use crate::Authority;
use crate::tls_proxy::{acceptor, pass};

/// The request for TLS as PostgreSQL's protocol has it: length 8 and a code.
const SSL_REQUEST: [u8; 8] = [0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f];

/// A proxy that speaks PostgreSQL's way into TLS, and ends when it is dropped.
#[derive(Debug)]
pub struct PostgresTlsProxy {
    port: u16,
    running: AbortHandle,
}

impl PostgresTlsProxy {
    /// TLS before the server at `host:port`, with a certificate of this authority for these host
    /// names. With `clients`, clients need a certificate which that authority signed.
    ///
    /// # Panics
    /// When there is no port left to listen to.
    pub async fn before(
        server: impl Into<String>,
        authority: &Authority,
        hosts: &[&str],
        clients: Option<&Authority>,
    ) -> Self {
        let (certificate, key) = authority.sign_for("postgres", hosts);
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

impl Drop for PostgresTlsProxy {
    fn drop(&mut self) {
        self.running.abort();
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, server: String) {
    while let Ok((mut client, _)) = listener.accept().await {
        let (acceptor, server) = (acceptor.clone(), server.clone());
        tokio::spawn(async move {
            let mut request = [0; SSL_REQUEST.len()];
            client.read_exact(&mut request).await?;
            if request != SSL_REQUEST {
                return Ok(()); // in the clear: the connection is closed
            }
            client.write_all(b"S").await?;
            pass(client, &acceptor, server).await
        });
    }
}
