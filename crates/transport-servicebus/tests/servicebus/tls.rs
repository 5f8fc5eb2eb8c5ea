//! TLS: a private authority, a client certificate, and what happens without them.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use sealmq_queue_core::{Message, Transport, TransportErrorKind as Kind};
use sealmq_transport_servicebus::{ServiceBusConfig, ServiceBusTransport, TlsSettings};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::support::{Queue, connection_string, kind, one};

/// An authority, and certificates it signed.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { issuer: CertifiedIssuer::self_signed(params, key).unwrap() }
    }

    fn pem(&self) -> String {
        self.issuer.pem()
    }

    /// Chain and key of a certificate for a name, as PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new([name.to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }
}

/// TLS before the server: gives the port. With `clients`, a client certificate it signed is asked for.
async fn terminate(authority: &Authority, clients: Option<&Authority>) -> u16 {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(clients) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(clients.pem().as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        }
    };
    let (chain, key) = authority.sign("localhost");
    let chain = vec![CertificateDer::from_pem_slice(chain.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    let string = connection_string();
    let server = string.split(';').next().unwrap().strip_prefix("Endpoint=sb://").unwrap();
    let server = server.trim_end_matches('/').to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (acceptor, server) = (acceptor.clone(), server.clone());
            tokio::spawn(async move {
                let mut client = acceptor.accept(client).await?;
                let mut upstream = TcpStream::connect(server).await?;
                copy_bidirectional(&mut client, &mut upstream).await
            });
        }
    });
    port
}

/// A connection by TLS, which a connection string without the emulator means.
fn connect(port: u16, tls: Option<TlsSettings>) -> ServiceBusTransport {
    let string = format!(
        "Endpoint=sb://localhost:{port};SharedAccessKeyName=RootManageSharedAccessKey;\
         SharedAccessKey=SAS_KEY_VALUE"
    );
    let config = ServiceBusConfig::from_connection_string(&string).unwrap();
    let config = match tls {
        Some(tls) => config.with_tls(tls),
        None => config,
    };
    ServiceBusTransport::new(config).unwrap()
}

#[tokio::test]
async fn a_private_authority_is_trusted_when_it_is_given_and_only_then() {
    let queue = Queue::new("tls").await;
    let (ours, others) = (Authority::new(), Authority::new());
    let port = terminate(&ours, None).await;
    let transport = connect(port, Some(TlsSettings::new().with_authorities_pem(ours.pem())));
    let receiver = transport.open(&queue.source(), Default::default()).await.unwrap();
    let large = Message::new(vec![7; 200_000]);
    transport.send(&queue.name, vec![large.clone()]).await.remove(0).unwrap();
    let delivery = one(&*receiver).await;
    assert!(delivery.message.body == large.body);
    delivery.receipt.complete().await.unwrap();
    transport.close().await.unwrap();

    for tls in [None, Some(TlsSettings::new().with_authorities_pem(others.pem()))] {
        let denied = kind(connect(port, tls).health().await);
        assert_eq!(denied, Some(Kind::Denied), "a broker that cannot prove itself");
    }
}

#[tokio::test]
async fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let port = terminate(&servers, Some(&clients)).await;
    let trusting = TlsSettings::new().with_authorities_pem(servers.pem());
    let (chain, key) = clients.sign("client");
    let showing = trusting.clone().with_client_certificate_pem(chain, key);
    connect(port, Some(showing)).health().await.unwrap();
    let denied = kind(connect(port, Some(trusting)).health().await);
    assert_eq!(denied, Some(Kind::Denied), "without a certificate");
}

#[tokio::test]
async fn what_is_no_certificate_is_refused_before_anything_is_connected() {
    let (chain, key) = Authority::new().sign("client");
    let (_, other_key) = Authority::new().sign("client");
    let table = [
        (TlsSettings::new().with_authorities_pem("no PEM"), "authorities"),
        (TlsSettings::new().with_client_certificate_pem("no PEM", &key), "client_certificate"),
        (TlsSettings::new().with_client_certificate_pem(&chain, "no PEM"), "client_certificate"),
        (TlsSettings::new().with_client_certificate_pem(&chain, other_key), "client_certificate"),
    ];
    for (tls, field) in table {
        let config = ServiceBusConfig::from_connection_string(&connection_string()).unwrap();
        let refused = kind(ServiceBusTransport::new(config.with_tls(tls)));
        assert_eq!(refused, Some(Kind::InvalidInput { field }));
    }
}
