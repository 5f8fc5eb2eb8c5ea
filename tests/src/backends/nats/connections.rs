//! Unusual connections: to servers of the case's own that ask for a password or a certificate.

use std::sync::Arc;

use sealmq_queue_core::{Transport, TransportError};
use sealmq_test_kit::{Authority, NatsServer};
use sealmq_transport_nats::{NatsConfig, NatsCredentials, TlsConfig};
use tokio::sync::Mutex;

use super::proxy::Connect;
use super::server::{PASSWORD, plain_config};
use crate::transport::Connection;

/// The servers that connections of a case were made to. They run until the case has ended.
#[derive(Default)]
pub(super) struct Servers(Mutex<Vec<NatsServer>>);

impl Servers {
    /// Connects in this way with a server made for it, by the adapter's own `connect`.
    pub(super) async fn connect_as(
        &self,
        connection: Connection,
        connect: Connect,
    ) -> Result<Arc<dyn Transport>, TransportError> {
        let (server, config) = match connection {
            Connection::WrongCredentials => wrong_credentials().await,
            Connection::UntrustedAuthority => untrusted_authority().await,
            Connection::ClientCertificate => client_certificate(true).await,
            Connection::NoClientCertificate => client_certificate(false).await,
        };
        self.0.lock().await.push(server);
        connect(config).await
    }
}

async fn wrong_credentials() -> (NatsServer, NatsConfig) {
    let users = "authorization { user: contract, password: right }";
    let server = NatsServer::with_config(users).await;
    let wrong = NatsCredentials::user_password("contract", PASSWORD);
    let config = plain_config(&server.url()).with_credentials(wrong);
    (server, config)
}

fn tls_config(server: &NatsServer) -> NatsConfig {
    plain_config(&format!("tls://localhost:{}", server.port()))
}

async fn untrusted_authority() -> (NatsServer, NatsConfig) {
    let server = NatsServer::with_tls(&Authority::new("the server's"), "").await;
    let other = Authority::new("another").write(server.folder(), "other");
    let config = tls_config(&server).with_tls(TlsConfig::new().with_root_ca(other));
    (server, config)
}

async fn client_certificate(brought: bool) -> (NatsServer, NatsConfig) {
    let authority = Authority::new("of both sides");
    let server = NatsServer::with_tls(&authority, "verify: true").await;
    let trusting = TlsConfig::new().with_root_ca(server.folder().join("authority.pem"));
    let tls = if brought {
        let (chain, key) = authority.write_signed(server.folder(), "client");
        trusting.with_client_certificate(chain, key)
    } else {
        trusting
    };
    let config = tls_config(&server).with_tls(tls);
    (server, config)
}
